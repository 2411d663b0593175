//! A package whose transfer is cut again and again: it goes on where it was.

use std::time::Duration;

use serde_json::json;

use super::fleet::{Devices, Fleet};
use super::moment::until;
use super::place::{Outcome, Place, tell};
use super::proxy::{Proxy, Weather};
use super::server::Server;

const WINDOW: u64 = 1024 * 1024;

pub fn run(place: &mut Place) -> Outcome {
    let (size, cuts): (u64, u64) = place.size((6 * WINDOW, 5), (64 * WINDOW, 20));
    let server = Server::start(place, &[]);
    let proxy = Proxy::start(place, &server.address);
    let fleet = Fleet::start(place, &server, &proxy.address, &Devices::quick(1, Duration::from_secs(30)));
    server.all_connected(1, Duration::from_secs(30));
    let bytes = place.bytes(usize::try_from(size).unwrap());
    server.upload(place, "app1", "2.0.0", &bytes);
    let before = proxy.to_devices();
    proxy.weather(Weather { delay_ms: 1, cut_after: Some(size / (cuts + 1)), ..Weather::default() });
    let policy = json!({"health_window_s": 0, "attempts": 100});
    let body = json!({"packages": [{"name": "app1", "version": "2.0.0"}], "policy": policy});
    assert_eq!(server.post("/api/v1/rollouts", &body).0, 201);
    until("so many cuts", Duration::from_secs(200), || (proxy.cut() >= cuts).then_some(()));
    proxy.weather(Weather::default());
    let done = || (server.json("/api/v1/rollouts/1")["counts"]["verified"] == 1).then_some(());
    until("the device runs it", Duration::from_secs(200), done);
    let sent = proxy.to_devices() - before;
    fleet.stop();
    server.has_not_panicked();
    let cuts = proxy.cut();
    tell("package bytes, cuts", format!("{size}, {cuts}"));
    tell("bytes sent", format!("{sent} ({:.3} x size)", sent as f64 / size as f64));
    assert!(sent <= size + size / 20 + cuts * WINDOW, "more than 1.05 x size and a window a cut");
    Outcome::Done
}
