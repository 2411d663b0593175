//! Whether devices that run the new version are well.

use super::*;

impl Course {
    /// Holds a device's report against the health rules. `Some`: it is the second in a row that breaks them.
    pub fn check_health(&mut self, key: KeyId, vitals: &Vitals) -> Option<String> {
        match self.gate.breach(vitals) {
            None => {
                self.unwell.remove(&key);
                None
            }
            Some(evidence) => self.unwell.insert(key, evidence.clone()).map(|_| evidence),
        }
    }

    /// What the last report of a device had against it.
    pub fn unwell(&self, key: KeyId) -> Option<&str> {
        self.unwell.get(&key).map(String::as_str)
    }

    /// The device begins to be looked at.
    pub fn well_so_far(&mut self, key: KeyId) {
        self.unwell.remove(&key);
    }

    /// Whether a device that reports has been silent too long.
    pub fn silence(&self, last: Timestamp, now: Timestamp) -> Option<String> {
        self.gate.silence(last, now)
    }
}
