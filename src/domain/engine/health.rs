//! The health gate: what a device reports while its update is being verified.

use super::*;

impl Engine {
    /// A report of a device was stored.
    pub fn reported(&mut self, now: Timestamp, key: KeyId, vitals: Vitals) -> Effects {
        if !self.online.contains_key(&key) || !self.watches(key) {
            self.vitals.remove(&key);
            return Effects::default();
        }
        if let Some(known) = self.online.get_mut(&key) {
            known.readings = Some(Box::new(vitals.readings.clone()));
        }
        let checked = vitals.clone();
        self.vitals.insert(key, vitals);
        self.on_device(now, key, |engine, step| {
            for id in engine.ids() {
                engine.check_health(step, id, key, &checked);
                engine.settle(step, id, key);
            }
        })
    }

    fn check_health(&mut self, step: &mut Step, id: RolloutId, key: KeyId, vitals: &Vitals) {
        // Kept on the device while there was no link: it says how the old version was, or the moments between the two.
        let is_old = self.online.get(&key).and_then(|known| known.told_at).is_some_and(|told| vitals.made_at < told);
        let Some(course) = self.courses.get_mut(&id).filter(|_| !is_old) else { return };
        let seen = |row: &&Assignment| row.state == S::Verifying && row.seen_since.is_some_and(|at| at <= vitals.at);
        let rows: Vec<Assignment> = course.rows_of(key).iter().filter(seen).cloned().collect();
        if rows.is_empty() {
            return;
        }
        if let Some(evidence) = course.check_health(key, vitals) {
            for row in rows {
                unhealthy(course, step, &row, evidence.clone());
            }
        }
    }

    /// What keeps a device whose health window is over from being counted: `Err` speaks against it for good.
    pub(super) fn verdict(&self, course: &Course, row: &Assignment, now: Timestamp) -> Result<bool, String> {
        let key = row.key_id;
        if course.unwell(key).is_some() {
            return Ok(false);
        }
        let last = self.vitals.get(&key).map(|vitals| vitals.at.max(row.seen_since.unwrap_or(vitals.at)));
        last.and_then(|last| course.silence(last, now)).map_or(Ok(true), Err)
    }
}

/// The device runs the new version, and not well.
pub(super) fn unhealthy(course: &mut Course, step: &mut Step, row: &Assignment, evidence: String) {
    course.transition(step, row.key_id, &row.module, S::Failed, |row| {
        row.attempts += 1;
        row.reason = Some(format!("it runs {} and is not well: {evidence}", row.to));
    });
}
