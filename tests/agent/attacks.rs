//! What a thief of the wire, of the server or of a release key may try; each is refused with its own code, and what
//! ran before runs on.

use fleetward::domain::{ChunkHasher, DeviceId, Freshness, Manifest, Purpose, Quorum, Signed, Trust};
use serde_json::json;

use crate::bench::Package;
use crate::house::{
    ONLINE, RELEASE, ROOT, Scene, freshness, key, listed, manifest, manifest_signed, offer, signed, time, trust,
};

fn two() -> Package {
    Package::of("1.2.0", b"two".to_vec())
}

#[tokio::test]
async fn arbitrary_software_is_refused_unsigned_or_signed_by_a_stranger() {
    let mut scene = Scene::running("").await;
    let fresh = signed(Purpose::Freshness, &freshness(&scene.nonce, &[]), &[ONLINE]);
    let reply = scene.ask(vec![offer(&two(), None)], Some(fresh)).await;
    scene.refused(&reply, "unsigned");
    // The thief of the server has the online key; it signs no manifests.
    for stranger in [77, ONLINE, ROOT] {
        let forged = signed(Purpose::Manifest, &manifest(&two(), 6), &[stranger]);
        let reply = scene.offer(&two(), &forged).await;
        scene.refused(&reply, "bad_signature");
    }
    scene.agent.stop();
}

#[tokio::test]
async fn rollback_is_refused_even_where_the_server_allows_it_and_a_new_counter_makes_it_a_release() {
    let mut scene = Scene::running("").await;
    let old = Package { allow_rollback: true, ..Package::of("1.0.9", b"old".to_vec()) };
    let reply = scene.offer(&old, &manifest_signed(&old, 4)).await;
    scene.refused(&reply, "rollback");
    // Neither a restart of the agent nor a new connection makes it forget.
    let mut scene = scene.restarted().await;
    let reply = scene.offer(&old, &manifest_signed(&old, 4)).await;
    scene.refused(&reply, "rollback");
    assert_eq!(scene.install(&old, &manifest_signed(&old, 6)).await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn freeze_shows_when_freshness_or_trust_is_too_old_or_missing() {
    let mut scene = Scene::running("").await;
    let good = manifest_signed(&two(), 6);
    let entry = || vec![offer(&two(), Some(&good))];
    let reply = scene.ask(entry(), None).await;
    scene.refused(&reply, "not_fresh");
    let said = freshness(&scene.nonce, &[&good]);
    let dead = Freshness { expires_at: said.issued_at, ..said.clone() };
    let reply = scene.ask(entry(), Some(signed(Purpose::Freshness, &dead, &[ONLINE]))).await;
    scene.refused(&reply, "stale");
    let later = Freshness { issued_at: time("2030-02-01T00:00:00Z"), expires_at: time("2030-02-02T00:00:00Z"), ..said };
    let reply = scene.ask(entry(), Some(signed(Purpose::Freshness, &later, &[ONLINE]))).await;
    scene.refused(&reply, "trust_expired");
    scene.agent.stop();
}

#[tokio::test]
async fn fast_forward_is_undone_by_a_new_epoch() {
    let mut scene = Scene::running("").await;
    // Whoever stole the release key drives the counter to its end; nothing honest can follow.
    let one = Package { allow_rollback: true, ..Package::of("1.1.1", b"one".to_vec()) };
    let stolen = manifest_signed(&one, 1 << 53);
    assert_eq!(scene.install(&one, &stolen).await["outcome"], "installed");
    let back = Package { allow_rollback: true, ..Package::of("1.1.0", b"one".to_vec()) };
    let reply = scene.offer(&back, &manifest_signed(&back, 7)).await;
    assert!(reply["declined"][0]["error"].as_str().unwrap().starts_with("rollback: "), "{reply}");
    let next = Trust { version: 2, epoch: 2, release: Quorum::any_of(vec![key(12).public()]), ..trust() };
    scene.trust(&[&signed(Purpose::Trust, &next, &[ROOT])]).await;
    let healed = signed(Purpose::Manifest, &Manifest { epoch: 2, ..manifest(&back, 1) }, &[12]);
    assert_eq!(scene.install(&back, &healed).await["outcome"], "installed");
    let reply = scene.offer(&one, &stolen).await;
    scene.refused(&reply, "bad_signature");
    // Signed with the good key, but before the theft was known.
    let before = signed(Purpose::Manifest, &manifest(&two(), 9), &[12]);
    let reply = scene.offer(&two(), &before).await;
    scene.refused(&reply, "wrong_epoch");
    scene.agent.stop();
}

#[tokio::test]
async fn mix_and_match_of_signed_packages_is_refused() {
    let mut scene = Scene::running("").await;
    let (wanted, other) = (manifest_signed(&two(), 6), Package::of("1.3.0", b"three".to_vec()));
    // Two good manifests, of which the server wants only one here.
    let also = manifest_signed(&other, 7);
    let fresh = signed(Purpose::Freshness, &freshness(&scene.nonce, &[&wanted]), &[ONLINE]);
    let reply = scene.ask(vec![offer(&other, Some(&also))], Some(fresh.clone())).await;
    scene.refused(&reply, "not_listed");
    // A good manifest around another file.
    let reply = scene.ask(vec![offer(&Package::of("1.2.0", b"tow".to_vec()), Some(&wanted))], Some(fresh)).await;
    scene.refused(&reply, "mismatch");
    scene.agent.stop();
}

#[tokio::test]
async fn what_is_for_another_device_or_other_hardware_is_refused() {
    let mut scene = Scene::running("hardware = 'rev-b'").await;
    let good = manifest_signed(&two(), 6);
    let other = Freshness { device_id: DeviceId::new("t-002").unwrap(), ..freshness(&scene.nonce, &[&good]) };
    let reply = scene.ask(vec![offer(&two(), Some(&good))], Some(signed(Purpose::Freshness, &other, &[ONLINE]))).await;
    scene.refused(&reply, "wrong_device");
    let of = |tag: &str| {
        signed(Purpose::Manifest, &Manifest { hardware: vec![tag.into()], ..manifest(&two(), 6) }, &[RELEASE])
    };
    let reply = scene.offer(&two(), &of("rev-a")).await;
    scene.refused(&reply, "wrong_hardware");
    assert_eq!(scene.install(&two(), &of("rev-b")).await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn endless_data_ends_at_the_size_that_was_signed() {
    let mut scene = Scene::running("").await;
    scene.offer(&two(), &manifest_signed(&two(), 6)).await;
    let endless = Package { bytes: vec![b'2'; 5_000_000], sha256: two().sha256, ..two() };
    scene.session.push(&endless, 0, 500_000).await;
    let result = scene.session.hear_type("result").await;
    scene.failed(&result, "too_long");
    let kept: u64 = std::fs::read_dir(scene.bench.state().join("downloads"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert_eq!(kept, 0, "nothing of it stays");
    scene.agent.stop();
}

#[tokio::test]
async fn slow_retrieval_is_given_up_and_its_part_is_kept() {
    let mut scene = Scene::running("[download]\nmin_bytes_per_s = 1000\nover = '1s'").await;
    let package = Package::of("1.2.0", vec![b'2'; 1_000_000]);
    scene.offer(&package, &manifest_signed(&package, 6)).await;
    scene.session.push(&package, 0, 600).await;
    let result = scene.session.hear_type("result").await;
    scene.failed(&result, "too_slow");
    let reply = scene.offer(&package, &manifest_signed(&package, 6)).await;
    assert_eq!(reply["update_list"][0]["offset"], 600, "{reply}");
    scene.session.push(&package, 600, package.bytes.len()).await;
    assert_eq!(scene.session.hear_type("result").await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn an_extraneous_file_makes_it_another_package() {
    let mut scene = Scene::running("").await;
    let package = Package::tar("1.2.0", &[("app", "two")]);
    scene.offer(&package, &manifest_signed(&package, 6)).await;
    let more = Package::tar("1.2.0", &[("app", "two"), ("backdoor", "open")]);
    let disguised = Package { bytes: more.bytes[..package.bytes.len()].to_vec(), ..Package::tar("1.2.0", &[]) };
    let disguised = Package { sha256: package.sha256.clone(), ..disguised };
    assert_ne!(disguised.bytes, package.bytes);
    scene.session.push(&disguised, 0, disguised.bytes.len()).await;
    let result = scene.session.hear_type("result").await;
    scene.failed(&result, "wrong_bytes");
    assert!(!scene.bench.app1().join("versions/1.2.0").exists(), "it was never unpacked");
    // And a package beside the ones that are wanted.
    let (wanted, beside) = (manifest_signed(&package, 6), manifest_signed(&more, 6));
    let fresh = signed(Purpose::Freshness, &freshness(&scene.nonce, &[&wanted]), &[ONLINE]);
    let reply = scene.ask(vec![offer(&more, Some(&beside))], Some(fresh)).await;
    scene.refused(&reply, "not_listed");
    scene.agent.stop();
}

#[tokio::test]
async fn what_is_unpacked_must_be_the_files_that_were_signed() {
    let mut scene = Scene::running("").await;
    // Signed as a whole, by whoever had the archive built wrong or slipped something into it before it was signed.
    let package = Package::tar("1.2.0", &[("app1", "one"), ("etc/conf", "a=2")]);
    let with = |files| signed(Purpose::Manifest, &Manifest { files, ..manifest(&package, 6) }, &[RELEASE]);
    let cases = [
        ("extraneous_file", listed(&[("app1", "one")])),
        ("missing_file", listed(&[("app1", "one"), ("etc/conf", "a=2"), ("lib/so", "")])),
        ("changed_file", listed(&[("app1", "one"), ("etc/conf", "a=1")])),
        ("changed_file", listed(&[("app1", "one"), ("etc/conf", "a=22")])),
    ];
    for (code, files) in cases {
        let result = scene.install(&package, &with(files)).await;
        scene.failed(&result, code);
        let left: Vec<_> = std::fs::read_dir(scene.bench.app1().join("versions")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing of it stays: {left:?}");
    }
    // A list for a package that is one file.
    let single = Package::of("1.2.0", b"two".to_vec());
    let document = Manifest { files: listed(&[("bin/app1", "two")]), ..manifest(&single, 6) };
    let result = scene.install(&single, &signed(Purpose::Manifest, &document, &[RELEASE])).await;
    scene.failed(&result, "missing_file");
    // The bytes were not to blame: with their own list they are taken.
    let result = scene.install(&package, &with(listed(&[("app1", "one"), ("etc/conf", "a=2")]))).await;
    assert_eq!(result["outcome"], "installed", "{result}");
    scene.agent.stop();
}

#[tokio::test]
async fn an_archive_whose_manifest_has_no_list_is_taken_as_ever() {
    let mut scene = Scene::running("").await;
    let package = Package::tar("1.2.0", &[("app1", "two"), ("etc/conf", "a=2")]);
    assert_eq!(scene.install(&package, &manifest_signed(&package, 6)).await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn a_corrupted_chunk_is_seen_at_once_and_only_it_comes_again() {
    let mut scene = Scene::running("").await;
    let package = Package::of("1.2.0", (0..1_000_000_u32).map(|n| (n % 241) as u8).collect());
    let mut hasher = ChunkHasher::new(100_000);
    hasher.update(&package.bytes);
    let document = Manifest { chunks: hasher.chunks(), ..manifest(&package, 6) };
    let document = signed(Purpose::Manifest, &document, &[RELEASE]);
    scene.offer(&package, &document).await;
    let mut bytes = package.bytes.clone();
    bytes[333_333] ^= 1;
    let corrupted = Package { bytes, sha256: package.sha256.clone(), ..two() };
    scene.session.push(&corrupted, 0, 500_000).await;
    let result = scene.session.hear_type("result").await;
    scene.failed(&result, "corrupted_chunk");
    let reply = scene.offer(&package, &document).await;
    assert_eq!(reply["update_list"][0]["offset"], 300_000, "{reply}");
    scene.session.push(&package, 300_000, package.bytes.len()).await;
    assert_eq!(scene.session.hear_type("result").await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn a_stolen_release_key_is_worth_nothing_after_rotation() {
    let mut scene = Scene::running("").await;
    let next = |keys: &[u8]| {
        let document = Trust { version: 2, release: Quorum::any_of(vec![key(12).public()]), ..trust() };
        signed(Purpose::Trust, &document, keys)
    };
    // The thief cannot rotate: neither the release key nor the online key signs trust.
    scene.trust(&[&next(&[RELEASE, ONLINE])]).await;
    let reply = scene.offer(&two(), &signed(Purpose::Manifest, &manifest(&two(), 6), &[12])).await;
    scene.refused(&reply, "bad_signature");
    scene.trust(&[&next(&[ROOT])]).await;
    let reply = scene.offer(&two(), &manifest_signed(&two(), 6)).await;
    scene.refused(&reply, "bad_signature");
    let mut scene = scene.cut().await;
    let reply = scene.offer(&two(), &manifest_signed(&two(), 6)).await;
    scene.refused(&reply, "bad_signature");
    let honest = signed(Purpose::Manifest, &manifest(&two(), 6), &[12]);
    assert_eq!(scene.install(&two(), &honest).await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn one_signature_twice_does_not_meet_a_threshold_of_two() {
    let both = Quorum { keys: vec![key(RELEASE).public(), key(12).public()], threshold: 2 };
    let document = signed(Purpose::Trust, &Trust { release: both, ..trust() }, &[ROOT]);
    let mut scene = Scene::with_trust("", &document).await;
    let one = Package::of("1.1.0", b"one".to_vec());
    let honest = signed(Purpose::Manifest, &manifest(&one, 5), &[RELEASE, 12]);
    assert_eq!(scene.install(&one, &honest).await["outcome"], "installed");
    let (document, signature) = manifest_signed(&two(), 6).parts();
    let twice = Signed::from_parts(&document, &format!("{signature} {signature}")).unwrap();
    let reply = scene.offer(&two(), &twice).await;
    scene.refused(&reply, "too_few_signatures");
    scene.agent.stop();
}

#[tokio::test]
async fn re_indented_json_is_another_document() {
    let mut scene = Scene::running("").await;
    let good = manifest_signed(&two(), 6);
    let value: serde_json::Value = serde_json::from_slice(good.bytes()).unwrap();
    let (_, signature) = good.parts();
    let indented = Signed::new(&value).unwrap();
    assert_eq!(indented.bytes(), good.bytes(), "the same words are the same document");
    let pretty = serde_json::to_vec_pretty(&value).unwrap();
    let entry = |document: String| {
        let mut entry = offer(&two(), Some(&good));
        entry["manifest"] = json!(document);
        entry
    };
    use base64::Engine as _;
    let document = base64::engine::general_purpose::STANDARD.encode(pretty);
    let forged = Signed::from_parts(&document, &signature).unwrap();
    let fresh = signed(Purpose::Freshness, &freshness(&scene.nonce, &[&good, &forged]), &[ONLINE]);
    let reply = scene.ask(vec![entry(document)], Some(fresh)).await;
    scene.refused(&reply, "bad_signature");
    scene.agent.stop();
}

#[tokio::test]
async fn a_low_order_key_is_never_trusted() {
    let mut scene = Scene::running("").await;
    // Even signed by the root key, by somebody's mistake: a signature for anything can be made under such a key.
    let mut next = serde_json::to_value(Trust { version: 2, ..trust() }).unwrap();
    next["release"]["keys"] = json!(["AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]);
    scene.trust(&[&signed(Purpose::Trust, &next, &[ROOT])]).await;
    let (document, _) = manifest_signed(&two(), 6).parts();
    // R is the neutral element and s is 0: good under the neutral key for every message.
    let forged = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
    let forged = Signed::from_parts(&document, forged).unwrap();
    let reply = scene.offer(&two(), &forged).await;
    scene.refused(&reply, "bad_signature");
    assert_eq!(scene.install(&two(), &manifest_signed(&two(), 6)).await["outcome"], "installed", "the old trust holds");
    scene.agent.stop();
}

#[tokio::test]
async fn freshness_of_an_earlier_connection_is_a_replay() {
    let mut scene = Scene::running("").await;
    let good = manifest_signed(&two(), 6);
    let recorded = signed(Purpose::Freshness, &freshness(&scene.nonce, &[&good]), &[ONLINE]);
    let mut scene = {
        let bench_nonce = scene.nonce.clone();
        scene = scene.cut().await;
        assert_ne!(bench_nonce, scene.nonce);
        scene
    };
    let reply = scene.ask(vec![offer(&two(), Some(&good))], Some(recorded)).await;
    scene.refused(&reply, "replayed");
    assert_eq!(scene.install(&two(), &good).await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn a_trust_document_that_leaves_one_out_or_goes_back_is_refused() {
    let mut scene = Scene::running("").await;
    let of = |version, release| {
        let document = Trust { version, release: Quorum::any_of(vec![key(release).public()]), ..trust() };
        signed(Purpose::Trust, &document, &[ROOT])
    };
    scene.trust(&[&of(3, 13)]).await;
    let reply = scene.offer(&two(), &signed(Purpose::Manifest, &manifest(&two(), 6), &[13])).await;
    scene.refused(&reply, "bad_signature");
    scene.trust(&[&of(2, 12), &of(3, 13), &of(2, 12)]).await;
    let reply = scene.offer(&two(), &signed(Purpose::Manifest, &manifest(&two(), 6), &[12])).await;
    scene.refused(&reply, "bad_signature");
    let honest = signed(Purpose::Manifest, &manifest(&two(), 6), &[13]);
    assert_eq!(scene.install(&two(), &honest).await["outcome"], "installed");
    scene.agent.stop();
}

#[tokio::test]
async fn a_device_that_cannot_read_whom_to_trust_installs_nothing() {
    let scene = Scene::running("").await;
    let Scene { bench, agent, .. } = scene;
    agent.stop();
    std::fs::write(bench.state().join("trust.json"), "{\"trust\":").unwrap();
    let agent = bench.start();
    let (session, hello) = bench.welcome().await;
    assert_eq!(hello["trust_version"], 0);
    let nonce = hello["nonce"].as_str().unwrap().to_owned();
    let mut scene = Scene { bench, agent, session, nonce };
    scene.trust(&[&signed(Purpose::Trust, &trust(), &[ROOT])]).await;
    let reply = scene.offer(&two(), &manifest_signed(&two(), 6)).await;
    scene.refused(&reply, "trust_unreadable");
    scene.agent.stop();
}

#[tokio::test]
async fn trust_on_first_use_takes_the_first_document_and_no_other() {
    let mut bench = crate::bench::Bench::new().await;
    bench.head = "trust_first_use = true".into();
    let agent = bench.start();
    let (session, hello) = bench.welcome().await;
    assert_eq!(hello["trust_version"], 0);
    let nonce = hello["nonce"].as_str().unwrap().to_owned();
    let mut scene = Scene { bench, agent, session, nonce };
    scene.trust(&[&signed(Purpose::Trust, &trust(), &[ROOT])]).await;
    let stranger = Trust { root: Quorum::any_of(vec![key(77).public()]), ..trust() };
    scene.trust(&[&signed(Purpose::Trust, &Trust { version: 2, ..stranger }, &[77])]).await;
    let one = Package::of("1.1.0", b"one".to_vec());
    assert_eq!(scene.install(&one, &manifest_signed(&one, 5)).await["outcome"], "installed");
    let reply = scene.offer(&two(), &signed(Purpose::Manifest, &manifest(&two(), 6), &[77])).await;
    scene.refused(&reply, "bad_signature");
    scene.agent.stop();
}
