//! Care: health rules, windows, limits of several kinds.

use super::*;
use crate::domain::{HealthRules, KindLimits, Sample};

fn cool() -> Policy {
    Policy { health: HealthRules { max_temperature: Some(80.0), ..HealthRules::default() }, ..policy() }
}

impl World {
    /// Runs the new version, seen.
    fn updated(&mut self, key: i64) {
        self.installs(key, 2);
        self.runs(key, 2);
    }

    fn why(&mut self, key: i64) -> Option<String> {
        self.engine.explain(self.now, KeyId(key)).into_iter().find_map(|(.., decision)| match decision {
            Decision::Nothing(reason) => Some(reason.code().to_owned()),
            Decision::Offer => None,
        })
    }
}

#[test]
fn a_device_that_is_not_well_twice_in_a_row_fails_with_the_evidence() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, cool());
    w.updated(0);
    w.pass(1);
    w.report(KeyId(0), 91.5);
    assert_eq!(w.state(id, 0), S::Verifying, "one bad report is none");
    w.pass(1);
    w.report(KeyId(0), 92.0);
    assert_eq!(w.state(id, 0), S::Failed);
    assert_eq!(w.reason(id, 0), "it runs 2 and is not well: temperature 92.0 °C, the limit is 80 °C");
}

#[test]
fn a_bad_last_report_keeps_the_window_open_until_a_good_one() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, cool());
    w.updated(0);
    w.pass(4);
    w.report(KeyId(0), 91.5);
    w.pass(10);
    assert_eq!(w.state(id, 0), S::Verifying);
    w.report(KeyId(0), 60.0);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn a_device_that_stays_unwell_without_a_word_fails_at_its_deadline() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, cool());
    w.updated(0);
    w.pass(1);
    w.report(KeyId(0), 91.5);
    w.pass(40);
    assert_eq!(w.state(id, 0), S::Failed);
    assert!(w.reason(id, 0).contains("91.5"));
}

#[test]
fn a_device_that_reported_and_fell_silent_is_not_well() {
    let mut w = world(0..1);
    let mut policy = cool();
    policy.health.max_silence_s = 10;
    policy.health_window_s = 30;
    let id = w.begin(2, 0, policy);
    w.updated(0);
    w.pass(1);
    w.report(KeyId(0), 50.0);
    w.pass(30);
    assert_eq!(w.state(id, 0), S::Failed);
    assert!(w.reason(id, 0).contains("no report for 30 s"), "{}", w.reason(id, 0));
}

#[test]
fn a_device_that_never_reports_is_judged_by_what_it_runs() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, cool());
    w.updated(0);
    w.pass(5);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn reports_from_before_the_new_version_say_nothing_of_it() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, cool());
    w.report(KeyId(0), 95.0);
    w.report(KeyId(0), 95.0);
    w.updated(0);
    w.pass(5);
    assert_eq!(w.state(id, 0), S::Verified);
}

#[test]
fn so_many_start_in_a_minute_and_the_next_when_it_is_over() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, Policy { starts_per_minute: Some(3), ..policy() });
    let offered = |w: &World| (0..8).filter(|key| w.state(id, *key) == S::Offered).count();
    assert_eq!(offered(&w), 3);
    assert_eq!(w.why(7).as_deref(), Some("limit_reached"));
    (0..8).filter(|key| w.state(id, *key) == S::Offered).collect::<Vec<_>>().into_iter().for_each(|k| w.updated(k));
    w.pass(59);
    assert_eq!(offered(&w), 0);
    w.pass(1);
    assert_eq!(offered(&w), 3);
}

#[test]
fn outside_its_window_a_device_waits_and_says_so() {
    let mut w = world(0..1);
    // The world begins at midnight UTC.
    let id = w.begin(2, 0, Policy { windows: vec!["00:01-00:02".parse().unwrap()], ..policy() });
    assert_eq!((w.state(id, 0), w.why(0).as_deref()), (S::Waiting, Some("window_closed")));
    w.pass(60);
    assert_eq!(w.state(id, 0), S::Offered);
}

#[test]
fn a_device_that_does_not_meet_the_condition_is_asked_when_a_report_does() {
    let mut w = world(0..1);
    let parked = Some("temperature < 40".parse().unwrap());
    let id = w.begin(2, 0, Policy { only_when: parked, ..policy() });
    assert_eq!((w.state(id, 0), w.why(0).as_deref()), (S::Waiting, Some("condition_not_met")));
    w.report(KeyId(0), 55.0);
    assert_eq!(w.state(id, 0), S::Waiting);
    w.report(KeyId(0), 30.0);
    assert_eq!(w.state(id, 0), S::Offered);
}

#[test]
fn a_condition_may_ask_for_any_field_of_the_last_report() {
    let mut w = world(0..1);
    let charged = Some("report.battery >= 20".parse().unwrap());
    let id = w.begin(2, 0, Policy { only_when: charged, ..policy() });
    let says = |battery: i32| {
        let fields = serde_json::Map::from_iter([("battery".to_owned(), battery.into())]);
        Readings { fields, ..Readings::default() }
    };
    w.reports(KeyId(0), says(19));
    assert_eq!((w.state(id, 0), w.why(0).as_deref()), (S::Waiting, Some("condition_not_met")));
    w.reports(KeyId(0), says(20));
    assert_eq!(w.state(id, 0), S::Offered);
}

#[test]
fn what_was_reported_while_nobody_watched_counts_when_a_rollout_begins() {
    let mut w = world(0..1);
    // Parked when it said hello; nobody heard that it went off.
    let told = |temperature| {
        let sample = Sample { temperature: Some(temperature), ..Sample::default() };
        HashMap::from([(KeyId(0), Readings { sample, ..Readings::default() })])
    };
    w.engine.told(told(20.0));
    w.engine.told(told(80.0));
    let id = w.begin(2, 0, Policy { only_when: Some("temperature < 40".parse().unwrap()), ..policy() });
    assert_eq!((w.state(id, 0), w.why(0).as_deref()), (S::Waiting, Some("condition_not_met")));
    w.report(KeyId(0), 30.0);
    assert_eq!(w.state(id, 0), S::Offered);
}

#[test]
fn each_kind_of_failure_can_have_a_limit_of_its_own() {
    let mut w = world(0..8);
    let limits = KindLimits { declined: Some(2), ..KindLimits::default() };
    let id = w.begin(2, 0, Policy { max_of_kind: limits, ..policy() });
    for key in 0..2 {
        let declined = Answer::Declined("no_space".into());
        let effects = w.engine.answered(w.now, KeyId(key), &module(0), &v(2), declined);
        w.carry_out(effects);
    }
    assert_eq!(w.rollouts[&id].state, RolloutState::Paused);
    assert_eq!(w.rollouts[&id].why.as_deref(), Some("2 are declined, and the limit is 2"));
}

#[test]
fn where_rollouts_share_a_limit_the_more_urgent_goes_first() {
    let mut w = World::new();
    w.fleet_limit = Some(1);
    w.restart();
    let usual = w.begin(2, 0, policy());
    let urgent = w.begin(2, 1, Policy { priority: 5, ..policy() });
    (0..2).for_each(|key| w.hello(KeyId(key), true));
    let of = |w: &World, id: RolloutId, n: u8| w.rows[&(id, KeyId(0), module(n))].state;
    // The first device was asked by whoever was there first; from then on the urgent one is served.
    let held = w.rows.values().filter(|row| row.state.holds_a_lease()).count();
    assert_eq!(held, 1);
    let first = if of(&w, urgent, 1) == S::Offered { urgent } else { usual };
    assert_eq!(first, urgent);
}

#[test]
fn a_sample_without_numbers_breaks_no_rule() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, cool());
    w.updated(0);
    w.reports(KeyId(0), Readings::default());
    w.pass(5);
    assert_eq!(w.state(id, 0), S::Verified);
}

/// A rollout of app1 2 and app2 2, of which app2 needs app1 2 first.
fn a_set(w: &mut World) -> RolloutId {
    let first = w.begin(2, 2, Policy { not_before: Some(w.now + TimeDelta::days(1)), ..policy() });
    let mut open = w.open(w.rollouts[&first].clone());
    let effects = w.engine.cancel(w.now, first, "made anew".into()).unwrap();
    w.carry_out(effects);
    let id = RolloutId(2);
    open.rollout.id = id;
    open.rollout.state = RolloutState::Running;
    open.rollout.packages[1].release.requires.modules = [(module(0), ">= 2".to_owned().try_into().unwrap())].into();
    open.rows.iter_mut().for_each(|row| row.rollout = id);
    w.rollouts.insert(id, open.rollout.clone());
    for row in &open.rows {
        w.rows.insert((id, row.key_id, row.module.clone()), row.clone());
    }
    let effects = w.engine.begin(w.now, open, Vec::new());
    w.carry_out(effects);
    id
}

#[test]
fn a_package_waits_for_the_one_that_it_needs() {
    let mut w = world(0..1);
    let id = a_set(&mut w);
    let second = |w: &World| w.rows[&(id, KeyId(0), module(1))].state;
    assert_eq!((w.state(id, 0), second(&w)), (S::Offered, S::Waiting));
    w.installs(0, 2);
    w.runs(0, 2);
    assert_eq!((w.state(id, 0), second(&w)), (S::Verifying, S::Offered));
}

#[test]
fn a_package_whose_need_is_not_met_any_more_is_declined_with_the_need() {
    let mut w = world(0..1);
    let id = a_set(&mut w);
    w.does(0, 2, &[Doing::Received, Doing::Failed("no".into())]);
    let second = &w.rows[&(id, KeyId(0), module(1))];
    assert_eq!((second.state, second.reason.as_deref()), (S::Declined, Some("needs app1 >= 2")));
}
