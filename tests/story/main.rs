//! Stories over real sockets: the server in a process of its own, simulated devices in this one.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod server;
#[cfg(feature = "agent")]
mod signing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use fleetward::cli::simulate::{Swarm, SwarmSettings};
use server::{Server, eventually};

const OFTEN: Duration = Duration::from_millis(200);

async fn all_connected(swarm: &Swarm) {
    eventually("all devices are connected", async || {
        let summary = swarm.summary();
        (summary.connected == summary.devices).then_some(())
    })
    .await;
}

async fn online(server: &Server, count: usize) {
    eventually("the server shows them online", async || {
        let devices = server.json("device list --online");
        (devices["items"].as_array().unwrap().len() == count).then_some(())
    })
    .await;
}

/// `device_id boot_id seq` of every log line, with how often it is there.
fn logged(server: &Server) -> BTreeMap<String, u32> {
    let mut lines = BTreeMap::new();
    for device in server.json("device list")["items"].as_array().unwrap() {
        for line in server.made(&format!("log show {} --json", device["key_id"])).lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let (boot_id, seq) = (line["report"]["boot_id"].as_str().unwrap(), &line["report"]["seq"]);
            *lines.entry(format!("{} {boot_id} {seq}", device["device_id"].as_str().unwrap())).or_default() += 1;
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_that_start_together_report_when_the_last_is_in() {
    let server = Server::start(&[]);
    let settings = SwarmSettings { closed_loop: true, start_together: true, connect_rate: 3.0, ..server.swarm(4) };
    let swarm = Swarm::start(settings).unwrap();
    eventually("each of them has been acknowledged", async || {
        let summary = swarm.summary();
        assert!(summary.reports_sent == 0 || swarm.is_whole(), "only {} are in", summary.welcomed);
        (summary.reports_acked > 20).then_some(())
    })
    .await;
    assert_eq!(swarm.stop().await.unwrap().errors, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_ends_when_every_device_is_seen_to_run_it() {
    let server = Server::start(&[]);
    let swarm = server.devices(3, OFTEN, None);
    all_connected(&swarm).await;
    online(&server, 3).await;
    server.upload("app1", "1.1.0", &vec![7; 700_000]);
    let plan = server.json("rollout plan app1=1.1.0");
    assert_eq!(plan["changes"].as_array().unwrap().len(), 3);
    let rollout = server.json("rollout start app1=1.1.0 --health-window 1s");
    assert_eq!(rollout["id"], 1);
    let watched = server.made("rollout show 1 --watch");
    assert_eq!(watched.lines().last().unwrap(), "completed: verified 3");
    let devices = server.json("device list");
    for device in devices["items"].as_array().unwrap() {
        assert_eq!(device["modules"]["app1"]["version"], "1.1.0");
    }
    let summary = swarm.stop().await.unwrap();
    assert_eq!((summary.packages_installed, summary.package_bytes, summary.errors), (3, 3 * 700_000, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_connection_under_one_name_replaces_the_first() {
    let server = Server::start(&["--device-auth", "open"]);
    let hello = r#"{"device_id":"t-001","timestamp":1763800000,"version_list":[{"name":"app1","version":"1.2.0"}]}"#;
    let mut connections = Vec::new();
    for _ in 0..2 {
        let (mut socket, _) = connect_async(format!("ws://{}/ws", server.address)).await.unwrap();
        socket.send(Message::text(hello)).await.unwrap();
        let welcome = socket.next().await.unwrap().unwrap().into_text().unwrap();
        assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
        connections.push(socket);
    }
    let (first, second) = connections.split_at_mut(1);
    let closed = async {
        loop {
            if let Message::Close(frame) = first[0].next().await.unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    };
    let frame = tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap();
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4001, "replaced"));
    let report = r#"{"device_id":"t-001","timestamp":1763800030,"temprature":[{"type":"cpu","degree":51.2}],"seq":1}"#;
    second[0].send(Message::text(report)).await.unwrap();
    let ack = second[0].next().await.unwrap().unwrap().into_text().unwrap();
    assert_eq!(ack.as_str(), r#"{"type":"ack","seq":1}"#);
    let device = server.json("device show t-001");
    assert_eq!(device["report"]["temperature"][0]["degree"], 51.2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_report_is_logged_once_though_the_server_is_killed() {
    let mut server = Server::start(&[]);
    let ledger = server.path("ledger");
    let swarm = server.devices(10, OFTEN, Some(&ledger));
    all_connected(&swarm).await;
    for round in 1..=2 {
        let before = swarm.summary().reports_acked;
        eventually("reports are acknowledged", async || (swarm.summary().reports_acked > before + 60).then_some(()))
            .await;
        server.kill();
        server.start_again();
        eventually("all are back", async || (swarm.summary().connects >= 10 * (round + 1)).then_some(())).await;
    }
    all_connected(&swarm).await;
    swarm.stop().await.unwrap();
    let acknowledged: BTreeSet<String> = std::fs::read_to_string(&ledger).unwrap().lines().map(str::to_owned).collect();
    assert!(acknowledged.len() > 120);
    let logged = logged(&server);
    let lost: Vec<_> = acknowledged.iter().filter(|report| !logged.contains_key(*report)).collect();
    assert!(lost.is_empty(), "acknowledged and not in the log: {lost:?}");
    let doubled: Vec<_> = logged.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "in the log more than once: {doubled:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_of_a_rollout_finishes_it() {
    let mut server = Server::start(&[]);
    let swarm = server.devices(4, OFTEN, None);
    all_connected(&swarm).await;
    online(&server, 4).await;
    server.upload("app1", "1.1.0", &vec![9; 300_000]);
    server.made("rollout start app1=1.1.0 --health-window 0s --max-in-flight 1");
    eventually("the first device has it", async || (server.count(1, "verified") >= 1).then_some(())).await;
    server.kill();
    server.start_again();
    eventually("all have it", async || (server.count(1, "verified") == 4).then_some(())).await;
    assert_eq!(swarm.stop().await.unwrap().packages_installed, 4, "nothing is installed twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_polite_and_quick() {
    let mut server = Server::start(&["--device-auth", "open"]);
    let (mut socket, _) = connect_async(format!("ws://{}/ws", server.address)).await.unwrap();
    socket.send(Message::text(r#"{"device_id":"t-1","timestamp":1,"version_list":[]}"#)).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let stopping = tokio::task::spawn_blocking(move || server.stop());
    let closed = loop {
        if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(closed.code), 1012);
    assert!(stopping.await.unwrap() < Duration::from_secs(15));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_is_the_same_fleet_after_a_restart() {
    let mut server = Server::start(&["--demo", "3"]);
    online(&server, 3).await;
    server.made("rollout start app1=1.1.0 app2=2.1.0 --health-window 0s");
    assert_eq!(server.made("rollout show 1 --watch").lines().last().unwrap(), "completed: verified 6");
    server.stop();
    server.start_again();
    online(&server, 3).await;
    let devices = server.json("device list");
    assert_eq!(devices["items"].as_array().unwrap().len(), 3);
    assert_eq!(devices["items"][0]["modules"]["app2"]["version"], "2.1.0");
}
