//! What the updater has to save, and to say after it.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

use crate::actors::asking::Asking;
use crate::actors::registry::Say;
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
    pub speech: Vec<Say>,
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

    pub fn add(&mut self, effects: Effects, asking: &Asking) {
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
            self.of(speech.key_id()).speech.push(Say { speech, asked: asking.one() });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AssignmentState, OfferSpeech, RolloutState, SessionNo, Timestamp};

    const ID: RolloutId = RolloutId(7);

    fn row(key: i64, state: AssignmentState) -> Assignment {
        Assignment {
            rollout: ID,
            key_id: KeyId(key),
            module: "app1".parse().unwrap(),
            from: None,
            to: "2".parse().unwrap(),
            state,
            reason: None,
            stage: 0,
            attempts: 0,
            until: None,
            seen_since: None,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn offer(key: i64) -> Speech {
        Speech::Offer(OfferSpeech {
            key_id: KeyId(key),
            session: SessionNo(1),
            rollout: ID,
            releases: Vec::new(),
            allow_rollback: false,
            all_or_nothing: false,
            bytes_per_second: None,
        })
    }

    fn rollout(state: RolloutState) -> Rollout {
        Rollout {
            id: ID,
            state,
            why: None,
            packages: Vec::new(),
            allow_rollback: false,
            target: crate::domain::Target::All,
            policy: crate::domain::Policy::default(),
            open_stages: 1,
            stages: 1,
            created_at: Timestamp::UNIX_EPOCH,
            created_by: "ann".to_owned(),
            ended_at: None,
            approved_by: None,
            takes_back: None,
            plan: crate::domain::PlanSummary::default(),
        }
    }

    /// So many devices are asked at once, in a rollout that is in this state then.
    fn asks(devices: usize, state: RolloutState) -> Effects {
        let keys = 0..devices as i64;
        let rows: Vec<Assignment> = keys.clone().map(|key| row(key, AssignmentState::Offered)).collect();
        Effects {
            rollouts: vec![rollout(state)],
            transitions: rows.iter().map(Transition::into).collect(),
            assignments: rows,
            strikes: Vec::new(),
            speech: keys.map(offer).collect(),
        }
    }

    fn moves(key: i64, state: AssignmentState) -> Effects {
        let row = row(key, state);
        Effects { transitions: vec![Transition::into(&row)], assignments: vec![row], ..Effects::default() }
    }

    fn all_of(mut outbox: Outbox) -> Vec<Batch> {
        let next = || (!outbox.is_empty()).then(|| outbox.take());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn few_offers_are_saved_at_once_and_many_in_several_goes() {
        for (devices, saves) in [(1, 1), (ASKED, 1), (ASKED + 1, 2), (3 * ASKED, 3), (50 * ASKED, SAVES)] {
            let mut outbox = Outbox::default();
            outbox.add(asks(devices, RolloutState::Running), &Asking::default());
            let batches = all_of(outbox);
            assert_eq!(batches.len(), saves, "{devices} devices");
            let mut asked = Vec::new();
            for batch in &batches {
                let mut of_rows: Vec<KeyId> = batch.assignments.keys().map(|(_, key, _)| *key).collect();
                of_rows.sort();
                let of_speech: Vec<KeyId> = batch.speech.iter().map(|say| say.speech.key_id()).collect();
                let of_history: Vec<KeyId> = batch.transitions.iter().map(|moved| moved.key_id).collect();
                assert_eq!((&of_rows, &of_rows), (&of_speech, &of_history), "nobody is asked before it is saved");
                asked.extend(of_speech);
            }
            assert_eq!(asked, (0..devices as i64).map(KeyId).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_comes_later_of_a_device_is_saved_no_sooner() {
        let (mut outbox, asking) = (Outbox::default(), Asking::default());
        outbox.add(asks(3 * ASKED, RolloutState::Running), &asking);
        let (first, last) = (0, 3 * ASKED as i64 - 1);
        let taken = outbox.take();
        assert!(taken.assignments.keys().any(|(_, key, _)| key.0 == first));
        outbox.add(moves(first, AssignmentState::Downloading), &asking);
        outbox.add(moves(last, AssignmentState::Waiting), &asking);
        let batches = all_of(outbox);
        let states_of = |key: i64| -> Vec<Vec<AssignmentState>> {
            let of = |batch: &Batch| batch.transitions.iter().filter(|t| t.key_id.0 == key).map(|t| t.to).collect();
            batches.iter().map(of).collect()
        };
        use AssignmentState as S;
        assert_eq!(states_of(first), [vec![S::Downloading], vec![]]);
        assert_eq!(states_of(last), [vec![], vec![S::Offered, S::Waiting]]);
        let newest = batches[1].assignments.values().find(|row| row.key_id.0 == last).unwrap();
        assert_eq!(newest.state, S::Waiting);
    }

    #[test]
    fn a_rollout_that_lives_is_saved_first_and_one_that_ends_last() {
        for (state, place) in [(RolloutState::Running, 0), (RolloutState::Cancelled, 1)] {
            let mut outbox = Outbox::default();
            outbox.add(asks(ASKED + 1, state), &Asking::default());
            let (waiter, mut told) = oneshot::channel();
            outbox.tell(waiter);
            let batches = all_of(outbox);
            let with_rollout: Vec<bool> = batches.iter().map(|batch| !batch.rollouts.is_empty()).collect();
            assert_eq!(with_rollout, [place == 0, place == 1], "{state}");
            assert!(batches[0].waiters.is_empty() && told.try_recv().is_err(), "told when all is saved");
            assert_eq!(batches[1].waiters.len(), 1);
        }
    }

    #[test]
    fn of_a_deleted_device_nothing_is_saved() {
        let mut outbox = Outbox::default();
        outbox.add(asks(2 * ASKED, RolloutState::Running), &Asking::default());
        let gone = [KeyId(0), KeyId(2 * ASKED as i64 - 1)];
        gone.into_iter().for_each(|key| outbox.forget(key));
        for batch in all_of(outbox) {
            let changes = batch.changes();
            assert!(changes.assignments.iter().all(|row| !gone.contains(&row.key_id)));
            assert!(changes.transitions.iter().all(|moved| !gone.contains(&moved.key_id)));
        }
    }
}
