//! The bounded queue between devices and the status logger: so many reports, so many bytes, and no more.
//!
//! A report that does not fit waits with its device, whose socket is not read meanwhile. Nothing is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::acks::Acks;
use crate::domain::{BootId, DeviceId, Load};
use crate::store::StatusRecord;

/// A report on its way to the disk.
#[derive(Debug)]
pub struct Pending {
    pub device_id: Arc<DeviceId>,
    pub record: StatusRecord,
    /// Its number, where it has one, and the run that this counts in.
    pub seq: Option<u64>,
    pub run: BootId,
    pub acks: Acks,
    /// Bytes of the message, for the bound.
    pub bytes: usize,
}

/// A report in the queue: its bytes are given back when it is dropped.
pub struct Queued {
    pub pending: Pending,
    _bytes: OwnedSemaphorePermit,
}

/// The devices' end. Cheap to clone.
#[derive(Clone)]
pub struct Intake {
    queue: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
    capacity: usize,
    max_bytes: u32,
    waiting: Arc<AtomicUsize>,
}

/// One that waits, counted for as long: also when its connection ends meanwhile, and what waits is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    fn count(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The queue has been closed: the server ends.
#[derive(Debug)]
pub struct Closed;

impl Intake {
    /// A queue of so many reports and bytes, and the logger's end of it.
    #[must_use]
    pub fn new(reports: usize, bytes: usize) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, receiver) = mpsc::channel(reports.max(1));
        let max_bytes = u32::try_from(bytes.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let bytes = Arc::new(Semaphore::new(max_bytes as usize));
        let intake = Self { queue, bytes, capacity: reports, max_bytes, waiting: Arc::default() };
        (intake, receiver)
    }

    /// Puts a report in at once.
    ///
    /// # Errors
    /// Gives the report back when it does not fit now, or never will again.
    #[expect(clippy::result_large_err, reason = "the report itself, on its way to where it waits: no box is spared")]
    pub fn offer(&self, pending: Pending) -> Result<(), Pending> {
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(self.cost(&pending)) else {
            return Err(pending);
        };
        self.queue.try_send(Queued { pending, _bytes: bytes }).map_err(|error| match error {
            TrySendError::Full(queued) | TrySendError::Closed(queued) => queued.pending,
        })
    }

    /// Puts a report in as soon as it fits.
    ///
    /// # Errors
    /// [`Closed`] when the server ends before it does.
    pub async fn put(&self, pending: Pending) -> Result<(), Closed> {
        let _waiting = Waiting::count(&self.waiting);
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(self.cost(&pending)).await.map_err(|_| Closed)?;
        self.queue.send(Queued { pending, _bytes: bytes }).await.map_err(|_| Closed)
    }

    fn cost(&self, pending: &Pending) -> u32 {
        u32::try_from(pending.bytes).unwrap_or(u32::MAX).clamp(1, self.max_bytes)
    }

    /// Whether the logger's end is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Reports in the queue.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.capacity - self.queue.capacity().min(self.capacity)
    }

    /// Reports that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// How full it is, by reports or by bytes.
    #[must_use]
    pub fn load(&self) -> Load {
        let taken = |all: usize, free: usize| (all - free.min(all)) * 100 / all.max(1);
        let reports = taken(self.capacity, self.queue.capacity());
        let bytes = taken(self.max_bytes as usize, self.bytes.available_permits());
        Load::of(u32::try_from(reports.max(bytes)).unwrap_or(100))
    }

    /// Devices that are not read because theirs does not fit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::actors::post::Posts;
    use crate::domain::{KeyId, Timestamp};

    fn pending() -> Pending {
        let report = serde_json::from_str(r#"{"timestamp":"2026-11-22T08:48:00.000Z"}"#).unwrap();
        let record = StatusRecord::new(KeyId(1), &report, Timestamp::UNIX_EPOCH);
        let device_id = Arc::new("t-1".parse().unwrap());
        Pending {
            device_id,
            record,
            seq: None,
            run: BootId::default(),
            acks: Acks::by(Posts::default().here()),
            bytes: 1,
        }
    }

    #[actix::test]
    async fn one_whose_connection_ends_while_it_waits_waits_no_longer() {
        let (intake, _queue) = Intake::new(1, 10);
        intake.offer(pending()).unwrap();
        let mut put = Box::pin(intake.put(pending()));
        assert!(put.as_mut().now_or_never().is_none());
        assert_eq!(intake.waiting(), 1);
        drop(put);
        assert_eq!(intake.waiting(), 0);
    }
}
