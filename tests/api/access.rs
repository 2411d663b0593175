//! Who may do what.

use chrono::TimeDelta;
use fleetward::domain::Role;
use fleetward::web::routes::{Needs, table};
use fleetward::web::setup;

use crate::helpers::{BOUNDARY, PASSWORD, Part, bearer, multipart, spawn_app, spawn_with};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn filled(path: &str) -> String {
    path.replace("{name}/{version}", "app1/1")
        .replace("{name}", "old")
        .replace("{device_id}", "t-1")
        .replace("{id}", "1")
}

#[test]
fn no_route_answers_a_stranger_or_too_weak_a_token() {
    let app = spawn_app();
    let tokens = Role::ALL.map(|role| app.token(role));
    for route in table() {
        let Needs::Role(role) = route.needs else { continue };
        let (method, path) = (route.method.as_str(), filled(route.path));
        let json = [("accept", "application/json")];
        let reply = app.send(method, &path, &json, Vec::new()).expect(401);
        assert_eq!(reply.code(), "not_signed_in", "{method} {path}");
        let unknown = [("accept", "application/json"), ("authorization", "Bearer fwa_0")];
        assert_eq!(app.send(method, &path, &unknown, Vec::new()).expect(401).code(), "bad_token");
        for weaker in Role::ALL.iter().filter(|weaker| **weaker < role) {
            let auth = bearer(&tokens[*weaker as usize]);
            let headers = [("accept", "application/json"), ("authorization", auth.as_str())];
            let reply = app.send(method, &path, &headers, Vec::new()).expect(403);
            assert_eq!(reply.code(), "forbidden", "{method} {path} as {weaker}");
        }
    }
}

#[test]
fn a_revoked_or_expired_token_is_worth_nothing() {
    let app = spawn_app();
    let admin = app.token(Role::Admin);
    let body = serde_json::json!({"name": "ci", "role": "viewer", "expires_in_s": 60});
    let made = app.json("POST", "/api/v1/tokens", &admin, &body).expect(201).json();
    let token = made["token"].as_str().unwrap();
    app.get("/api/v1/devices", token).expect(200);
    app.advance(TimeDelta::seconds(61));
    app.get("/api/v1/devices", token).expect(401);
    let other = app.json("POST", "/api/v1/tokens", &admin, &serde_json::json!({"name": "ci", "role": "viewer"}));
    let other = other.expect(201).json();
    app.get("/api/v1/devices", other["token"].as_str().unwrap()).expect(200);
    app.delete(&format!("/api/v1/tokens/{}", other["id"]), &admin).expect(204);
    app.get("/api/v1/devices", other["token"].as_str().unwrap()).expect(401);
    assert!(!app.get("/api/v1/tokens", &admin).expect(200).text().contains("fwa_"), "a token is shown once");
}

#[test]
fn a_person_signs_in_and_out() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    let reply = app.sign_in("Ann", PASSWORD).expect(303);
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    app.send("GET", "/api/v1/devices", &[("cookie", &cookie)], Vec::new()).expect(200);
    let csrf = app.csrf(&cookie);
    let body = format!("csrf={csrf}").into_bytes();
    app.send("POST", "/logout", &[("cookie", &cookie), FORM], body).expect(303);
    app.send("GET", "/api/v1/devices", &[("cookie", &cookie)], Vec::new()).expect(401);
}

#[test]
fn a_session_lasts_a_week_from_its_last_use() {
    let app = spawn_app();
    app.user("ann", Role::Viewer);
    let cookie = app.cookie("ann");
    for _ in 0..3 {
        app.advance(TimeDelta::days(6));
        let reply = app.send("GET", "/api/v1/devices", &[("cookie", &cookie)], Vec::new()).expect(200);
        assert!(reply.header("set-cookie").starts_with(&cookie), "prolonged");
    }
    app.advance(TimeDelta::days(8));
    app.send("GET", "/api/v1/devices", &[("cookie", &cookie)], Vec::new()).expect(401);
}

#[test]
fn a_deleted_user_is_out_at_once() {
    let app = spawn_app();
    app.user("ann", Role::Admin);
    app.user("bob", Role::Viewer);
    let cookie = app.cookie("bob");
    let admin = app.token(Role::Admin);
    let users = app.get("/api/v1/users", &admin).expect(200).json();
    let id = |name: &str| {
        let items = users["items"].as_array().unwrap();
        items.iter().find(|user| user["name"] == name).unwrap()["id"].clone()
    };
    app.delete(&format!("/api/v1/users/{}", id("bob")), &admin).expect(204);
    app.send("GET", "/api/v1/devices", &[("cookie", &cookie)], Vec::new()).expect(401);
    let last = app.delete(&format!("/api/v1/users/{}", id("ann")), &admin).expect(409);
    assert_eq!(last.code(), "last_admin");
}

#[test]
fn another_sites_page_can_do_nothing_with_a_session() {
    let app = spawn_app();
    app.user("ann", Role::Admin);
    let cookie = app.cookie("ann");
    let csrf = app.csrf(&cookie);
    let path = "/api/v1/enrolment-tokens";
    let json = ("content-type", "application/json");
    let send = |headers: &[(&str, &str)]| {
        let all: Vec<_> = [("cookie", cookie.as_str()), json].iter().chain(headers).copied().collect();
        app.send("POST", path, &all, b"{}".to_vec())
    };
    send(&[("x-csrf-token", &csrf)]).expect(201);
    send(&[("x-csrf-token", &csrf), ("origin", &app.url)]).expect(201);
    assert_eq!(send(&[]).expect(403).code(), "bad_form_token");
    assert_eq!(send(&[("x-csrf-token", "guess")]).expect(403).code(), "bad_form_token");
    assert_eq!(send(&[("x-csrf-token", &csrf), ("sec-fetch-site", "cross-site")]).expect(403).code(), "cross_site");
    assert_eq!(send(&[("x-csrf-token", &csrf), ("origin", "http://evil")]).expect(403).code(), "cross_site");
    let form = [("cookie", cookie.as_str()), FORM, ("accept", "application/json")];
    app.send("POST", "/logout", &form, b"csrf=wrong".to_vec()).expect(403);
    app.send("POST", "/logout", &form, b"".to_vec()).expect(403);
    let evil = [FORM, ("origin", "http://evil"), ("accept", "application/json")];
    app.send("POST", "/login", &evil, b"name=ann&password=x".to_vec()).expect(403);
}

#[test]
fn an_upload_form_proves_its_session_in_a_field() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    let cookie = app.cookie("ann");
    let csrf = app.csrf(&cookie);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let send = |token: Option<&str>| {
        let mut parts: Vec<Part<'_>> =
            vec![("file", Some("a"), b"x"), ("name", None, b"app1"), ("version", None, b"1")];
        parts.extend(token.map(|token| ("csrf", None, token.as_bytes())));
        let headers = [("cookie", cookie.as_str()), ("content-type", kind.as_str())];
        app.send("POST", "/api/v1/packages", &headers, multipart(&parts))
    };
    assert_eq!(send(None).expect(403).code(), "bad_form_token");
    assert_eq!(send(Some("guess")).expect(403).code(), "bad_form_token");
    assert_eq!(app.blobs_on_disk(), 0);
    send(Some(&csrf)).expect(201);
}

#[test]
fn guessing_a_password_takes_patience() {
    let app = spawn_app();
    app.user("ann", Role::Viewer);
    for _ in 0..5 {
        app.sign_in("ann", "wrong").expect(401);
    }
    let reply = app.sign_in("ann", PASSWORD).expect(429);
    assert!(reply.header("retry-after").parse::<u32>().unwrap() <= 16);
    app.advance(TimeDelta::seconds(16));
    app.sign_in("ann", PASSWORD).expect(303);
    let json = [FORM, ("accept", "application/json")];
    let reply = app.send("POST", "/login", &json, b"name=nobody&password=x".to_vec()).expect(401);
    assert_eq!(reply.code(), "wrong_credentials");
}

#[test]
fn the_first_admin_is_made_by_the_link_and_only_once() {
    let app = spawn_app();
    let old = app.wait(setup::link(&app.store, &app.url)).unwrap().unwrap();
    let link = app.wait(setup::link(&app.store, &app.url)).unwrap().unwrap();
    let token = |link: &str| link.split_once("token=").unwrap().1.to_owned();
    let send = |token: &str, password: &str| {
        let body = format!("token={token}&name=ann&password={password}");
        app.send("POST", "/setup", &[FORM, ("accept", "application/json")], body.into_bytes())
    };
    assert_eq!(send(&token(&old), "long+enough+1").expect(403).code(), "bad_setup_token");
    assert_eq!(send(&token(&link), "short").expect(422).fields(), ["password"]);
    let reply = send(&token(&link), "long+enough+1").expect(303);
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    app.send("GET", "/api/v1/users", &[("cookie", &cookie)], Vec::new()).expect(200);
    send(&token(&link), "long+enough+1").expect(403);
    assert_eq!(app.wait(setup::link(&app.store, &app.url)).unwrap(), None);
}

#[test]
fn an_address_has_so_many_requests_a_second() {
    let app = spawn_with(|config| config.limits.api_reads_per_s = 5);
    let token = app.token(Role::Viewer);
    let replies: Vec<_> = (0..20).map(|_| app.get("/api/v1/modules", &token)).collect();
    let refused = replies.iter().find(|reply| reply.status == 429).expect("a limit");
    assert_eq!(refused.code(), "too_many_requests");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    app.send("GET", "/healthz", &[], Vec::new()).expect(200);
}

#[test]
fn machines_ask_without_a_name_and_devices_need_their_token() {
    let app = spawn_app();
    app.send("GET", "/healthz", &[], Vec::new()).expect(200);
    app.send("GET", "/readyz", &[], Vec::new()).expect(200);
    let metrics = app.send("GET", "/metrics", &[], Vec::new()).expect(200);
    assert!(metrics.text().contains("fleetward_connections"));
    app.send("GET", "/metrics", &[("x-forwarded-for", "8.8.8.8")], Vec::new()).expect(401);
    assert_eq!(app.send("GET", "/ws", &[], Vec::new()).expect(401).code(), "bad_token");
    assert_eq!(app.get("/ws", "fwd_unknown").expect(401).code(), "bad_token");
    let full = spawn_with(|config| config.limits.disk_reserve_bytes = u64::MAX);
    let reply = full.send("GET", "/readyz", &[], Vec::new()).expect(503);
    assert_eq!(reply.fields(), ["disk"]);
    assert_eq!(full.upload(&full.token(Role::Operator), "app1", "1", b"x").expect(503).code(), "disk_full");
}

#[test]
fn devices_that_come_too_fast_are_told_when_to_come_again() {
    let app = spawn_with(|config| (config.limits.upgrades_per_s, config.limits.upgrades_burst) = (1, 2));
    let replies: Vec<_> = (0..10).map(|_| app.send("GET", "/ws", &[], Vec::new())).collect();
    assert_eq!(replies[0].status, 401);
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(refused.len() >= 7, "{}", refused.len());
    for reply in refused {
        assert_eq!(reply.code(), "too_many_upgrades");
        assert!((1..=30).contains(&reply.header("retry-after").parse::<u32>().unwrap()));
    }
}

#[test]
fn every_answer_has_the_headers_that_protect_browsers() {
    let app = spawn_app();
    for path in ["/api/v1/devices", "/nothing", "/healthz"] {
        let reply = app.send("GET", path, &[("x-request-id", "abc-1")], Vec::new());
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        assert_eq!(reply.header("x-request-id"), "abc-1", "{path}");
    }
}
