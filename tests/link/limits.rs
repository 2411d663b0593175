//! Limits that a device meets.

use std::time::{Duration, Instant};

use crate::peer::{Peer, TEXT};
use crate::server::{eventually, serve_with};

fn report(device_id: &str, seq: u32) -> String {
    format!(r#"{{"device_id":"{device_id}","timestamp":{seq},"boot_id":"b","seq":{seq}}}"#)
}

#[test]
fn a_device_that_talks_too_much_is_read_more_slowly_and_loses_nothing() {
    let server = serve_with(|config| {
        config.limits.messages_per_s = 50;
        config.limits.messages_burst = 60;
    });
    let mut peer = Peer::welcomed(server.address, "t-1");
    let begun = Instant::now();
    for seq in 1..=200 {
        peer.frame(TEXT, report("t-1", seq).as_bytes());
    }
    while peer.said()["seq"] != 200 {}
    // 140 beyond the burst, 50 a second; however slow this machine is, it is not sooner.
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(server.metric("fleetward_messages_slowed_total") >= 10.0);
    assert_eq!(server.metric("fleetward_reports_stored_total"), 200.0);
    assert_eq!(server.metric("fleetward_link_faults_total"), 0.0);
}

/// Its pongs would lie behind all that it said at once.
#[test]
fn a_device_that_sends_days_of_reports_at_once_is_read_to_the_end() {
    let server = serve_with(|config| {
        config.limits.messages_per_s = 15;
        config.limits.messages_burst = 15;
    });
    let mut peer = Peer::welcomed(server.address, "t-1");
    let run = "b".repeat(36);
    for seq in 1..=420 {
        let report = format!(r#"{{"device_id":"t-1","timestamp":{seq},"boot_id":"{run}","seq":{seq}}}"#);
        peer.frame(TEXT, report.as_bytes());
    }
    while peer.said()["seq"] != 420 {}
    assert_eq!(server.metric("fleetward_reports_stored_total"), 420.0);
}

#[test]
fn a_device_that_connects_again_and_again_is_held_off_and_the_others_are_not() {
    let server = serve_with(|config| config.limits.connects_per_min = 3);
    for _ in 0..3 {
        Peer::welcomed(server.address, "flapping");
    }
    for _ in 0..2 {
        let mut peer = Peer::open(server.address);
        peer.hello("flapping");
        let (code, reason) = peer.closed();
        assert_eq!(code, 1013);
        assert!(reason.starts_with("flapping: connects too often; come back in "), "{reason}");
    }
    Peer::welcomed(server.address, "steady");
    assert_eq!(server.metric("fleetward_flapping_refused_total"), 2.0);
    assert_eq!(server.metric("fleetward_flapping_held"), 1.0);
}

#[test]
fn beyond_the_limit_a_device_is_told_when_to_come_again() {
    let server = serve_with(|config| config.limits.connections = 2);
    let first = Peer::welcomed(server.address, "t-1");
    let _second = Peer::welcomed(server.address, "t-2");
    let refused = Peer::try_open(server.address, "").err().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (503, "too_many_connections"));
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait));
    drop(first);
    eventually("the place of a device that went is free", || Peer::try_open(server.address, "").is_ok());
}

#[test]
fn an_address_is_limited_by_whom_a_trusted_proxy_speaks_for() {
    let limited = |trusted: &'static str| {
        serve_with(|config| {
            config.limits.connections_per_address = 1;
            config.trusted_proxies = trusted.split_whitespace().map(|text| text.parse().unwrap()).collect();
        })
    };
    let (server, one) = (limited("127.0.0.1"), "x-forwarded-for: 203.0.113.1\r\n");
    let _held = Peer::try_open(server.address, one).unwrap();
    let refused = Peer::try_open(server.address, one).err().unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (503, "too_many_connections"));
    assert!(Peer::try_open(server.address, "x-forwarded-for: 203.0.113.2\r\n").is_ok());
    let server = limited("");
    let peers = [one; 3].map(|claim| Peer::try_open(server.address, claim));
    assert!(peers.iter().all(Result::is_ok), "a stranger's claim counts for nothing, and loopback is not limited");
}

#[test]
fn cloned_devices_raise_an_alarm() {
    let server = serve_with(|_| {});
    let mut peers: Vec<Peer> = (0..4).map(|_| Peer::welcomed(server.address, "cloned")).collect();
    for peer in &mut peers[..3] {
        assert_eq!(peer.closed(), (4001, "replaced".to_owned()));
    }
    assert_eq!(server.metric("fleetward_clone_alarms_total"), 1.0);
    assert_eq!(server.metric("fleetward_connections"), 1.0);
}
