//! All or nothing on one device: who can be asked for a set, and what a broken one calls off.

use super::compared::cancel;
use super::*;

impl Engine {
    /// Whether a device that joins can have every module of a rollout that asks for all or nothing, those aside that
    /// it has.
    pub(super) fn can_be_whole(&self, rollout: &Rollout, key: KeyId, modules: &Modules) -> bool {
        let has_or_may = |release: &Release| {
            let newest = self.claims.get(&(key, release.module.clone())).is_none_or(|claim| *claim <= rollout.id);
            match compare(modules.get(&release.module), &release.version, rollout.allow_rollback) {
                Err(ExclusionReason::SameVersion) => true,
                Err(_) => false,
                Ok(()) => newest,
            }
        };
        !rollout.policy.all_or_nothing || rollout.packages.iter().all(|p| has_or_may(&p.release))
    }

    /// What else of its set an assignment waits for, where it could be offered by itself.
    pub(super) fn waits_for(&self, step: &Step, id: RolloutId, row: &Assignment) -> Option<(ModuleName, Reason)> {
        let course = self.course(id).filter(|course| course.all_or_nothing())?;
        let waiting = |other: &&Assignment| other.state == S::Waiting && other.module != row.module;
        course.rows_of(row.key_id).iter().filter(waiting).find_map(|other| {
            match self.decide_alone(step, id, other)? {
                // Another rollout brought it there, and may yet see it fail and go back.
                Decision::Nothing(Reason::UpToDate) if Self::is_busy_elsewhere(step, id, other) => {
                    Some((other.module.clone(), Reason::BusyElsewhere))
                }
                Decision::Offer | Decision::Nothing(Reason::UpToDate) => None,
                Decision::Nothing(reason) => Some((other.module.clone(), reason)),
            }
        })
    }

    /// Whether a device would have to install several modules as one, and can't.
    pub(super) fn cannot_take_set(&self, id: RolloutId, key: KeyId) -> bool {
        let Some((course, known)) = self.course(id).zip(self.online.get(&key)) else { return false };
        let changes = |row: &&Assignment| row.state == S::Waiting && known.modules.get(&row.module) != Some(&row.to);
        course.all_or_nothing() && !known.sets && course.rows_of(key).iter().filter(changes).count() > 1
    }

    /// Ends what a device can't take as one. `false`: nothing changed.
    pub(super) fn decline_set(&mut self, step: &mut Step, id: RolloutId, key: KeyId) -> bool {
        let Some(course) = self.courses.get_mut(&id) else { return false };
        let Some(row) = course.rows_of(key).iter().find(|row| row.state == S::Waiting).cloned() else { return false };
        course.transition(step, key, &row.module, S::Declined, |row| {
            row.reason = Some(ExclusionReason::SetsNotSupported.as_str().to_owned());
        })
    }

    /// Tells devices to stop what ended, or went back to waiting, because of another of its set.
    pub(super) fn tell_called_off(&self, step: &mut Step) {
        for row in std::mem::take(&mut step.called_off) {
            if let Some(known) = self.online.get(&row.key_id) {
                step.effects.speech.push(cancel(known.session, &row));
            }
        }
    }
}
