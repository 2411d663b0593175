//! What the actors count where it happens, so that the metrics ask no actor: one that waits for the disk would keep
//! them waiting too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    slowed: AtomicU64,
    faults: AtomicU64,
    held_off: AtomicU64,
    clones: AtomicU64,
    slow_transfers: AtomicU64,
    unstorable: AtomicU64,
    connections: AtomicU64,
    sockets: AtomicU64,
    rollouts_live: AtomicU64,
    writing: AtomicU64,
}

/// What is counted: since the start, what the link had to do to protect itself; and as it is now.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    /// A device said too much, and was read later.
    Slowed,
    /// A connection was closed for a fault of the device.
    Fault,
    /// A connection was refused because its device comes too often.
    HeldOff,
    /// Two devices seem to have one name.
    Clones,
    /// A transfer was ended for its slowness.
    SlowTransfer,
    /// A report could not be stored, whatever was tried.
    Unstorable,
    /// Now: devices that are connected.
    Connections,
    /// Now: sockets that devices have, those included that say no more than good-bye.
    Sockets,
    /// Now: rollouts that may still change devices.
    RolloutsLive,
    /// Now: reports of the group that is being written.
    Writing,
}

impl Counts {
    fn of(&self, what: Count) -> &AtomicU64 {
        match what {
            Count::Slowed => &self.0.slowed,
            Count::Fault => &self.0.faults,
            Count::HeldOff => &self.0.held_off,
            Count::Clones => &self.0.clones,
            Count::SlowTransfer => &self.0.slow_transfers,
            Count::Unstorable => &self.0.unstorable,
            Count::Connections => &self.0.connections,
            Count::Sockets => &self.0.sockets,
            Count::RolloutsLive => &self.0.rollouts_live,
            Count::Writing => &self.0.writing,
        }
    }

    pub fn add(&self, what: Count) {
        self.of(what).fetch_add(1, Ordering::Relaxed);
    }

    /// One less than was added.
    pub fn take(&self, what: Count) {
        self.of(what).fetch_sub(1, Ordering::Relaxed);
    }

    /// So many it is now.
    pub fn set(&self, what: Count, now: usize) {
        self.of(what).store(now as u64, Ordering::Relaxed);
    }

    pub fn get(&self, what: Count) -> u64 {
        self.of(what).load(Ordering::Relaxed)
    }
}
