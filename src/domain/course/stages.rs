//! When a rollout opens its next stage, stops before it, or is complete.

use super::*;

/// What a rollout does by itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Move {
    None,
    OpenStage,
    Complete,
    Brake(String),
}

impl Course {
    /// Opens the next stage.
    pub fn open_stage(&mut self, step: &mut Step) -> Vec<KeyId> {
        let stage = self.rollout.open_stages;
        self.rollout.open_stages += 1;
        self.forgiven_in_stage = 0;
        step.effects.save_rollout(&self.rollout);
        let in_stage = |key: &KeyId| self.seats.rows(*key).iter().any(|row| row.stage == stage);
        self.seats.open_devices().filter(in_stage).collect()
    }

    /// What the rollout as a whole does next, now that something changed.
    pub fn next_move(&self) -> Move {
        if self.rollout.state != RolloutState::Running || self.in_flight > 0 || self.seats.any_reachable() {
            return Move::None;
        }
        let Some(open) = self.rollout.open_stages.checked_sub(1) else { return Move::OpenStage };
        let stage = self.tallies.get(open as usize).copied().unwrap_or_default();
        let (verified, failed) = (stage.of(S::Verified), stage.sum(S::is_failure));
        let last = self.rollout.open_stages >= self.rollout.stages;
        let (all_waiting, waiting) = (self.counts().of(S::Waiting), stage.of(S::Waiting));
        if last && all_waiting == 0 {
            return Move::Complete;
        }
        let (n, percent) = (self.rollout.open_stages, u64::from(self.rollout.policy.max_failure_percent));
        if failed > 0 && failed * 100 > (verified + failed) * percent && self.new_failures() > 0 {
            return Move::Brake(format!("in stage {n}, {failed} of {} failed", verified + failed));
        }
        if last {
            let ended = self.counts().sum(|s| s.is_final() && s != S::Excluded);
            return if ended > 0 { Move::Complete } else { Move::None };
        }
        // Nobody of this stage could be reached: it proves nothing, so the next stays shut.
        if verified == 0 && waiting > 0 {
            return Move::None;
        }
        // Nor does one that nobody took, unless an admin knew and let it go on.
        if verified > 0 || self.open_stage_in_vain() <= self.forgiven_in_stage {
            return Move::OpenStage;
        }
        Move::Brake(format!("in stage {n}, no terminal was seen to run it well"))
    }
}
