//! Who has had a turn in a rollout, and how an assignment that ended comes to be open again.

use std::collections::HashMap;

use super::*;

/// A rollout as the engine takes it up.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCourse {
    pub rollout: Rollout,
    /// Assignments that are not final, and superseded ones.
    pub rows: Vec<Assignment>,
    /// Of all assignments, by stage.
    pub tallies: Vec<(u32, Counts)>,
    /// Every device that has an assignment, final ones too.
    pub turns: HashMap<KeyId, Turn>,
    /// When assignments were offered, of the last minute or more.
    pub recent_starts: Vec<Timestamp>,
}

/// What is remembered of a device's turn when nothing of it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    stage: u32,
    /// The modules that it was to change, by their place among the rollout's packages: not those that were excluded.
    given: u128,
    /// The modules that were verified, by their place among the rollout's packages.
    verified: u128,
    /// How often a verified module came back with another version.
    returns: u8,
}

impl Turn {
    /// A turn in this stage.
    #[must_use]
    pub const fn new(stage: u32) -> Self {
        Self { stage, given: 0, verified: 0, returns: 0 }
    }

    /// The module at this place is to be changed.
    pub const fn give(&mut self, place: usize) {
        self.given |= bit(place);
    }

    /// The module at this place was verified, after so many bad tries.
    pub fn saw(&mut self, place: usize, attempts: u32) {
        self.verified |= bit(place);
        self.returns = self.returns.max(attempts.min(u32::from(u8::MAX)) as u8);
    }

    fn take(&mut self, place: usize) -> bool {
        let was = self.verified & bit(place) != 0;
        self.verified &= !bit(place);
        was
    }
}

const fn bit(place: usize) -> u128 {
    if place < u128::BITS as usize { 1 << place } else { 0 }
}

impl Course {
    /// What follows from an assignment's end.
    pub(super) fn ended(&mut self, step: &mut Step, row: Assignment) {
        match row.state {
            S::Verified => {
                let place = self.place(&row.module);
                if let Some((turn, place)) = self.seats.turn_mut(row.key_id).zip(place) {
                    turn.saw(place, 0);
                }
                // It may be the one that makes the sample large enough.
                self.brake(step);
            }
            S::Superseded => self.parked.entry(row.key_id).or_default().push(row),
            S::Failed | S::Reverted | S::TimedOut | S::Declined => {
                if matches!(row.state, S::Failed | S::Reverted) {
                    step.strike(row);
                }
                self.brake(step);
            }
            _ => {}
        }
    }

    /// Whether it was to change this module of a device: one that the plan left out is as if it were not the target's.
    pub fn gives(&self, key: KeyId, module: &ModuleName) -> bool {
        let place = self.place(module);
        self.seats.turn(key).zip(place).is_some_and(|(turn, place)| turn.given & bit(place) != 0)
    }

    pub(super) fn place(&self, module: &ModuleName) -> Option<usize> {
        self.rollout.packages.iter().position(|p| p.release.module == *module)
    }

    /// A module that was verified, and that the device now comes back without: it gets another turn, or is given up
    /// on when it came back too often.
    pub fn came_back(&mut self, step: &mut Step, key: KeyId, module: &ModuleName, running: Option<&Version>) {
        let (Some(place), Some(release)) = (self.place(module), self.release(module).cloned()) else { return };
        let attempts = self.rollout.policy.attempts;
        let Some(turn) = self.seats.turn_mut(key) else { return };
        if !turn.take(place) {
            return;
        }
        turn.returns = turn.returns.saturating_add(1);
        let (stage, returns) = (turn.stage, u32::from(turn.returns));
        let found = running.map_or_else(|| "nothing".to_owned(), Version::to_string);
        let row = Assignment {
            rollout: self.rollout.id,
            key_id: key,
            module: module.clone(),
            from: running.cloned(),
            to: release.version,
            state: S::Verified,
            reason: None,
            stage,
            attempts: returns,
            until: None,
            seen_since: None,
            updated_at: step.now,
        };
        self.seats.open(row, &self.rollout);
        let again = returns < attempts;
        let reason = match again {
            true => format!("it was verified, and came back with {found}"),
            false => format!("it was verified {returns} times, and came back with {found} each time"),
        };
        self.transition(step, key, module, if again { S::Waiting } else { S::Reverted }, |row| {
            row.reason = Some(reason);
        });
    }

    /// The rollout that took this module over was called off; a set comes back whole.
    pub fn hand_back(&mut self, step: &mut Step, key: KeyId, module: &ModuleName) {
        let all_or_nothing = self.all_or_nothing();
        let parked = self.parked.remove(&key).unwrap_or_default();
        let (back, stays): (Vec<_>, Vec<_>) =
            parked.into_iter().partition(|row| all_or_nothing || row.module == *module);
        if !stays.is_empty() {
            self.parked.insert(key, stays);
        }
        let modules: Vec<ModuleName> = back.iter().map(|row| row.module.clone()).collect();
        back.into_iter().for_each(|row| self.seats.open(row, &self.rollout));
        for module in modules {
            self.transition(step, key, &module, S::Waiting, |_| {});
        }
    }

    /// An admin wants another try of what ended badly.
    pub fn retry(&mut self, step: &mut Step, row: Assignment) -> bool {
        let (key, module) = (row.key_id, row.module.clone());
        if !self.is_member(key) || self.rows_of(key).iter().any(|open| open.module == module) {
            return false;
        }
        self.seats.open(row, &self.rollout);
        self.transition(step, key, &module, S::Waiting, |row| row.attempts = 0)
    }

    /// What newer rollouts took over here.
    pub fn parked(&self) -> impl Iterator<Item = &Assignment> {
        self.parked.values().flatten()
    }

    /// A device is gone for good.
    pub fn forget(&mut self, key: KeyId) {
        self.not_ready(key);
        self.set_wake(key, None);
        self.seats.remove(key);
        self.parked.remove(&key);
    }
}
