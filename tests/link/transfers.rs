//! Packages on their way over real sockets.

use crate::peer::{PING, Peer, TEXT};
use crate::server::{eventually, serve_with};

const BINARY: u8 = 0x82;

#[test]
fn pings_and_acknowledgements_go_between_the_chunks_of_a_transfer() {
    let size = 2 << 20;
    let server = serve_with(|config| {
        config.limits.ping_s = 1;
        config.limits.transfer_bytes_per_s = 700_000;
    });
    let mut peer = Peer::welcomed_with_app1(server.address, "t-1");
    server.rolls_out(size);
    assert_eq!(peer.said()["type"], "update_list");
    peer.wants_app1();
    assert_eq!(peer.said()["type"], "package");
    let (mut received, mut pinged_at, mut acked_at) = (0, Vec::new(), Vec::new());
    while received < size {
        let (first, payload) = peer.read().unwrap();
        match first {
            BINARY => {
                received += payload.len();
                let progress =
                    format!(r#"{{"type":"progress","app_name":"app1","version":"2.0.0","received":{received}}}"#);
                peer.frame(TEXT, progress.as_bytes());
                let report = format!(r#"{{"device_id":"t-1","timestamp":1,"seq":{}}}"#, received / 65_536);
                peer.frame(TEXT, report.as_bytes());
            }
            PING => pinged_at.push(received),
            TEXT => acked_at.push(received),
            other => panic!("{other:#x}"),
        }
    }
    for (what, at) in [("pings", pinged_at), ("acknowledgements", acked_at)] {
        let between = at.iter().filter(|at| (1..size).contains(*at)).count();
        assert!(between >= 1, "{what} behind so many of {size} bytes: {at:?}");
    }
}

#[test]
fn a_device_that_is_deleted_in_the_middle_of_a_transfer_is_sent_away_and_its_reports_hold_up_nobody() {
    let server = serve_with(|config| config.limits.transfer_bytes_per_s = 300_000);
    let mut peer = Peer::welcomed_with_app1(server.address, "t-1");
    let mut other = Peer::welcomed(server.address, "t-2");
    server.rolls_out(2 << 20);
    assert_eq!(peer.said()["type"], "update_list");
    peer.wants_app1();
    assert_eq!(peer.said()["type"], "package");
    let key_id = server.wait(server.store.delete_device(&"t-1".parse().unwrap())).unwrap().unwrap();
    // Its connection has not heard of it yet.
    peer.frame(TEXT, br#"{"device_id":"t-1","timestamp":1,"seq":1}"#);
    peer.frame(TEXT, br#"{"device_id":"t-1","timestamp":1,"version_list":[{"name":"app9","version":"9"}]}"#);
    other.frame(TEXT, br#"{"device_id":"t-2","timestamp":1,"seq":1}"#);
    while other.said()["seq"] != 1 {}
    server.tells_of_the_deleted(key_id);
    assert_eq!(peer.closed(), (4003, "the device was deleted".to_owned()));
    other.frame(TEXT, br#"{"device_id":"t-2","timestamp":1,"seq":2}"#);
    while other.said()["seq"] != 2 {}
    eventually("only the other one is connected", || server.metric("fleetward_connections") == 1.0);
}
