//! The engine's inner steps: what each event comes down to, device by device.

use super::compared::{cancel, seen_otherwise, seen_running};
use super::health::unhealthy;
use super::steering::in_quarantine;
use super::*;

impl Engine {
    /// Runs `act` with what a step has at hand.
    pub(super) fn act(&mut self, now: Timestamp, act: impl FnOnce(&mut Self, &mut Step)) -> Effects {
        let mut effects = Effects::default();
        let mut leases = std::mem::take(&mut self.leases);
        let mut strikes = std::mem::take(&mut self.strikes);
        let called_off = Vec::new();
        let mut step = Step { now, effects: &mut effects, leases: &mut leases, strikes: &mut strikes, called_off };
        act(self, &mut step);
        self.tell_called_off(&mut step);
        self.leases = leases;
        self.strikes = strikes;
        effects
    }

    /// Runs `act` on one rollout, then lets it and every device it touched go on.
    pub(super) fn with(
        &mut self,
        id: RolloutId,
        now: Timestamp,
        act: impl FnOnce(&mut Self, RolloutId, &mut Step),
    ) -> Effects {
        self.act(now, |engine, step| {
            act(engine, id, step);
            // Before anything is offered anew: a device that is asked again is not to stop what it was just asked for.
            engine.tell_called_off(step);
            engine.advance(step, id);
        })
    }

    /// Runs `act`, then looks at one device again in every rollout.
    pub(super) fn on_device(&mut self, now: Timestamp, key: KeyId, act: impl FnOnce(&mut Self, &mut Step)) -> Effects {
        self.act(now, |engine, step| {
            act(engine, step);
            engine.tell_called_off(step);
            engine.go_on(step, key);
        })
    }

    /// Runs `act` on the rollout that holds this module of this device, or has this version open for it.
    pub(super) fn on_row(
        &mut self,
        now: Timestamp,
        key: KeyId,
        module: &ModuleName,
        version: &Version,
        act: impl FnOnce(&mut Course, &mut Step),
    ) -> Effects {
        let held = self.leases.get(&(key, module.clone())).copied();
        let Some(id) = held.filter(|id| self.course(*id).is_some_and(|c| c.row(key, module, version).is_some())) else {
            return Effects::default();
        };
        self.on_device(now, key, |engine, step| {
            if let Some(course) = engine.courses.get_mut(&id) {
                act(course, step);
            }
            engine.settle(step, id, key);
        })
    }

    /// Checks that an admin's command is allowed, and runs it.
    pub(super) fn steer(
        &mut self,
        now: Timestamp,
        id: RolloutId,
        to: RolloutState,
        act: impl FnOnce(&mut Self, &mut Step),
    ) -> Result<Effects, Refusal> {
        let state = self.course(id).ok_or(Refusal::NotLive)?.rollout.state;
        if !state.may_become(to) {
            return Err(Refusal::Forbidden(state));
        }
        Ok(self.with(id, now, |engine, _, step| act(engine, step)))
    }

    /// Holds what a device runs against what a rollout wants of it.
    pub(super) fn compare_device(&mut self, step: &mut Step, id: RolloutId, key: KeyId, new_connection: bool) {
        let Some(known) = self.online.get(&key) else { return };
        let Some(course) = self.courses.get_mut(&id) else { return };
        if course.rollout.state.offers() && course.is_member(key) {
            for place in 0..course.rollout.packages.len() {
                let Release { module, version, .. } = &course.rollout.packages[place].release;
                if course.rows_of(key).iter().any(|row| row.module == *module) {
                    continue;
                }
                let running = known.modules.get(module);
                let wanted = compare(running, version, course.rollout.allow_rollback).is_ok();
                let module = module.clone();
                if wanted && self.claims.get(&(key, module.clone())) == Some(&id) {
                    course.came_back(step, key, &module, running);
                }
            }
        }
        for row in course.rows_of(key).to_vec() {
            if !course.still_has(&row) {
                continue;
            }
            let running = known.modules.get(&row.module);
            match running == Some(&row.to) {
                // Its turn comes when a slot is free: see `offer`.
                true if row.state == S::Waiting => {}
                true => seen_running(course, step, &row),
                false => seen_otherwise(course, step, &row, running, new_connection.then_some(known.session)),
            }
        }
        self.settle(step, id, key);
    }

    /// Ends assignments whose health window is over, and those that a newer rollout has taken over.
    pub(super) fn settle(&mut self, step: &mut Step, id: RolloutId, key: KeyId) {
        let session = self.online.get(&key).map(|known| known.session);
        let Some(course) = self.course(id) else { return };
        // Mostly there is none, and nothing is copied.
        let matters = |row: &&Assignment| row.state == S::Verifying || self.is_taken_over(id, row);
        let rows: Vec<Assignment> = course.rows_of(key).iter().filter(matters).cloned().collect();
        for row in rows {
            let Some(verdict) = self.course(id).map(|course| self.verdict(course, &row, step.now)) else { return };
            let taken_over = self.is_taken_over(id, &row);
            let Some(course) = self.courses.get_mut(&id) else { return };
            let well_at = row.seen_since.map(|seen| seen + course.health_window());
            if row.state == S::Verifying && well_at.is_some_and(|at| at <= step.now) && session.is_some() {
                match verdict {
                    Ok(true) if !course.is_whole(key, step.now) => {}
                    Ok(true) => drop(course.transition(step, key, &row.module, S::Verified, |_| {})),
                    Ok(false) => {}
                    Err(evidence) => unhealthy(course, step, &row, evidence),
                }
            } else if taken_over {
                course.transition(step, key, &row.module, S::Superseded, |_| {});
                if let Some(session) = session.filter(|_| row.state.holds_a_lease()) {
                    step.effects.speech.push(cancel(session, &row));
                }
            }
        }
    }

    /// Whether a newer rollout counts for what waits here, or is on its way to the device.
    fn is_taken_over(&self, id: RolloutId, row: &Assignment) -> bool {
        matches!(row.state, S::Waiting | S::Offered | S::Downloading)
            && self.claims.get(&(row.key_id, row.module.clone())).is_some_and(|claim| *claim > id)
    }

    /// A device's time has come: a lease ended, a pause is over, a health window is.
    pub(super) fn wake(&mut self, step: &mut Step, id: RolloutId, key: KeyId) {
        self.settle(step, id, key);
        let session = self.online.get(&key).map(|known| known.session);
        let Some(course) = self.courses.get_mut(&id) else { return };
        for row in course.rows_of(key).to_vec() {
            if !row.state.holds_a_lease() {
                continue;
            }
            if !course.still_has(&row) {
                continue;
            }
            // Seen to run it, and there: its window is longer than what is left of its lease, and is awaited.
            let well_at = row.seen_since.map(|seen| seen + course.health_window());
            let is_awaited = row.state == S::Verifying && session.is_some() && well_at.is_some_and(|at| at > step.now);
            if row.until.is_some_and(|until| until <= step.now) && !is_awaited {
                let reason = format!("no word while {}", row.state);
                match (row.state, course.unwell(key).map(str::to_owned)) {
                    (S::Verifying, Some(evidence)) => unhealthy(course, step, &row, evidence),
                    // It said that it is installed, and was not seen to run it: another try would go the same way.
                    (S::Verifying, None) => {
                        course.transition(step, key, &row.module, S::TimedOut, |row| row.reason = Some(reason));
                    }
                    _ => course.bad_try(step, key, &row.module, S::TimedOut, reason),
                }
                if let Some(session) = session {
                    step.effects.speech.push(cancel(session, &row));
                }
            } else if session.is_none() && well_at.is_some_and(|at| at <= step.now) {
                // Away when its window ended: it must be seen again.
                course.transition(step, key, &row.module, S::Verifying, |changed| {
                    changed.until = row.until;
                    changed.seen_since = None;
                });
            }
        }
    }

    /// What is in these states gets its time again; a health window that was running begins again when the device is
    /// seen.
    pub(super) fn renew_leases(&mut self, step: &mut Step, id: RolloutId, key: KeyId, states: &[S]) {
        let Some(course) = self.courses.get_mut(&id) else { return };
        let timeouts = course.rollout.policy.timeouts_s;
        for row in course.rows_of(key).to_vec() {
            let seconds = match row.state {
                S::Offered => timeouts.offered,
                S::Downloading => timeouts.downloading,
                S::Installing => timeouts.installing,
                S::Verifying => timeouts.verifying,
                _ => continue,
            };
            if states.contains(&row.state) {
                let (until, reason) = (later(step.now, seconds), row.reason);
                course.transition(step, key, &row.module, row.state, |row| {
                    (row.until, row.reason) = (Some(until), reason);
                });
            }
        }
    }

    /// A link is gone: what rested on it goes back to waiting, and its slot is free.
    pub(super) fn release_link(&mut self, step: &mut Step, id: RolloutId, key: KeyId) {
        let Some(course) = self.courses.get_mut(&id) else { return };
        for row in course.rows_of(key).to_vec() {
            if matches!(row.state, S::Offered | S::Downloading) {
                course.transition(step, key, &row.module, S::Waiting, |_| {});
            }
        }
        self.settle(step, id, key);
        self.touch(step.now, id, key);
    }

    /// Ends one assignment from outside, and tells the device.
    pub(super) fn end(&mut self, step: &mut Step, id: RolloutId, row: &Assignment, to: S) {
        let session = self.online.get(&row.key_id).map(|known| known.session);
        let Some(course) = self.courses.get_mut(&id) else { return };
        if course.transition(step, row.key_id, &row.module, to, |_| {})
            && let Some(session) = session.filter(|_| row.state.holds_a_lease())
        {
            step.effects.speech.push(cancel(session, row));
        }
    }

    /// Marks a rollout as the one that counts for its devices whose stage is open (`only`: those that just opened),
    /// and ends what older rollouts still wait to do there.
    pub(super) fn claim(&mut self, step: &mut Step, id: RolloutId, only: Option<Vec<KeyId>>) {
        let Some(course) = self.course(id) else { return };
        let modules: Vec<ModuleName> = course.rollout.packages.iter().map(|p| p.release.module.clone()).collect();
        let keys = only.unwrap_or_else(|| course.members().collect());
        let keys: Vec<KeyId> = keys.into_iter().filter(|key| course.is_open_for(*key)).collect();
        let older: Vec<RolloutId> = self.ids().into_iter().filter(|other| *other < id).collect();
        for key in keys {
            for module in &modules {
                if self.course(id).is_some_and(|course| course.gives(key, module)) {
                    self.claim_one(id, key, module);
                }
            }
            for older in &older {
                self.settle(step, *older, key);
                self.touch(step.now, *older, key);
            }
            self.settle(step, id, key);
            self.touch(step.now, id, key);
        }
    }

    /// Makes a rollout the one that counts for a module of a device, unless a newer one is. Whether it is now.
    fn claim_one(&mut self, id: RolloutId, key: KeyId, module: &ModuleName) -> bool {
        let before = self.claims.get(&(key, module.clone())).copied();
        if before.is_some_and(|before| before >= id) {
            return before == Some(id);
        }
        self.claims.insert((key, module.clone()), id);
        for (id, change) in [(Some(id), 1), (before, -1)] {
            if let Some(course) = id.and_then(|id| self.courses.get_mut(&id)) {
                course.claims_held = course.claims_held.saturating_add_signed(change);
            }
        }
        true
    }

    /// Devices that are there and came into a rollout's target after it was written down get a turn as it opens.
    pub(super) fn join_all(&mut self, step: &mut Step, id: RolloutId) {
        let Some(course) = self.course(id) else { return };
        if matches!(course.rollout.target, Target::DeviceIds(_) | Target::Static(_)) {
            return;
        }
        let is_new = |(key, known): &(&KeyId, &Known)| {
            !course.is_member(**key) && course.rollout.target.includes(&known.subject())
        };
        let newcomers: Vec<KeyId> = self.online.iter().filter(is_new).map(|(key, _)| *key).collect();
        for key in newcomers {
            self.join(step, key);
            self.touch_everywhere(step.now, key);
        }
    }

    /// A device that a running rollout's target includes, and that has not had a turn there, gets one.
    pub(super) fn join(&mut self, step: &mut Step, key: KeyId) {
        let Some(known) = self.online.get(&key) else { return };
        let wanted = |course: &Course| {
            let rollout = &course.rollout;
            !course.is_member(key) && rollout.open_stages > 0 && rollout.target.includes(&known.subject())
        };
        let ids: Vec<RolloutId> =
            self.courses.iter().rev().filter(|(_, course)| wanted(course)).map(|(id, _)| *id).collect();
        let modules = known.modules.clone();
        for id in ids {
            let Some(rollout) = self.course(id).map(|course| course.rollout.clone()) else { continue };
            let mut rows = Vec::new();
            let whole = self.can_be_whole(&rollout, key, &modules);
            let stage = rollout.stages.saturating_sub(1);
            for release in rollout.packages.iter().map(|p| &p.release).filter(|_| whole) {
                let from = modules.get(&release.module);
                // While its stage is shut an older rollout counts; this one takes over when it opens.
                let newest = match stage < rollout.open_stages {
                    true => self.claim_one(id, key, &release.module),
                    false => self.claims.get(&(key, release.module.clone())).is_none_or(|claim| *claim <= id),
                };
                if !newest || compare(from, &release.version, rollout.allow_rollback).is_err() {
                    continue;
                }
                let mut row = Assignment {
                    rollout: id,
                    key_id: key,
                    module: release.module.clone(),
                    from: from.cloned(),
                    to: release.version.clone(),
                    state: S::Waiting,
                    reason: None,
                    stage,
                    attempts: 0,
                    until: None,
                    seen_since: None,
                    updated_at: step.now,
                };
                if in_quarantine(step, &row) {
                    row.state = S::Excluded;
                    row.reason = Some(ExclusionReason::Quarantined.as_str().to_owned());
                }
                rows.push(row);
            }
            if rollout.policy.all_or_nothing && rows.iter().any(|row| row.state == S::Excluded) {
                for row in rows.iter_mut().filter(|row| row.state == S::Waiting) {
                    row.state = S::Excluded;
                    row.reason = Some(ExclusionReason::SetIncomplete.as_str().to_owned());
                }
            }
            if let Some(course) = self.courses.get_mut(&id) {
                course.add_member(key, rows, step.effects);
            }
        }
    }

    /// After something happened to a device: look at it again everywhere, and let its rollouts go on.
    pub(super) fn go_on(&mut self, step: &mut Step, key: KeyId) {
        self.touch_everywhere(step.now, key);
        for id in self.by_priority() {
            if self.course(id).is_some_and(|course| course.is_member(key)) {
                self.advance(step, id);
            }
        }
    }

    pub(super) fn touch_everywhere(&mut self, now: Timestamp, key: KeyId) {
        for id in self.ids() {
            self.touch(now, id, key);
        }
    }
}
