//! From the status logger to a connection: which of its reports are on disk.
//!
//! A list and a waker, and not a channel: most connections of a large fleet wait for nothing, and a channel is a
//! kilobyte and more for each. The list is bounded by the intake, as it has one entry a report.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::post::Post;
use crate::domain::BootId;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Acks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The way to the connection's thread.
    post: Post,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    stored: Vec<(BootId, u64)>,
    /// The connection, while it waits.
    reader: Option<Waker>,
}

impl Acks {
    /// Of a connection of the thread that this is the way to.
    #[must_use]
    pub fn by(post: Post) -> Self {
        Self(Arc::new(Inner { post, told: Mutex::default() }))
    }

    /// This one is on disk. A connection that has gone hears nothing: its device sends the report again.
    fn tell(&self, run: BootId, seq: u64) {
        let mut told = self.told();
        told.stored.push((run, seq));
        let reader = told.reader.take();
        drop(told);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// What was told since the last time, as soon as there is something. One reader waits at a time.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Vec<(BootId, u64)>> {
        let mut told = self.told();
        if told.stored.is_empty() {
            match &mut told.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut told.stored))
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Each use is one step: a panic elsewhere leaves it whole.
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reports that are on disk, of connections of one thread.
pub(super) type OfOneThread = Vec<(Acks, BootId, u64)>;

/// Reports that got on disk together: handed over to their connections' threads, each of which is woken once.
#[derive(Debug, Default)]
pub struct Stored(Vec<(Post, OfOneThread)>);

impl Stored {
    pub fn add(&mut self, acks: Acks, run: BootId, seq: u64) {
        let post = &acks.0.post;
        match self.0.iter_mut().find(|(known, _)| known.is(post)) {
            Some((_, reports)) => reports.push((acks, run, seq)),
            None => self.0.push((post.clone(), vec![(acks, run, seq)])),
        }
    }

    /// Tells all of them.
    pub fn tell(self) {
        for (post, reports) in self.0 {
            post.stored(reports);
        }
    }
}

/// On the connections' own thread.
pub(super) fn tell(reports: OfOneThread) {
    for (acks, run, seq) in reports {
        acks.tell(run, seq);
    }
}

#[cfg(test)]
mod tests {
    use super::super::post::Posts;
    use super::*;

    #[actix::test]
    async fn what_is_told_while_nobody_waits_is_there_and_what_is_told_later_wakes() {
        let acks = Acks::by(Posts::default().here());
        let run = BootId::new("run").unwrap();
        let tell = |seqs: &[u64]| {
            let mut stored = Stored::default();
            seqs.iter().for_each(|seq| stored.add(acks.clone(), run.clone(), *seq));
            stored.tell();
        };
        tell(&[1, 2]);
        let next = || std::future::poll_fn(|cx| acks.poll(cx));
        assert_eq!(next().await, [(run.clone(), 1), (run.clone(), 2)]);
        let (told, ()) = tokio::join!(next(), async { tell(&[3]) });
        assert_eq!(told, [(run.clone(), 3)], "it was polled once before it was told");
    }
}
