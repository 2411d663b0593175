//! From the status logger to a connection: which of its reports are on disk.
//!
//! A list and a waker, and not a channel: most connections of a large fleet wait for nothing, and a channel is a
//! kilobyte and more for each. The list is bounded by the intake, as it has one entry a report.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::domain::BootId;

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Acks(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    stored: Vec<(BootId, u64)>,
    /// The connection, while it waits.
    reader: Option<Waker>,
}

impl Acks {
    /// This one is on disk. A connection that has gone hears nothing: its device sends the report again.
    pub fn tell(&self, run: BootId, seq: u64) {
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_told_while_nobody_waits_is_there_and_what_is_told_later_wakes() {
        let acks = Acks::default();
        let run = BootId::new("run").unwrap();
        acks.tell(run.clone(), 1);
        acks.tell(run.clone(), 2);
        let next = || std::future::poll_fn(|cx| acks.poll(cx));
        assert_eq!(next().await, [(run.clone(), 1), (run.clone(), 2)]);
        let (told, ()) = tokio::join!(next(), async { acks.tell(run.clone(), 3) });
        assert_eq!(told, [(run, 3)], "it was polled once before it was told");
    }
}
