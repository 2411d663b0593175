//! Filters, groups, and the log of who did what.

use fleetward::domain::Role;
use serde_json::{Value, json};

use crate::device::Device;
use crate::helpers::{TestApp, bearer, spawn_app};

fn fleet() -> TestApp {
    let app = spawn_app();
    for number in 0..6 {
        app.device(&format!("t-{number}"), &[("app1", &format!("1.{number}.0"))]);
    }
    app
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|device| device["device_id"].as_str().unwrap()).collect()
}

const OLD: &str = "/api/v1/devices?filter=module.app1%20%3C%201.3.0%20and%20not%20id%20%3D%20t-0";

#[test]
fn devices_are_listed_by_filter_and_a_wrong_one_is_said_at_its_place() {
    let app = fleet();
    let token = app.token(Role::Viewer);
    assert_eq!(ids(&app.get(OLD, &token).expect(200).json()), ["t-1", "t-2"]);
    let first = app.get(&format!("{OLD}&limit=1"), &token).expect(200).json();
    assert_eq!(ids(&first), ["t-1"]);
    let next = first["next"].as_str().unwrap();
    assert_eq!(ids(&app.get(&format!("{OLD}&limit=1&after={next}"), &token).expect(200).json()), ["t-2"]);
    let wrong = app.get("/api/v1/devices?filter=module.app1%20%3C", &token).expect(422);
    assert_eq!(wrong.fields(), ["filter"]);
    let message = wrong.json()["error"]["fields"]["filter"].as_str().unwrap().to_owned();
    assert!(message.starts_with("at 14: expected a version"), "{message}");
}

#[test]
fn a_rollout_is_for_those_that_fit_and_a_group_stands_for_its_filter() {
    let app = fleet();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "9.0.0", b"bytes").expect(201);
    let body = |target: Value| json!({"packages": [{"name": "app1", "version": "9.0.0"}], "target": target});
    let plan = |target: Value| app.json("POST", "/api/v1/rollouts/plan", &token, &body(target));
    let old = json!({"filter": "module.app1 < 1.3.0"});
    assert_eq!(plan(old.clone()).expect(200).json()["changes"].as_array().unwrap().len(), 3);
    assert_eq!(plan(json!({"filter": "module.app1 <"})).expect(422).fields(), ["target.filter"]);
    assert_eq!(plan(json!({"filter": "module.app1 > 5"})).expect(422).fields(), ["target.filter"]);
    assert_eq!(plan(json!({"group": "old"})).expect(422).fields(), ["target.group"]);
    assert_eq!(plan(json!({"filter": "online", "all": true})).expect(422).fields(), ["target"]);

    let group = json!({"name": "old", "filter": "module.app1 < 1.3.0"});
    app.json("POST", "/api/v1/groups", &app.token(Role::Viewer), &group).expect(403);
    let saved = app.json("POST", "/api/v1/groups", &token, &group).expect(201);
    assert_eq!(saved.header("location"), "/api/v1/groups/old");
    app.json("POST", "/api/v1/groups", &token, &group).expect(200);
    let bad = json!({"name": "a/b", "filter": "on line"});
    assert_eq!(app.json("POST", "/api/v1/groups", &token, &bad).expect(422).fields(), ["filter", "name"]);
    let groups = app.get("/api/v1/groups", &app.token(Role::Viewer)).expect(200).json();
    assert_eq!(groups["items"][0]["filter"], "module.app1 < 1.3.0");

    let started = app.json("POST", "/api/v1/rollouts", &token, &body(json!({"group": "old", "static": true})));
    let started = started.expect(201).json();
    assert_eq!(started["target"], json!({"filter": "module.app1 < 1.3.0", "static": true}));
    assert_eq!(started["devices"], 3);
    app.delete("/api/v1/groups/old", &token).expect(204);
    app.delete("/api/v1/groups/old", &token).expect(404);
    let log = app.get("/api/v1/audit", &app.token(Role::Admin)).expect(200).json();
    let verbs: Vec<&str> = log["items"].as_array().unwrap().iter().map(|line| line["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["package.add", "group.save", "group.save", "rollout.start", "group.delete"]);
    assert_eq!(log["items"][3]["details"]["target"]["static"], true);
    assert_eq!((&log["items"][3]["who"], &log["items"][3]["via"]), (&json!("operator"), &json!("token")));
}

#[test]
fn what_people_do_is_in_the_log_and_the_chain_holds() {
    let app = fleet();
    let admin = app.token(Role::Admin);
    app.user("ann", Role::Admin);
    app.sign_in("ann", "a wrong password");
    app.sign_in("ann", crate::helpers::PASSWORD);
    app.json("PATCH", "/api/v1/devices/t-1", &admin, &json!({"name": "bus 1"})).expect(200);
    app.json("PATCH", "/api/v1/devices/t-x", &admin, &json!({"name": "bus 1"})).expect(404);
    app.json("POST", "/api/v1/enrolment-tokens", &admin, &json!({"uses": 3})).expect(201);
    app.delete("/api/v1/tokens/999", &admin).expect(404);
    app.delete("/api/v1/devices/t-2", &admin).expect(204);
    app.get("/api/v1/audit", &app.token(Role::Operator)).expect(403);
    let headers = [("authorization", bearer(&admin)), ("accept", "application/x-ndjson".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let lines = app.send("GET", "/api/v1/audit", &headers, Vec::new()).expect(200).text();
    let told: Vec<(String, String, String)> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| ["who", "verb", "subject"].map(|field| line[field].as_str().unwrap().to_owned()).into())
        .collect();
    let told: Vec<(&str, &str, &str)> = told.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    let wanted = [
        ("ann", "sign_in.failed", "ann"),
        ("ann", "sign_in", "ann"),
        ("admin", "device.change", "t-1"),
        ("admin", "enrolment_token.add", ""),
        ("admin", "device.delete", "t-2"),
    ];
    assert_eq!(told, wanted);
    let check = app.wait(app.store.check_audit()).unwrap();
    assert_eq!((check.head.number, check.wrong), (5, None));
}

#[test]
fn who_comes_to_fit_later_joins_unless_the_target_is_static() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.device("t-1", &[("app1", "1.0.0"), ("app2", "1.0.0")]);
    let mut paths = Vec::new();
    for (module, target) in [
        ("app1", json!({"filter": "module.app1 < 2 and name ~ T-", "static": true})),
        ("app2", json!({"filter": "module.app2 < 2 and name ~ T-"})),
    ] {
        app.upload(&token, module, "2.0.0", module.as_bytes()).expect(201);
        let body = json!({"packages": [{"name": module, "version": "2.0.0"}], "target": target});
        let started = app.json("POST", "/api/v1/rollouts", &token, &body).expect(201);
        paths.push(started.header("location").to_owned());
    }
    let mut late = Device::connect(&app, "t-2", &[("app1", "1.0.0"), ("app2", "1.0.0")]);
    assert_eq!(late.update(), [("app2".to_owned(), b"app2".to_vec())]);
    let in_static = app.get(&format!("{}/devices", paths[0]), &token).expect(200).json();
    assert_eq!(ids(&in_static), ["t-1"]);
    let in_dynamic = app.get(&format!("{}/devices", paths[1]), &token).expect(200).json();
    assert_eq!(ids(&in_dynamic), ["t-1", "t-2"]);
}
