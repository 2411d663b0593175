//! Who signed a package: kept, checked, shown.

use fleetward::config::SigningMode;
use fleetward::domain::{Manifest, ModuleName, Purpose, Quorum, Role, SecretKey, Sha256Hex, Signed, Trust, Version};
use fleetward::store::{KeyFolder, write_key};

use crate::helpers::{Part, Reply, TestApp, spawn_app, spawn_with};

const ROOT: u8 = 1;
const RELEASE: u8 = 2;

fn key(number: u8) -> SecretKey {
    SecretKey::new([number; 32])
}

/// Puts a trust document into the server's data folder, and a release key where it is to hold one.
fn found_house(app: &TestApp, holds_release_key: bool) {
    let any_of = |number: u8| Quorum::any_of(vec![key(number).public()]);
    let trust = Trust {
        version: 1,
        epoch: 1,
        expires_at: app.clock.now() + chrono::TimeDelta::days(100),
        root: any_of(ROOT),
        release: any_of(RELEASE),
        online: None,
    };
    let folder = KeyFolder::new(&app.dir.path().join("keys"));
    let signed = Signed::new(&trust).unwrap().with(Purpose::Trust, &key(ROOT));
    folder.add_document(&trust, &signed).unwrap();
    if holds_release_key {
        write_key(&folder.path().join("release.key"), &key(RELEASE)).unwrap();
    }
}

fn manifest(version: &str, bytes: &[u8], counter: u64, by: u8) -> String {
    let manifest = Manifest {
        module: ModuleName::new("app1").unwrap(),
        version: Version::new(version).unwrap(),
        counter,
        epoch: 1,
        size: bytes.len() as u64,
        sha256: Sha256Hex::of(bytes),
        chunks: None,
        hardware: Vec::new(),
        requires: [].into(),
        health: None,
        files: None,
    };
    Signed::new(&manifest).unwrap().with(Purpose::Manifest, &key(by)).to_json()
}

fn upload(app: &TestApp, token: &str, version: &str, bytes: &[u8], manifest: &str) -> Reply {
    let parts: [Part<'_>; 4] = [
        ("manifest", None, manifest.as_bytes()),
        ("name", None, b"app1"),
        ("version", None, version.as_bytes()),
        ("file", Some("app.bin"), bytes),
    ];
    app.form("/api/v1/packages", token, &parts)
}

fn page(app: &TestApp) -> String {
    app.user("vera", Role::Viewer);
    app.send("GET", "/packages", &[("cookie", &app.cookie("vera"))], Vec::new()).expect(200).text()
}

#[test]
fn a_server_with_a_release_key_signs_and_says_that_it_was_itself() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    assert!(app.upload(&token, "app1", "1", b"one").expect(201).json()["signed_by"].is_null());
    found_house(&app, true);
    let by = format!("server/{}", key(RELEASE).public().fingerprint());
    assert_eq!(app.upload(&token, "app1", "2", b"two").expect(201).json()["signed_by"], by);
    assert_eq!(app.upload(&token, "app1", "1", b"one").expect(200).json()["signed_by"], by, "also what was there");
    let page = page(&app);
    assert_eq!(page.matches("signed by this server").count(), 2, "{page}");
}

#[test]
fn a_server_that_signs_lists_the_files_of_an_archive() {
    let app = spawn_app();
    found_house(&app, true);
    let token = app.token(Role::Operator);
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(3);
    tar.append_data(&mut header, "bin/app", &b"two"[..]).unwrap();
    app.upload(&token, "app1", "2", &tar.into_inner().unwrap()).expect(201);
    app.upload(&token, "app1", "3", b"one file").expect(201);
    let files = |version: &str| {
        let (name, version) = (ModuleName::new("app1").unwrap(), Version::new(version).unwrap());
        let text = app.wait(app.store.package(&name, &version)).unwrap().unwrap().signature.unwrap();
        serde_json::from_slice::<serde_json::Value>(Signed::from_json(&text).unwrap().bytes()).unwrap()["files"].clone()
    };
    let sha256 = Sha256Hex::of(b"two");
    assert_eq!(files("2"), serde_json::json!([{"path":"bin/app","size":3,"sha256":sha256,"executable":true}]));
    assert!(files("3").is_null());
}

#[test]
fn in_strict_mode_only_what_was_signed_elsewhere_is_taken() {
    let app = spawn_with(|config| config.signing = SigningMode::Strict);
    found_house(&app, false);
    let token = app.token(Role::Operator);
    let good = manifest("1", b"one", 1, RELEASE);
    let indented = good.replace("\"document\"", " \"document\"");
    let cases = [
        ("", "missing"),
        ("not a manifest", "bad_document"),
        (&manifest("1", b"one", 1, ROOT), "bad_signature"),
        (&manifest("1", b"eno", 1, RELEASE), "mismatch"),
        (&manifest("2", b"one", 1, RELEASE), "mismatch"),
    ];
    for (manifest, word) in cases {
        let reply = upload(&app, &token, "1", b"one", manifest).expect(422);
        assert_eq!(reply.fields(), ["manifest"]);
        assert!(reply.text().contains(word), "{word}: {}", reply.text());
        assert_eq!(app.blobs_on_disk(), 0);
    }
    let by = key(RELEASE).public().fingerprint().to_string();
    assert_eq!(upload(&app, &token, "1", b"one", &indented).expect(201).json()["signed_by"], by);
    let page = page(&app);
    assert!(page.contains(&format!("signed by <code>{by}</code>")), "{page}");
}

#[test]
fn the_same_bytes_with_another_manifest_are_signed_anew() {
    let app = spawn_app();
    found_house(&app, false);
    let token = app.token(Role::Operator);
    let kept = |app: &TestApp| {
        let (name, version) = (ModuleName::new("app1").unwrap(), Version::new("1").unwrap());
        let text = app.wait(app.store.package(&name, &version)).unwrap().unwrap().signature.unwrap();
        Signed::from_json(&text).unwrap()
    };
    upload(&app, &token, "1", b"one", &manifest("1", b"one", 1, RELEASE)).expect(201);
    let first = kept(&app);
    upload(&app, &token, "1", b"one", &manifest("1", b"one", 2, RELEASE)).expect(200);
    assert_ne!(kept(&app), first);
    let second = kept(&app);
    app.upload(&token, "app1", "1", b"one").expect(200);
    assert_eq!(kept(&app), second, "an upload without a manifest takes none away");
}

#[test]
fn without_a_trust_document_a_manifest_is_refused_as_nobody_could_check_it() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let reply = upload(&app, &token, "1", b"one", &manifest("1", b"one", 1, RELEASE)).expect(422);
    assert!(reply.text().contains("keys init"), "{}", reply.text());
    assert_eq!(app.blobs_on_disk(), 0);
}
