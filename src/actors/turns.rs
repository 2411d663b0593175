//! Turns to send packages: so many at once, the others in the order in which they asked; and the bytes a second that
//! all of them share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::asking::Asking;
use super::intake::Intake;
use crate::domain::{Budget, Timestamp};

/// How often a turn looks whether it may begin under load, or whether its holder is still there.
const LOOK: Duration = Duration::from_secs(1);

/// A holder that was stuck in its socket for this long has taken less than a frame in it: too slow to keep its turn.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    intake: Intake,
    asking: Asking,
    budget: Option<Arc<Mutex<Budget>>>,
}

impl Turns {
    /// `at_once` transfers, `bytes_per_second` for all of them where that is not 0.
    pub fn new(at_once: usize, bytes_per_second: u64, intake: Intake, asking: Asking) -> Self {
        let budget = (bytes_per_second > 0).then(|| Arc::new(Mutex::new(Budget::new(bytes_per_second))));
        Self { free: Arc::new(Semaphore::new(at_once)), intake, asking, budget }
    }

    /// The next turn that is free, while the load allows new transfers and nobody is yet to be asked; `None` when the
    /// server ends.
    pub fn take(&self) -> impl Future<Output = Option<Turn>> + 'static {
        let (free, intake, asking) = (Arc::clone(&self.free), self.intake.clone(), self.asking.clone());
        async move {
            let permit = free.acquire_owned().await.ok()?;
            asking.over().await;
            while !intake.load().begins_transfers() {
                sleep(LOOK).await;
            }
            Some(Turn::new(permit))
        }
    }

    /// The most that one transfer may send at once.
    pub fn piece(&self) -> u64 {
        let piece = |budget: &Arc<Mutex<Budget>>| budget.lock().unwrap_or_else(PoisonError::into_inner).piece();
        self.budget.as_ref().map_or(u64::MAX, piece)
    }

    /// How much of `length` to send now, and how long to wait before.
    pub fn reserve(&self, now: Timestamp, length: u64) -> (u64, Duration) {
        let Some(budget) = &self.budget else { return (length, Duration::ZERO) };
        let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
        let length = length.min(budget.piece());
        (length, budget.reserve(now, length).to_std().unwrap_or_default())
    }
}

/// A turn, as long as it is held; one that a peer keeps stuck goes to the next device all the same.
pub(super) struct Turn(Rc<Held>);

struct Held {
    permit: RefCell<Option<OwnedSemaphorePermit>>,
    seen: Cell<Instant>,
}

impl Turn {
    /// A peer that reads too little freezes its session, clocks and all; so the clock is out here.
    fn new(permit: OwnedSemaphorePermit) -> Self {
        let held = Rc::new(Held { permit: RefCell::new(Some(permit)), seen: Cell::new(Instant::now()) });
        let watched = Rc::downgrade(&held);
        actix::spawn(async move {
            loop {
                sleep(LOOK).await;
                let Some(held) = watched.upgrade() else { return };
                if held.seen.get().elapsed() >= STUCK_AFTER {
                    warn!("a device takes too little; its turn goes to the next one");
                    held.permit.take();
                    return;
                }
            }
        });
        Self(held)
    }

    /// The session is alive. `false`: its turn was given away.
    pub fn seen(&self) -> bool {
        self.0.seen.set(Instant::now());
        self.0.permit.borrow().is_some()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[actix::test]
    async fn nobody_has_a_turn_while_others_are_yet_to_be_asked() {
        let (asking, (intake, _queue)) = (Asking::default(), Intake::new(1, 1));
        let turns = Turns::new(1, 0, intake, asking.clone());
        let asked = asking.one();
        let mut turn = Box::pin(turns.take());
        assert!(turn.as_mut().now_or_never().is_none());
        drop(asked);
        assert!(turn.await.is_some());
    }
}
