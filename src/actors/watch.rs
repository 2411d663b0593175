//! Whose reports the updater wants: devices that a rollout has something open for.
//!
//! Set by the updater, asked by the status logger for every report: what nobody waits for costs one look.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use crate::domain::KeyId;

/// See the module.
#[derive(Debug, Default)]
pub struct Watch(RwLock<HashSet<KeyId>>);

impl Watch {
    /// These too.
    pub fn add(&self, keys: Vec<KeyId>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(keys);
    }

    /// This one, or not.
    pub fn set(&self, key: KeyId, wanted: bool) {
        if self.wants(key) == wanted {
            return;
        }
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if wanted {
            keys.insert(key);
        } else {
            keys.remove(&key);
        }
    }

    /// Whether this one.
    pub fn wants(&self, key: KeyId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }
}
