//! Documents forged, mixed and replayed, one rule at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::domain::{DeviceId, ModuleName, Modules, Release, Sha256Hex, Timestamp, Version};

fn key(number: u8) -> SecretKey {
    SecretKey::new([number; 32])
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-22T{text}Z").parse().unwrap()
}

fn trust(version: u64, root: &[u8], release: &[u8], threshold: usize) -> Trust {
    let public = |numbers: &[u8]| numbers.iter().map(|n| key(*n).public()).collect();
    Trust {
        version,
        epoch: 1,
        expires_at: time("20:00:00"),
        root: Quorum { keys: public(root), threshold },
        release: Quorum { keys: public(release), threshold },
        online: Some(Quorum::any_of(public(&[9]))),
    }
}

fn signed(purpose: Purpose, document: &impl serde::Serialize, keys: &[u8]) -> Signed {
    keys.iter().fold(Signed::new(document).unwrap(), |signed, n| signed.with(purpose, &key(*n)))
}

fn manifest() -> Manifest {
    Manifest {
        module: ModuleName::new("app1").unwrap(),
        version: Version::new("2").unwrap(),
        counter: 5,
        epoch: 1,
        size: 3,
        sha256: Sha256Hex::of(b"two"),
        chunks: None,
        hardware: Vec::new(),
        requires: [].into(),
        health: None,
        files: None,
    }
}

fn release(manifest: &Signed) -> Release {
    Release {
        module: ModuleName::new("app1").unwrap(),
        version: Version::new("2").unwrap(),
        size: 3,
        sha256: Sha256Hex::of(b"two"),
        signature: Some(manifest.to_json()),
        requires: Default::default(),
    }
}

fn judged(trust: &Trust, manifest: &Signed, floor: Option<Floor>) -> Result<Manifest, Distrust> {
    let (device_id, running) = (DeviceId::new("t-001").unwrap(), Modules::new());
    let here = Surroundings { device_id: &device_id, nonce: "n", hardware: Some("b"), running: &running, now: None };
    check_release(trust, floor, None, &release(manifest), here)
}

#[test]
fn a_signature_for_one_purpose_is_worth_nothing_for_another() {
    let trust = trust(1, &[1], &[2], 1);
    for purpose in [Purpose::Trust, Purpose::Freshness] {
        assert_eq!(judged(&trust, &signed(purpose, &manifest(), &[2]), None), Err(Distrust::BadSignature));
    }
    assert!(judged(&trust, &signed(Purpose::Manifest, &manifest(), &[2]), None).is_ok());
    assert_eq!(judged(&trust, &signed(Purpose::Manifest, &manifest(), &[1]), None), Err(Distrust::BadSignature));
}

#[test]
fn one_key_counts_once_however_often_it_signs() {
    let trust = trust(1, &[1, 3], &[2, 4], 2);
    let once = signed(Purpose::Manifest, &manifest(), &[2]);
    let (document, signature) = once.parts();
    let twice = Signed::from_parts(&document, &format!("{signature} {signature}")).unwrap();
    assert_eq!(twice.signatures().count(), 2);
    let short = Err(Distrust::TooFewSignatures { have: 1, need: 2 });
    assert_eq!((judged(&trust, &once, None), judged(&trust, &twice, None)), (short.clone(), short));
    assert!(judged(&trust, &signed(Purpose::Manifest, &manifest(), &[2, 4]), None).is_ok());
}

#[test]
fn the_same_json_in_other_words_is_another_document() {
    let trust = trust(1, &[1], &[2], 1);
    let (document, signature) = signed(Purpose::Manifest, &manifest(), &[2]).parts();
    let value: serde_json::Value = serde_json::from_slice(&STANDARD.decode(document).unwrap()).unwrap();
    let indented = STANDARD.encode(serde_json::to_vec_pretty(&value).unwrap());
    let forged = Signed::from_parts(&indented, &signature).unwrap();
    assert_eq!(judged(&trust, &forged, None), Err(Distrust::BadSignature));
}

#[test]
fn a_key_of_low_order_is_no_key() {
    // The neutral element, and a point of order 8: under both, a signature for anything can be made.
    let neutral = {
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes
    };
    let eight = hex::decode("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a").unwrap();
    for bytes in [neutral.to_vec(), eight] {
        assert_eq!(PublicKey::new(&bytes), Err(Distrust::WeakKey));
        let mut document = serde_json::to_value(trust(1, &[1], &[2], 1)).unwrap();
        document["root"]["keys"] = serde_json::json!([STANDARD.encode(&bytes)]);
        let refused = Trust::first(&signed(Purpose::Trust, &document, &[1])).unwrap_err();
        assert!(refused.to_string().contains("weak"), "{refused}");
    }
}

#[test]
fn the_next_trust_needs_the_old_roots_and_the_new_ones_and_no_version_is_left_out() {
    let first = Trust::first(&signed(Purpose::Trust, &trust(1, &[1], &[2], 1), &[1])).unwrap();
    let next = |version, keys: &[u8]| first.next(&signed(Purpose::Trust, &trust(version, &[5], &[2], 1), keys));
    assert_eq!(next(2, &[1, 5]).unwrap().version, 2);
    assert_eq!(next(2, &[5]), Err(Distrust::BadSignature), "the new root alone");
    assert_eq!(next(2, &[1]), Err(Distrust::BadSignature), "the old root alone");
    assert_eq!(next(3, &[1, 5]), Err(Distrust::TrustOutOfOrder { found: 3, trusted: 1 }));
    assert_eq!(next(1, &[1, 5]), Err(Distrust::TrustOutOfOrder { found: 1, trusted: 1 }));
}

#[test]
fn a_role_that_cannot_work_is_refused() {
    let refused = |change: fn(&mut Trust)| {
        let mut document = trust(1, &[1], &[2], 1);
        change(&mut document);
        Trust::first(&signed(Purpose::Trust, &document, &[1])).unwrap_err().code()
    };
    assert_eq!(refused(|t| t.release.keys.clear()), "bad_document");
    assert_eq!(refused(|t| t.release.threshold = 2), "bad_document");
    assert_eq!(refused(|t| t.release.threshold = 0), "bad_document");
    assert_eq!(refused(|t| t.root.keys.push(key(1).public())), "bad_document");
    assert_eq!(refused(|t| t.version = 0), "bad_document");
}

#[test]
fn a_counter_goes_up_within_an_epoch_and_starts_over_with_the_next() {
    let mut trust = trust(1, &[1], &[2], 1);
    let old = signed(Purpose::Manifest, &manifest(), &[2]);
    let floor = |epoch, counter| Some(Floor { epoch, counter });
    assert_eq!(judged(&trust, &old, floor(1, 6)), Err(Distrust::Rollback { counter: 5, floor: 6 }));
    assert!(judged(&trust, &old, floor(1, 5)).is_ok());
    trust.epoch = 2;
    assert_eq!(judged(&trust, &old, None), Err(Distrust::WrongEpoch { found: 1, trusted: 2 }));
    let new = signed(Purpose::Manifest, &Manifest { epoch: 2, counter: 0, ..manifest() }, &[2]);
    assert!(judged(&trust, &new, floor(1, u64::MAX)).is_ok(), "a counter driven up in epoch 1 holds nothing back");
}

#[test]
fn a_manifest_is_for_one_file_and_for_what_it_names() {
    let trust = trust(1, &[1], &[2], 1);
    let code = |changed: Manifest| {
        judged(&trust, &signed(Purpose::Manifest, &changed, &[2]), None).map_err(|error| error.code())
    };
    let module = ModuleName::new("app2").unwrap();
    assert_eq!(code(Manifest { module: module.clone(), ..manifest() }), Err("mismatch"));
    assert_eq!(code(Manifest { sha256: Sha256Hex::of(b"other"), ..manifest() }), Err("mismatch"));
    assert_eq!(code(Manifest { version: Version::new("3").unwrap(), ..manifest() }), Err("mismatch"));
    assert_eq!(code(Manifest { hardware: vec!["a".into()], ..manifest() }), Err("wrong_hardware"));
    assert!(code(Manifest { hardware: vec!["a".into(), "b".into()], ..manifest() }).is_ok());
    let requires = [(module, Version::new("1").unwrap())].into();
    assert_eq!(code(Manifest { requires, ..manifest() }), Err("requires"));
    let chunks = Some(Chunks { size: 2, sha256: vec![Sha256Hex::of(b"tw")] });
    assert_eq!(code(Manifest { chunks, ..manifest() }), Err("bad_document"));
}

#[test]
fn freshness_is_for_one_device_and_one_question_and_ends() {
    let trust = trust(1, &[1], &[2], 1);
    let (device_id, running) = (DeviceId::new("t-001").unwrap(), Modules::new());
    let good = Freshness {
        device_id: device_id.clone(),
        nonce: "n".into(),
        issued_at: time("10:00:00"),
        expires_at: time("10:10:00"),
        manifests: Vec::new(),
    };
    let judge = |document: &Freshness, keys: &[u8], now: Option<Timestamp>| {
        let here = Surroundings { device_id: &device_id, nonce: "n", hardware: None, running: &running, now };
        check_freshness(&trust, Some(&signed(Purpose::Freshness, document, keys)), here).map_err(|error| error.code())
    };
    assert_eq!(judge(&good, &[9], None), Ok(Some(good.clone())));
    assert_eq!(judge(&good, &[2], None), Err("bad_signature"));
    assert_eq!(judge(&Freshness { nonce: "o".into(), ..good.clone() }, &[9], None), Err("replayed"));
    let other = DeviceId::new("t-002").unwrap();
    assert_eq!(judge(&Freshness { device_id: other, ..good.clone() }, &[9], None), Err("wrong_device"));
    assert_eq!(judge(&good, &[9], Some(time("10:10:00"))), Err("stale"));
    let late = Freshness { issued_at: time("20:00:00"), expires_at: time("20:10:00"), ..good };
    assert_eq!(judge(&late, &[9], None), Err("trust_expired"));
    let here = Surroundings { device_id: &device_id, nonce: "n", hardware: None, running: &running, now: None };
    assert_eq!(check_freshness(&trust, None, here), Err(Distrust::NotFresh));
}

#[test]
fn chunks_are_the_same_however_the_bytes_come() {
    let bytes: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
    let mut whole = ChunkHasher::new(300);
    whole.update(&bytes);
    let mut parts = ChunkHasher::new(300);
    bytes.chunks(7).for_each(|part| parts.update(part));
    let chunks = whole.chunks().unwrap();
    assert_eq!(Some(&chunks), parts.chunks().as_ref());
    assert_eq!(chunks.sha256.len(), 4);
    assert_eq!(chunks.sha256[3], Sha256Hex::of(&bytes[900..]));
    assert!(ChunkHasher::for_package(5).chunks().is_none());
}

#[test]
fn a_secret_keys_text_is_read_back_and_is_not_a_public_keys() {
    let text = key(7).text();
    assert_eq!(SecretKey::from_text(&text).unwrap().public(), key(7).public());
    assert!(SecretKey::from_text(&String::from(key(7).public())).is_none());
    assert!(!format!("{:?}", key(7)).contains(&text[24..40]), "a secret is not printed");
}

#[test]
fn a_document_too_long_to_keep_is_not_read() {
    let long = STANDARD.encode(vec![b' '; 40_000]);
    assert_eq!(Signed::from_parts(&long, "").unwrap_err().code(), "bad_document");
    let many = vec!["AAAA"; 17].join(" ");
    assert_eq!(Signed::from_parts("e30=", &many).unwrap_err().code(), "bad_document");
}

#[test]
fn a_list_of_files_is_bounded_and_names_plain_paths_once() {
    let listed = |path: &str| ListedFile { path: path.into(), size: 1, sha256: Sha256Hex::of(b"1"), executable: false };
    let check = |paths: &[&str]| {
        let files = Some(paths.iter().map(|path| listed(path)).collect());
        Manifest { files, ..manifest() }.check().map_err(|error| error.code())
    };
    assert_eq!(check(&["app", "etc/app.conf"]), Ok(()));
    for bad in [&[][..], &["a", "a"], &["/etc/passwd"], &["../a"], &["a//b"], &["a/."], &["a\\b"], &[""]] {
        assert_eq!(check(bad), Err("bad_document"), "{bad:?}");
    }
    let many = |count: usize| (0..count).map(|n| listed(&format!("share/{n:014}"))).collect::<Vec<_>>();
    let mut document = manifest();
    assert!(document.list(many(256)), "so many are listed");
    assert_eq!(document.files.as_ref().unwrap().len(), 256);
    let mut without = manifest();
    assert!(!without.list(many(257)) && without.files.is_none());
    let long = (0..200).map(|n| listed(&format!("{}{n}", "d/".repeat(60)))).collect();
    assert!(!without.list(long) && without.files.is_none(), "the document would be longer than anybody reads");
}

#[test]
fn a_manifest_from_before_lists_of_files_is_what_it_was() {
    let before = r#"{"module":"app1","version":"2","counter":5,"epoch":1,"size":3,"sha256":"SHA"}"#;
    let before = before.replace("SHA", Sha256Hex::of(b"two").as_str());
    assert_eq!(Signed::new(&manifest()).unwrap().bytes(), before.as_bytes(), "what lists nothing is written as ever");
    let value: serde_json::Value = serde_json::from_str(&before).unwrap();
    let old = signed(Purpose::Manifest, &value, &[2]);
    assert_eq!(judged(&trust(1, &[1], &[2], 1), &old, None), Ok(manifest()));
}
