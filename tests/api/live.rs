//! The live stream.

use fleetward::domain::Role;
use serde_json::json;

use crate::device::Device;
use crate::helpers::{bearer, spawn_app};
use crate::stream::Stream;

#[test]
fn a_burst_arrives_as_its_last_state() {
    let app = spawn_app();
    let mut stream = Stream::open(&app, &app.token(Role::Viewer), "/api/v1/live");
    let mut device = Device::connect(&app, "t-1", &[("app1", "1.0.0")]);
    let (name, data) = stream.event().unwrap();
    assert_eq!((name.as_str(), data["online"].as_bool()), ("device", Some(true)));
    assert_eq!(data["modules"]["app1"], "1.0.0");
    for speed in 1..=40 {
        device.send(&json!({"device_id": "t-1", "timestamp": 1_800_000_000 + speed, "speed": speed}));
    }
    let mut speeds = Vec::new();
    while speeds.last() != Some(&40.0) {
        let (name, data) = stream.event().unwrap();
        assert_eq!(name, "report");
        speeds.push(data["sample"]["speed"].as_f64().unwrap());
    }
    assert!(speeds.len() < 10, "of 40 reports a few states: {speeds:?}");
}

#[test]
fn a_devices_stream_has_that_device_only() {
    let app = spawn_app();
    app.device("t-1", &[]);
    let mut stream = Stream::open(&app, &app.token(Role::Viewer), "/api/v1/live?device=t-1");
    let _other = Device::connect(&app, "t-2", &[]);
    let admin = app.token(Role::Admin);
    app.json("POST", "/api/v1/devices/t-1/allow-enrolment", &admin, &json!({})).expect(200);
    let _device = Device::connect(&app, "t-1", &[]);
    assert_eq!(stream.event().unwrap().1["device_id"], "t-1");
}

#[test]
fn a_page_of_some_rows_is_told_of_these_and_that_others_moved() {
    let app = spawn_app();
    let token = app.token(Role::Viewer);
    let key = app.device("t-1", &[]).0;
    let mut stream = Stream::open(&app, &token, &format!("/api/v1/live?rows={key}"));
    let _other = Device::connect(&app, "t-2", &[]);
    assert_eq!(stream.event().unwrap().0, "others");
    let admin = app.token(Role::Admin);
    app.json("POST", "/api/v1/devices/t-1/allow-enrolment", &admin, &json!({})).expect(200);
    let _own = Device::connect(&app, "t-1", &[]);
    let (name, data) = stream.event().unwrap();
    assert_eq!((name.as_str(), data["device_id"].as_str()), ("device", Some("t-1")));
    app.get("/api/v1/live?rows=x", &token).expect(422);
}

#[test]
fn who_comes_back_is_told_to_read_anew() {
    let app = spawn_app();
    let auth = bearer(&app.token(Role::Viewer));
    let request =
        ureq::get(format!("{}/api/v1/live", app.url)).header("authorization", auth).header("last-event-id", "1");
    let body = request.call().unwrap().into_body().into_reader();
    let mut stream = Stream::of(body);
    assert_eq!(stream.event().unwrap().0, "reload");
}

#[test]
fn streams_are_counted_and_end_with_the_server() {
    let mut app = spawn_app();
    let token = app.token(Role::Viewer);
    let mut streams: Vec<_> = (0..3).map(|_| Stream::open(&app, &token, "/api/v1/live")).collect();
    let reply = app.get("/api/v1/live", &token).expect(503);
    assert_eq!(reply.code(), "too_many_streams");
    assert!(!reply.header("retry-after").is_empty());
    app.stop();
    for stream in &mut streams {
        assert_eq!(stream.event(), None);
    }
}

#[test]
fn a_stream_ends_with_the_user_the_session_or_the_token_it_was_opened_with() {
    let app = spawn_app();
    app.user("root", Role::Admin);
    app.user("ann", Role::Viewer);
    app.user("bob", Role::Viewer);
    let token = app.token(Role::Viewer);
    let (admin, now) = (app.token(Role::Admin), app.clock.now());
    let mut streams = vec![Stream::open(&app, &token, "/api/v1/live")];
    streams.extend(["ann", "bob"].map(|name| Stream::with_cookie(&app, &app.cookie(name))));
    let user = |name: &str| app.wait(app.store.user_by_name(name)).unwrap().unwrap().id;
    app.delete(&format!("/api/v1/users/{}", user("ann")), &admin).expect(204);
    let sessions = app.wait(app.store.sign_ins(Some(user("bob")), now)).unwrap();
    app.delete(&format!("/api/v1/sessions/{}", sessions[0].id), &admin).expect(204);
    let tokens = app.wait(app.store.api_tokens()).unwrap();
    let viewers = tokens.iter().find(|token| token.role == Role::Viewer).unwrap();
    app.delete(&format!("/api/v1/tokens/{}", viewers.id), &admin).expect(204);
    for stream in &mut streams {
        assert_eq!(stream.event(), None);
    }
}
