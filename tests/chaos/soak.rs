//! Ten minutes of devices that come and go: memory, descriptors and disk stay what they were foretold to be.

use std::path::Path;
use std::time::{Duration, Instant};

use super::checker;
use super::database::Database;
use super::fleet::{Devices, Fleet};
use super::moment::{pass, until};
use super::place::{Outcome, Place, tell};
use super::proxy::{Cut, Proxy};
use super::server::Server;

/// Devices that stay, and devices that come and go.
const STEADY: u64 = 150;
const PASSING: u64 = 150;

/// More than this between the first samples and the last, beyond a tenth, is a leak, MiB.
const GROWTH: f64 = 8.0;
/// Of a report, in the log, the newest state, the history, and SQLite's own: no more than this, bytes.
const A_REPORT: f64 = 3000.0;

/// The server, with only the steady devices connected.
#[derive(Debug, Clone, Copy)]
struct Sample {
    memory: f64,
    descriptors: usize,
    disk: u64,
    stored: u64,
}

fn sample(server: &Server) -> Sample {
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.process())).unwrap().count();
    let stored = server.metric("fleetward_reports_stored_total ").unwrap();
    Sample { memory: server.memory().0, descriptors, disk: bytes_below(server.data()), stored }
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| if entry.path().is_dir() { bytes_below(&entry.path()) } else { length(&entry.path()) }).sum()
}

/// What has gone since it was listed has none.
fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |metadata| metadata.len())
}

pub fn run(place: &mut Place) -> Outcome {
    if !place.long {
        return Outcome::Skipped("it takes ten minutes, and is one of the long runs".to_owned());
    }
    let server = Server::start(place, &[]);
    let proxy = Proxy::start(place, &server.address);
    let second = Duration::from_secs(1);
    let steady = Fleet::start(place, &server, &server.address, &Devices::quick(STEADY, second));
    server.all_connected(STEADY, Duration::from_secs(60));
    let (begun, mut samples, mut ledgers, mut came) = (Instant::now(), Vec::new(), vec![steady.ledger.clone()], 0);
    while begun.elapsed() < Duration::from_secs(600) {
        let passing = Fleet::start(
            place,
            &server,
            &proxy.address,
            &Devices { prefix: "passing-", ..Devices::quick(PASSING, second) },
        );
        server.all_connected(STEADY + PASSING, Duration::from_secs(60));
        pass(place.millis(3000..9000));
        // Some go without a word, and come again.
        let opened = proxy.opened();
        proxy.cut_all(if place.between(0..2) == 0 { Cut::Fin } else { Cut::Rst });
        until("they are back", Duration::from_secs(60), || (proxy.opened() >= opened + PASSING).then_some(()));
        server.all_connected(STEADY + PASSING, Duration::from_secs(60));
        came += proxy.opened() - opened + PASSING;
        ledgers.push(passing.ledger.clone());
        passing.stop();
        server.all_connected(STEADY, Duration::from_secs(60));
        samples.push(sample(&server));
    }
    steady.stop();
    until("all have gone", Duration::from_secs(60), || (server.connections() == 0).then_some(()));
    verdict(&samples, came);
    finish(server, &ledgers);
    Outcome::Done
}

fn verdict(samples: &[Sample], came: u64) {
    // What is made once, and kept, is there by then.
    let (_, counted) = samples.split_at(samples.len() / 5);
    let third = (counted.len() / 3).max(1);
    let (early, late) = (&counted[..third], &counted[counted.len() - third..]);
    let (first, last) = (early[0], late[late.len() - 1]);
    let memory = |of: &[Sample]| median(of.iter().map(|sample| sample.memory));
    let (before, after) = (memory(early), memory(late));
    let a_report = (last.disk - first.disk) as f64 / (last.stored - first.stored) as f64;
    let most = counted.iter().map(|sample| sample.descriptors).max().unwrap();
    tell("connections that came and went", came);
    tell("memory, first third and last third (median, MiB)", format!("{before:.1}, {after:.1}"));
    tell("descriptors, first, most and last", format!("{}, {most}, {}", first.descriptors, last.descriptors));
    tell("disk for each report (bytes)", format!("{a_report:.0}"));
    assert!(after < before * 1.1 + GROWTH, "memory grows: {samples:?}");
    assert!(last.descriptors <= first.descriptors + 8, "descriptors are left open: {samples:?}");
    assert!(a_report < A_REPORT, "the disk fills faster than foretold: {samples:?}");
    tell("verdict", "nothing leaks");
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn finish(mut server: Server, ledgers: &[std::path::PathBuf]) {
    assert!(server.stop().0.success());
    server.has_not_panicked();
    let ledgers: Vec<_> = ledgers.iter().collect();
    checker::tell_reports(checker::reports(&Database::in_folder(server.data()), server.data(), &ledgers));
}
