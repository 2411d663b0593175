//! What the rollout engine wants done: first saved, then said.

use super::{Assignment, KeyId, ModuleName, Release, Rollout, RolloutId, SessionNo, Version};

/// The outcome of one event. Whoever carries it out saves the rows, and speaks only after the save.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// As they are now; the last one of an id counts.
    pub rollouts: Vec<Rollout>,
    /// As they are now; the last one of a key counts.
    pub assignments: Vec<Assignment>,
    /// In this order.
    pub speech: Vec<Speech>,
}

/// Something to be said to a device, once what it rests on is saved.
#[derive(Debug, Clone, PartialEq)]
pub enum Speech {
    /// Ask which of these it needs.
    Offer(OfferSpeech),
    /// Stop offering or sending this.
    Cancel { key_id: KeyId, session: SessionNo, module: ModuleName, version: Version },
}

/// See [`Speech::Offer`].
#[derive(Debug, Clone, PartialEq)]
pub struct OfferSpeech {
    pub key_id: KeyId,
    pub session: SessionNo,
    pub rollout: RolloutId,
    pub releases: Vec<Release>,
    pub allow_rollback: bool,
    /// Package bytes a second; `None`: as fast as the link takes them.
    pub bytes_per_second: Option<u64>,
}

impl Effects {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty() && self.assignments.is_empty() && self.speech.is_empty()
    }

    pub(super) fn save_rollout(&mut self, rollout: &Rollout) {
        self.rollouts.retain(|saved| saved.id != rollout.id);
        self.rollouts.push(rollout.clone());
    }
}
