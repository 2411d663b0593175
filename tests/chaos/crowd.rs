//! Many devices at once: all of them dropped together, and all of them sent away by a stop.

use std::time::{Duration, Instant};

use super::checker;
use super::database::Database;
use super::fleet::{Devices, Fleet};
use super::moment::{pass, until};
use super::place::{Outcome, Place, tell};
use super::proxy::{Cut, Proxy};
use super::server::Server;

/// Descriptors that programs need beside their connections.
const SPARE: u64 = 600;

/// As many devices as descriptors allow: the proxy has two a device.
fn as_many(wanted: u64) -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most: u64 = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(u64::MAX);
    wanted.min(most.saturating_sub(SPARE) / 2)
}

/// As the protocol says: no haste.
fn devices(count: u64, interval: u64) -> Devices<'static> {
    let interval = Duration::from_secs(interval);
    Devices { prefix: "sim-", count, interval, longest_wait: None, connect_rate: 300 }
}

pub fn herd(place: &mut Place) -> Outcome {
    let count = as_many(place.size(200, 5000));
    let server = Server::start(place, &[]);
    let proxy = Proxy::start(place, &server.address);
    let fleet = Fleet::start(place, &server, &proxy.address, &devices(count, place.size(1, 30)));
    server.all_connected(count, Duration::from_secs(180));
    // Enrolment is behind them, and a few reports.
    pass(place.size(Duration::from_secs(2), Duration::from_secs(40)));
    let steady = server.memory().0;
    server.forget_peak();
    let (opened, cut) = (proxy.opened(), Instant::now());
    proxy.cut_all(Cut::Rst);
    let mut slowest = Duration::ZERO;
    let (_, back) = until("all are back", Duration::from_secs(180), || {
        let asked = Instant::now();
        assert_eq!(server.ask("/api/v1/devices?limit=50").unwrap().0, 200);
        slowest = slowest.max(asked.elapsed());
        (proxy.opened() - opened >= count && server.connections() == count).then_some(())
    });
    let peak = server.memory().1;
    tell("devices dropped at once", count);
    tell("seconds until all were back", format!("{:.1}", back.as_secs_f64()));
    tell("memory steady, peak (MiB)", format!("{steady:.0}, {peak:.0}"));
    tell("slowest answer of the device list meanwhile (ms)", slowest.as_millis());
    // Connected is not yet served: what they had kept is to be acknowledged.
    pass(Duration::from_secs(2));
    let ledger = fleet.ledger.clone();
    fleet.stop();
    finish(server, &ledger);
    assert!(cut.elapsed() < Duration::from_secs(200) && back < Duration::from_secs(60), "back within 60 s");
    Outcome::Done
}

pub fn stop(place: &mut Place) -> Outcome {
    let count = as_many(place.size(200, 2000));
    let mut server = Server::start(place, &[]);
    let fleet = Fleet::start(place, &server, &server.address, &devices(count, place.size(1, 10)));
    server.all_connected(count, Duration::from_secs(120));
    pass(Duration::from_secs(3));
    let (status, took) = server.stop();
    let ledger = fleet.ledger.clone();
    let told = fleet.stop()["sent_away"].as_u64().unwrap();
    tell("devices connected at SIGTERM", count);
    tell("seconds until the server had ended", format!("{:.1}", took.as_secs_f64()));
    tell("share that saw Close 1012", format!("{:.2}%", told as f64 * 100.0 / count as f64));
    server.start_again();
    finish(server, &ledger);
    assert!(status.success() && took < Duration::from_secs(15), "{status} after {took:?}");
    assert_eq!(told, count, "each is told once");
    Outcome::Done
}

fn finish(mut server: Server, ledger: &std::path::PathBuf) {
    assert!(server.stop().0.success());
    server.has_not_panicked();
    checker::tell_reports(checker::reports(&Database::in_folder(server.data()), server.data(), &[ledger]));
}
