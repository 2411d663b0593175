//! Rollouts, told as stories: one rule each. Devices 0 and 1 are the first stage where there is one.

use super::model::{World, module};
use super::*;
use crate::domain::{Policy, Stage, Timeouts};

mod again;
mod care;
mod proof;
mod sets;

fn policy() -> Policy {
    Policy {
        stages: vec![Stage::Percent(100.0)],
        health_window_s: 5,
        attempts: 1,
        max_failures: 0,
        max_failure_percent: 100,
        timeouts_s: Timeouts { offered: 10, downloading: 20, installing: 30, verifying: 40 },
        ..Policy::default()
    }
}

fn staged() -> Policy {
    Policy { stages: vec![Stage::Count(2)], ..policy() }
}

fn world(online: std::ops::Range<i64>) -> World {
    let mut world = World::new();
    online.for_each(|key| world.hello(KeyId(key), true));
    world
}

fn v(n: u8) -> Version {
    Version::new(&n.to_string()).unwrap()
}

impl World {
    fn state(&self, id: RolloutId, key: i64) -> S {
        self.rows[&(id, KeyId(key), module(0))].state
    }

    fn reason(&self, id: RolloutId, key: i64) -> String {
        self.rows[&(id, KeyId(key), module(0))].reason.clone().unwrap_or_default()
    }

    fn does(&mut self, key: i64, version: u8, doings: &[Doing]) {
        let effects = self.engine.answered(self.now, KeyId(key), &module(0), &v(version), Answer::Wanted);
        self.carry_out(effects);
        for doing in doings {
            let effects = self.engine.did(self.now, KeyId(key), &module(0), &v(version), doing.clone());
            self.carry_out(effects);
        }
    }

    fn installs(&mut self, key: i64, version: u8) {
        self.does(key, version, &[Doing::Sending, Doing::Received, Doing::Installed]);
    }

    fn runs(&mut self, key: i64, version: u8) {
        self.running.get_mut(&KeyId(key)).unwrap().insert(module(0), v(version));
        self.hello(KeyId(key), false);
    }

    fn goes(&mut self, key: i64) {
        let session = self.sessions.remove(&KeyId(key)).unwrap();
        let effects = self.engine.departed(self.now, KeyId(key), session);
        self.carry_out(effects);
    }
}

#[test]
fn success_is_what_the_device_is_seen_to_run_for_the_health_window() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.installs(0, 2);
    w.pass(30);
    assert_eq!(w.state(id, 0), S::Verifying, "its own word is not enough");
    w.runs(0, 2);
    w.pass(4);
    assert_eq!(w.state(id, 0), S::Verifying, "nor is a moment");
    w.pass(1);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn a_device_that_comes_back_with_the_old_version_is_reverted() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.installs(0, 2);
    w.hello(KeyId(0), true);
    assert_eq!((w.state(id, 0), w.reason(id, 0).as_str()), (S::Reverted, "it came back with 1"));
}

#[test]
fn a_device_that_says_neither_progress_nor_result_is_verified_by_its_hello() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.does(0, 2, &[Doing::Received]);
    w.runs(0, 2);
    w.pass(5);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn the_next_stage_opens_only_when_the_first_is_verified() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, staged());
    assert_eq!((0..8).filter(|key| w.state(id, *key) == S::Offered).count(), 2);
    for key in 0..2 {
        w.installs(key, 2);
        w.runs(key, 2);
    }
    assert_eq!(w.state(id, 5), S::Waiting);
    w.pass(5);
    assert_eq!(w.state(id, 5), S::Offered);
}

#[test]
fn a_first_stage_that_fails_pauses_the_rollout_with_the_reason() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, Policy { max_failure_percent: 20, ..staged() });
    w.does(0, 2, &[Doing::Received, Doing::RolledBack("health".into())]);
    w.installs(1, 2);
    w.runs(1, 2);
    w.pass(5);
    let rollout = &w.rollouts[&id];
    assert_eq!(rollout.state, RolloutState::Paused);
    assert_eq!(rollout.why.as_deref(), Some("in stage 1, 1 of 2 failed"));
    assert_eq!(w.state(id, 5), S::Waiting);
    let effects = w.engine.resume(w.now, id).unwrap();
    w.carry_out(effects);
    assert_eq!(w.state(id, 5), S::Offered, "an admin may go on all the same");
}

#[test]
fn the_brake_counts_failures_and_an_admins_resume_forgives_them() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, Policy { max_failures: 2, max_in_flight: 2, ..policy() });
    for key in 0..8 {
        w.does(key, 2, &[Doing::Failed("no".into())]);
    }
    assert_eq!(w.rollouts[&id].state, RolloutState::Paused);
    assert_eq!(w.rollouts[&id].why.as_deref(), Some("2 failed, and the limit is 2"));
    let failed = |w: &World| (0..8).filter(|key| w.state(id, *key) == S::Failed).count();
    assert!(failed(&w) <= 3, "what was in flight, and no more");
    let effects = w.engine.resume(w.now, id).unwrap();
    w.carry_out(effects);
    assert_eq!(w.rollouts[&id].state, RolloutState::Running);
}

#[test]
fn a_silent_device_loses_its_slot_and_is_tried_again_later() {
    let mut w = world(0..2);
    let id = w.begin(2, 0, Policy { max_in_flight: 1, attempts: 2, ..policy() });
    let (first, second) = if w.state(id, 0) == S::Offered { (0, 1) } else { (1, 0) };
    w.pass(10);
    assert_eq!((w.state(id, first), w.state(id, second)), (S::Waiting, S::Offered));
    w.installs(second, 2);
    w.runs(second, 2);
    w.pass(30);
    assert_eq!(w.state(id, first), S::Offered, "its pause is over and the slot is free");
    w.pass(10);
    assert_eq!((w.state(id, first), w.reason(id, first).as_str()), (S::TimedOut, "no word while offered"));
}

#[test]
fn a_cut_link_costs_no_try_and_frees_the_slot() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.does(0, 2, &[Doing::Sending]);
    w.goes(0);
    assert_eq!(w.state(id, 0), S::Waiting);
    w.hello(KeyId(0), true);
    assert_eq!(w.state(id, 0), S::Offered);
}

#[test]
fn a_device_cut_off_while_installing_is_asked_again_and_may_say_that_it_is_at_it() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.does(0, 2, &[Doing::Received]);
    w.goes(0);
    assert_eq!(w.state(id, 0), S::Installing, "an install may need a restart");
    w.hello(KeyId(0), true);
    assert_eq!(w.state(id, 0), S::Offered);
    let effects = w.engine.answered(w.now, KeyId(0), &module(0), &v(2), Answer::Declined("busy".into()));
    w.carry_out(effects);
    assert_eq!(w.state(id, 0), S::Installing);
}

#[test]
fn a_rollout_completes_without_the_dead_and_still_serves_them_when_they_come_back() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.installs(0, 2);
    w.runs(0, 2);
    w.pass(5);
    assert_eq!(w.rollouts[&id].state, RolloutState::Completed);
    assert_eq!(w.state(id, 3), S::Waiting);
    w.hello(KeyId(3), true);
    assert_eq!(w.state(id, 3), S::Offered);
    assert_eq!(w.rollouts[&id].state, RolloutState::Completed);
}

#[test]
fn a_device_that_went_a_moment_ago_is_waited_for() {
    let mut w = world(0..2);
    let id = w.begin(2, 0, policy());
    w.goes(1);
    w.installs(0, 2);
    w.runs(0, 2);
    w.pass(5);
    assert_eq!(w.rollouts[&id].state, RolloutState::Running);
    w.pass(300);
    assert_eq!(w.rollouts[&id].state, RolloutState::Completed);
}

#[test]
fn a_newcomer_gets_what_all_devices_are_to_run() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.running.insert(KeyId(50), [(module(0), v(1))].into());
    w.hello(KeyId(50), true);
    assert_eq!(w.state(id, 50), S::Offered);
    w.running.insert(KeyId(51), [(module(0), v(3))].into());
    w.hello(KeyId(51), true);
    assert!(!w.rows.contains_key(&(id, KeyId(51), module(0))), "it runs something newer");
}

#[test]
fn the_newest_rollout_takes_over_at_once_and_waits_for_an_install_under_way() {
    let mut w = world(0..2);
    let old = w.begin(2, 0, policy());
    w.does(0, 2, &[Doing::Received]);
    assert_eq!((w.state(old, 0), w.state(old, 1)), (S::Installing, S::Offered));
    let new = w.begin(3, 0, policy());
    assert_eq!((w.state(old, 3), w.state(new, 3)), (S::Superseded, S::Waiting));
    assert_eq!((w.state(old, 1), w.state(new, 1)), (S::Superseded, S::Offered), "the old offer is taken back");
    assert_eq!((w.state(old, 0), w.state(new, 0)), (S::Installing, S::Waiting), "one change at a time");
    let effects = w.engine.did(w.now, KeyId(0), &module(0), &v(2), Doing::Failed("no".into()));
    w.carry_out(effects);
    assert_eq!((w.state(old, 0), w.state(new, 0)), (S::Failed, S::Offered));
}

#[test]
fn a_rollout_with_a_time_starts_at_that_time() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, Policy { not_before: Some(w.now + TimeDelta::seconds(60)), ..policy() });
    w.pass(59);
    assert_eq!((w.state(id, 0), w.rollouts[&id].state), (S::Waiting, RolloutState::Scheduled));
    w.pass(1);
    assert_eq!((w.state(id, 0), w.rollouts[&id].state), (S::Offered, RolloutState::Running));
}

#[test]
fn a_cancel_ends_what_waits_and_tells_devices_that_were_asked() {
    let mut w = world(0..2);
    let id = w.begin(2, 0, Policy { max_in_flight: 1, ..policy() });
    let effects = w.engine.cancel(w.now, id, "cancelled by ann".into()).unwrap();
    let told = effects.speech.iter().filter(|s| matches!(s, Speech::Cancel { .. })).count();
    assert_eq!(told, 1);
    w.carry_out(effects);
    assert!((0..8).all(|key| w.state(id, key) == S::Cancelled));
    assert_eq!(w.engine.resume(w.now, id), Err(Refusal::NotLive));
}

#[test]
fn a_late_goodbye_does_not_evict_its_successor() {
    let mut w = world(0..1);
    let old = w.sessions[&KeyId(0)];
    w.hello(KeyId(0), true);
    let effects = w.engine.departed(w.now, KeyId(0), old);
    assert!(effects.is_empty());
    let id = w.begin(2, 0, policy());
    assert_eq!(w.state(id, 0), S::Offered);
}

#[test]
fn after_a_restart_offers_are_void_and_installs_keep_their_lease() {
    let mut w = world(0..3);
    let id = w.begin(2, 0, policy());
    w.does(0, 2, &[Doing::Sending]);
    w.does(1, 2, &[Doing::Received]);
    w.restart();
    let states: Vec<S> = (0..3).map(|key| w.state(id, key)).collect();
    assert_eq!(states, [S::Waiting, S::Installing, S::Waiting]);
    w.all_is_well();
    assert_eq!(w.rollouts[&id].state, RolloutState::Completed);
}

#[test]
fn a_pause_can_be_made_once_and_stops_new_offers_only() {
    let mut w = world(0..2);
    let id = w.begin(2, 0, Policy { max_in_flight: 1, ..policy() });
    let busy = if w.state(id, 0) == S::Offered { 0 } else { 1 };
    let effects = w.engine.pause(w.now, id, "paused by ann".into()).unwrap();
    w.carry_out(effects);
    assert_eq!(w.engine.pause(w.now, id, "again".into()), Err(Refusal::Forbidden(RolloutState::Paused)));
    w.installs(busy, 2);
    w.runs(busy, 2);
    w.pass(5);
    assert_eq!((w.state(id, busy), w.state(id, 1 - busy)), (S::Verified, S::Waiting));
}

#[test]
fn a_busy_device_is_left_alone_for_a_minute_or_until_it_speaks_again() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    let busy = |w: &mut World| {
        let effects = w.engine.answered(w.now, KeyId(0), &module(0), &v(2), Answer::Declined("busy".into()));
        w.carry_out(effects);
    };
    busy(&mut w);
    w.pass(59);
    assert_eq!(w.state(id, 0), S::Waiting);
    w.pass(1);
    assert_eq!(w.state(id, 0), S::Offered);
    busy(&mut w);
    w.hello(KeyId(0), false);
    assert_eq!(w.state(id, 0), S::Offered);
}
