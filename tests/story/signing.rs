//! A software house signs elsewhere, and a real agent believes only that.

use std::process::{Child, Command};

use serde_json::Value;

use crate::server::{Server, eventually};

/// An agent with a module, that is killed when the test ends.
struct Agent(Child);

impl Agent {
    fn start(server: &Server) -> Self {
        let app1 = server.path("app1");
        std::fs::create_dir(&app1).unwrap();
        std::fs::write(app1.join("VERSION"), "1.0.0\n").unwrap();
        let token = server.made("enrolment-token create");
        let child = Command::new(env!("CARGO_BIN_EXE_fleetward-agent"))
            .args(["--server", &server.url(), "--device-id", "t-001", "--token", &token, "--interval", "1s"])
            .args(["--log", "warn", "--trust"])
            .arg(server.path("data/keys/trust-1.json"))
            .arg("--state-dir")
            .arg(server.path("agent"))
            .arg("--module")
            .arg(format!("app1={}", app1.display()))
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Signs a version by keys, one after the other, and uploads it.
fn release(server: &Server, version: &str, keys: &[&str]) -> std::process::Output {
    let file = server.path(&format!("app1-{version}.bin"));
    std::fs::write(&file, version).unwrap();
    let file = file.display();
    for (number, key) in keys.iter().enumerate() {
        let key = server.path(key);
        match number {
            0 => server.made(&format!("keys sign app1 {version} {file} --key {}", key.display())),
            _ => server.made(&format!("keys cosign {file}.manifest.json --key {}", key.display())),
        };
    }
    let line = format!("package upload app1 {version} {file} --manifest {file}.manifest.json");
    server.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap()
}

/// Rolls a version out, and says in which state the device's assignment ended, and why.
async fn rolled_out(server: &Server, version: &str) -> (String, String) {
    let id = server.json(&format!("rollout start app1={version} --health-window 1s"))["id"].as_u64().unwrap();
    eventually("the device has an end state", async || {
        let counts = server.json(&format!("rollout show {id}"))["counts"].clone();
        let ended = ["verified", "declined", "failed"].into_iter().find(|state| counts[state] == 1)?;
        let device = server.json("device show t-001");
        Some((ended.to_owned(), device["why"]["app1"]["sentence"].as_str()?.to_owned()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_takes_what_the_house_signed_and_nothing_else_also_after_a_rotation() {
    let server = Server::start(&[]);
    let safe = server.path("safe");
    let made = server.json(&format!("keys init --offline {}", safe.display()));
    assert_eq!(made["version"], 1);
    let here: Vec<&Value> = made["keys"].as_array().unwrap().iter().filter(|key| key["here"] == true).collect();
    assert_eq!((here.len(), &here[0]["role"]), (1, &Value::from("online")), "{made}");
    let _agent = Agent::start(&server);
    eventually("the device is there", async || {
        (server.json("device list --online")["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    server.upload("app1", "1.1.0", b"unsigned");
    let (state, why) = rolled_out(&server, "1.1.0").await;
    assert_eq!(state, "declined");
    assert!(why.contains("bad_signature: unsigned"), "{why}");
    assert!(release(&server, "1.2.0", &["safe/release.key"]).status.success());
    assert_eq!(rolled_out(&server, "1.2.0").await.0, "verified");
    // Signed before the rotation, and refused by the device after it.
    assert!(release(&server, "1.3.0", &["safe/release.key"]).status.success());
    let (root, new_key) = (server.path("safe/root.key"), server.path("safe/release-2.key"));
    let next = format!("keys rotate release --root-key {} --new-key {}", root.display(), new_key.display());
    assert_eq!(server.json(&next)["version"], 2);
    let (state, why) = rolled_out(&server, "1.3.0").await;
    assert_eq!(state, "declined");
    assert!(why.contains("bad_signature: bad_signature"), "{why}");
    let refused = release(&server, "1.4.0", &["safe/release-2.key"]);
    assert!(refused.status.success(), "{}", String::from_utf8_lossy(&refused.stderr));
    assert_eq!(rolled_out(&server, "1.4.0").await.0, "verified");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_key_is_revoked_and_from_then_on_two_of_two_keys_have_to_sign() {
    let server = Server::start(&[]);
    let safe = server.path("safe");
    let made = server.json(&format!("keys init --offline {}", safe.display()));
    let release_key = made["keys"].as_array().unwrap().iter().find(|key| key["role"] == "release").unwrap();
    let stolen = release_key["fingerprint"].as_str().unwrap();
    let _agent = Agent::start(&server);
    eventually("the device is there", async || {
        (server.json("device list --online")["items"].as_array()?.len() == 1).then_some(())
    })
    .await;
    assert!(release(&server, "1.1.0", &["safe/release.key"]).status.success());
    assert_eq!(rolled_out(&server, "1.1.0").await.0, "verified");
    assert!(release(&server, "1.2.0", &["safe/release.key"]).status.success());
    let root = safe.join("root.key");
    let root = root.display();
    let next = server.json(&format!("keys revoke {stolen} --root-key {root} --new-key {}/second.key", safe.display()));
    assert_eq!((&next["version"], &next["epoch"]), (&Value::from(2), &Value::from(2)));
    // What the thief signed before is refused by the device, and what he signs now by everybody.
    let (state, why) = rolled_out(&server, "1.2.0").await;
    assert_eq!(state, "declined");
    assert!(why.contains("bad_signature: bad_signature"), "{why}");
    let file = server.path("app1-1.1.0.bin");
    let line = format!("keys sign app1 1.2.1 {} --key {}/release.key", file.display(), safe.display());
    let refused = server.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no release key of trust document 2"), "{refused:?}");
    assert!(release(&server, "1.3.0", &["safe/second.key"]).status.success());
    assert_eq!(rolled_out(&server, "1.3.0").await.0, "verified");
    // Another person makes a key, and both have to sign.
    let public = server.made(&format!("keys make {}/third.key", safe.display()));
    let next = server.json(&format!("keys add release --public-key {public} --threshold 2 --root-key {root}"));
    assert_eq!((&next["version"], &next["thresholds"]["release"]), (&Value::from(3), &Value::from(2)));
    let alone = release(&server, "1.4.0", &["safe/third.key"]);
    assert!(String::from_utf8_lossy(&alone.stderr).contains("too_few_signatures"), "{alone:?}");
    assert!(release(&server, "1.5.0", &["safe/third.key", "safe/second.key"]).status.success());
    assert_eq!(rolled_out(&server, "1.5.0").await.0, "verified");
}
