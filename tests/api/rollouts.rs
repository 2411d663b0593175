//! A rollout as an operator's program drives it.

use fleetward::domain::Role;
use serde_json::{Value, json};

use crate::device::Device;
use crate::helpers::{TestApp, spawn_app};
use crate::stream::Stream;

/// Asks after every event of the live stream, until it is so.
pub fn until(app: &TestApp, token: &str, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    let mut stream = Stream::open(app, token, "/api/v1/live");
    loop {
        let json = app.get(path, token).expect(200).json();
        if so(&json) {
            return json;
        }
        assert!(stream.event().is_some(), "the stream ended: {json:#}");
    }
}

#[test]
fn a_rollout_is_planned_started_and_watched_to_its_end() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let bytes = vec![9; 300_000];
    app.upload(&token, "app1", "2.0.0", &bytes).expect(201);
    let mut device = Device::connect(&app, "t-1", &[("app1", "1.0.0")]);
    app.device("t-new", &[("app1", "3.0.0")]);
    let body = json!({"packages": [{"name": "app1", "version": "2.0.0"}], "policy": {"health_window_s": 0}});
    let plan = app.json("POST", "/api/v1/rollouts/plan", &token, &body).expect(200).json();
    assert_eq!(plan["changes"][0]["device_id"], "t-1");
    assert_eq!(plan["changes"][0]["modules"][0]["to"], "2.0.0");
    assert_eq!(plan["excluded"][0]["reason"], "newer_already");
    assert_eq!(plan["bytes"], 300_000);
    let started = app.json("POST", "/api/v1/rollouts", &token, &body).expect(201);
    let path = started.header("location").to_owned();
    let rollout = started.json();
    assert_eq!(path, format!("/api/v1/rollouts/{}", rollout["id"]));
    assert_eq!(rollout["packages"][0]["name"], "app1");
    assert_eq!(rollout["counts"].as_object().unwrap().len(), 13);
    assert_eq!(rollout["created_by"], "operator");
    let in_use = app.delete("/api/v1/packages/app1/2.0.0", &token).expect(409);
    assert_eq!((in_use.code().as_str(), in_use.fields()), ("in_use", vec!["rollouts".to_owned()]));
    assert_eq!(device.update(), [("app1".to_owned(), bytes)]);
    device.hello(&[("app1", "2.0.0")]);
    let done = until(&app, &token, &path, |r| r["counts"]["verified"] == 1);
    assert_eq!(done["counts"]["excluded"], 1);
    let rows = app.get(&format!("{path}/devices"), &token).expect(200).json();
    let row = rows["items"].as_array().unwrap().iter().find(|row| row["device_id"] == "t-1").unwrap().clone();
    assert_eq!(row["modules"]["app1"]["state"], "verified");
    assert_eq!(row["modules"]["app1"]["size"], 300_000);
    let only = app.get(&format!("{path}/devices?state=excluded"), &token).expect(200).json();
    assert_eq!(only["items"][0]["device_id"], "t-new");
    let page = app.get("/api/v1/devices/t-1", &token).expect(200).json();
    assert_eq!(page["why"]["app1"]["code"], "up_to_date", "{page:#}");
    assert_eq!(page["modules"]["app1"]["state"], "verified");
}

#[test]
fn what_devices_reported_before_the_rollout_decides_who_is_asked() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "2", b"x").expect(201);
    let mut devices = ["parked", "driving", "flat"].map(|id| Device::connect(&app, id, &[("app1", "1")]));
    for (device, (speed, battery)) in devices.iter_mut().zip([(0, 80), (60, 80), (0, 19)]) {
        device.report(&json!({"speed": speed, "battery": battery, "seq": 1}));
        assert_eq!(device.receive()["type"], "ack");
    }
    let policy = json!({"only_when": "speed = 0 and report.battery >= 20"});
    let body = json!({"packages": [{"name": "app1", "version": "2"}], "policy": policy});
    app.json("POST", "/api/v1/rollouts", &token, &body).expect(201);
    let [parked, driving, flat] = &mut devices;
    assert_eq!(parked.offer()["type"], "update_list");
    for (device, says) in
        [(driving, json!({"speed": 0, "battery": 80, "seq": 2})), (flat, json!({"speed": 0, "battery": 20, "seq": 2}))]
    {
        let page = app.get(&format!("/api/v1/devices/{}", device.id), &token).expect(200).json();
        assert_eq!(page["why"]["app1"]["code"], "condition_not_met", "{page:#}");
        device.report(&says);
        let mut said = [device.receive(), device.receive()].map(|message| message["type"].as_str().unwrap().to_owned());
        said.sort();
        assert_eq!(said, ["ack", "update_list"]);
    }
    let charged = app.get("/api/v1/devices?filter=report.battery%20%3E%2020", &token).expect(200).json();
    assert_eq!(charged["items"].as_array().unwrap().len(), 2, "{charged:#}");
}

#[test]
fn a_rollout_is_steered_where_its_state_allows_it() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "2", b"x").expect(201);
    let _device = Device::connect(&app, "t-1", &[("app1", "1")]);
    let body =
        json!({"packages": [{"name": "app1", "version": "2"}], "policy": {"not_before": "2100-01-01T00:00:00Z"}});
    let path = app.json("POST", "/api/v1/rollouts", &token, &body).expect(201).header("location").to_owned();
    let steer = |verb: &str| app.json("POST", &format!("{path}/{verb}"), &token, &json!({}));
    assert_eq!(steer("pause").expect(200).json()["state"], "paused");
    steer("resume").expect(200);
    assert_eq!(steer("cancel").expect(200).json()["state"], "cancelled");
    for verb in ["pause", "resume"] {
        steer(verb).expect(409);
    }
    app.delete("/api/v1/packages/app1/2", &token).expect(204);
    let listed = app.get("/api/v1/rollouts", &token).expect(200).json();
    assert_eq!(listed["items"][0]["state"], "cancelled");
}

#[test]
fn a_rollout_of_what_is_not_there_is_422_and_names_it() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let body = json!({"packages": [{"name": "app1", "version": "2"}]});
    for path in ["/api/v1/rollouts", "/api/v1/rollouts/plan"] {
        let reply = app.json("POST", path, &token, &body).expect(422);
        assert!(reply.fields().iter().any(|field| field.starts_with("packages")), "{}", reply.text());
    }
}

#[test]
fn a_device_that_is_deleted_or_revoked_is_sent_away() {
    let app = spawn_app();
    let admin = app.token(Role::Admin);
    let mut one = Device::connect(&app, "t-1", &[]);
    let mut two = Device::connect(&app, "t-2", &[]);
    app.delete("/api/v1/devices/t-1", &admin).expect(204);
    app.json("POST", "/api/v1/devices/t-2/revoke-token", &admin, &json!({})).expect(200);
    assert_eq!((one.closed(), two.closed()), (4003, 4003));
}
