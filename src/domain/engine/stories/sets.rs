//! All or nothing: a device's modules become current together or not at all.

use super::*;
use crate::domain::{Limit, OfferSpeech};

fn set() -> Policy {
    Policy { all_or_nothing: true, ..policy() }
}

impl World {
    fn states(&self, id: RolloutId, key: i64) -> [S; 2] {
        [0, 1].map(|n| self.rows[&(id, KeyId(key), module(n))].state)
    }

    fn why_of(&self, id: RolloutId, key: i64, n: u8) -> String {
        self.rows[&(id, KeyId(key), module(n))].reason.clone().unwrap_or_default()
    }

    fn tells(&mut self, n: u8, doing: Doing) {
        let effects = self.engine.did(self.now, KeyId(0), &module(n), &v(2), doing);
        self.carry_out(effects);
    }

    fn answers(&mut self, n: u8, answer: Answer) -> Effects {
        self.engine.answered(self.now, KeyId(0), &module(n), &v(2), answer)
    }

    fn wants_both(&mut self) {
        for n in [0, 1] {
            let effects = self.answers(n, Answer::Wanted);
            self.carry_out(effects);
        }
    }

    fn installs_both(&mut self) {
        self.wants_both();
        [0, 1].into_iter().for_each(|n| self.tells(n, Doing::Staged));
        [0, 1].into_iter().for_each(|n| self.tells(n, Doing::Installed));
    }

    fn runs_both(&mut self, versions: [u8; 2]) {
        for (n, version) in [0, 1].into_iter().zip(versions) {
            self.running.get_mut(&KeyId(0)).unwrap().insert(module(n), v(version));
        }
        self.hello(KeyId(0), false);
    }
}

fn offers(effects: &Effects) -> Vec<&OfferSpeech> {
    let mut offers = Vec::new();
    for speech in &effects.speech {
        if let Speech::Offer(offer) = speech {
            offers.push(offer);
        }
    }
    offers
}

#[test]
fn a_set_is_downloading_until_all_of_it_is_unpacked_and_is_verified_as_one() {
    let mut w = world(0..1);
    let id = w.begin(2, 2, set());
    assert_eq!(w.states(id, 0), [S::Offered; 2]);
    w.wants_both();
    w.tells(0, Doing::Received);
    w.tells(0, Doing::Staged);
    assert_eq!(w.states(id, 0), [S::Downloading; 2], "nothing is switched before the last is there");
    w.tells(1, Doing::Staged);
    assert_eq!(w.states(id, 0), [S::Installing; 2]);
    w.tells(0, Doing::Installed);
    w.runs_both([2, 1]);
    w.pass(10);
    assert_eq!(w.states(id, 0), [S::Verifying, S::Installing], "half a set is none");
    w.tells(1, Doing::Installed);
    w.runs_both([2, 2]);
    w.pass(5);
    assert_eq!(w.states(id, 0), [S::Verified; 2]);
}

#[test]
fn what_one_declines_ends_for_all_and_is_called_off() {
    let mut w = world(0..1);
    let id = w.begin(2, 2, set());
    let effects = w.answers(0, Answer::Wanted);
    w.carry_out(effects);
    let effects = w.answers(1, Answer::Declined("known_bad".into()));
    let cancelled = |speech: &Speech| matches!(speech, Speech::Cancel { module: m, .. } if *m == module(0));
    assert!(effects.speech.iter().any(cancelled), "{:?}", effects.speech);
    assert!(effects.strikes.is_empty());
    w.carry_out(effects);
    assert_eq!(w.states(id, 0), [S::Failed, S::Declined]);
    assert_eq!(w.why_of(id, 0, 0), "all or nothing, and app2: known_bad");
}

#[test]
fn a_set_that_fails_is_tried_again_whole_and_only_the_cause_is_struck() {
    let mut w = world(0..1);
    let id = w.begin(2, 2, Policy { attempts: 2, ..set() });
    w.wants_both();
    w.tells(1, Doing::Failed("no space".into()));
    assert_eq!(w.states(id, 0), [S::Waiting; 2]);
    w.tells(0, Doing::Failed("with app2".into()));
    assert_eq!(w.rows[&(id, KeyId(0), module(0))].attempts, 1, "one try went wrong, not two");
    w.pass(30);
    assert_eq!(w.states(id, 0), [S::Offered; 2]);
    w.wants_both();
    w.tells(1, Doing::RolledBack("unhealthy".into()));
    assert_eq!(w.states(id, 0), [S::Reverted; 2]);
    assert_eq!(w.strikes.keys().map(|(_, struck)| struck.clone()).collect::<Vec<_>>(), [module(1)]);
}

#[test]
fn a_broken_link_tells_by_the_state_whether_anything_was_switched() {
    let mut w = world(0..1);
    let id = w.begin(2, 2, set());
    w.wants_both();
    w.tells(0, Doing::Staged);
    w.goes(0);
    assert_eq!(w.states(id, 0), [S::Waiting; 2], "one was missing: nothing was switched");
    w.hello(KeyId(0), true);
    w.wants_both();
    [0, 1].into_iter().for_each(|n| w.tells(n, Doing::Staged));
    w.goes(0);
    assert_eq!(w.states(id, 0), [S::Installing; 2], "everything may have been");
    w.hello(KeyId(0), true);
    assert_eq!(w.states(id, 0), [S::Offered; 2]);
    for n in [0, 1] {
        let effects = w.answers(n, Answer::Declined("busy".into()));
        w.carry_out(effects);
    }
    assert_eq!(w.states(id, 0), [S::Installing; 2], "it is still at it");
}

#[test]
fn a_device_that_comes_back_with_half_a_set_is_reverted_whole() {
    let mut w = world(0..1);
    let id = w.begin(2, 2, set());
    w.installs_both();
    w.running.get_mut(&KeyId(0)).unwrap().insert(module(0), v(2));
    w.hello(KeyId(0), true);
    assert_eq!(w.states(id, 0), [S::Reverted; 2]);
    assert_eq!(w.why_of(id, 0, 0), "all or nothing, and app2: it came back with 1");
}

#[test]
fn a_set_goes_out_only_with_slots_for_all_of_it() {
    let mut w = world(0..2);
    let id = w.begin(2, 2, Policy { max_in_flight: 3, ..set() });
    assert_eq!((w.states(id, 0), w.states(id, 1)), ([S::Offered; 2], [S::Waiting; 2]));
    let why = w.engine.explain(w.now, KeyId(1)).remove(0).2;
    assert_eq!(why, Decision::Nothing(Reason::LimitReached(Limit::InFlight(3))));
    w.installs_both();
    w.runs_both([2, 2]);
    w.pass(5);
    assert_eq!(w.states(id, 1), [S::Offered; 2]);
}

#[test]
fn a_device_that_cannot_take_sets_declines_one_but_takes_a_single_module() {
    let mut w = World::new();
    w.sets = false;
    w.hello(KeyId(0), true);
    let id = w.begin(2, 2, set());
    assert_eq!(
        (w.states(id, 0), w.why_of(id, 0, 1)),
        ([S::Declined; 2], "all or nothing, and app1: sets_not_supported".into())
    );
    w.running.get_mut(&KeyId(1)).unwrap().insert(module(1), v(2));
    w.hello(KeyId(1), true);
    assert_eq!(w.states(id, 1), [S::Offered, S::Verifying], "one has it already, so only one is to change");
}

#[test]
fn what_a_newer_rollout_takes_over_takes_the_set_along_and_comes_back_whole() {
    let mut w = world(0..1);
    let id = w.begin(2, 2, set());
    w.wants_both();
    let newer = w.begin(3, 0, policy());
    assert_eq!(w.states(id, 0), [S::Superseded; 2]);
    assert_eq!(w.state(newer, 0), S::Offered);
    let effects = w.engine.cancel(w.now, newer, "an admin".into()).unwrap();
    w.carry_out(effects);
    let effects = w.engine.tick(w.now);
    assert_eq!(offers(&effects).iter().map(|offer| offer.releases.len()).collect::<Vec<_>>(), [2]);
    w.carry_out(effects);
    assert_eq!(w.states(id, 0), [S::Offered; 2]);
}

#[test]
fn one_of_a_set_that_cannot_go_yet_holds_the_others() {
    let mut w = world(0..1);
    w.begin(2, 1, policy());
    w.wants_both();
    w.tells(1, Doing::Installed);
    let id = w.begin(3, 2, set());
    assert_eq!(w.states(id, 0), [S::Waiting; 2]);
    let why = w.engine.explain(w.now, KeyId(0)).into_iter().find(|(of, name, _)| (*of, name) == (id, &module(0)));
    let Some((.., Decision::Nothing(why))) = why else { panic!("{why:?}") };
    assert_eq!(why, Reason::WaitsFor(module(1), Box::new(Reason::BusyElsewhere)));
    assert!(why.sentence().contains("it waits for app2: Another rollout is changing this module."));
}

#[test]
fn what_another_rollout_has_just_brought_holds_the_set_until_it_is_verified_there() {
    let mut w = world(0..1);
    let older = w.begin(2, 1, policy());
    w.wants_both();
    w.tells(1, Doing::Installed);
    let id = w.begin(2, 2, set());
    w.running.get_mut(&KeyId(0)).unwrap().insert(module(1), v(2));
    w.hello(KeyId(0), false);
    assert_eq!((w.rows[&(older, KeyId(0), module(1))].state, w.states(id, 0)), (S::Verifying, [S::Waiting; 2]));
    w.pass(5);
    assert_eq!(w.rows[&(older, KeyId(0), module(1))].state, S::Verified);
    assert_eq!(w.states(id, 0), [S::Offered, S::Verifying]);
}
