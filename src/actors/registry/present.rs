//! A device that is connected, as the registry and what it has under way for it share it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Told;
use crate::domain::{Arrival, DeviceId, KeyId, Readings, SessionNo, Tags};

/// See the module.
pub(super) struct Present {
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub session: SessionNo,
    gone: AtomicBool,
    known: Mutex<Known>,
}

/// What is known of it now.
pub(super) struct Known {
    pub name: String,
    pub tags: Tags,
    /// What its last hello says that is saved.
    pub told: Told,
}

impl Present {
    pub fn new(key_id: KeyId, device_id: DeviceId, session: SessionNo, known: Known) -> Self {
        Self { key_id, device_id, session, gone: AtomicBool::new(false), known: Mutex::new(known) }
    }

    /// The connection is the device's one no longer.
    pub fn leave(&self) {
        self.gone.store(true, Ordering::Release);
    }

    /// Whether it is the device's one no longer.
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        // Each use sets or reads whole fields: a panic elsewhere leaves them so.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As the updater hears of it.
    pub fn arrival(&self, readings: Option<Box<Readings>>) -> Arrival {
        let known = self.known();
        Arrival {
            key_id: self.key_id,
            device_id: self.device_id.clone(),
            name: known.name.clone(),
            tags: known.tags.clone(),
            session: self.session,
            modules: known.told.modules.clone(),
            readings,
            sets: known.told.sets,
            told_at: known.told.at,
        }
    }
}
