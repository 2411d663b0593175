//! The course of one rollout: its open assignments, its slots, its stages, its brakes.
//!
//! Owns the bookkeeping of one rollout and nothing of the others; [`Engine`](super::Engine) tells it what happened
//! and which devices are there. Work per event depends on the modules of one device, never on the fleet's size.
//!
//! What holds, whatever happens (shown by `engine_model`):
//! - assignments that hold a lease are never more than `max_in_flight`;
//! - a lease has a time at which it ends, and that time is among the wakes;
//! - a final assignment is touched again only by an admin's retry, when the rollout that superseded it is called off,
//!   and when a device that was verified comes back with another version.

use std::collections::{BTreeSet, VecDeque};

use chrono::TimeDelta;
use rustc_hash::FxHashMap;

use super::health::HealthGate;
use super::{
    Assignment, AssignmentState as S, Counts, Effects, KeyId, Limit, ModuleName, Release, Rollout, RolloutId,
    RolloutState, Strike, Timestamp, Transition, Unmet, Version, Vitals,
};

mod brakes;
mod readiness;
mod seats;
mod set;
mod stages;
mod turns;
mod wellbeing;

use self::seats::Seats;
pub(super) use self::stages::Move;
pub use self::turns::{OpenCourse, Turn};

/// How long a device that went may stay away before a stage no longer waits for it, seconds.
pub(super) const UNREACHABLE_AFTER_S: i64 = 300;

/// The span in which `starts_per_minute` counts.
const MINUTE: TimeDelta = TimeDelta::seconds(60);

/// By device. Keys are given out by the database, so nobody chooses which of them meet in a map: a quick hash will do.
pub(super) type ByDevice<T> = FxHashMap<KeyId, T>;

/// By a module of a device, where the modules are those of an admin's packages.
pub(super) type ByModule<T> = FxHashMap<(KeyId, ModuleName), T>;

/// Which module of a device is being changed, and by which rollout: no two at once.
pub(super) type Leases = ByModule<RolloutId>;

/// How often the newest package that failed on a module of a device has done so.
pub(super) type Strikes = ByModule<(Version, u32)>;

/// What a step has at hand: the time, what it wants done, and who holds which module.
pub(super) struct Step<'a> {
    pub now: Timestamp,
    pub effects: &'a mut Effects,
    pub leases: &'a mut Leases,
    pub strikes: &'a mut Strikes,
    /// What devices are still at, and shall stop.
    pub called_off: Vec<Assignment>,
}

impl Step<'_> {
    /// Counts an assignment that ended with the package's or the device's fault.
    fn strike(&mut self, row: Assignment) {
        let counted = self.strikes.entry((row.key_id, row.module.clone())).or_insert((row.to.clone(), 0));
        if counted.0 != row.to {
            *counted = (row.to.clone(), 0);
        }
        counted.1 += 1;
        self.effects.strikes.push(Strike {
            key_id: row.key_id,
            module: row.module,
            version: row.to,
            failures: counted.1,
            rollout: row.rollout,
            reason: row.reason,
            at: row.updated_at,
        });
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Course {
    pub rollout: Rollout,
    /// Every device that has had an assignment, ended ones too.
    seats: Seats,
    /// Assignments that a newer rollout took over, for as long as that one may still be called off.
    parked: ByDevice<Vec<Assignment>>,
    /// Modules of devices for which this is the rollout that counts.
    pub claims_held: usize,
    gate: HealthGate,
    /// Devices whose last report broke the health rules, with the evidence.
    unwell: ByDevice<String>,
    /// When assignments were offered, of the last minute.
    starts: VecDeque<Timestamp>,
    tallies: Vec<Counts>,
    in_flight: u32,
    /// Devices that can be offered something now, by stage.
    ready: BTreeSet<(u32, KeyId)>,
    wakes: BTreeSet<(Timestamp, KeyId)>,
    /// Failures from before an admin let the rollout go on, in all and by state.
    forgiven: u64,
    forgiven_of_kind: [u64; S::ALL.len()],
    /// How many of the last open stage had ended without being verified when an admin let the rollout go on.
    forgiven_in_stage: u64,
}

impl Course {
    /// Takes a rollout up. What failed in an earlier life counts: a restart is nobody's forgiveness.
    pub fn new(open: OpenCourse, now: Timestamp) -> Self {
        let OpenCourse { rollout, rows, tallies, turns, recent_starts } = open;
        let mut course = Self {
            seats: Seats::new(turns, rows.len() / rollout.packages.len().max(1)),
            tallies: vec![Counts::default(); rollout.stages.max(1) as usize],
            gate: HealthGate::new(&rollout.policy.health),
            rollout,
            parked: ByDevice::default(),
            claims_held: 0,
            unwell: ByDevice::default(),
            starts: recent_starts.into_iter().filter(|at| *at + MINUTE > now).collect(),
            in_flight: 0,
            ready: BTreeSet::new(),
            wakes: BTreeSet::new(),
            forgiven: 0,
            forgiven_of_kind: [0; S::ALL.len()],
            forgiven_in_stage: 0,
        };
        for (stage, counts) in tallies {
            if let Some(tally) = course.tallies.get_mut(stage as usize) {
                *tally = counts;
            }
        }
        for row in rows {
            course.in_flight += u32::from(row.state.holds_a_lease());
            let place = course.place(&row.module);
            let turn = course.seats.turn_or(row.key_id, Turn::new(row.stage));
            place.into_iter().for_each(|place| turn.give(place));
            match row.state {
                S::Superseded => course.parked.entry(row.key_id).or_default().push(row),
                _ => course.seats.open(row, &course.rollout),
            }
        }
        course
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for tally in &self.tallies {
            S::ALL.into_iter().for_each(|state| sum.add(state, tally.of(state)));
        }
        sum
    }

    pub fn open_devices(&self) -> Vec<KeyId> {
        self.seats.open_devices().collect()
    }

    pub fn has_open_rows(&self) -> bool {
        self.seats.any_open()
    }

    pub fn rows_of(&self, key: KeyId) -> &[Assignment] {
        self.seats.rows(key)
    }

    pub fn is_member(&self, key: KeyId) -> bool {
        self.seats.turn(key).is_some()
    }

    pub fn members(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.seats.devices()
    }

    pub fn release(&self, module: &ModuleName) -> Option<&Release> {
        self.rollout.packages.iter().map(|p| &p.release).find(|r| r.module == *module)
    }

    /// Whether something that is open for the device here may bring what it lacks.
    pub fn will_meet(&self, key: KeyId, unmet: &Unmet) -> bool {
        let Unmet::Module { module, range } = unmet else { return false };
        self.rows_of(key).iter().any(|row| row.module == *module && range.includes(&row.to))
    }

    /// The limit that keeps it from starting so many more at once, if one does.
    pub fn full(&self, now: Timestamp, slots: u32) -> Option<Limit> {
        let policy = &self.rollout.policy;
        if self.in_flight + slots > policy.max_in_flight {
            return Some(Limit::InFlight(policy.max_in_flight));
        }
        let limit = policy.starts_per_minute?;
        let recent = self.starts.iter().rev().take_while(|at| **at + MINUTE > now).count();
        (recent + slots as usize > limit as usize).then_some(Limit::StartsPerMinute(limit))
    }

    /// Whether a device's stage is open; one that has nothing open any more has had its turn.
    pub fn is_open_for(&self, key: KeyId) -> bool {
        self.rollout.open_stages > 0 && self.rows_of(key).iter().all(|row| row.stage < self.rollout.open_stages)
    }

    /// A device that joined the fleet, or the target, after the start.
    pub fn add_member(&mut self, key: KeyId, rows: Vec<Assignment>, effects: &mut Effects) {
        let stage = self.rollout.stages.saturating_sub(1);
        let mut turn = Turn::new(stage);
        for row in rows {
            if let Some(place) = self.place(&row.module).filter(|_| row.state != S::Excluded) {
                turn.give(place);
            }
            if let Some(tally) = self.tallies.get_mut(row.stage as usize) {
                tally.add(row.state, 1);
            }
            effects.transitions.push(Transition::into(&row));
            effects.assignments.push(row.clone());
            if !row.state.is_final() {
                self.seats.open(row, &self.rollout);
            }
        }
        *self.seats.turn_or(key, turn) = turn;
    }

    /// Moves one assignment, and its set with it; `change` fills in what goes with the new state. Does nothing where
    /// the transition table does not allow it.
    pub fn transition(
        &mut self,
        step: &mut Step,
        key: KeyId,
        module: &ModuleName,
        to: S,
        change: impl FnOnce(&mut Assignment),
    ) -> bool {
        let Some(moved) = self.shift(step, key, module, to, change) else { return false };
        self.keep_together(step, &moved);
        if to.is_final() {
            self.ended(step, moved);
        }
        true
    }

    /// Moves one assignment and nothing else. Returns it as it is now.
    fn shift(
        &mut self,
        step: &mut Step,
        key: KeyId,
        module: &ModuleName,
        to: S,
        change: impl FnOnce(&mut Assignment),
    ) -> Option<Assignment> {
        let row = self.seats.row_mut(key, module)?;
        let from = row.state;
        if !from.may_become(to) && from != to {
            return None;
        }
        row.state = to;
        row.reason = None;
        row.until = None;
        row.seen_since = None;
        row.updated_at = step.now;
        change(row);
        if let Some(tally) = self.tallies.get_mut(row.stage as usize) {
            tally.moved(from, to);
        }
        if from != to {
            step.effects.transitions.push(Transition::into(row));
        }
        if to == S::Offered && from == S::Waiting {
            self.starts.push_back(step.now);
            while self.starts.front().is_some_and(|at| *at + MINUTE <= step.now) {
                self.starts.pop_front();
            }
        }
        let moved = row.clone();
        step.effects.assignments.push(moved.clone());
        match (from.holds_a_lease(), to.holds_a_lease()) {
            (false, true) => {
                self.in_flight += 1;
                step.leases.insert((key, module.clone()), self.rollout.id);
            }
            (true, false) => {
                self.in_flight -= 1;
                step.leases.remove(&(key, module.clone()));
            }
            _ => {}
        }
        if to.is_final() && self.seats.end(key, module) {
            self.unwell.remove(&key);
        }
        Some(moved)
    }

    /// Marks the leases that this course holds; for taking it up after a start.
    pub fn claim_leases(&self, leases: &mut Leases) {
        for row in self.seats.open_rows().filter(|row| row.state.holds_a_lease()) {
            leases.insert((row.key_id, row.module.clone()), self.rollout.id);
        }
    }

    /// A try that ended badly: back to waiting with a pause, or the end when the policy allows no more.
    pub fn bad_try(&mut self, step: &mut Step, key: KeyId, module: &ModuleName, end: S, reason: String) {
        let Some(row) = self.rows_of(key).iter().find(|row| row.module == *module) else { return };
        let attempts = row.attempts + 1;
        let again = attempts < self.rollout.policy.attempts && row.state.may_become(S::Waiting);
        let pause = 30i64.saturating_mul(1 << (attempts - 1).min(5)).min(600);
        let until = again.then(|| step.now + TimeDelta::seconds(pause));
        let to = if again { S::Waiting } else { end };
        self.transition(step, key, module, to, |row| {
            row.attempts = attempts;
            row.until = until;
            row.reason = Some(reason);
        });
    }

    /// Changes the rollout's own state and has it saved.
    pub fn set_state(&mut self, step: &mut Step, to: RolloutState, why: Option<String>) {
        if to == RolloutState::Running {
            self.forgive();
        }
        self.rollout.state = to;
        self.rollout.why = why;
        self.rollout.ended_at = (!to.is_live()).then_some(step.now);
        step.effects.save_rollout(&self.rollout);
    }

    /// How long a device must be seen to run the target.
    pub fn health_window(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.rollout.policy.health_window_s))
    }

    /// Whether an assignment of this version is open here, and in which state.
    pub fn row(&self, key: KeyId, module: &ModuleName, version: &Version) -> Option<&Assignment> {
        self.rows_of(key).iter().find(|row| row.module == *module && row.to == *version)
    }
}
