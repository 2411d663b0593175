//! Everything at once: a bad network, a nemesis that kills, stops, freezes and locks, and rollouts all the while.

use std::time::{Duration, Instant};

use super::checker;
use super::database::Database;
use super::fleet::{Devices, Fleet};
use super::moment::pass;
use super::place::{Outcome, Place, tell};
use super::proxy::{Cut, Proxy, Weather};
use super::rollouts::Rollouts;
use super::server::Server;

#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill,
    Stop,
    Freeze,
    Lock,
    Fin,
    Rst,
}

/// What is promised, and a second for a machine that has other things to do.
const STOPPED_WITHIN: Duration = Duration::from_secs(16);

/// Nine kills in fourteen blows.
const BLOWS: [Blow; 14] = [
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Kill,
    Blow::Stop,
    Blow::Freeze,
    Blow::Lock,
    Blow::Fin,
    Blow::Rst,
];

pub fn run(place: &mut Place) -> Outcome {
    let (devices, kills, reports) = place.size((25, 4, 500), (250, 100, 100_000));
    let interval = Duration::from_millis(place.size(250, 600));
    let mut server = Server::start(place, &[]);
    let database = Database::in_folder(server.data());
    let proxy = Proxy::start(place, &server.address);
    let fleet = Fleet::start(place, &server, &proxy.address, &Devices::quick(devices, interval));
    server.all_connected(devices, Duration::from_secs(60));
    let mut rollouts = Rollouts::default();
    let (mut killed, begun) = (0, Instant::now());
    while killed < kills || fleet.acknowledged() < reports {
        let mut blows = BLOWS.to_vec();
        place.shuffle(&mut blows);
        if !place.long {
            // One of each kind beside the kills.
            let mut left = kills;
            blows.retain(|blow| {
                !matches!(blow, Blow::Kill) || {
                    left -= 1;
                    left >= 0
                }
            });
        }
        for blow in blows {
            rollouts.go_on(place, &server);
            proxy.weather(some_weather(place));
            pass(place.millis(200..1500));
            strike(blow, place, &mut server, &database, &proxy);
            killed += i32::from(matches!(blow, Blow::Kill));
        }
    }
    let seconds = begun.elapsed().as_secs();
    proxy.weather(Weather::default());
    server.all_connected(devices, Duration::from_secs(90));
    let rolled_out = rollouts.converge(&server, devices);
    super::moment::until("one socket a device", Duration::from_secs(90), || {
        (server.sockets() as u64 <= devices + 1).then_some(())
    });
    checker::counters(&server, &database);
    let ledger = fleet.ledger.clone();
    let summary = fleet.stop();
    assert!(server.stop().0.success(), "a stop that was asked for ends well");
    server.has_not_panicked();
    tell("seconds, server kills", format!("{seconds}, {killed}"));
    tell("connections that the network cut", proxy.cut());
    checker::tell_reports(checker::reports(&database, server.data(), &[&ledger]));
    let installed = summary["packages_installed"].as_u64().unwrap();
    tell("rollouts, packages installed", format!("{rolled_out}, {installed}"));
    assert_eq!(installed, rolled_out * devices, "nothing is installed twice");
    Outcome::Done
}

fn some_weather(place: &mut Place) -> Weather {
    match place.between(0..4) {
        0 => Weather::default(),
        1 => Weather { delay_ms: 40, halve: 0.2, ..Weather::default() },
        2 => Weather { delay_ms: 10, halve: 0.1, stall: 0.002, cut: 0.002, ..Weather::default() },
        _ => Weather { cut: 0.01, ..Weather::default() },
    }
}

fn strike(blow: Blow, place: &mut Place, server: &mut Server, database: &Database, proxy: &Proxy) {
    match blow {
        Blow::Kill => {
            server.kill();
            pass(place.millis(0..700));
            server.start_again();
        }
        Blow::Stop => {
            let (_, took) = server.stop();
            assert!(took < STOPPED_WITHIN, "the server took {took:?} to stop");
            server.start_again();
        }
        Blow::Freeze => server.freeze(place.millis(300..4000)),
        Blow::Lock => database.hold_lock(place.millis(500..6000)),
        Blow::Fin => proxy.cut_all(Cut::Fin),
        Blow::Rst => proxy.cut_all(Cut::Rst),
    }
}
