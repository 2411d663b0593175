//! What is left out, and in which order, when reports come faster than they can be written.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use fleetward::domain::{LiveEvent, Load};

use crate::peer::{PING, PONG, Peer, TEXT};
use crate::server::{Server, eventually, serve_with};

/// A hundredth of the intake, bytes.
const HUNDREDTH: usize = 2000;

/// Somebody else holds the database: nothing can be written as long as this lives.
struct Held(SqliteConnection);

impl Held {
    fn take(server: &Server) -> Self {
        let path = server.data.join("fleetward.db");
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE").unwrap();
        Self(other)
    }

    fn give_back(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}

/// A device that reports.
struct Reporter {
    peer: Peer,
    seq: u64,
}

impl Reporter {
    /// Reports until the intake is so full, of a hundred.
    fn fills(&mut self, server: &Server, from: usize, to: usize) {
        for _ in from..to {
            self.reports(HUNDREDTH);
        }
        eventually("the reports are in the intake", || server.fleet.load() >= Load::of(u32::try_from(to).unwrap()));
        assert_eq!(server.fleet.load(), Load::of(u32::try_from(to).unwrap()));
    }

    /// One report that is being written when the others come: they are another group, with a look at the load of its
    /// own.
    fn begins_a_group(&mut self, server: &Server) {
        self.reports(0);
        eventually("a group is being written", || server.metric("fleetward_reports_writing") == 1.0);
    }

    fn reports(&mut self, length: usize) {
        self.seq += 1;
        let mut text = format!(r#"{{"device_id":"r-1","timestamp":{},"seq":{},"x":""#, self.seq, self.seq);
        text.push_str(&"x".repeat(length.saturating_sub(text.len() + 2)));
        text.push_str("\"}");
        self.peer.frame(TEXT, text.as_bytes());
    }

    /// Everything it ever said is on disk.
    fn is_acknowledged(&mut self, server: &Server) {
        while self.peer.said()["seq"] != self.seq {}
        assert_eq!(server.metric("fleetward_reports_stored_total"), self.seq as f64);
    }

    /// How long the server takes to read what comes behind a report.
    fn is_read_within(&mut self) -> Duration {
        self.reports(0);
        let asked = Instant::now();
        self.peer.frame(PING, b"?");
        while self.peer.read().unwrap().0 != PONG {}
        asked.elapsed()
    }
}

fn samples(server: &Server) -> usize {
    let (from, to) = (chrono::DateTime::UNIX_EPOCH, server.clock.now());
    let key_id = server.wait(server.store.device(&"r-1".parse().unwrap())).unwrap().unwrap().key_id;
    server.wait(server.store.history(key_id, from, to, 0)).unwrap().len()
}

#[test]
fn live_goes_first_then_history_then_transfers_then_connections_then_speed_and_no_report_is_lost() {
    let server = serve_with(|config| {
        config.limits.intake_bytes = 100 * HUNDREDTH;
        (config.limits.messages_per_s, config.limits.messages_burst) = (100_000, 100_000);
    });
    let mut reporter = Reporter { peer: Peer::welcomed(server.address, "r-1"), seq: 0 };
    let mut wanting = ["t-1", "t-2"].map(|name| Peer::welcomed_with_app1(server.address, name));
    server.rolls_out(1000);
    wanting.iter_mut().for_each(|peer| assert_eq!(peer.said()["type"], "update_list"));
    let [at_65, at_75] = &mut wanting;
    let mut live = server.fleet.subscribe();
    let mut shown = || {
        let events = std::iter::from_fn(|| live.try_recv().ok());
        events.filter(|event| matches!(**event, LiveEvent::Report { .. })).count()
    };
    reporter.reports(0);
    reporter.is_acknowledged(&server);
    assert_eq!((shown(), samples(&server)), (1, 1), "in calm times everything is told");

    let held = Held::take(&server);
    reporter.begins_a_group(&server);
    reporter.fills(&server, 0, 55);
    held.give_back();
    reporter.is_acknowledged(&server);
    assert_eq!((shown(), samples(&server)), (0, 57), "at 55 % open pages are not told, and charts are");

    let held = Held::take(&server);
    reporter.begins_a_group(&server);
    reporter.fills(&server, 0, 65);
    at_65.wants_app1();
    assert_eq!(at_65.said()["type"], "package", "at 65 % transfers begin");
    reporter.fills(&server, 65, 75);
    at_75.wants_app1();
    at_75.frame(PING, b"?");
    // Nothing else: at 75 % none does.
    at_75.pongs(b"?");
    assert!(Peer::try_open(server.address, "").is_ok(), "at 75 % devices are let in");
    reporter.fills(&server, 75, 85);
    let refused = Peer::try_open(server.address, "").err().expect("at 85 % nobody is let in");
    assert_eq!((refused.status, refused.code().as_str()), (503, "overrun"));
    assert!((1..=30).contains(&refused.header("retry-after").unwrap().parse::<u32>().unwrap()));
    let at_85 = reporter.is_read_within();
    reporter.fills(&server, 85, 90);
    let at_90 = reporter.is_read_within();
    assert!(at_85 < at_90 && at_90 >= Duration::from_secs(1), "{at_85:?}, {at_90:?}");
    held.give_back();
    reporter.is_acknowledged(&server);
    assert_eq!(at_75.said()["type"], "package", "what was put off is done");
    // Of the 91 those that were written last may have been written when it was calm again.
    let (shown, samples) = (shown(), samples(&server) - 57);
    assert!(shown <= 55 && samples <= 60, "from 60 % on charts got nothing either: {shown}, {samples}");
    assert!(Peer::try_open(server.address, "").is_ok());
}
