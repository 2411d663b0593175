//! What an admin does to rollouts.

use super::*;

impl Engine {
    /// An admin stops new offers.
    ///
    /// # Errors
    /// [`Refusal`] when the rollout's state forbids it.
    pub fn pause(&mut self, now: Timestamp, id: RolloutId, why: String) -> Result<Effects, Refusal> {
        self.steer(now, id, RolloutState::Paused, |engine, step| {
            if let Some(course) = engine.courses.get_mut(&id) {
                course.set_state(step, RolloutState::Paused, Some(why));
            }
        })
    }

    /// An admin lets it go on; failures so far are forgiven.
    ///
    /// # Errors
    /// [`Refusal`] when the rollout's state forbids it.
    pub fn resume(&mut self, now: Timestamp, id: RolloutId) -> Result<Effects, Refusal> {
        if self.course(id).is_some_and(|course| course.rollout.state != RolloutState::Paused) {
            return Err(self.course(id).map_or(Refusal::NotLive, |c| Refusal::Forbidden(c.rollout.state)));
        }
        self.steer(now, id, RolloutState::Running, |engine, step| {
            if let Some(course) = engine.courses.get_mut(&id) {
                let early = course.rollout.policy.not_before.is_some_and(|at| at > now);
                let unopened = course.rollout.open_stages == 0;
                let to = if early && unopened { RolloutState::Scheduled } else { RolloutState::Running };
                course.set_state(step, to, None);
            }
        })
    }

    /// An admin calls it off: what waits and what is under way ends.
    ///
    /// # Errors
    /// [`Refusal`] when the rollout's state forbids it.
    pub fn cancel(&mut self, now: Timestamp, id: RolloutId, why: String) -> Result<Effects, Refusal> {
        self.call_off(now, id, RolloutState::Cancelled, why)
    }

    /// It is being taken back: as cancelled, under another name.
    ///
    /// # Errors
    /// [`Refusal`] when the rollout's state forbids it.
    pub fn rolled_back(&mut self, now: Timestamp, id: RolloutId, why: String) -> Result<Effects, Refusal> {
        self.call_off(now, id, RolloutState::RolledBack, why)
    }

    fn call_off(&mut self, now: Timestamp, id: RolloutId, to: RolloutState, why: String) -> Result<Effects, Refusal> {
        self.steer(now, id, to, |engine, step| {
            for key in engine.course(id).map(Course::open_devices).unwrap_or_default() {
                for row in engine.course(id).map(|c| c.rows_of(key).to_vec()).unwrap_or_default() {
                    engine.end(step, id, &row, S::Cancelled);
                }
            }
            if let Some(mut course) = engine.courses.remove(&id) {
                course.set_state(step, to, Some(why));
                engine.hand_back(step, &course);
            }
        })
    }

    /// What a rollout that was called off had taken over goes back to the newest of the older ones.
    fn hand_back(&mut self, step: &mut Step, called_off: &Course) {
        let id = called_off.rollout.id;
        let modules: Vec<ModuleName> = called_off.rollout.packages.iter().map(|p| p.release.module.clone()).collect();
        for key in called_off.members() {
            let mut touched = Vec::new();
            for module in &modules {
                let slot = (key, module.clone());
                if self.claims.get(&slot) != Some(&id) {
                    continue;
                }
                self.claims.remove(&slot);
                let counts = |course: &&mut Course| course.gives(key, module) && course.is_open_for(key);
                let Some(older) = self.courses.values_mut().rev().find(counts) else { continue };
                self.claims.insert(slot, older.rollout.id);
                older.claims_held += 1;
                older.hand_back(step, key, module);
                touched.push(older.rollout.id);
            }
            for older in touched {
                self.compare_device(step, older, key, false);
            }
            self.touch_everywhere(step.now, key);
        }
    }

    /// A second person agrees to it.
    ///
    /// # Errors
    /// [`Refusal`] when it is not waiting for that.
    pub fn approve(&mut self, now: Timestamp, id: RolloutId, by: String) -> Result<Effects, Refusal> {
        let state = self.course(id).ok_or(Refusal::NotLive)?.rollout.state;
        if state != RolloutState::AwaitingApproval {
            return Err(Refusal::Forbidden(state));
        }
        if let Some(course) = self.courses.get_mut(&id) {
            course.rollout.approved_by = Some(by);
        }
        Ok(self.set_out(now, id))
    }

    /// A draft shall go out: at once, or when a second person has agreed.
    ///
    /// # Errors
    /// [`Refusal`] when it is no draft.
    pub fn launch(&mut self, now: Timestamp, id: RolloutId, needs_approval: bool) -> Result<Effects, Refusal> {
        let state = self.course(id).ok_or(Refusal::NotLive)?.rollout.state;
        if state != RolloutState::Draft {
            return Err(Refusal::Forbidden(state));
        }
        if !needs_approval {
            return Ok(self.set_out(now, id));
        }
        self.steer(now, id, RolloutState::AwaitingApproval, |engine, step| {
            if let Some(course) = engine.courses.get_mut(&id) {
                course.set_state(step, RolloutState::AwaitingApproval, None);
            }
        })
    }

    /// Begins, or waits for its time.
    fn set_out(&mut self, now: Timestamp, id: RolloutId) -> Effects {
        self.with(id, now, |engine, id, step| {
            if let Some(course) = engine.courses.get_mut(&id) {
                let early = course.rollout.policy.not_before.is_some_and(|at| at > now);
                let to = if early { RolloutState::Scheduled } else { RolloutState::Running };
                course.set_state(step, to, None);
            }
            // Devices may have changed since it was planned.
            for key in engine.course(id).map(Course::open_devices).unwrap_or_default() {
                engine.compare_device(step, id, key, false);
            }
        })
    }

    /// An admin wants another try of assignments that ended badly: `rows` as they are saved. What a newer rollout
    /// has taken over, and what is in quarantine, stays as it is. Returns how many are tried again.
    ///
    /// # Errors
    /// [`Refusal`] when the rollout's state forbids it.
    pub fn retry(&mut self, now: Timestamp, id: RolloutId, rows: Vec<Assignment>) -> Result<(Effects, usize), Refusal> {
        let state = self.course(id).ok_or(Refusal::NotLive)?.rollout.state;
        if !matches!(state, RolloutState::Running | RolloutState::Paused | RolloutState::Completed) {
            return Err(Refusal::Forbidden(state));
        }
        let mut retried = 0;
        let effects = self.with(id, now, |engine, id, step| {
            let mut keys = Vec::new();
            let barred = |engine: &Self, step: &Step, row: &Assignment| {
                let claim = engine.claims.get(&(row.key_id, row.module.clone()));
                claim.is_some_and(|claim| *claim > id) || in_quarantine(step, row)
            };
            let broken: HashSet<KeyId> = match engine.course(id).is_some_and(Course::all_or_nothing) {
                true => rows.iter().filter(|row| barred(engine, step, row)).map(|row| row.key_id).collect(),
                false => HashSet::new(),
            };
            for row in rows {
                let key = row.key_id;
                if broken.contains(&key) || barred(engine, step, &row) {
                    continue;
                }
                let Some(course) = engine.courses.get_mut(&id) else { continue };
                if course.retry(step, row) {
                    retried += 1;
                    keys.push(key);
                }
            }
            if let Some(course) = engine.courses.get_mut(&id).filter(|_| retried > 0) {
                course.forgive_no_more_than_there_is();
                if course.rollout.state == RolloutState::Completed {
                    course.set_state(step, RolloutState::Running, None);
                }
            }
            for key in keys {
                engine.compare_device(step, id, key, false);
                engine.touch_everywhere(step.now, key);
            }
        });
        Ok((effects, retried))
    }

    /// An admin frees a device from quarantine: nothing that failed on it before counts any more.
    pub fn free(&mut self, key: KeyId) {
        self.strikes.retain(|(of, _), _| *of != key);
    }
}

/// Whether a device is kept from the version that this assignment would bring.
pub(super) fn in_quarantine(step: &Step, row: &Assignment) -> bool {
    step.strikes
        .get(&(row.key_id, row.module.clone()))
        .is_some_and(|(version, failures)| *version == row.to && *failures >= QUARANTINE_AFTER)
}
