//! Offers that are on their way: decided, and not yet with the devices' connections.
//!
//! A device answers at once, and each answer costs more than an offer: thousands of them would keep the last device
//! from being asked. So what comes of the first waits for the last, though not for ever: what can't be saved, or said,
//! keeps nothing from going on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{Stream, unfold};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, timeout};

/// So long it is waited for the last, from when the first was decided.
const PATIENCE: Duration = Duration::from_secs(2);

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Asking(Arc<Inner>);

#[derive(Default)]
struct Inner {
    under_way: AtomicUsize,
    /// When the first of those under way was decided.
    since: Mutex<Option<Instant>>,
    over: Notify,
}

/// One that is on its way, until it is dropped, wherever that is.
pub struct Asked(Asking);

impl Asking {
    /// One more.
    pub fn one(&self) -> Asked {
        if self.0.under_way.fetch_add(1, Ordering::AcqRel) == 0 {
            *self.0.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        Asked(self.clone())
    }

    /// Returns when none is on its way, or when that has taken too long.
    pub async fn over(&self) {
        while self.0.under_way.load(Ordering::Acquire) > 0 {
            // Hears of what ends from here on.
            let over = self.0.over.notified();
            let since = *self.0.since.lock().unwrap_or_else(PoisonError::into_inner);
            let left = since.map_or(Duration::ZERO, |since| PATIENCE.saturating_sub(since.elapsed()));
            let is_over = self.0.under_way.load(Ordering::Acquire) == 0 || left.is_zero();
            if is_over || timeout(left, over).await.is_err() {
                return;
            }
        }
    }

    /// What comes in this queue, while none is on its way.
    pub fn after<T>(&self, queue: mpsc::Receiver<T>) -> impl Stream<Item = T> + use<T> {
        unfold((queue, self.clone()), |(mut queue, asking)| async move {
            let next = queue.recv().await?;
            asking.over().await;
            Some((next, (queue, asking)))
        })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Self(Asking(inner)) = self;
        if inner.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            inner.over.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    #[tokio::test]
    async fn it_is_over_with_the_last_one() {
        let asking = Asking::default();
        asking.over().now_or_never().expect("nothing is on its way");
        let (first, last) = (asking.one(), asking.one());
        let mut over = Box::pin(asking.over());
        drop(first);
        assert!(over.as_mut().now_or_never().is_none(), "one is on its way");
        drop(last);
        over.as_mut().now_or_never().expect("the last has arrived");
    }

    #[tokio::test]
    async fn what_comes_of_the_first_waits_for_the_last() {
        let (asking, (sender, queue)) = (Asking::default(), mpsc::channel(8));
        let mut answers = Box::pin(asking.after(queue));
        let last = asking.one();
        sender.try_send("the answer of the first").unwrap();
        assert_eq!(answers.next().now_or_never(), None);
        drop(last);
        assert_eq!(answers.next().await, Some("the answer of the first"));
        drop(sender);
        assert_eq!(answers.next().await, None);
    }

    #[tokio::test]
    async fn one_that_never_arrives_keeps_nothing_waiting_for_ever() {
        let asking = Asking::default();
        let _lost = asking.one();
        assert!(asking.over().now_or_never().is_none(), "it may still arrive");
        *asking.0.since.lock().unwrap() = Some(Instant::now() - PATIENCE);
        asking.over().now_or_never().expect("it has had its time");
        let _next = asking.one();
        asking.over().now_or_never().expect("nor is it waited for anew");
    }
}
