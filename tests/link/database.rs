//! The database has trouble, and gets over it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use crate::peer::{Peer, TEXT, get};
use crate::server::{Server, eventually, serve, serve_with};

/// Longer than a page of a disk, so that it does not fit where there was room left.
fn report() -> String {
    format!(r#"{{"device_id":"t-1","timestamp":1,"seq":1,"x":"{}"}}"#, "x".repeat(60_000))
}

fn not_ready(server: &Server, part: &str) {
    let asked = Instant::now();
    let answer = get(server.address, "/readyz");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.body.contains(part), "{}", answer.body);
}

fn ready_again(server: &Server) {
    eventually("the server is ready again", || get(server.address, "/readyz").status == 200);
}

/// A report that was sent in the trouble is acknowledged after it, and what comes then too.
fn goes_on(peer: &mut Peer) {
    assert_eq!(peer.said()["seq"], 1);
    peer.frame(TEXT, br#"{"device_id":"t-1","timestamp":2,"seq":2}"#);
    assert_eq!(peer.said()["seq"], 2);
}

#[test]
fn a_locked_database_is_told_within_five_seconds_and_passes() {
    let server = serve();
    let mut peer = Peer::welcomed(server.address, "t-1");
    ready_again(&server);
    let url = server.data.join("fleetward.db");
    let mut other = SqliteConnection::establish(url.to_str().unwrap()).unwrap();
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        other.batch_execute("PRAGMA busy_timeout = 20000").unwrap();
        other.batch_execute(lock).unwrap();
        not_ready(&server, "database");
        if lock == "BEGIN IMMEDIATE" {
            peer.frame(TEXT, report().as_bytes());
            not_ready(&server, "database");
        }
        assert_eq!(get(server.address, "/healthz").status, 200);
        other.batch_execute("ROLLBACK").unwrap();
        ready_again(&server);
    }
    goes_on(&mut peer);
}

/// Holds SQLite's lock.
fn hold(server: &Server) -> SqliteConnection {
    let mut other = SqliteConnection::establish(server.data.join("fleetward.db").to_str().unwrap()).unwrap();
    other.batch_execute("PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE").unwrap();
    other
}

/// Every worker has answered something that came later than all that was sent before.
fn heard(server: &Server) {
    for _ in 0..16 {
        let mut peer = Peer::open(server.address);
        peer.frame(TEXT, b"no JSON");
        assert_eq!(peer.said()["type"], "error");
    }
}

#[test]
fn a_device_that_went_while_its_hello_was_being_saved_is_offline() {
    let server = serve();
    let mut held = hold(&server);
    for name in ["t-1", "t-2", "t-3"] {
        let mut peer = Peer::open(server.address);
        peer.hello(name);
    }
    heard(&server);
    held.batch_execute("ROLLBACK").unwrap();
    for name in ["t-1", "t-2", "t-3"] {
        let device = || server.wait(server.store.device(&name.parse().unwrap())).unwrap();
        eventually("its hello is saved, and its goodbye", || device().is_some_and(|device| !device.online));
    }
    eventually("nobody is connected", || server.metric("fleetward_connections") == 0.0);
}

#[test]
fn of_hellos_that_are_saved_together_the_last_one_stays() {
    let server = serve();
    let names: Vec<String> = (0..20).map(|n| format!("t-{n}")).collect();
    let mut held = hold(&server);
    let come = |name: &String| {
        let mut peer = Peer::open(server.address);
        peer.hello(name);
        peer
    };
    let mut first: Vec<Peer> = names.iter().map(come).collect();
    heard(&server);
    let mut last: Vec<Peer> = names.iter().map(come).collect();
    heard(&server);
    held.batch_execute("ROLLBACK").unwrap();
    for peer in &mut first {
        assert_eq!(peer.closed().0, 4001);
    }
    for (peer, name) in last.iter_mut().zip(&names) {
        assert_eq!(peer.said()["type"], "welcome");
        peer.frame(TEXT, format!(r#"{{"device_id":"{name}","timestamp":1,"seq":1}}"#).as_bytes());
        assert_eq!(peer.said()["seq"], 1);
    }
    eventually("the twenty are connected", || server.metric("fleetward_connections") == 20.0);
}

#[test]
fn what_comes_behind_a_group_that_fails_is_acknowledged_when_it_is_on_disk_and_is_there_once() {
    let server = serve();
    let mut peer = Peer::welcomed(server.address, "t-1");
    let report = |seq: u32, peer: &mut Peer| {
        peer.frame(TEXT, format!(r#"{{"device_id":"t-1","timestamp":{seq},"seq":{seq}}}"#).as_bytes());
    };
    report(1, &mut peer);
    assert_eq!(peer.said()["seq"], 1);
    let mut held = hold(&server);
    report(2, &mut peer);
    eventually("its rows are being written", || server.metric("fleetward_reports_writing") == 1.0);
    // The lines of these are appended meanwhile; then they come again, as from a device that heard nothing.
    (3..=20).for_each(|seq| report(seq, &mut peer));
    heard(&server);
    (1..=20).for_each(|seq| report(seq, &mut peer));
    heard(&server);
    not_ready(&server, "");
    held.batch_execute("ROLLBACK").unwrap();
    let mut said: Vec<u64> = (0..39).map(|_| peer.said()["seq"].as_u64().unwrap()).collect();
    said.sort_unstable();
    let mut wanted: Vec<u64> = (1..=20).chain(2..=20).collect();
    wanted.sort_unstable();
    assert_eq!(said, wanted);
    ready_again(&server);
    let device = server.wait(server.store.device(&"t-1".parse().unwrap())).unwrap().unwrap();
    let (from, to) = (chrono::DateTime::UNIX_EPOCH, server.clock.now());
    assert_eq!(server.wait(server.store.history(device.key_id, from, to, 0)).unwrap().len(), 20);
    let log = std::fs::read_dir(server.data.join("log")).unwrap().next().unwrap().unwrap();
    assert_eq!(std::fs::read_to_string(log.path()).unwrap().lines().count(), 20);
}

#[test]
fn a_report_that_cannot_be_stored_keeps_nobody_elses_from_it() {
    let server = serve();
    let [mut bad, mut good] = ["bad", "good"].map(|name| Peer::welcomed(server.address, name));
    let key_id = server.wait(server.store.device(&"bad".parse().unwrap())).unwrap().unwrap().key_id;
    let mut held = hold(&server);
    let refuse = format!(
        "CREATE TRIGGER refuses BEFORE INSERT ON device_reports WHEN NEW.key_id = {key_id} \
         BEGIN SELECT RAISE(ABORT, 'of no use'); END"
    );
    held.batch_execute(&refuse).unwrap();
    let report = |name: &str, seq: u32| format!(r#"{{"device_id":"{name}","timestamp":{seq},"seq":{seq}}}"#);
    bad.frame(TEXT, report("bad", 1).as_bytes());
    for seq in 1..=20 {
        good.frame(TEXT, report("good", seq).as_bytes());
    }
    heard(&server);
    held.batch_execute("COMMIT").unwrap();
    (1..=20).for_each(|seq| assert_eq!(good.said()["seq"], seq));
    eventually("it is left out", || server.metric("fleetward_reports_unstorable_total") == 1.0);
    ready_again(&server);
    held.batch_execute("DROP TRIGGER refuses").unwrap();
    bad.frame(TEXT, report("bad", 1).as_bytes());
    assert_eq!(bad.said()["seq"], 1, "it was never acknowledged, and can come again");
}

#[test]
fn what_is_at_hand_of_a_device_that_was_deleted_meanwhile_keeps_nobodys_report_from_it() {
    let server = serve();
    let [mut gone, mut good] = ["gone", "good"].map(|name| Peer::welcomed(server.address, name));
    let report = |name: &str, seq: u32| format!(r#"{{"device_id":"{name}","timestamp":{seq},"seq":{seq}}}"#);
    gone.frame(TEXT, report("gone", 1).as_bytes());
    good.frame(TEXT, report("good", 1).as_bytes());
    assert_eq!((&gone.said()["seq"], &good.said()["seq"]), (&1.into(), &1.into()));
    let mut held = hold(&server);
    held.batch_execute("DELETE FROM devices WHERE device_id = 'gone'").unwrap();
    gone.frame(TEXT, report("gone", 2).as_bytes());
    good.frame(TEXT, report("good", 2).as_bytes());
    heard(&server);
    held.batch_execute("COMMIT").unwrap();
    assert_eq!(good.said()["seq"], 2);
    ready_again(&server);
    assert_eq!(server.metric("fleetward_reports_unstorable_total"), 0.0, "its report is left out as one of nobody");
}

/// A disk of 16 MiB, where this user may make one.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(dir.path()).output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(dir)),
            Ok(output) => {
                println!("not run, no disk can be made here: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("not run, there is no mount here: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn a_full_disk_is_told_and_passes_when_there_is_room() {
    let Some(disk) = TinyDisk::mount() else { return };
    let server = serve_with(|config| config.data_dir = disk.path().join("data"));
    let mut peer = Peer::welcomed(server.address, "t-1");
    ready_again(&server);
    let filler = disk.path().join("filler");
    let filled = std::fs::write(&filler, vec![0; 32 << 20]);
    assert!(filled.is_err(), "the disk is full");
    peer.frame(TEXT, report().as_bytes());
    eventually("a full disk is seen", || get(server.address, "/readyz").status == 503);
    not_ready(&server, "");
    assert_eq!(server.metric("fleetward_reports_stored_total"), 0.0);
    std::fs::remove_file(&filler).unwrap();
    ready_again(&server);
    goes_on(&mut peer);
    drop(server);
}
