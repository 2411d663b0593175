//! A connection, told as stories.

use chrono::TimeDelta;

use super::*;
use crate::domain::transfer::{MAX_FRAME, Room, WINDOW};
use crate::domain::{KeyId, SessionNo, Sha256Hex};

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn module(name: &str) -> ModuleName {
    ModuleName::new(name).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn release(name: &str, size: u64) -> Release {
    Release {
        module: module(name),
        version: version("2"),
        size,
        sha256: Sha256Hex::of(b""),
        signature: None,
        requires: Default::default(),
    }
}

fn offer(releases: Vec<Release>) -> OfferSpeech {
    OfferSpeech {
        key_id: KeyId(1),
        session: SessionNo(1),
        rollout: RolloutId(7),
        releases,
        allow_rollback: false,
        all_or_nothing: false,
        bytes_per_second: None,
    }
}

fn device() -> DeviceId {
    DeviceId::new("t-1").unwrap()
}

fn runs(pairs: &[(&str, &str)]) -> Modules {
    pairs.iter().map(|(m, v)| (module(m), version(v))).collect()
}

fn fresh() -> Session {
    let limits = SessionLimits {
        hello: TimeDelta::seconds(10),
        dead_after: TimeDelta::seconds(75),
        // Pings have tests of their own.
        ping: TimeDelta::days(1),
        report: TimeDelta::seconds(30),
        messages_per_s: 10,
        messages_burst: 60,
    };
    Session::new(limits, at(0))
}

fn joined() -> Session {
    let mut session = fresh();
    session.hello(at(0), device(), runs(&[("app1", "1"), ("app2", "1")]));
    session.joined(None);
    session.take_effects();
    session
}

fn wants(session: &mut Session, names: &[&str]) {
    let wanted = names.iter().map(|name| (module(name), version("2"), 0)).collect();
    session.replied(at(1), wanted, Vec::new());
}

fn did(doing: Doing) -> SessionEffect {
    SessionEffect::Did { module: module("app1"), version: version("2"), doing }
}

#[test]
fn a_hello_joins_and_the_welcome_follows_the_registry() {
    let mut session = fresh();
    session.hello(at(0), device(), Modules::new());
    assert!(matches!(&session.take_effects()[..], [SessionEffect::Join { .. }]));
    session.joined(Some("token".into()));
    let welcome = SessionEffect::Welcome { device_id: device(), token: Some("token".into()) };
    assert_eq!(session.take_effects(), [welcome]);
}

#[test]
fn without_a_hello_nothing_is_taken_and_ten_seconds_end_it() {
    let mut session = fresh();
    session.replied(at(1), Vec::new(), Vec::new());
    session.result(at(1), module("app1"), version("2"), Doing::Installed);
    session.progress(at(1), module("app1"), version("2"), 1);
    let refused = session.take_effects();
    assert_eq!(refused, vec![SessionEffect::Refuse(Fault::NotHello); 3]);
    session.tick(at(9));
    assert!(!session.has_effects());
    session.tick(at(10));
    assert_eq!(session.take_effects(), [SessionEffect::Close(CloseCause::NoHello)]);
}

#[test]
fn another_device_id_on_the_same_connection_is_refused() {
    let mut session = joined();
    session.hello(at(1), DeviceId::new("t-2").unwrap(), Modules::new());
    assert_eq!(session.take_effects(), [SessionEffect::Refuse(Fault::WrongDevice)]);
}

#[test]
fn hellos_without_end_are_ended_and_those_after_many_modules_are_not() {
    let mut session = joined();
    (60..240).flat_map(|second| [second; 2]).for_each(|second| session.hello(at(second), device(), Modules::new()));
    assert_eq!(session.take_effects(), vec![SessionEffect::Rejoin(Modules::new()); 360]);
    session.hello(at(239), device(), Modules::new());
    assert_eq!(session.take_effects(), [SessionEffect::Close(CloseCause::Hellos)]);
}

#[test]
fn ten_bad_messages_within_a_minute_end_it_and_nine_do_not() {
    let mut session = joined();
    (0..9).for_each(|n| session.unreadable(at(n)));
    session.unreadable(at(61));
    assert!(!session.has_effects(), "the first is older than a minute");
    session.unreadable(at(61));
    assert_eq!(session.take_effects(), [SessionEffect::Close(CloseCause::BadMessages)]);
}

#[test]
fn silence_ends_it_and_any_sign_of_life_does_not() {
    let mut session = joined();
    session.heard(at(60));
    session.tick(at(134));
    assert!(!session.has_effects());
    session.tick(at(135));
    assert_eq!(session.take_effects(), [SessionEffect::Close(CloseCause::Silent)]);
}

#[test]
fn packages_go_out_one_after_the_other_in_the_devices_order() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 10), release("app2", 10)]));
    assert!(matches!(&session.take_effects()[..], [SessionEffect::Ask { .. }]));
    wants(&mut session, &["app2", "app1"]);
    assert_eq!(session.take_effects().last(), Some(&SessionEffect::TakeTurn));
    assert!(session.turn(at(1)));
    let Some((first, 0, Room::Bytes(10))) = session.room(at(1)) else { panic!("app2 first") };
    assert_eq!(first.module, module("app2"));
    session.sent(at(1), 10);
    assert!(!session.take_effects().contains(&SessionEffect::TakeTurn), "the next waits for the result");
    session.result(at(2), module("app2"), version("2"), Doing::Installed);
    assert_eq!(session.take_effects().last(), Some(&SessionEffect::TakeTurn));
    assert!(session.turn(at(2)));
    assert_eq!(session.room(at(2)).unwrap().0.module, module("app1"));
}

#[test]
fn what_a_reply_leaves_out_counts_as_not_newer() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 1), release("app2", 1)]));
    session.take_effects();
    session.replied(at(1), Vec::new(), vec![(module("app1"), version("2"), "busy".into())]);
    let answer = |name: &str, reason: &str| SessionEffect::Answered {
        module: module(name),
        version: version("2"),
        answer: Answer::Declined(reason.into()),
    };
    assert_eq!(session.take_effects(), [answer("app1", "busy"), answer("app2", "not_newer")]);
}

#[test]
fn what_was_not_offered_is_unknown_and_what_was_still_counts() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 1)]));
    session.take_effects();
    wants(&mut session, &["app9", "app1"]);
    let effects = session.take_effects();
    assert_eq!(effects[0], SessionEffect::Refuse(Fault::UnknownPackage(module("app9"), version("2"))));
    assert_eq!(effects.last(), Some(&SessionEffect::TakeTurn));
}

#[test]
fn a_second_offer_waits_for_the_reply_to_the_first() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 1)]));
    session.offer(offer(vec![release("app2", 1)]));
    let asks = |effects: &[SessionEffect]| effects.iter().filter(|e| matches!(e, SessionEffect::Ask { .. })).count();
    assert_eq!(asks(&session.take_effects()), 1);
    wants(&mut session, &[]);
    assert_eq!(asks(&session.take_effects()), 1);
}

#[test]
fn a_device_that_says_nothing_on_the_way_is_served_and_its_hello_is_the_result() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", WINDOW + MAX_FRAME), release("app2", 1)]));
    wants(&mut session, &["app1", "app2"]);
    session.turn(at(1));
    session.sent(at(1), WINDOW);
    assert_eq!(session.room(at(1)).unwrap().2, Room::Wait);
    assert_eq!(session.room(at(6)).unwrap().2, Room::OneFrame(MAX_FRAME));
    session.take_effects();
    session.sent(at(1), MAX_FRAME);
    assert!(session.take_effects().contains(&did(Doing::Received)));
    session.hello(at(9), device(), runs(&[("app1", "2"), ("app2", "1")]));
    let effects = session.take_effects();
    assert!(effects.contains(&SessionEffect::TakeTurn), "the next package's turn: {effects:?}");
}

#[test]
fn a_cancel_stops_what_is_being_sent_and_gives_the_turn_back() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 10 * WINDOW)]));
    wants(&mut session, &["app1"]);
    session.turn(at(1));
    session.sent(at(1), WINDOW);
    session.take_effects();
    session.cancel(module("app1"), version("2"));
    let cancel = SessionEffect::Cancel { module: module("app1"), version: version("2") };
    assert_eq!(session.take_effects(), [cancel, SessionEffect::EndTurn]);
    assert_eq!(session.room(at(1)), None);
}

#[test]
fn a_turn_that_comes_after_a_cancel_is_not_used() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 1)]));
    wants(&mut session, &["app1"]);
    session.cancel(module("app1"), version("2"));
    assert!(!session.turn(at(1)));
}

#[test]
fn a_download_goes_on_where_the_device_left_it() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 100)]));
    session.replied(at(1), vec![(module("app1"), version("2"), 60)], Vec::new());
    session.turn(at(1));
    assert!(session.take_effects().contains(&SessionEffect::Begin { release: release("app1", 100), offset: 60 }));
    assert_eq!(session.room(at(1)).unwrap().1, 60);
}

#[test]
fn an_offset_beyond_the_end_starts_from_the_first_byte() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 100)]));
    session.replied(at(1), vec![(module("app1"), version("2"), 101)], Vec::new());
    session.turn(at(1));
    assert_eq!(session.room(at(1)).unwrap().1, 0);
}

#[test]
fn a_package_that_the_device_has_whole_needs_only_its_announcement() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 100)]));
    session.replied(at(1), vec![(module("app1"), version("2"), 100)], Vec::new());
    session.turn(at(1));
    let effects = session.take_effects();
    assert!(effects.contains(&SessionEffect::Begin { release: release("app1", 100), offset: 100 }));
    assert!(effects.contains(&did(Doing::Received)), "{effects:?}");
    assert!(effects.contains(&SessionEffect::EndTurn));
}

#[test]
fn a_device_that_tells_nothing_at_all_gets_its_next_package_after_ten_seconds() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 10), release("app2", 10)]));
    wants(&mut session, &["app1", "app2"]);
    session.turn(at(1));
    session.sent(at(1), 10);
    session.take_effects();
    session.tick(at(10));
    assert!(!session.has_effects());
    session.tick(at(11));
    assert_eq!(session.take_effects(), [SessionEffect::TakeTurn]);
}

#[test]
fn a_device_that_tells_its_progress_is_waited_for() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 10), release("app2", 10)]));
    wants(&mut session, &["app1", "app2"]);
    session.turn(at(1));
    session.progress(at(1), module("app1"), version("2"), 0);
    session.sent(at(1), 10);
    session.progress(at(1), module("app1"), version("2"), 10);
    session.take_effects();
    session.tick(at(60));
    assert!(!session.has_effects());
}

#[test]
fn a_device_that_talks_too_much_is_read_later_and_never_sent_away() {
    let mut session = joined();
    let report = || Box::new(serde_json::from_str::<Report>(r#"{"timestamp":"2026-11-22T08:48:00.123Z"}"#).unwrap());
    for _ in 0..60 {
        assert_eq!(session.pause(at(0)), TimeDelta::zero());
        session.spoken(at(0));
        session.report(at(0), &device(), report());
    }
    assert_eq!(session.pause(at(0)), TimeDelta::milliseconds(100));
    let stored = session.take_effects();
    assert!(stored.len() == 60 && stored.iter().all(|effect| matches!(effect, SessionEffect::Store(_))));
}

#[test]
fn a_download_does_not_wait_for_its_own_progress() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 1000 * MAX_FRAME)]));
    wants(&mut session, &["app1"]);
    session.turn(at(1));
    for frame in 1..=1000 {
        session.sent(at(1), MAX_FRAME);
        session.spoken(at(1));
        session.progress(at(1), module("app1"), version("2"), frame * MAX_FRAME);
    }
    assert_eq!(session.pause(at(1)), TimeDelta::zero());
    for _ in 0..60 {
        session.spoken(at(1));
        session.progress(at(1), module("app1"), version("2"), 1000 * MAX_FRAME);
    }
    assert!(session.pause(at(1)) > TimeDelta::zero(), "progress that is none counts");
}

#[test]
fn a_transfer_that_is_too_slow_gives_its_turn_away_and_the_updater_hears_of_it() {
    let mut session = joined();
    session.offer(offer(vec![release("app1", 10 * WINDOW), release("app2", 10)]));
    wants(&mut session, &["app1", "app2"]);
    session.turn(at(1));
    session.take_effects();
    session.sent(at(1), WINDOW);
    session.take_effects();
    (1..=121).for_each(|second| {
        session.heard(at(second));
        session.tick(at(second));
    });
    let (module_1, version_2) = (module("app1"), version("2"));
    let doing = Doing::TooSlow;
    let slow = SessionEffect::Did { module: module_1.clone(), version: version_2.clone(), doing };
    let cancel = SessionEffect::Cancel { module: module_1, version: version_2 };
    assert_eq!(session.take_effects(), [slow, cancel, SessionEffect::EndTurn, SessionEffect::TakeTurn]);
}

fn set(releases: Vec<Release>) -> OfferSpeech {
    OfferSpeech { all_or_nothing: true, ..offer(releases) }
}

/// Sends what has its turn, to the last byte.
fn send_all(session: &mut Session, bytes: u64) {
    assert!(session.turn(at(1)));
    session.sent(at(1), bytes);
    session.take_effects();
}

fn turns(effects: &[SessionEffect]) -> usize {
    effects.iter().filter(|effect| **effect == SessionEffect::TakeTurn).count()
}

#[test]
fn the_rest_of_a_set_is_sent_though_nothing_of_it_is_installed_yet() {
    let mut session = joined();
    session.offer(set(vec![release("app1", 10), release("app2", 10)]));
    assert!(matches!(&session.take_effects()[..], [SessionEffect::Ask { all_or_nothing: true, .. }]));
    wants(&mut session, &["app1", "app2"]);
    send_all(&mut session, 10);
    session.result(at(2), module("app1"), version("2"), Doing::Staged);
    let effects = session.take_effects();
    assert_eq!((&effects[0], turns(&effects)), (&did(Doing::Staged), 1), "{effects:?}");
    send_all(&mut session, 10);
    session.result(at(3), module("app2"), version("2"), Doing::Staged);
    session.take_effects();
    session.result(at(4), module("app1"), version("2"), Doing::Installed);
    assert_eq!(session.take_effects(), [did(Doing::Installed)]);
}

#[test]
fn of_a_set_that_failed_nothing_more_is_sent_and_other_offers_go_on() {
    let mut session = joined();
    session.offer(set(vec![release("app1", 10), release("app2", 10)]));
    wants(&mut session, &["app1", "app2"]);
    session.offer(OfferSpeech { rollout: RolloutId(8), ..offer(vec![release("app3", 10)]) });
    wants(&mut session, &["app3"]);
    session.take_effects();
    send_all(&mut session, 10);
    session.result(at(2), module("app1"), version("2"), Doing::Failed("no room".into()));
    assert_eq!(turns(&session.take_effects()), 1);
    assert!(session.turn(at(3)));
    let begun = session.take_effects();
    let begins = |effect: &SessionEffect| matches!(effect, SessionEffect::Begin { release, .. } if release.module == module("app3"));
    assert!(begun.iter().any(begins), "{begun:?}");
}
