//! What the rollout engine wants done: first saved, then said.

use super::{
    Assignment, AssignmentState, KeyId, ModuleName, Release, Rollout, RolloutId, SessionNo, Timestamp, Version,
};

/// The outcome of one event. Whoever carries it out saves the rows, and speaks only after the save.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// As they are now; the last one of an id counts.
    pub rollouts: Vec<Rollout>,
    /// As they are now; the last one of a key counts.
    pub assignments: Vec<Assignment>,
    /// Every change of a state, in order: the assignments' history.
    pub transitions: Vec<Transition>,
    /// Assignments that ended with the package's or the device's fault: they count towards quarantine.
    pub strikes: Vec<Strike>,
    /// In this order.
    pub speech: Vec<Speech>,
}

/// An assignment's change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub rollout: RolloutId,
    pub key_id: KeyId,
    pub module: ModuleName,
    pub to: AssignmentState,
    pub reason: Option<String>,
    pub at: Timestamp,
}

impl Transition {
    /// Into the state that the assignment is in now.
    #[must_use]
    pub fn into(row: &Assignment) -> Self {
        Self {
            rollout: row.rollout,
            key_id: row.key_id,
            module: row.module.clone(),
            to: row.state,
            reason: row.reason.clone(),
            at: row.updated_at,
        }
    }
}

/// A package failed on a device for good, within one rollout. After [`QUARANTINE_AFTER`] of them the device is kept
/// from this package, until it is freed or a newer one comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    pub key_id: KeyId,
    pub module: ModuleName,
    pub version: Version,
    /// How often it has.
    pub failures: u32,
    /// In which rollout it last did, and why.
    pub rollout: RolloutId,
    pub reason: Option<String>,
    pub at: Timestamp,
}

/// See [`Strike`].
pub const QUARANTINE_AFTER: u32 = 2;

/// Something to be said to a device, once what it rests on is saved.
#[derive(Debug, Clone, PartialEq)]
pub enum Speech {
    /// Ask which of these it needs.
    Offer(OfferSpeech),
    /// Stop offering or sending this.
    Cancel { key_id: KeyId, session: SessionNo, module: ModuleName, version: Version },
}

impl Speech {
    /// The device that it is for.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        match self {
            Self::Offer(OfferSpeech { key_id, .. }) | Self::Cancel { key_id, .. } => *key_id,
        }
    }
}

/// See [`Speech::Offer`].
#[derive(Debug, Clone, PartialEq)]
pub struct OfferSpeech {
    pub key_id: KeyId,
    pub session: SessionNo,
    pub rollout: RolloutId,
    pub releases: Vec<Release>,
    pub allow_rollback: bool,
    /// The device installs all of them, or none.
    pub all_or_nothing: bool,
    /// Package bytes a second; `None`: as fast as the link takes them.
    pub bytes_per_second: Option<u64>,
}

impl Effects {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty() && self.assignments.is_empty() && self.speech.is_empty()
    }

    /// Adds what is to be done after this.
    pub(super) fn extend(&mut self, then: Self) {
        self.rollouts.extend(then.rollouts);
        self.assignments.extend(then.assignments);
        self.transitions.extend(then.transitions);
        self.strikes.extend(then.strikes);
        self.speech.extend(then.speech);
    }

    pub(super) fn save_rollout(&mut self, rollout: &Rollout) {
        self.rollouts.retain(|saved| saved.id != rollout.id);
        self.rollouts.push(rollout.clone());
    }
}
