//! What proves something and what does not, and what nobody is to suffer for.

use super::*;
use crate::domain::{HealthRules, Readings, Sample};

impl World {
    fn declines(&mut self, key: i64) {
        let no = Answer::Declined("known_bad".into());
        let effects = self.engine.answered(self.now, KeyId(key), &module(0), &v(2), no);
        self.carry_out(effects);
    }

    fn verified(&mut self, keys: std::ops::Range<i64>, version: u8) {
        for key in keys {
            self.installs(key, version);
            self.runs(key, version);
        }
        self.pass(5);
    }

    fn joins(&mut self, key: i64) {
        self.running.insert(KeyId(key), [(module(0), v(1))].into());
        self.hello(KeyId(key), true);
    }

    fn is(&self, id: RolloutId) -> (RolloutState, &str) {
        let rollout = &self.rollouts[&id];
        (rollout.state, rollout.why.as_deref().unwrap_or_default())
    }
}

#[test]
fn a_stage_that_nobody_took_opens_nothing() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, staged());
    w.declines(0);
    w.declines(1);
    assert_eq!(w.is(id), (RolloutState::Paused, "in stage 1, no terminal was seen to run it well"));
    assert_eq!(w.state(id, 5), S::Waiting);
    let effects = w.engine.resume(w.now, id).unwrap();
    w.carry_out(effects);
    assert_eq!(w.state(id, 5), S::Offered, "an admin may go on all the same");
}

#[test]
fn a_pause_before_a_stage_has_proved_anything_forgives_it_nothing() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, staged());
    w.declines(0);
    let effects = w.engine.pause(w.now, id, "lunch".into()).unwrap();
    w.carry_out(effects);
    let effects = w.engine.resume(w.now, id).unwrap();
    w.carry_out(effects);
    w.declines(1);
    assert_eq!((w.is(id).0, w.state(id, 5)), (RolloutState::Paused, S::Waiting));
}

#[test]
fn the_share_is_looked_at_before_those_who_were_away_are_asked() {
    let mut w = world(0..7);
    let id = w.begin(2, 0, Policy { max_failure_percent: 20, ..policy() });
    (0..3).for_each(|key| w.does(key, 2, &[Doing::Failed("no".into())]));
    w.verified(3..7, 2);
    assert_eq!(w.is(id), (RolloutState::Paused, "in stage 1, 3 of 7 failed"));
    w.hello(KeyId(7), true);
    assert_eq!(w.state(id, 7), S::Waiting);
}

#[test]
fn a_success_can_make_the_sample_large_enough_for_the_share() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, Policy { max_failure_percent: 20, minimum_sample: 4, ..policy() });
    (0..2).for_each(|key| w.does(key, 2, &[Doing::Failed("no".into())]));
    w.verified(2..3, 2);
    assert_eq!(w.is(id).0, RolloutState::Running);
    w.verified(3..4, 2);
    assert_eq!(w.is(id), (RolloutState::Paused, "2 of 4 failed, and the limit is 20 %"));
}

#[test]
fn a_device_that_came_back_late_has_its_whole_health_window() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, Policy { health_window_s: 30, ..policy() });
    w.installs(0, 2);
    w.pass(35);
    w.runs(0, 2);
    w.pass(29);
    assert_eq!(w.state(id, 0), S::Verifying, "its lease was over after 40 s");
    w.pass(1);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn a_device_that_goes_down_in_each_install_is_given_up_on() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, Policy { attempts: 2, ..policy() });
    for after in [S::Downloading, S::Failed] {
        w.does(0, 2, &[Doing::Received]);
        w.goes(0);
        w.hello(KeyId(0), true);
        assert_eq!(w.state(id, 0), S::Offered, "it may be at it still");
        w.does(0, 2, &[]);
        assert_eq!(w.state(id, 0), after);
    }
    assert_eq!(w.reason(id, 0), "it went away while it installed, and came back without it");
    assert!(w.offers.is_empty(), "and it is told");
}

#[test]
fn a_transfer_that_is_too_slow_is_a_try_and_no_fault_of_the_package() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, Policy { attempts: 2, ..policy() });
    w.does(0, 2, &[Doing::Sending, Doing::TooSlow]);
    assert_eq!(w.state(id, 0), S::Waiting);
    w.pass(30);
    w.does(0, 2, &[Doing::Sending, Doing::TooSlow]);
    assert_eq!((w.state(id, 0), w.reason(id, 0).as_str()), (S::TimedOut, "its bytes went out too slowly"));
    assert!(w.strikes.is_empty());
}

#[test]
fn a_set_that_is_offered_anew_after_a_takeover_is_not_called_off() {
    let mut w = world(0..1);
    w.begin(2, 2, Policy { all_or_nothing: true, ..policy() });
    for n in [0, 1] {
        let effects = w.engine.answered(w.now, KeyId(0), &module(n), &v(2), Answer::Wanted);
        w.carry_out(effects);
    }
    w.hello(KeyId(0), true);
    assert_eq!(w.offers.len(), 2, "the old link's end was not noticed before the new one came");
}

#[test]
fn what_a_rollout_leaves_out_it_takes_over_after_no_restart_either() {
    let mut w = world(0..1);
    let older = w.begin(2, 0, policy());
    w.running.get_mut(&KeyId(5)).unwrap().insert(module(0), v(3));
    let newer = w.begin(3, 0, policy());
    w.running.get_mut(&KeyId(5)).unwrap().insert(module(0), v(1));
    assert!(!w.rows.contains_key(&(newer, KeyId(5), module(0))));
    w.restart();
    assert_eq!(w.state(older, 5), S::Waiting);
    w.hello(KeyId(5), true);
    assert_eq!(w.state(older, 5), S::Offered);
}

#[test]
fn a_newcomer_is_left_to_the_older_rollout_while_the_newer_ones_stage_is_shut() {
    let mut w = world(0..2);
    let older = w.begin(2, 0, policy());
    let newer = w.begin(3, 0, staged());
    w.joins(50);
    assert_eq!((w.state(older, 50), w.state(newer, 50)), (S::Offered, S::Waiting));
    w.verified(0..2, 3);
    assert_eq!((w.state(older, 50), w.state(newer, 50)), (S::Superseded, S::Offered));
}

#[test]
fn who_came_between_writing_down_and_start_is_there_at_the_start() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, Policy { not_before: Some(w.now + TimeDelta::seconds(60)), ..policy() });
    w.pass(10);
    w.joins(50);
    w.pass(49);
    assert!(!w.rows.contains_key(&(id, KeyId(50), module(0))));
    w.pass(1);
    assert_eq!(w.state(id, 50), S::Offered);
}

#[test]
fn the_way_back_leads_to_what_ran_before_the_change() {
    let mut w = world(0..8);
    let id = w.begin(3, 0, staged());
    w.runs(5, 2);
    w.verified(0..2, 3);
    let row = &w.rows[&(id, KeyId(5), module(0))];
    assert_eq!((row.state, &row.from), (S::Offered, &Some(v(2))), "not what it ran when this was planned");
}

#[test]
fn reports_kept_from_before_the_hello_say_nothing_of_the_new_version() {
    let mut w = world(0..1);
    let health = HealthRules { max_temperature: Some(80.0), ..HealthRules::default() };
    let id = w.begin(2, 0, Policy { health, ..policy() });
    w.installs(0, 2);
    w.runs(0, 2);
    let sample = Sample { temperature: Some(95.0), ..Sample::default() };
    let made_at = w.now - TimeDelta::seconds(1);
    for second in [1, 2] {
        w.pass(second);
        let readings = Readings { sample, ..Readings::default() };
        let vitals = Vitals { at: w.now, made_at, readings, status: Vec::new() };
        let effects = w.engine.reported(w.now, KeyId(0), vitals);
        w.carry_out(effects);
    }
    w.pass(2);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn while_nothing_can_be_saved_nobody_is_asked_and_nothing_runs_out() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.engine.hold();
    w.hello(KeyId(1), true);
    w.pass(100);
    assert_eq!((w.state(id, 0), w.state(id, 1)), (S::Offered, S::Waiting));
    let effects = w.engine.let_go(w.now);
    w.carry_out(effects);
    assert_eq!(w.state(id, 1), S::Offered);
    w.pass(9);
    assert_eq!(w.state(id, 0), S::Offered, "its time begins when it can be told");
    w.pass(1);
    assert_eq!(w.state(id, 0), S::TimedOut);
}
