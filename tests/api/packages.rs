//! The catalogue.

use fleetward::domain::Role;
use fleetward::domain::Sha256Hex;

use crate::helpers::{Part, bearer, spawn_app};

#[test]
fn a_package_is_uploaded_whatever_the_order_of_its_fields() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let bytes = vec![7u8; 700_000];
    let parts: [Part<'_>; 4] = [
        ("file", Some("build/app 1.bin"), &bytes),
        ("notes", None, "first é".as_bytes()),
        ("version", None, b"1.0.0"),
        ("name", None, b"app1"),
    ];
    let reply = app.form("/api/v1/packages", &token, &parts).expect(201);
    assert_eq!(reply.header("location"), "/api/v1/packages/app1/1.0.0");
    let package = reply.json();
    assert_eq!(package["sha256"], Sha256Hex::of(&bytes).as_str());
    assert_eq!(package["size"], 700_000);
    assert_eq!(package["file_name"], "app 1.bin");
    assert_eq!(package["notes"], "first é");
    assert_eq!(package["created_by"], "operator");
    assert_eq!(app.get("/api/v1/packages/app1/1.0.0", &token).expect(200).json(), package);
    assert_eq!(app.get("/api/v1/packages?name=app1", &token).expect(200).json()["items"][0], package);
    let modules = app.get("/api/v1/modules", &token).expect(200).json();
    assert_eq!(modules["items"][0]["name"], "app1");
    assert_eq!(modules["items"][0]["packages"], 1);
}

#[test]
fn the_same_bytes_again_are_200_and_other_bytes_409_and_leave_nothing_behind() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "1", b"one").expect(201);
    app.upload(&token, "app1", "1", b"one").expect(200);
    assert_eq!(app.blobs_on_disk(), 1);
    let reply = app.upload(&token, "app1", "1", b"two").expect(409);
    assert_eq!(reply.code(), "other_bytes");
    assert_eq!(app.blobs_on_disk(), 1);
    app.upload(&token, "app1", "2", b"two").expect(201);
    app.upload(&token, "app1", "1", b"two").expect(409);
    assert_eq!(app.blobs_on_disk(), 2, "bytes that another package has stay");
}

#[test]
fn an_upload_that_is_refused_leaves_no_bytes() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let file: Part<'_> = ("file", Some("a"), &[1; 300_000]);
    let name: Part<'_> = ("name", None, b"app1");
    let version: Part<'_> = ("version", None, b"1");
    let cases: [(&[Part<'_>], &str); 9] = [
        (&[file], "name"),
        (&[file, name], "version"),
        (&[name, version], "file"),
        (&[file, version, ("name", None, b"a/b")], "name"),
        (&[file, name, ("version", None, b"")], "version"),
        (&[file, name, version, name], "name"),
        (&[file, name, version, file], "file"),
        (&[file, name, version, ("colour", None, b"red")], "colour"),
        (&[file, name, version, ("manifest", None, b"{}")], "manifest"),
    ];
    for (parts, field) in cases {
        let reply = app.form("/api/v1/packages", &token, parts).expect(422);
        assert_eq!(reply.fields(), [field]);
    }
    let notes = "x".repeat(4001);
    let parts = [file, name, version, ("notes", None, notes.as_bytes())];
    assert_eq!(app.form("/api/v1/packages", &token, &parts).expect(422).fields(), ["notes"]);
    assert_eq!(app.blobs_on_disk(), 0);
}

#[test]
fn a_file_beyond_the_limit_is_413_and_gone() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "1", &vec![0; (4 << 20) + 1]).expect(413);
    app.upload(&token, "app1", "1", &vec![0; 64 << 20]).expect(413);
    assert_eq!(app.blobs_on_disk(), 0);
    app.upload(&token, "app1", "1", &vec![0; 4 << 20]).expect(201);
    app.upload(&token, "app1", "0", b"").expect(201);
}

#[test]
fn a_download_can_go_on_where_it_was_cut() {
    let app = spawn_app();
    let token = app.token(Role::Viewer);
    let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let uploaded = app.upload(&app.token(Role::Operator), "app1", "1", &bytes).expect(201).json();
    let path = "/api/v1/packages/app1/1/file";
    let whole = app.get(path, &token).expect(200);
    assert_eq!(whole.bytes, bytes);
    let etag = format!("\"{}\"", uploaded["sha256"].as_str().unwrap());
    assert_eq!(whole.header("etag"), etag);
    assert_eq!(whole.header("content-disposition"), "attachment; filename=\"app.bin\"");
    assert_eq!(whole.header("x-content-type-options"), "nosniff");
    let auth = bearer(&token);
    let ranged = |headers: &[(&str, &str)]| {
        let all: Vec<_> = [("authorization", auth.as_str())].iter().chain(headers).copied().collect();
        app.send("GET", path, &all, Vec::new())
    };
    let rest = ranged(&[("range", "bytes=150000-"), ("if-range", &etag)]).expect(206);
    assert_eq!(rest.bytes, bytes[150_000..]);
    assert_eq!(rest.header("content-range"), "bytes 150000-199999/200000");
    ranged(&[("range", "bytes=150000-"), ("if-range", "\"other\"")]).expect(200);
    ranged(&[("range", "bytes=200000-")]).expect(416);
    ranged(&[("if-none-match", &etag)]).expect(304);
    let zipped = ranged(&[("accept-encoding", "gzip")]).expect(200);
    assert_eq!(zipped.header("content-length"), "200000");
    let head = app.send("HEAD", path, &[("authorization", &auth)], Vec::new()).expect(200);
    assert_eq!(head.header("content-length"), "200000");
}

#[test]
fn a_deleted_package_is_gone_with_its_bytes_unless_another_has_the_same() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "1", b"one").expect(201);
    app.upload(&token, "app2", "1", b"one").expect(201);
    app.delete("/api/v1/packages/app1/1", &token).expect(204);
    assert_eq!(app.blobs_on_disk(), 1);
    app.delete("/api/v1/packages/app1/1", &token).expect(404);
    app.delete("/api/v1/packages/app2/1", &token).expect(204);
    assert_eq!(app.blobs_on_disk(), 0);
}

#[test]
fn the_page_says_which_updates_still_need_a_package() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "1", b"one").expect(201);
    app.upload(&token, "app1", "2", b"two").expect(201);
    app.device("t-1", &[("app1", "1")]);
    let page = app.get("/packages", &token).expect(200).text();
    assert!(!page.contains("/rollouts/1"));
    let body = serde_json::json!({"packages": [{"name": "app1", "version": "2"}]});
    let id = app.json("POST", "/api/v1/rollouts", &token, &body).expect(201).json()["id"].clone();
    let page = app.get("/packages", &token).expect(200).text();
    assert_eq!(page.matches(&format!("href=\"/rollouts/{id}\"")).count(), 1, "{page}");
    app.delete("/api/v1/packages/app1/2", &token).expect(409);
    app.json("POST", &format!("/api/v1/rollouts/{id}/cancel"), &token, &serde_json::json!({})).expect(200);
    assert!(!app.get("/packages", &token).expect(200).text().contains(&format!("href=\"/rollouts/{id}\"")));
    app.delete("/api/v1/packages/app1/2", &token).expect(204);
}
