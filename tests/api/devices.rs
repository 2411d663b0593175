//! Devices and the tokens that let them in.

use fleetward::domain::{Role, hash_token};
use serde_json::{Value, json};

use crate::helpers::spawn_app;

#[test]
fn devices_are_listed_filtered_and_paged() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    for n in 0..5 {
        app.device(&format!("t-{n}"), &[("app1", if n < 2 { "1.0.0" } else { "2.0.0" })]);
    }
    app.json("PATCH", "/api/v1/devices/t-3", &token, &json!({"name": "Bus 3", "tags": {"region": "east"}})).expect(200);
    let ids = |query: &str| -> Vec<String> {
        let items = app.get(&format!("/api/v1/devices?{query}"), &token).expect(200).json()["items"].clone();
        items.as_array().unwrap().iter().map(|d| d["device_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("sort=device_id"), ["t-0", "t-1", "t-2", "t-3", "t-4"]);
    assert_eq!(ids("sort=-device_id&limit=2"), ["t-4", "t-3"]);
    assert_eq!(ids("module=app1&version=1.0.0&sort=device_id"), ["t-0", "t-1"]);
    assert_eq!(ids("tag=region%3Deast"), ["t-3"]);
    assert_eq!(ids("tag=region"), ["t-3"]);
    assert_eq!(ids("q=BUS"), ["t-3"]);
    assert!(ids("online=false").is_empty());
    let first = app.get("/api/v1/devices?sort=device_id&limit=3", &token).expect(200).json();
    let next = first["next"].as_str().unwrap();
    let second = app.get(&format!("/api/v1/devices?sort=device_id&limit=3&after={next}"), &token).expect(200).json();
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert_eq!(second["next"], Value::Null);
}

#[test]
fn a_device_is_shown_named_and_deleted() {
    let app = spawn_app();
    let operator = app.token(Role::Operator);
    let key = app.device("t-1", &[("app1", "1.0.0")]);
    let device = app.get("/api/v1/devices/t-1", &operator).expect(200).json();
    assert_eq!(device["key_id"], key.0);
    assert_eq!(device["name"], "t-1");
    assert_eq!(device["online"], true);
    assert_eq!(device["modules"]["app1"]["version"], "1.0.0");
    assert_eq!(device["report"], Value::Null);
    assert!(device["why"].is_object() && device["versions"].is_array());
    let history = app.get("/api/v1/devices/t-1/history", &operator).expect(200).json();
    assert_eq!(history["items"], json!([]));
    let named = app.json("PATCH", "/api/v1/devices/t-1", &operator, &json!({"name": "Bus 1"})).expect(200).json();
    assert_eq!((&named["name"], &named["tags"]), (&json!("Bus 1"), &json!({})));
    app.delete("/api/v1/devices/t-1", &operator).expect(403);
    let admin = app.token(Role::Admin);
    let allowed = app.json("POST", "/api/v1/devices/t-1/allow-enrolment", &admin, &json!({})).expect(200).json();
    assert_eq!(allowed["may_enrol_again"], true);
    app.json("POST", "/api/v1/devices/t-1/revoke-token", &admin, &json!({})).expect(200);
    app.delete("/api/v1/devices/t-1", &admin).expect(204);
    app.delete("/api/v1/devices/t-1", &admin).expect(404);
    app.get("/api/v1/devices/t-1", &admin).expect(404);
}

#[test]
fn an_enrolment_token_is_shown_once_and_can_be_taken_back() {
    let app = spawn_app();
    let admin = app.token(Role::Admin);
    let made = app.json("POST", "/api/v1/enrolment-tokens", &admin, &json!({"uses": 3, "expires_in_s": 60}));
    let made = made.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("fwe_"));
    assert_eq!(made["uses_left"], 3);
    let right = app.wait(app.store.device_auth(&hash_token(token), app.clock.now())).unwrap();
    assert!(right.is_some());
    let listed = app.get("/api/v1/enrolment-tokens", &admin).expect(200);
    assert!(!listed.text().contains(token));
    app.delete(&format!("/api/v1/enrolment-tokens/{}", made["id"]), &admin).expect(204);
    let right = app.wait(app.store.device_auth(&hash_token(token), app.clock.now())).unwrap();
    assert!(right.is_none());
}
