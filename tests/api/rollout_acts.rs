//! What is done to a rollout after its start: another try, the way back, a second person; and what is kept of it.

use fleetward::domain::Role;
use serde_json::{Value, json};

use crate::device::Device;
use crate::helpers::{TestApp, spawn_app, spawn_with};
use crate::rollouts::until;

/// app1 1 and 2 are there, `device` runs 1.
fn two_versions(app: &TestApp, token: &str) -> Device {
    app.upload(token, "app1", "1", b"one").expect(201);
    app.upload(token, "app1", "2", b"two").expect(201);
    Device::connect(app, "t-1", &[("app1", "1")])
}

fn start(app: &TestApp, token: &str, policy: &Value) -> String {
    let body = json!({"packages": [{"name": "app1", "version": "2"}], "policy": policy});
    app.json("POST", "/api/v1/rollouts", token, &body).expect(201).header("location").to_owned()
}

#[test]
fn a_rollout_is_taken_back_to_what_each_device_ran_before() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let mut device = two_versions(&app, &token);
    let mut newcomer = Device::connect(&app, "t-2", &[]);
    let path = start(&app, &token, &json!({"health_window_s": 0, "stages": [{"percent": 100}]}));
    for device in [&mut device, &mut newcomer] {
        device.update();
        device.hello(&[("app1", "2")]);
    }
    until(&app, &token, &path, |rollout| rollout["counts"]["verified"] == 2);
    let taken = app.json("POST", &format!("{path}/rollback"), &token, &json!({})).expect(200).json();
    assert_eq!(taken["state"], "rolled_back", "{taken:#}");
    assert_eq!(taken["left"], json!({"the module was not there before": 1}));
    let back = format!("/api/v1/rollouts/{}", taken["way_back"][0]);
    let way_back = app.get(&back, &token).expect(200).json();
    assert_eq!((&way_back["takes_back"], &way_back["allow_rollback"]), (&taken["id"], &json!(true)));
    assert_eq!(way_back["plan"]["devices"], 1);
    assert_eq!(device.update(), [("app1".to_owned(), b"one".to_vec())]);
    device.hello(&[("app1", "1")]);
    until(&app, &token, &back, |rollout| rollout["counts"]["verified"] == 1);
    let modules = app.get("/api/v1/modules", &token).expect(200).json();
    assert_eq!(modules["items"][0]["current_version"], "1");
    app.json("POST", &format!("{path}/rollback"), &token, &json!({})).expect(409);
}

#[test]
fn of_two_who_take_a_rollout_back_at_once_one_does() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let mut device = two_versions(&app, &token);
    let path = start(&app, &token, &json!({"health_window_s": 0}));
    device.update();
    device.hello(&[("app1", "2")]);
    until(&app, &token, &path, |rollout| rollout["counts"]["verified"] == 1);
    let take_back = || app.json("POST", &format!("{path}/rollback"), &token, &json!({})).status;
    let mut answers = std::thread::scope(|scope| {
        [scope.spawn(take_back), scope.spawn(take_back)].map(|answer| answer.join().unwrap())
    });
    answers.sort_unstable();
    assert_eq!(answers, [200, 409]);
    let rollouts = app.get("/api/v1/rollouts", &token).expect(200).json();
    assert_eq!(rollouts["items"].as_array().unwrap().len(), 2, "{rollouts:#}");
}

#[test]
fn what_cannot_go_back_is_said_and_nothing_changes() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "2", b"two").expect(201);
    let mut device = Device::connect(&app, "t-1", &[("app1", "1")]);
    let path = start(&app, &token, &json!({"health_window_s": 0}));
    device.update();
    device.hello(&[("app1", "2")]);
    until(&app, &token, &path, |rollout| rollout["state"] == "completed");
    let refused = app.json("POST", &format!("{path}/rollback"), &token, &json!({})).expect(422);
    assert!(refused.text().contains("no package app1 1"), "{}", refused.text());
    assert_eq!(app.get(&path, &token).expect(200).json()["state"], "completed");
}

#[test]
fn failures_are_tried_again_and_a_device_that_fails_twice_is_kept_apart_until_it_is_freed() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let mut device = two_versions(&app, &token);
    let path = start(&app, &token, &json!({"attempts": 1, "max_failures": 0, "max_failure_percent": 100}));
    let retry = |body: &Value| app.json("POST", &format!("{path}/retry"), &token, body);
    let fail = |device: &mut Device| {
        assert_eq!(device.receive()["type"], "update_list");
        device.send(&json!({"update_list": [{"app_name": "app1", "version": "2"}]}));
        assert_eq!(device.receive()["type"], "package");
        device.skip_bytes();
        device.send(&json!({"type": "result", "app_name": "app1", "version": "2", "outcome": "failed", "error": "no"}));
        until(&app, &token, &path, |rollout| rollout["counts"]["failed"] == 1);
    };
    fail(&mut device);
    retry(&json!({"device_ids": ["nobody"]})).expect(422);
    assert_eq!(retry(&json!({"device_ids": ["t-1"]})).expect(200).json()["retried"], 1);
    fail(&mut device);
    assert_eq!(retry(&json!({})).expect(200).json()["retried"], 0);
    let kept = app.get("/api/v1/quarantine", &token).expect(200).json();
    let paged =
        |query: &str| app.get(&format!("/api/v1/quarantine?{query}"), &token).expect(200).json()["items"].clone();
    assert_eq!((paged("limit=1"), paged("limit=1&after=1")), (kept["items"].clone(), json!([])));
    assert_eq!((&kept["items"][0]["quarantined"], &kept["items"][0]["reason"]), (&json!(true), &json!("no")));
    let plan = json!({"packages": [{"name": "app1", "version": "2"}], "target": {"device_ids": ["t-1"]}});
    let planned = app.json("POST", "/api/v1/rollouts/plan", &token, &plan).expect(200).json();
    assert_eq!(planned["excluded"][0]["reason"], "quarantined");
    app.delete("/api/v1/devices/t-1/quarantine", &token).expect(204);
    assert_eq!(retry(&json!({})).expect(200).json()["retried"], 1);
    let moved = app.get("/api/v1/devices/t-1/assignments", &token).expect(200).json();
    let states: Vec<&str> = moved["items"].as_array().unwrap().iter().filter_map(|m| m["state"].as_str()).collect();
    assert_eq!(states[..5], ["offered", "downloading", "installing", "failed", "waiting"], "{moved:#}");
    let page = |query: &str| app.get(&format!("/api/v1/devices/t-1/assignments?{query}"), &token).expect(200).json();
    let first = page("limit=2");
    let second = page(&format!("limit=2&after={}", first["next"].as_str().unwrap()));
    assert_eq!((&first["items"][1], &second["items"][0]), (&moved["items"][1], &moved["items"][2]));
    app.get("/api/v1/devices/t-1/assignments?after=x", &token).expect(422);
    let course = app.get(&format!("{path}/course?step=3600"), &token).expect(200).json();
    assert_eq!(course["items"][0]["failed"], 2);
}

#[test]
fn a_second_person_must_agree_where_that_is_switched_on() {
    let app = spawn_with(|config| config.rollouts.approval = true);
    let (one, two) = (app.token(Role::Operator), app.token(Role::Admin));
    let mut device = two_versions(&app, &one);
    let path = start(&app, &one, &json!({"health_window_s": 0}));
    assert_eq!(app.get(&path, &one).expect(200).json()["state"], "awaiting_approval");
    let modules = app.get("/api/v1/modules", &one).expect(200).json();
    assert_eq!(modules["items"][0]["current_version"], Value::Null, "nothing was started yet");
    let approve = |token: &str| app.json("POST", &format!("{path}/approve"), token, &json!({}));
    assert_eq!(approve(&one).expect(403).code(), "second_person");
    let approved = approve(&two).expect(200).json();
    assert_eq!((&approved["state"], &approved["approved_by"]), (&json!("running"), &json!("admin")));
    approve(&two).expect(409);
    let modules = app.get("/api/v1/modules", &one).expect(200).json();
    assert_eq!(modules["items"][0]["current_version"], "2");
    assert_eq!(device.update().len(), 1);
}

#[test]
fn a_draft_is_launched_later() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let mut device = two_versions(&app, &token);
    let body = json!({"packages": [{"name": "app1", "version": "2"}], "draft": true});
    let draft = app.json("POST", "/api/v1/rollouts", &token, &body).expect(201);
    let path = draft.header("location").to_owned();
    assert_eq!(draft.json()["state"], "draft");
    let why = app.get("/api/v1/devices/t-1", &token).expect(200).json();
    assert_eq!(why["why"]["app1"]["code"], "not_started");
    app.json("POST", &format!("{path}/approve"), &token, &json!({})).expect(409);
    assert_eq!(app.json("POST", &format!("{path}/launch"), &token, &json!({})).expect(200).json()["state"], "running");
    assert_eq!(device.update().len(), 1);
}

#[test]
fn a_package_goes_only_to_devices_that_have_what_it_requires() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "2", b"two").expect(201);
    let requires = r#"{"modules":{"app1":">= 2"},"hardware":["rev-b"]}"#;
    app.upload_with(&token, "app2", "8", b"eight", &[("requires", requires)]).expect(201);
    let refused = app.upload_with(&token, "app2", "9", b"nine", &[("requires", r#"{"from":"7"}"#)]).expect(422);
    assert_eq!(refused.fields(), ["requires"]);
    app.device("t-1", &[("app1", "1"), ("app2", "7")]);
    app.device("t-2", &[("app1", "1"), ("app2", "7")]);
    app.json("PATCH", "/api/v1/devices/t-1", &token, &json!({"tags": {"hardware": "rev-b"}})).expect(200);
    let plan = |packages: Value| {
        app.json("POST", "/api/v1/rollouts/plan", &token, &json!({ "packages": packages })).expect(200).json()
    };
    let (one, two) = (json!({"name": "app1", "version": "2"}), json!({"name": "app2", "version": "8"}));
    let alone = plan(json!([two]));
    let details: Vec<&str> =
        alone["excluded"].as_array().unwrap().iter().filter_map(|e| e["detail"].as_str()).collect();
    assert_eq!(details.len(), 2);
    assert!(details.contains(&"needs app1 >= 2") && details.contains(&"needs hardware rev-b"), "{alone:#}");
    let together = plan(json!([one, two]));
    let changes = together["changes"].as_array().unwrap();
    let modules =
        |id: &str| changes.iter().find(|c| c["device_id"] == id).map(|c| c["modules"].as_array().unwrap().len());
    assert_eq!((modules("t-1"), modules("t-2")), (Some(2), Some(1)), "{together:#}");
}

#[test]
fn a_device_that_is_not_well_on_the_new_version_is_a_failure_with_its_evidence() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let mut device = two_versions(&app, &token);
    let path = start(&app, &token, &json!({"health_window_s": 600, "health": {"max_temperature": 80}}));
    device.update();
    device.hello(&[("app1", "2")]);
    until(&app, &token, &path, |rollout| rollout["counts"]["verifying"] == 1);
    for seq in 1..=2 {
        device.send(&json!({"device_id": "t-1", "timestamp": 1_800_000_000, "seq": seq,
            "temprature": [{"type": "cpu", "degree": 95.5}]}));
    }
    until(&app, &token, &path, |rollout| rollout["counts"]["failed"] == 1);
    let row = app.get(&format!("{path}/devices"), &token).expect(200).json()["items"][0].clone();
    let reason = row["modules"]["app1"]["reason"].as_str().unwrap();
    assert!(reason.contains("temperature 95.5 °C, the limit is 80 °C"), "{reason}");
}

#[test]
fn nonsense_in_a_policy_is_refused_with_its_field() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    two_versions(&app, &token);
    for (policy, field) in [
        (json!({"windows": [{"from": "10:00", "to": "10:00"}]}), "policy.windows"),
        (json!({"windows": [{"from": "25:00", "to": "10:00"}]}), "policy.windows"),
        (json!({"starts_per_minute": 0}), "policy.starts_per_minute"),
        (json!({"priority": 101}), "policy.priority"),
        (json!({"health": {"max_temperature": -1}}), "policy.health.max_temperature"),
        (json!({"health": {"status": [{"process": "a", "must_match": "("}]}}), "policy.health.status"),
        (json!({"max_of_kind": {"failed": 0}}), "policy.max_of_kind"),
    ] {
        let body = json!({"packages": [{"name": "app1", "version": "2"}], "policy": policy});
        let reply = app.json("POST", "/api/v1/rollouts", &token, &body).expect(422);
        assert!(reply.fields().iter().any(|named| named.starts_with(field)), "{field}: {}", reply.text());
    }
    assert_eq!(app.get("/api/v1/rollouts", &token).expect(200).json()["items"], json!([]));
}
