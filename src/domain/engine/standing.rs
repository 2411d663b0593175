//! Where each device stands: whether it can be offered something now, and why not.

use super::*;

impl Engine {
    pub(super) fn touch(&mut self, now: Timestamp, id: RolloutId, key: KeyId) {
        let away_since = match self.online.contains_key(&key) {
            true => None,
            // Never seen in this life: away for as long as it takes to be given up on.
            false => Some(self.away.get(&key).copied().unwrap_or(Timestamp::UNIX_EPOCH)),
        };
        let shut_until = self.course(id).and_then(|course| self.shut_until(course, key, now));
        if let Some(course) = self.courses.get_mut(&id) {
            course.touch(key, away_since, shut_until, now);
        }
    }

    /// When the rollout's maintenance windows next let this device be changed; `None`: now.
    fn shut_until(&self, course: &Course, key: KeyId, now: Timestamp) -> Option<Timestamp> {
        let windows = &course.rollout.policy.windows;
        if windows.is_empty() || course.rows_of(key).is_empty() {
            return None;
        }
        let known = self.online.get(&key)?;
        let longitude = known.readings.as_ref().and_then(|last| last.sample.longitude);
        opens_at(windows, &Zone::of(&known.tags, longitude), now)
    }

    /// The limit of the whole fleet, where it is reached or a rollout before this one would use what is left.
    pub(super) fn fleet_full(&self, step: &Step, id: RolloutId, slots: u32) -> Option<Limit> {
        let limit = self.fleet_limit?;
        let first = |other: &&RolloutId| {
            let course = &self.courses[*other];
            course.rollout.state.offers()
                && course.first_ready().is_some_and(|key| course.full(step.now, course.slots_of(key)).is_none())
        };
        let goes_before = || self.by_priority().iter().take_while(|other| **other != id).any(|other| first(&other));
        (step.leases.len() + slots as usize > limit as usize || goes_before()).then_some(Limit::Fleet(limit))
    }

    /// The limit that keeps a device from being asked, if one does.
    pub(super) fn full(&self, step: &Step, course: &Course, key: KeyId) -> Option<Limit> {
        let slots = course.slots_of(key);
        course.full(step.now, slots).or_else(|| self.fleet_full(step, course.rollout.id, slots))
    }

    /// Why an open assignment is where it is; `None` where there is none.
    pub fn explain(&mut self, now: Timestamp, key: KeyId) -> Vec<(RolloutId, ModuleName, Decision)> {
        let mut answers = Vec::new();
        self.act(now, |engine, step| {
            for id in engine.ids() {
                for row in engine.course(id).map(|course| course.rows_of(key).to_vec()).unwrap_or_default() {
                    if let Some(decision) = engine.decide_row(step, id, &row) {
                        answers.push((id, row.module, decision));
                    }
                }
            }
        });
        answers
    }

    pub(super) fn decide_row(&self, step: &Step, id: RolloutId, row: &Assignment) -> Option<Decision> {
        let decision = self.decide_alone(step, id, row)?;
        if decision != Decision::Offer {
            return Some(decision);
        }
        let held = self.waits_for(step, id, row);
        Some(held.map_or(decision, |(module, why)| Decision::Nothing(Reason::WaitsFor(module, Box::new(why)))))
    }

    /// Whether another rollout is changing this module of the device.
    pub(super) fn is_busy_elsewhere(step: &Step, id: RolloutId, row: &Assignment) -> bool {
        step.leases.get(&(row.key_id, row.module.clone())).is_some_and(|holder| *holder != id)
    }

    /// As if the other modules of the device were no matter.
    pub(super) fn decide_alone(&self, step: &Step, id: RolloutId, row: &Assignment) -> Option<Decision> {
        let course = self.course(id)?;
        let known = self.online.get(&row.key_id);
        let running = known.and_then(|known| known.modules.get(&row.module));
        let requires = course.release(&row.module).map(|release| &release.requires);
        let unmet = known.zip(requires).and_then(|(known, asks)| {
            let modules = course.modules_for(row.key_id, &known.modules);
            asks.unmet(running, &modules, &known.tags)
        });
        let condition = course.rollout.policy.only_when.as_ref();
        let condition = condition.zip(known).filter(|(asks, known)| !asks.matches(&known.subject()));
        let standing = Standing {
            rollout: &course.rollout,
            assignment: row,
            full: self.full(step, course, row.key_id),
            opens_at: self.shut_until(course, row.key_id, step.now),
            busy_elsewhere: Self::is_busy_elsewhere(step, id, row),
            unmet: unmet.as_ref(),
            condition: condition.map(|(asks, _)| asks),
        };
        Some(decide(Facts { online: known.is_some(), running }, Some(standing), step.now))
    }
}
