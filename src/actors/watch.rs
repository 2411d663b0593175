//! Whose reports the updater wants: devices that a rollout has something open for; and whether it wants to know of
//! each device that says hello what it reported last.
//!
//! Set by the updater, asked by the status logger for every report and by the registry for every hello: what nobody
//! waits for costs one look.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::domain::KeyId;

/// See the module.
#[derive(Debug, Default)]
pub struct Watch {
    keys: RwLock<HashSet<KeyId>>,
    readings: AtomicBool,
}

impl Watch {
    /// These too.
    pub fn add(&self, keys: Vec<KeyId>) {
        self.keys.write().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    /// This one, or not.
    pub fn set(&self, key: KeyId, wanted: bool) {
        if self.wants(key) == wanted {
            return;
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if wanted {
            keys.insert(key);
        } else {
            keys.remove(&key);
        }
    }

    /// Whether this one.
    pub fn wants(&self, key: KeyId) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    /// Whether what devices reported last is wanted at their hello.
    pub fn ask_for_readings(&self, wanted: bool) {
        self.readings.store(wanted, Ordering::Release);
    }

    /// As it was asked for last.
    pub fn asks_for_readings(&self) -> bool {
        self.readings.load(Ordering::Acquire)
    }
}
