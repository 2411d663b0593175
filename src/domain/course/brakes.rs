//! When a rollout stops itself, and what counts against a device.

use super::*;

impl Course {
    pub(super) fn failures(&self) -> u64 {
        self.counts().sum(S::is_failure)
    }

    /// What failed so far no longer speaks against going on.
    pub(super) fn forgive(&mut self) {
        let counts = self.counts();
        self.forgiven = counts.sum(S::is_failure);
        self.forgiven_of_kind = S::ALL.map(|kind| counts.of(kind));
        self.forgiven_in_stage = self.open_stage_in_vain();
    }

    /// How many of the last open stage ended, and not as verified.
    pub(super) fn open_stage_in_vain(&self) -> u64 {
        let open = self.rollout.open_stages.checked_sub(1).and_then(|open| self.tallies.get(open as usize));
        open.map_or(0, |stage| stage.sum(|s| s.is_final() && !matches!(s, S::Verified | S::Excluded)))
    }

    /// Some of what was forgiven has become open again.
    pub fn forgive_no_more_than_there_is(&mut self) {
        let counts = self.counts();
        self.forgiven = self.forgiven.min(counts.sum(S::is_failure));
        for kind in S::ALL {
            let forgiven = &mut self.forgiven_of_kind[kind as usize];
            *forgiven = (*forgiven).min(counts.of(kind));
        }
    }

    /// Stops new offers when too much failed.
    pub(super) fn brake(&mut self, step: &mut Step) {
        if !matches!(self.rollout.state, RolloutState::Running | RolloutState::Completed) {
            return;
        }
        if let Some(why) = self.too_much() {
            self.set_state(step, RolloutState::Paused, Some(why));
        }
    }

    fn too_much(&self) -> Option<String> {
        let counts = self.counts();
        let failed = self.new_failures();
        let ended = counts.of(S::Verified) + failed;
        let policy = &self.rollout.policy;
        if policy.max_failures > 0 && failed >= u64::from(policy.max_failures) {
            return Some(format!("{failed} failed, and the limit is {}", policy.max_failures));
        }
        let share = u64::from(policy.max_failure_percent);
        if ended >= u64::from(policy.minimum_sample) && failed * 100 > ended * share {
            return Some(format!("{failed} of {ended} failed, and the limit is {share} %"));
        }
        policy.max_of_kind.set().find_map(|(kind, limit)| {
            let n = counts.of(kind).saturating_sub(self.forgiven_of_kind[kind as usize]);
            (n >= u64::from(limit)).then(|| format!("{n} are {kind}, and the limit is {limit}"))
        })
    }

    /// Failures since an admin last let the rollout go on.
    pub(super) fn new_failures(&self) -> u64 {
        self.failures().saturating_sub(self.forgiven)
    }
}
