//! The second factor, and the sessions behind it.

use chrono::TimeDelta;
use fleetward::domain::{Role, hash_token};
use fleetward::web::second_factor::{new_recovery_codes, new_secret};

use crate::helpers::{PASSWORD, Reply, TestApp, spawn_app};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("accept", "application/json");

/// A user with a second factor; gives its secret and its recovery codes.
fn with_factor(app: &TestApp, name: &str) -> (String, Vec<String>) {
    app.user(name, Role::Viewer);
    let user = app.wait(app.store.user_by_name(name)).unwrap().unwrap();
    let (secret, (codes, hashes)) = (new_secret().unwrap(), new_recovery_codes().unwrap());
    let set = app.store.set_second_factor(user.id, &secret, 0, &hashes, app.clock.now());
    assert!(app.wait(set).unwrap());
    (secret, codes)
}

/// What an authenticator app shows now.
fn code(app: &TestApp, secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let app_on_telephone = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    app_on_telephone.generate(app.clock.now().timestamp() as u64).to_string()
}

fn enter(app: &TestApp, name: &str, code: &str) -> Reply {
    let body = format!("name={name}&password={}&code={code}", PASSWORD.replace(' ', "+"));
    app.send("POST", "/login", &[FORM, JSON], body.into_bytes())
}

#[test]
fn a_password_alone_opens_nothing_and_a_code_counts_once() {
    let app = spawn_app();
    let (secret, codes) = with_factor(&app, "ann");
    assert_eq!(enter(&app, "ann", "").expect(401).code(), "code_needed");
    let now = code(&app, &secret);
    enter(&app, "ann", &now).expect(303);
    assert_eq!(enter(&app, "ann", &now).expect(401).code(), "wrong_code");
    enter(&app, "ann", &codes[3]).expect(303);
    assert_eq!(enter(&app, "ann", &codes[3]).expect(401).code(), "wrong_code");
    let id = app.wait(app.store.user_by_name("ann")).unwrap().unwrap().id;
    let left = app.wait(app.store.second_factor(id)).unwrap().unwrap().recovery_codes;
    assert_eq!(left, 9);
}

#[test]
fn the_page_between_password_and_code_is_no_session() {
    let app = spawn_app();
    let (_, codes) = with_factor(&app, "ann");
    let half = app.sign_in("ann", PASSWORD).expect(200);
    let cookie = half.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("fleetward_half="), "{cookie}");
    let as_session = cookie.replace("fleetward_half", "fleetward_session");
    app.send("GET", "/api/v1/devices", &[("cookie", &as_session)], Vec::new()).expect(401);
    let send = |code: &str| {
        let body = format!("code={code}&next=/devices").into_bytes();
        app.send("POST", "/login/code", &[FORM, JSON, ("cookie", &cookie)], body)
    };
    assert_eq!(send("000000").expect(401).code(), "wrong_code");
    let entered = send(&codes[0]).expect(303);
    assert_eq!(entered.header("location"), "/devices");
    assert_eq!(send(&codes[1]).expect(401).code(), "half_ended", "it was used");
    app.sign_in("ann", PASSWORD).expect(200);
    app.advance(TimeDelta::minutes(6));
    assert_eq!(send(&codes[1]).expect(401).code(), "half_ended");
}

#[test]
fn wrong_codes_make_everybody_who_has_the_password_wait() {
    let app = spawn_app();
    let (_, codes) = with_factor(&app, "ann");
    let replies: Vec<u16> = (0..8).map(|_| enter(&app, "ann", "000000").status).collect();
    assert_eq!(replies.iter().filter(|status| **status == 401).count(), 5, "{replies:?}");
    assert_eq!(enter(&app, "ann", &codes[0]).expect(429).code(), "too_many_requests");
    app.advance(TimeDelta::seconds(16));
    enter(&app, "ann", &codes[0]).expect(303);
}

#[test]
fn an_admin_takes_it_away_and_signs_people_out() {
    let app = spawn_app();
    with_factor(&app, "ann");
    let admin = app.token(Role::Admin);
    let user = |n: usize| app.get("/api/v1/users", &admin).expect(200).json()["items"][n].clone();
    assert_eq!(user(0)["second_factor"], true);
    let path = format!("/api/v1/users/{}", user(0)["id"]);
    app.delete(&format!("{path}/second-factor"), &admin).expect(204);
    app.delete(&format!("{path}/second-factor"), &admin).expect(404);
    assert_eq!(user(0)["second_factor"], false);
    let cookies = [app.cookie("ann"), app.cookie("ann")];
    let sessions = app.get("/api/v1/sessions", &admin).expect(200).json();
    assert_eq!(sessions["items"].as_array().unwrap().len(), 2);
    assert!(!sessions.to_string().contains(hash_token(cookies[0].split_once('=').unwrap().1).as_str()));
    app.delete(&format!("{path}/sessions"), &admin).expect(204);
    for cookie in &cookies {
        app.send("GET", "/api/v1/devices", &[("cookie", cookie)], Vec::new()).expect(401);
    }
    app.delete("/api/v1/sessions/0123456789abcdef", &admin).expect(404);
    app.delete("/api/v1/sessions/%25", &admin).expect(404);
}

#[test]
fn a_new_password_signs_out_who_had_the_old_one() {
    let app = spawn_app();
    app.user("ann", Role::Admin);
    let (mine, other) = (app.cookie("ann"), app.cookie("ann"));
    let csrf = app.csrf(&mine);
    let old = PASSWORD.replace(' ', "+");
    let body = format!("csrf={csrf}&current={old}&password=another+one+1&repeat=another+one+1");
    let reply = app.send("POST", "/account", &[FORM, ("cookie", &mine)], body.into_bytes()).expect(303);
    let fresh = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    for (cookie, status) in [(&mine, 401), (&other, 401), (&fresh, 200)] {
        app.send("GET", "/api/v1/devices", &[("cookie", cookie)], Vec::new()).expect(status);
    }
}

#[test]
fn a_form_that_comes_when_its_session_has_ended_is_sent_after_signing_in() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    app.device("t-1", &[]);
    let cookie = app.cookie("ann");
    let csrf = app.csrf(&cookie);
    let id = app.wait(app.store.user_by_name("ann")).unwrap().unwrap().id;
    app.wait(app.store.end_sessions(id, None)).unwrap();
    let send =
        |path: &str, body: String, cookie: &str| app.send("POST", path, &[FORM, ("cookie", cookie)], body.into());
    let page = send("/devices/t-1", format!("csrf={csrf}&name=Bus+7&tags="), &cookie).expect(401).text();
    assert!(page.contains("name=\"again_at\" value=\"/devices/t-1\""), "{page}");
    let signed = format!(
        "name=ann&password={}&again_at=/devices/t-1&again=csrf%3Dx%26name%3DBus%2B7%26tags%3D",
        PASSWORD.replace(' ', "+")
    );
    let reply = send("/login", signed, "").expect(303);
    assert_eq!(reply.header("location"), "/resume");
    let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = app.send("GET", "/resume", &[("cookie", &cookie)], Vec::new()).expect(200).text();
    assert!(page.contains("name=\"name\" value=\"Bus 7\"") && page.contains("action=\"/devices/t-1\""), "{page}");
    let secret = send("/account", "current=x&password=hidden+one&repeat=hidden+one".to_owned(), "fleetward_session=x");
    assert!(!secret.text().contains("hidden"), "a password is not handed on");
}

#[test]
fn the_server_tells_operators_how_it_is() {
    let app = spawn_app();
    let state = app.get("/api/v1/server", &app.token(Role::Operator)).expect(200).json();
    assert_eq!((state["load"].as_str(), state["database"]["kind"].as_str()), (Some("calm"), Some("SQLite")));
    assert!(state["database"]["bytes"].as_u64().unwrap() > 4096 && state["database"]["write_ms"].is_u64(), "{state}");
    assert_eq!(state["warnings"], serde_json::json!([]));
    app.get("/api/v1/server", &app.token(Role::Viewer)).expect(403);
}

#[test]
fn the_log_is_filtered_and_exported() {
    let app = spawn_app();
    app.user("ann", Role::Admin);
    let admin = app.token(Role::Admin);
    for name in ["=x", "b"] {
        let token = serde_json::json!({ "name": name, "role": "viewer" });
        app.json("POST", "/api/v1/tokens", &admin, &token).expect(201);
    }
    let count = |query: &str| {
        app.get(&format!("/api/v1/audit{query}"), &admin).expect(200).json()["items"].as_array().unwrap().len()
    };
    assert_eq!((count("?verb=token"), count("?subject=b"), count("?verb=roll")), (2, 1, 0));
    assert_eq!((count("?to=2020-01-01T00:00:00Z"), count("?from=2020-01-01T00:00:00Z") > 1), (0, true));
    let csv = app.get("/audit/export?format=csv&verb=token", &admin).expect(200);
    assert!(csv.header("content-disposition").contains("audit.csv"));
    assert_eq!((csv.text().lines().count(), csv.text().contains("\"'=x\"")), (3, true), "{}", csv.text());
    let lines = app.get("/audit/export?format=jsonl", &admin).expect(200).text();
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{lines}");
}
