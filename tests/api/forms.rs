//! Forms of pages: what was typed is not lost, and leads back to its own page.

use fleetward::domain::Role;

use crate::helpers::{PASSWORD, TestApp, bearer, spawn_app};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn tags(app: &TestApp, count: usize, more: &str) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("tag{n}={}", "x".repeat(120))).collect();
    format!("csrf={}&name=bus&tags={}%0A{more}", app.csrf(&app.cookie("ann")), lines.join("%0A"))
}

#[test]
fn many_long_tags_are_saved_whole() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.user("ann", Role::Operator);
    app.device("t-1", &[]);
    let auth = bearer(&token);
    let headers = [FORM, ("authorization", auth.as_str())];
    app.send("POST", "/devices/t-1", &headers, tags(&app, 45, "last=one").into_bytes()).expect(303);
    let device = app.get("/api/v1/devices/t-1", &token).expect(200).json();
    assert_eq!(device["tags"].as_object().unwrap().len(), 46);
    assert_eq!(device["tags"]["last"], "one");
    let refused =
        app.send("POST", "/devices/t-1", &headers, tags(&app, 45, "nonsense").into_bytes()).expect(422).text();
    assert!(refused.contains("nonsense") && refused.contains("data-here=\"/devices/t-1\""), "{refused}");
}

#[test]
fn a_second_tab_may_sign_in_over_the_first() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    let cookie = app.cookie("ann");
    let body = format!("name=ann&password={}", PASSWORD.replace(' ', "+"));
    let reply = app.send("POST", "/login", &[FORM, ("cookie", &cookie)], body.into_bytes()).expect(303);
    assert!(reply.header("set-cookie").starts_with("fleetward_session="));
}

#[test]
fn a_form_of_the_session_before_is_kept_for_its_owner() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    app.device("t-1", &[]);
    let cookie = app.cookie("ann");
    let headers = [FORM, ("cookie", cookie.as_str())];
    let body = b"csrf=of-before&name=the+new+name&tags=".to_vec();
    let reply = app.send("POST", "/devices/t-1", &headers, body).expect(303);
    assert_eq!(reply.header("location"), "/resume");
    let page = app.send("GET", "/resume", &headers[1..], Vec::new()).expect(200).text();
    assert!(page.contains("the new name") && page.contains("action=\"/devices/t-1\""), "{page}");
    let device = app.get("/api/v1/devices/t-1", &app.token(Role::Viewer)).expect(200).json();
    assert_ne!(device["name"], "the new name", "not before its owner sends it again");
    app.send("POST", "/logout", &headers, b"csrf=wrong".to_vec()).expect(403);
}

#[test]
fn too_many_tries_to_sign_in_lose_no_form() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    for _ in 0..5 {
        app.sign_in("ann", "wrong").expect(401);
    }
    let body = b"name=ann&password=wrong&again_at=/devices/t-1&again=name%3Dtyped".to_vec();
    let reply = app.send("POST", "/login", &[FORM], body).expect(429);
    assert!(!reply.header("retry-after").is_empty());
    let page = reply.text();
    assert!(page.contains("/devices/t-1") && page.contains("name&#x3D;typed"), "{page}");
    assert!(page.contains("Too many tries to sign in"), "{page}");
}

#[test]
fn the_last_day_there_is_ends_no_request() {
    let app = spawn_app();
    app.user("ann", Role::Admin);
    let cookie = app.cookie("ann");
    for path in ["/audit?", "/audit/export?format=csv&"] {
        let last = format!("{path}to=%2B262142-12-31");
        app.send("GET", &last, &[("cookie", &cookie)], Vec::new()).expect(200);
    }
}
