//! What the updater has to save, and to say after it.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use crate::domain::{Assignment, Effects, KeyId, ModuleName, Rollout, RolloutId, Speech, Strike, Transition};
use crate::store::RolloutChanges;

/// Devices that are asked after one save: the first are asked while the next ones' rows are being saved.
const ASKED: usize = 1000;

/// Saves that the offers of one event are spread over, at most.
const SAVES: usize = 10;

/// What is saved at once, and what is to be done after it.
#[derive(Default)]
pub(super) struct Batch {
    pub rollouts: HashMap<RolloutId, Rollout>,
    pub assignments: HashMap<(RolloutId, KeyId, ModuleName), Assignment>,
    transitions: Vec<Transition>,
    strikes: Vec<Strike>,
    pub speech: Vec<Speech>,
    pub waiters: Vec<oneshot::Sender<()>>,
}

/// What waits to be saved, batch by batch. What is of one device stays in one order: it goes into the batch that it
/// has something in already, or into the next one.
///
/// A crash between two batches leaves devices of the later ones as they were, and a rollout that lives: they are asked
/// after the start. So a rollout that does not live any more goes with the last batch.
#[derive(Default)]
pub(super) struct Outbox {
    next: Batch,
    later: VecDeque<Batch>,
    /// The number of the batch that a device is in, where that is a later one.
    places: HashMap<KeyId, usize>,
    /// The number of the next batch.
    number: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.rollouts.is_empty() && self.assignments.is_empty() && self.speech.is_empty() && self.waiters.is_empty()
    }

    pub fn changes(&self) -> RolloutChanges {
        RolloutChanges {
            rollouts: self.rollouts.values().cloned().collect(),
            assignments: self.assignments.values().cloned().collect(),
            transitions: self.transitions.clone(),
            strikes: self.strikes.clone(),
        }
    }

    fn forget(&mut self, key_id: KeyId) {
        self.assignments.retain(|(_, key, _), _| *key != key_id);
        self.transitions.retain(|moved| moved.key_id != key_id);
        self.strikes.retain(|strike| strike.key_id != key_id);
    }
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.next.is_empty() && self.later.is_empty()
    }

    pub fn add(&mut self, effects: Effects) {
        let was_whole = self.later.is_empty();
        if was_whole {
            self.spread(&effects.speech);
        }
        for rollout in effects.rollouts {
            let goes_first = was_whole && rollout.state.is_live();
            let batch = if goes_first { &mut self.next } else { self.last() };
            batch.rollouts.insert(rollout.id, rollout);
        }
        for row in effects.assignments {
            self.of(row.key_id).assignments.insert((row.rollout, row.key_id, row.module.clone()), row);
        }
        for moved in effects.transitions {
            self.of(moved.key_id).transitions.push(moved);
        }
        for strike in effects.strikes {
            self.of(strike.key_id).strikes.push(strike);
        }
        for speech in effects.speech {
            self.of(speech.key_id()).speech.push(speech);
        }
    }

    /// Gives the devices that many offers are for their places.
    fn spread(&mut self, speech: &[Speech]) {
        let offers = speech.iter().filter(|speech| matches!(speech, Speech::Offer(_)));
        let each = ASKED.max(speech.len().div_ceil(SAVES));
        for (n, offer) in offers.enumerate().skip(each) {
            self.places.entry(offer.key_id()).or_insert(self.number + n / each);
            if n / each > self.later.len() {
                self.later.push_back(Batch::default());
            }
        }
    }

    /// This one is told when all that is here now is saved.
    pub fn tell(&mut self, waiter: oneshot::Sender<()>) {
        self.last().waiters.push(waiter);
    }

    /// What is saved next.
    pub fn take(&mut self) -> Batch {
        let next = self.later.pop_front().unwrap_or_default();
        self.number += 1;
        if self.later.is_empty() {
            self.places.clear();
        }
        std::mem::replace(&mut self.next, next)
    }

    /// A device was deleted: nothing of it is written any more.
    pub fn forget(&mut self, key_id: KeyId) {
        self.next.forget(key_id);
        self.later.iter_mut().for_each(|batch| batch.forget(key_id));
    }

    fn last(&mut self) -> &mut Batch {
        self.later.back_mut().unwrap_or(&mut self.next)
    }

    fn of(&mut self, key: KeyId) -> &mut Batch {
        let place = self.places.get(&key).and_then(|number| number.checked_sub(self.number + 1));
        place.and_then(|place| self.later.get_mut(place)).unwrap_or(&mut self.next)
    }
}
