//! The course of one rollout: its open assignments, its slots, its stages, its brakes.
//!
//! Owns the bookkeeping of one rollout and nothing of the others; [`Engine`](super::Engine) tells it what happened
//! and which devices are there. Work per event depends on the modules of one device, never on the fleet's size.
//!
//! What holds, whatever happens (shown by `engine_model`):
//! - assignments that hold a lease are never more than `max_in_flight`;
//! - a lease has a time at which it ends, and that time is among the wakes;
//! - a final assignment is not touched again.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;

use super::{
    Assignment, AssignmentState as S, Counts, Effects, KeyId, ModuleName, Release, Rollout, RolloutId, RolloutState,
    Timestamp, Version,
};

/// How long a device that went may stay away before a stage no longer waits for it, seconds.
pub(super) const UNREACHABLE_AFTER_S: i64 = 300;

/// Fewest ended assignments from which a percentage is taken, except at a stage's end.
const MINIMUM_SAMPLE: u64 = 10;

/// Which module of a device is being changed, and by which rollout: no two at once.
pub(super) type Leases = HashMap<(KeyId, ModuleName), RolloutId>;

/// What a step has at hand: the time, what it wants done, and who holds which module.
pub(super) struct Step<'a> {
    pub now: Timestamp,
    pub effects: &'a mut Effects,
    pub leases: &'a mut Leases,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Course {
    pub rollout: Rollout,
    /// Open assignments by device, in the order of the rollout's packages.
    rows: HashMap<KeyId, Vec<Assignment>>,
    /// Every device that has had an assignment, ended ones too.
    members: HashSet<KeyId>,
    tallies: Vec<Counts>,
    in_flight: u32,
    /// Devices that can be offered something now, by stage.
    ready: BTreeSet<(u32, KeyId)>,
    ready_stage: HashMap<KeyId, u32>,
    /// Devices that wait, whose stage is open, and that are there or were a moment ago.
    reachable: HashSet<KeyId>,
    /// Until when a device that went is still counted on.
    lingers: HashMap<KeyId, Timestamp>,
    wakes: BTreeSet<(Timestamp, KeyId)>,
    wake_of: HashMap<KeyId, Timestamp>,
    /// Failures from before an admin let the rollout go on.
    forgiven: u64,
}

impl Course {
    /// Takes a rollout up: `open` are its assignments that are not final, `tallies` counts all of them by stage.
    pub fn new(rollout: Rollout, open: Vec<Assignment>, tallies: Vec<(u32, Counts)>, members: HashSet<KeyId>) -> Self {
        let mut course = Self {
            tallies: vec![Counts::default(); rollout.stages.max(1) as usize],
            rollout,
            rows: HashMap::new(),
            members,
            in_flight: 0,
            ready: BTreeSet::new(),
            ready_stage: HashMap::new(),
            reachable: HashSet::new(),
            lingers: HashMap::new(),
            wakes: BTreeSet::new(),
            wake_of: HashMap::new(),
            forgiven: 0,
        };
        for (stage, counts) in tallies {
            if let Some(tally) = course.tallies.get_mut(stage as usize) {
                *tally = counts;
            }
        }
        for row in open {
            course.in_flight += u32::from(row.state.holds_a_lease());
            course.members.insert(row.key_id);
            course.rows.entry(row.key_id).or_default().push(row);
        }
        let order: Vec<ModuleName> = course.rollout.packages.iter().map(|p| p.release.module.clone()).collect();
        for rows in course.rows.values_mut() {
            rows.sort_by_key(|row| order.iter().position(|m| *m == row.module));
        }
        course.forgiven = course.failures();
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
        self.rows.keys().copied().collect()
    }

    pub fn has_open_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    pub fn rows_of(&self, key: KeyId) -> &[Assignment] {
        self.rows.get(&key).map_or(&[], Vec::as_slice)
    }

    pub fn is_member(&self, key: KeyId) -> bool {
        self.members.contains(&key)
    }

    pub fn members(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.members.iter().copied()
    }

    pub fn release(&self, module: &ModuleName) -> Option<&Release> {
        self.rollout.packages.iter().map(|p| &p.release).find(|r| r.module == *module)
    }

    pub fn slots_free(&self) -> bool {
        self.in_flight < self.rollout.policy.max_in_flight
    }

    /// Whether a device's stage is open; one that has nothing open any more has had its turn.
    pub fn is_open_for(&self, key: KeyId) -> bool {
        self.rollout.open_stages > 0 && self.rows_of(key).iter().all(|row| row.stage < self.rollout.open_stages)
    }

    /// A device that joined the fleet, or the target, after the start.
    pub fn add_member(&mut self, key: KeyId, rows: Vec<Assignment>, effects: &mut Effects) {
        self.members.insert(key);
        for row in &rows {
            if let Some(tally) = self.tallies.get_mut(row.stage as usize) {
                tally.add(row.state, 1);
            }
            effects.assignments.push(row.clone());
        }
        if !rows.is_empty() {
            self.rows.insert(key, rows);
        }
    }

    /// Moves one assignment; `change` fills in what goes with the new state. Does nothing where the transition table
    /// does not allow it.
    pub fn transition(
        &mut self,
        step: &mut Step,
        key: KeyId,
        module: &ModuleName,
        to: S,
        change: impl FnOnce(&mut Assignment),
    ) -> bool {
        let Some(rows) = self.rows.get_mut(&key) else { return false };
        let Some(at) = rows.iter().position(|row| row.module == *module) else { return false };
        let row = &mut rows[at];
        let from = row.state;
        if !from.may_become(to) && from != to {
            return false;
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
        step.effects.assignments.push(row.clone());
        let slot = (key, module.clone());
        match (from.holds_a_lease(), to.holds_a_lease()) {
            (false, true) => {
                self.in_flight += 1;
                step.leases.insert(slot, self.rollout.id);
            }
            (true, false) => {
                self.in_flight -= 1;
                step.leases.remove(&slot);
            }
            _ => {}
        }
        if to.is_final() {
            rows.remove(at);
            if rows.is_empty() {
                self.rows.remove(&key);
            }
        }
        if to.is_failure() {
            self.brake(step);
        }
        true
    }

    /// Marks the leases that this course holds; for taking it up after a start.
    pub fn claim_leases(&self, leases: &mut Leases) {
        for row in self.rows.values().flatten().filter(|row| row.state.holds_a_lease()) {
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

    fn failures(&self) -> u64 {
        self.counts().sum(S::is_failure)
    }

    /// Stops new offers when too much failed.
    fn brake(&mut self, step: &mut Step) {
        if !matches!(self.rollout.state, RolloutState::Running | RolloutState::Completed) {
            return;
        }
        let counts = self.counts();
        let failed = counts.sum(S::is_failure).saturating_sub(self.forgiven);
        let ended = counts.of(S::Verified) + failed;
        let policy = &self.rollout.policy;
        let why = if policy.max_failures > 0 && failed >= u64::from(policy.max_failures) {
            format!("{failed} failed, and the limit is {}", policy.max_failures)
        } else if ended >= MINIMUM_SAMPLE && failed * 100 > ended * u64::from(policy.max_failure_percent) {
            format!("{failed} of {ended} failed, and the limit is {} %", policy.max_failure_percent)
        } else {
            return;
        };
        self.set_state(step, RolloutState::Paused, Some(why));
    }

    /// Changes the rollout's own state and has it saved.
    pub fn set_state(&mut self, step: &mut Step, to: RolloutState, why: Option<String>) {
        if to == RolloutState::Running {
            self.forgiven = self.failures();
        }
        self.rollout.state = to;
        self.rollout.why = why;
        self.rollout.ended_at = (!to.is_live()).then_some(step.now);
        step.effects.save_rollout(&self.rollout);
    }

    /// Opens the next stage.
    pub fn open_stage(&mut self, step: &mut Step) -> Vec<KeyId> {
        let stage = self.rollout.open_stages;
        self.rollout.open_stages += 1;
        step.effects.save_rollout(&self.rollout);
        let in_stage = |rows: &Vec<Assignment>| rows.iter().any(|row| row.stage == stage);
        self.rows.iter().filter(|(_, rows)| in_stage(rows)).map(|(key, _)| *key).collect()
    }

    /// What the rollout as a whole does next, now that something changed.
    pub fn next_move(&self) -> Move {
        if self.rollout.state != RolloutState::Running || self.in_flight > 0 || !self.reachable.is_empty() {
            return Move::None;
        }
        let Some(open) = self.rollout.open_stages.checked_sub(1) else { return Move::OpenStage };
        let stage = self.tallies.get(open as usize).copied().unwrap_or_default();
        let (verified, failed) = (stage.of(S::Verified), stage.sum(S::is_failure));
        let last = self.rollout.open_stages >= self.rollout.stages;
        let waiting = stage.of(S::Waiting);
        if last {
            let ended = self.counts().sum(|s| s.is_final() && s != S::Excluded);
            let nothing_to_wait_for = self.counts().of(S::Waiting) == 0;
            return if nothing_to_wait_for || ended > 0 { Move::Complete } else { Move::None };
        }
        let percent = u64::from(self.rollout.policy.max_failure_percent);
        if failed > 0 && failed * 100 > (verified + failed) * percent && self.forgiven < self.failures() {
            let n = self.rollout.open_stages;
            return Move::Brake(format!("in stage {n}, {failed} of {} failed", verified + failed));
        }
        // Nobody of this stage could be reached: it proves nothing, so the next stays shut.
        if verified == 0 && waiting > 0 { Move::None } else { Move::OpenStage }
    }

    /// Looks at a device again after something changed: can it be offered something, is it counted on, when is it
    /// to be looked at next. `away_since`: it is offline since then.
    pub fn touch(&mut self, key: KeyId, away_since: Option<Timestamp>, now: Timestamp) {
        let open_stages = self.rollout.open_stages;
        self.not_ready(key);
        let rows = self.rows_of(key);
        let waits = |row: &&Assignment| row.state == S::Waiting && row.stage < open_stages;
        let stage = rows.iter().find(waits).map(|row| row.stage);
        let due = rows.iter().filter(waits).any(|row| row.until.is_none_or(|until| until <= now));
        let linger =
            away_since.map(|since| since + TimeDelta::seconds(UNREACHABLE_AFTER_S)).filter(|until| *until > now);
        let mut wake = rows.iter().filter_map(|row| self.wake_of_row(row, now)).min();
        self.reachable.remove(&key);
        self.lingers.remove(&key);
        if let Some(stage) = stage {
            match (away_since, linger) {
                (None, _) => {
                    self.reachable.insert(key);
                    if due {
                        self.ready.insert((stage, key));
                        self.ready_stage.insert(key, stage);
                    }
                }
                (Some(_), Some(until)) => {
                    self.reachable.insert(key);
                    self.lingers.insert(key, until);
                    wake = Some(wake.map_or(until, |w| w.min(until)));
                }
                (Some(_), None) => {}
            }
        }
        self.set_wake(key, wake);
    }

    fn wake_of_row(&self, row: &Assignment, now: Timestamp) -> Option<Timestamp> {
        match (row.state, row.seen_since) {
            (S::Waiting, _) => row.until.filter(|until| *until > now),
            (S::Verifying, Some(seen)) => {
                let well_at = seen + self.health_window();
                Some(row.until.map_or(well_at, |until| until.min(well_at)))
            }
            _ => row.until,
        }
    }

    /// How long a device must be seen to run the target.
    pub fn health_window(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.rollout.policy.health_window_s))
    }

    fn set_wake(&mut self, key: KeyId, at: Option<Timestamp>) {
        if let Some(old) = self.wake_of.remove(&key) {
            self.wakes.remove(&(old, key));
        }
        if let Some(at) = at {
            self.wakes.insert((at, key));
            self.wake_of.insert(key, at);
        }
    }

    /// Devices whose time has come.
    pub fn due(&mut self, now: Timestamp) -> Vec<KeyId> {
        let mut due = Vec::new();
        while let Some((at, key)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, key));
            self.wake_of.remove(&key);
            due.push(key);
        }
        due
    }

    /// The next device to be offered something, in the order of the stages.
    pub fn next_ready(&mut self) -> Option<KeyId> {
        let (_, key) = self.ready.pop_first()?;
        self.ready_stage.remove(&key);
        Some(key)
    }

    /// Nothing can be offered to this device just now.
    pub fn not_ready(&mut self, key: KeyId) {
        if let Some(stage) = self.ready_stage.remove(&key) {
            self.ready.remove(&(stage, key));
        }
    }

    /// Whether an assignment of this version is open here, and in which state.
    pub fn row(&self, key: KeyId, module: &ModuleName, version: &Version) -> Option<&Assignment> {
        self.rows_of(key).iter().find(|row| row.module == *module && row.to == *version)
    }
}

/// What a rollout does by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Move {
    None,
    OpenStage,
    Complete,
    Brake(String),
}
