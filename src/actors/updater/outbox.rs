//! What the updater has to save, and to say after it.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::domain::{Assignment, Effects, KeyId, ModuleName, Rollout, RolloutId, Speech, Strike, Transition};
use crate::store::RolloutChanges;

/// What waits to be saved, and what is to be done after it.
#[derive(Default)]
pub(super) struct Outbox {
    pub rollouts: HashMap<RolloutId, Rollout>,
    pub assignments: HashMap<(RolloutId, KeyId, ModuleName), Assignment>,
    transitions: Vec<Transition>,
    strikes: Vec<Strike>,
    pub speech: Vec<Speech>,
    pub waiters: Vec<oneshot::Sender<()>>,
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty() && self.assignments.is_empty() && self.speech.is_empty() && self.waiters.is_empty()
    }

    pub fn add(&mut self, effects: Effects) {
        self.rollouts.extend(effects.rollouts.into_iter().map(|rollout| (rollout.id, rollout)));
        let keyed = effects.assignments.into_iter().map(|row| ((row.rollout, row.key_id, row.module.clone()), row));
        self.assignments.extend(keyed);
        self.transitions.extend(effects.transitions);
        self.strikes.extend(effects.strikes);
        self.speech.extend(effects.speech);
    }

    pub fn changes(&self) -> RolloutChanges {
        RolloutChanges {
            rollouts: self.rollouts.values().cloned().collect(),
            assignments: self.assignments.values().cloned().collect(),
            transitions: self.transitions.clone(),
            strikes: self.strikes.clone(),
        }
    }

    /// A device was deleted: nothing of it is written any more.
    pub fn forget(&mut self, key_id: KeyId) {
        self.assignments.retain(|(_, key, _), _| *key != key_id);
        self.transitions.retain(|moved| moved.key_id != key_id);
        self.strikes.retain(|strike| strike.key_id != key_id);
    }
}
