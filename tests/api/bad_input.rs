//! Whatever is sent, it is the sender's mistake: never a 5xx, always a code, and the field where there is one.

use fleetward::domain::Role;
use fleetward::web::routes::{Needs, table};
use serde_json::{Value, json};

use crate::helpers::{BOUNDARY, bearer, spawn_app};

#[test]
fn a_query_that_is_wrong_names_its_field() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    app.device("t-1", &[]);
    let cases = [
        ("/api/v1/devices?limit=0", "limit"),
        ("/api/v1/devices?limit=501", "limit"),
        ("/api/v1/devices?limit=-1", "limit"),
        ("/api/v1/devices?limit=9999999999999999999999", "limit"),
        ("/api/v1/devices?after=nonsense", "after"),
        ("/api/v1/devices?after=%00%ff", "after"),
        ("/api/v1/devices?online=yes", "online"),
        ("/api/v1/devices?sort=speed", "sort"),
        ("/api/v1/devices?tag=%3Dx", "tag"),
        ("/api/v1/devices?module=a%2Fb", "module"),
        ("/api/v1/devices?version=%27%20or%201%3D1", "version"),
        ("/api/v1/devices?colour=red", "colour"),
        ("/api/v1/devices?limit=1&limit=2", "limit"),
        ("/api/v1/devices/t-1/history?from=yesterday", "from"),
        ("/api/v1/devices/t-1/history?to=99999-01-01T00:00:00Z", "to"),
        ("/api/v1/devices/t-1/history?step=-1", "step"),
        ("/api/v1/devices/t-1/history?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("/api/v1/packages?name=a%20b", "name"),
        ("/api/v1/packages?after=x", "after"),
        ("/api/v1/rollouts?after=x", "after"),
        ("/api/v1/modules?x=1", "x"),
        ("/api/v1/users?x=1", "x"),
        ("/api/v1/live?device=a%2Fb", "device"),
        ("/api/v1/live?rollout=x", "rollout"),
    ];
    for (path, field) in cases {
        let reply = app.get(path, &token);
        assert_eq!((reply.status, reply.fields()), (422, vec![field.to_owned()]), "{path}: {}", reply.text());
    }
}

#[test]
fn odd_but_valid_queries_are_answered() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    app.device("t-1", &[]);
    let long = "x".repeat(200);
    for path in [
        "/api/v1/devices?q=%25_%5C%27%22%00".to_owned(),
        "/api/v1/devices?q=%F0%9F%9A%8C".to_owned(),
        "/api/v1/devices?q=%ff%fe".to_owned(),
        format!("/api/v1/devices?q={long}"),
        "/api/v1/devices?tag=a%3Db%3Dc&limit=&after=".to_owned(),
        "/api/v1/devices/t-1/history?from=0001-01-01T00:00:00Z&to=9999-12-31T23:59:59Z".to_owned(),
        "/api/v1/devices/t-1/history?from=2026-01-01T00:00:00%2B14:00".to_owned(),
    ] {
        app.get(&path, &token).expect(200);
    }
}

#[test]
fn what_is_not_there_is_404_in_the_one_shape() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    for path in [
        "/api/v1/nothing",
        "/api/v2/devices",
        "/api/",
        "/api/v1/devices/none",
        "/api/v1/devices/a%20b",
        "/api/v1/devices/%ff%00",
        "/api/v1/devices/..%2f..%2fetc%2fpasswd",
        "/api/v1/devices/none/history",
        "/api/v1/packages/a/b",
        "/api/v1/packages/a%2Fb/1",
        "/api/v1/packages/app1/1/file",
        "/api/v1/rollouts/0",
        "/api/v1/rollouts/-1",
        "/api/v1/rollouts/x",
        "/api/v1/rollouts/99999999999999999999",
        "/api/v1/rollouts/1/devices",
        "/api/v1/live?device=none",
        "/api/v1/live?rollout=99",
    ] {
        assert_eq!(app.get(path, &token).expect(404).code(), "not_found", "{path}");
    }
    for path in ["/api/v1/enrolment-tokens/x", "/api/v1/tokens/99", "/api/v1/users/99", "/api/v1/devices/none"] {
        assert_eq!(app.delete(path, &token).expect(404).code(), "not_found", "{path}");
    }
}

#[test]
fn a_wrong_method_is_405_and_says_which_are_right() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    let reply = app.json("PUT", "/api/v1/devices/t-1", &token, &json!({})).expect(405);
    assert_eq!((reply.code().as_str(), reply.header("allow")), ("method_not_allowed", "GET, PATCH, DELETE"));
    app.json("POST", "/api/v1/live", &token, &json!({})).expect(405);
}

#[test]
fn a_body_that_is_wrong_is_never_our_fault() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    app.device("t-1", &[]);
    let auth = bearer(&token);
    let bodies: Vec<Vec<u8>> = [
        "",
        "{",
        "null",
        "[]",
        "1",
        "\"x\"",
        "{\"a\":",
        "\u{feff}{}",
        "{\"name\":1e999}",
        "{\"packages\":{}}",
        "{\"packages\":[null]}",
        "{\"packages\":[{\"name\":\"a\"}]}",
        "{\"tags\":{\"a\":1}}",
        "{\"tags\":[]}",
        "{\"name\":\"\\u0000\"}",
        "{\"uses\":-1}",
        "{\"uses\":0}",
        "{\"uses\":1.5}",
        "{\"expires_in_s\":1e18}",
        "{\"expires_in_s\":0}",
        "{\"role\":\"root\"}",
        "{\"password\":\"short\"}",
        "{\"unknown\":true}",
        "{\"policy\":{\"stages\":[{\"percent\":1e400}]}}",
        "{\"target\":{\"all\":true,\"tags\":{}}}",
        "{\"name\":\"\\ud800\"}",
    ]
    .iter()
    .map(|body| body.as_bytes().to_vec())
    .chain([b"\xff\xfe{}".to_vec(), b"[".repeat(50_000), vec![b' '; 1_100_000]])
    .collect();
    for route in table().iter().filter(|route| !route.method.is_safe() && matches!(route.needs, Needs::Role(_))) {
        let path = route.path.replace("{device_id}", "t-1").replace("{id}", "1").replace("{name}/{version}", "a/1");
        if route.method == "DELETE" {
            continue;
        }
        let own = if path.starts_with("/api/") { "application/json" } else { "application/x-www-form-urlencoded" };
        let (text, empty) = (&bodies[5], &bodies[0]);
        let others = [("text/plain", text), ("multipart/form-data", text), ("multipart/form-data", empty)];
        for (kind, body) in bodies.iter().map(|body| (own, body)).chain(others) {
            let headers = [("authorization", auth.as_str()), ("content-type", kind)];
            let reply = app.send(route.method.as_str(), &path, &headers, body.clone());
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert!(reply.status < 500, "{} {path} {kind} {shown:?}: {}", route.method, reply.text());
        }
    }
}

#[test]
fn a_body_that_is_wrong_is_told_what_is_wrong() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    app.device("t-1", &[]);
    let rollout = |more: Value| {
        let mut body = json!({"packages": [{"name": "app1", "version": "1"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let cases = [
        ("POST", "/api/v1/rollouts", json!({}), "packages"),
        ("POST", "/api/v1/rollouts", rollout(json!({"pakages": 1})), "pakages"),
        ("POST", "/api/v1/rollouts", rollout(json!({"target": {"tags": {}}})), "target.tags"),
        ("POST", "/api/v1/rollouts", rollout(json!({"policy": {"max_in_flight": 0}})), "policy.max_in_flight"),
        ("POST", "/api/v1/rollouts/plan", rollout(json!({"policy": {"attempts": "x"}})), "policy.attempts"),
        ("PATCH", "/api/v1/devices/t-1", json!({"tags": {"a b": "x"}}), "tags"),
        ("PATCH", "/api/v1/devices/t-1", json!({"name": ""}), "name"),
        ("PATCH", "/api/v1/devices/t-1", json!({"device_id": "t-2"}), "device_id"),
        ("POST", "/api/v1/enrolment-tokens", json!({"uses": 0}), "uses"),
        ("POST", "/api/v1/enrolment-tokens", json!({"expires_in_s": -1}), "expires_in_s"),
        ("POST", "/api/v1/tokens", json!({"name": "ci", "role": "root"}), "role"),
        ("POST", "/api/v1/users", json!({"name": " a", "role": "viewer", "password": "long enough"}), "name"),
    ];
    for (method, path, body, field) in cases {
        let reply = app.json(method, path, &token, &body);
        assert_eq!((reply.status, reply.fields()), (422, vec![field.to_owned()]), "{path} {body}: {}", reply.text());
    }
    let send = |kind: &str, body: &[u8]| {
        app.send("POST", "/api/v1/users", &[("authorization", &bearer(&token)), ("content-type", kind)], body.to_vec())
    };
    assert_eq!(send("application/json", b"{").expect(400).code(), "unreadable");
    assert_eq!(send("text/plain", b"{}").expect(415).code(), "unsupported_media_type");
    assert_eq!(send("application/json", &vec![b' '; 1_100_000]).expect(413).code(), "too_large");
}

#[test]
fn a_multipart_form_that_is_broken_is_400_or_415() {
    let app = spawn_app();
    let auth = bearer(&app.token(Role::Operator));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let send = |kind: &str, body: &str| {
        let headers = [("authorization", auth.as_str()), ("content-type", kind)];
        app.send("POST", "/api/v1/packages", &headers, body.as_bytes().to_vec())
    };
    send("application/json", "{}").expect(415);
    send("multipart/form-data", "x").expect(400);
    for body in [
        "nothing".to_owned(),
        format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"\r\n\r\nxxx"),
        format!("--{BOUNDARY}\r\n\r\nxxx\r\n--{BOUNDARY}--\r\n"),
        format!("--{BOUNDARY}\r\ncontent-disposition: form-data\r\n\r\nxxx\r\n--{BOUNDARY}--\r\n"),
    ] {
        send(&kind, &body).expect(400);
    }
    assert_eq!(app.blobs_on_disk(), 0);
}

#[test]
fn odd_headers_are_answered() {
    let app = spawn_app();
    let token = app.token(Role::Viewer);
    for (name, value) in [
        ("authorization", "Basic eDp5"),
        ("authorization", "Bearer"),
        ("authorization", ""),
        ("cookie", "fleetward_session="),
        ("cookie", "fleetward_session=%00%ff; fleetward_session=2"),
        ("cookie", ";;;=;"),
        ("accept-encoding", "br;q=x"),
        ("x-request-id", "<script>"),
    ] {
        let reply = app.send("GET", "/api/v1/devices", &[(name, value)], Vec::new());
        assert!((400..500).contains(&reply.status), "{name}: {value}: {}", reply.status);
        assert!(!reply.header("x-request-id").contains('<'));
    }
    let auth = bearer(&token);
    for range in ["bytes=", "bytes=-", "bytes=a-b", "x", "bytes=5-1"] {
        app.send("GET", "/api/v1/packages/a/1/file", &[("authorization", &auth), ("range", range)], vec![]).expect(404);
    }
}
