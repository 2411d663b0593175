//! All or nothing: where the policy asks for it, the open assignments of a device wait, go out and end together.
//!
//! A set is downloading until the device has every package of it unpacked; only then all are installing. So what a
//! broken link leaves is told apart without asking: downloading, and nothing has been switched; installing, and
//! everything may have been.

use std::borrow::Cow;

use super::*;
use crate::domain::Modules;

/// The mark of an assignment whose package the device has unpacked, and that waits for the others of its set.
const STAGED: &str = "staged";

impl Course {
    /// Whether a device's modules become current together or not at all.
    pub fn all_or_nothing(&self) -> bool {
        self.rollout.policy.all_or_nothing
    }

    /// How many slots a device needs to be asked.
    pub fn slots_of(&self, key: KeyId) -> u32 {
        let waiting = self.rows_of(key).iter().filter(|row| row.state == S::Waiting).count();
        if self.all_or_nothing() { waiting.max(1) as u32 } else { 1 }
    }

    /// What a package's requirements are held against: what the device runs, and in a set what comes with it.
    pub fn modules_for<'a>(&self, key: KeyId, running: &'a Modules) -> Cow<'a, Modules> {
        if !self.all_or_nothing() {
            return Cow::Borrowed(running);
        }
        let mut after = running.clone();
        after.extend(self.rows_of(key).iter().map(|row| (row.module.clone(), row.to.clone())));
        Cow::Owned(after)
    }

    /// Whether an assignment is as it was: it did not go with another of its set meanwhile.
    pub fn still_has(&self, row: &Assignment) -> bool {
        self.row(row.key_id, &row.module, &row.to).is_some_and(|now| now.state == row.state)
    }

    /// Whether nothing of a set is missing: all that is open has been seen to run for the health window.
    pub fn is_whole(&self, key: KeyId, now: Timestamp) -> bool {
        let well = |row: &Assignment| {
            row.state == S::Verifying && row.seen_since.is_some_and(|seen| seen + self.health_window() <= now)
        };
        !self.all_or_nothing() || self.rows_of(key).iter().all(well)
    }

    /// Those of a set that are on their way to the device.
    fn on_their_way(&self, key: KeyId) -> Vec<Assignment> {
        let coming = |row: &&Assignment| matches!(row.state, S::Offered | S::Downloading);
        self.rows_of(key).iter().filter(coming).cloned().collect()
    }

    /// Whether more than one package is on its way to the device as a set.
    pub fn is_set_on_its_way(&self, key: KeyId) -> bool {
        self.all_or_nothing() && self.on_their_way(key).len() > 1
    }

    /// Something came of one package of a set: the others waited for it, and their leases last as long as its own.
    pub fn set_moves_on(&mut self, step: &mut Step, key: KeyId, until: Timestamp) {
        for row in self.on_their_way(key) {
            self.transition(step, key, &row.module, row.state, |changed| {
                changed.until = Some(until);
                changed.reason = row.reason;
            });
        }
    }

    /// A package of a set is unpacked. With the last one, the device begins to switch: all are installing.
    pub fn staged(&mut self, step: &mut Step, key: KeyId, module: &ModuleName, next: Timestamp, switched: Timestamp) {
        self.transition(step, key, module, S::Downloading, |row| {
            row.until = Some(next);
            row.reason = Some(STAGED.to_owned());
        });
        let coming = self.on_their_way(key);
        if coming.iter().all(|row| row.reason.as_deref() == Some(STAGED)) {
            for row in coming {
                self.transition(step, key, &row.module, S::Installing, |row| row.until = Some(switched));
            }
        } else {
            self.set_moves_on(step, key, next);
        }
    }

    /// One of a set went back to waiting, or ended without being verified: the others go with it. What the device was
    /// at with them is called off.
    pub(super) fn keep_together(&mut self, step: &mut Step, moved: &Assignment) {
        let failed = moved.state.is_failure();
        let follow = match moved.state {
            S::Verified | S::Excluded => false,
            state => state == S::Waiting || state.is_final(),
        };
        if !follow || !self.all_or_nothing() {
            return;
        }
        for row in self.rows_of(moved.key_id).to_vec() {
            let to = match (row.state, moved.state) {
                // Seen to run its target already; only a failure speaks against it.
                (S::Verifying, _) if !failed && (row.seen_since.is_some() || moved.state != S::Waiting) => continue,
                (S::Waiting, S::Waiting) => continue,
                (S::Waiting, _) if failed => S::Declined,
                (state, to) if state.may_become(to) => to,
                (S::Downloading | S::Installing, S::Declined) => S::Failed,
                _ => continue,
            };
            let reason = moved.reason.clone().unwrap_or_else(|| moved.state.to_string());
            let reason = format!("all or nothing, and {}: {reason}", moved.module);
            let moves = self.shift(step, row.key_id, &row.module, to, |row| {
                row.attempts = row.attempts.max(moved.attempts);
                row.until = moved.until.filter(|_| to == S::Waiting);
                row.reason = Some(reason);
            });
            let Some(moved) = moves else { continue };
            if row.state.holds_a_lease() {
                step.called_off.push(row);
            }
            if moved.state == S::Superseded {
                self.parked.entry(moved.key_id).or_default().push(moved);
            }
        }
    }
}
