//! How a simulated device behaves, message by message.

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    DateTime::from_timestamp(1_763_800_000, 0).unwrap()
}

fn device() -> SimDevice {
    let modules = [("app1".parse().unwrap(), "1.0.0".parse().unwrap())].into_iter().collect();
    SimDevice::new(DeviceId::new("sim-1").unwrap(), modules, 0.0, 7)
}

fn sent(effects: &[Effect]) -> Vec<Value> {
    let text = |effect: &Effect| match effect {
        Effect::Send(text) => Some(serde_json::from_str(text).unwrap()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn hear(device: &mut SimDevice, message: &Value) -> Vec<Effect> {
    device.on(now(), Event::Text(&message.to_string()))
}

fn welcomed() -> SimDevice {
    let mut device = device();
    device.on(now(), Event::Opened);
    hear(
        &mut device,
        &json!({"type": "welcome", "device_id": "sim-1", "server_time": "2026-11-22T08:48:00Z",
        "report_interval_s": 30, "protocol": 1, "device_token": "fwd_1"}),
    );
    device
}

const SIZE: usize = 600 * 1024;

fn offer(device: &mut SimDevice, version: &str) -> Vec<Value> {
    let sha256 = crate::domain::Sha256Hex::of(&[7; SIZE]);
    sent(&hear(
        device,
        &json!({"type": "update_list", "rollout_id": 1,
        "update_list": [{"app_name": "app1", "version": version, "size": SIZE, "sha256": sha256}]}),
    ))
}

fn package(device: &mut SimDevice, offset: usize) {
    let sha256 = crate::domain::Sha256Hex::of(&[7; SIZE]);
    hear(
        device,
        &json!({"type": "package", "app_name": "app1", "version": "1.1.0", "size": SIZE,
        "sha256": sha256, "offset": offset}),
    );
}

#[test]
fn it_takes_what_is_newer_and_declines_what_is_not() {
    let mut device = welcomed();
    assert_eq!(offer(&mut device, "1.1.0")[0]["update_list"][0]["offset"], 0);
    let reply = &offer(&mut device, "0.9")[0];
    assert_eq!(reply["declined"][0]["reason"], "not_newer");
    assert_eq!(reply["update_list"], json!([]));
}

#[test]
fn a_package_is_told_of_checked_installed_and_said_hello_with() {
    let mut device = welcomed();
    offer(&mut device, "1.1.0");
    package(&mut device, 0);
    let mut effects = Vec::new();
    for chunk in [7_u8; SIZE].chunks(64 * 1024) {
        effects.extend(device.on(now(), Event::Bytes(chunk)));
    }
    let told: Vec<u64> = sent(&effects).iter().filter_map(|m| m["received"].as_u64()).collect();
    assert_eq!(told, [256 * 1024, 512 * 1024, 600 * 1024]);
    assert_eq!(effects.last(), Some(&Effect::BeginInstall));
    let ended = sent(&device.on(now(), Event::InstallEnds));
    assert_eq!(ended[0]["outcome"], "installed");
    assert_eq!(ended[1]["version_list"][0]["version"], "1.1.0");
}

#[test]
fn a_cut_package_goes_on_where_it_was_and_wrong_bytes_fail() {
    let mut device = welcomed();
    offer(&mut device, "1.1.0");
    package(&mut device, 0);
    device.on(now(), Event::Bytes(&[7; 1000]));
    device.on(now(), Event::Closed);
    assert_eq!(offer(&mut device, "1.1.0")[0]["update_list"][0]["offset"], 1000);
    package(&mut device, 1000);
    let effects = device.on(now(), Event::Bytes(&[8; SIZE - 1000]));
    assert_eq!(sent(&effects).last().unwrap()["outcome"], "failed");
}

#[test]
fn reports_are_kept_until_acknowledged_and_sent_again_oldest_first() {
    let mut device = device();
    for _ in 0..3 {
        assert!(sent(&device.on(now(), Event::ReportDue)).is_empty(), "nobody listens yet");
    }
    device.on(now(), Event::Opened);
    let welcome = json!({"type": "welcome", "device_id": "sim-1", "server_time": "2026-11-22T08:48:00Z",
        "report_interval_s": 30, "protocol": 1});
    let again = sent(&hear(&mut device, &welcome));
    assert_eq!(again.iter().map(|m| m["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    let boot_id = again[0]["boot_id"].clone();
    let acked = hear(&mut device, &json!({"type": "ack", "seq": 2, "boot_id": boot_id}));
    assert_eq!(acked.len(), 2);
    device.on(now(), Event::Closed);
    assert_eq!(sent(&hear(&mut device, &welcome)).len(), 1);
}

#[test]
fn an_install_that_ends_between_hello_and_welcome_is_told_behind_the_welcome() {
    let mut device = welcomed();
    offer(&mut device, "1.1.0");
    package(&mut device, 0);
    device.on(now(), Event::Bytes(&[7; SIZE]));
    device.on(now(), Event::Closed);
    device.on(now(), Event::Opened);
    assert_eq!(sent(&device.on(now(), Event::InstallEnds)), Vec::<Value>::new());
    let welcome = json!({"type": "welcome", "device_id": "sim-1", "server_time": "2026-11-22T08:48:00Z",
        "report_interval_s": 30, "protocol": 1});
    let behind = sent(&hear(&mut device, &welcome));
    assert_eq!(behind[0]["version_list"], json!([{"app_name": "app1", "version": "1.1.0"}]));
}

#[test]
fn an_offer_of_another_module_leaves_the_one_before_in_place() {
    let mut device = welcomed();
    offer(&mut device, "1.1.0");
    hear(
        &mut device,
        &json!({"type": "update_list", "rollout_id": 1,
        "update_list": [{"app_name": "app2", "version": "2", "size": 1, "sha256": "0".repeat(64)}]}),
    );
    package(&mut device, 0);
    let told = sent(&device.on(now(), Event::Bytes(&[7; SIZE])));
    assert_eq!(told[0]["received"], json!(SIZE));
}

fn entry(module: &str, version: &str) -> Value {
    let sha256 = crate::domain::Sha256Hex::of(module.as_bytes());
    json!({"app_name": module, "version": version, "size": module.len(), "sha256": sha256})
}

fn set(device: &mut SimDevice, entries: &[Value]) -> Value {
    let list = json!({"type": "update_list", "rollout_id": 1, "all_or_nothing": true, "update_list": entries});
    sent(&hear(device, &list)).remove(0)
}

fn push(device: &mut SimDevice, entry: &Value) -> Vec<Effect> {
    let mut package = entry.clone();
    package["type"] = json!("package");
    package["offset"] = json!(0);
    hear(device, &package);
    device.on(now(), Event::Bytes(entry["app_name"].as_str().unwrap().as_bytes()))
}

#[test]
fn a_set_is_installed_when_all_of_it_has_come_and_declined_when_one_is_not_wanted() {
    let mut device = welcomed();
    let list = [entry("app1", "1.1.0"), entry("app2", "8")];
    assert_eq!(set(&mut device, &list)["update_list"].as_array().unwrap().len(), 2);
    let first = push(&mut device, &list[0]);
    assert_eq!(sent(&first).last().unwrap()["outcome"], "staged");
    assert!(!first.contains(&Effect::BeginInstall));
    assert!(push(&mut device, &list[1]).contains(&Effect::BeginInstall));
    let results = sent(&device.on(now(), Event::InstallEnds));
    assert_eq!((&results[0]["outcome"], &results[1]["outcome"]), (&json!("installed"), &json!("installed")));
    let reply = set(&mut device, &[entry("app1", "1.0.0"), entry("app2", "9")]);
    assert_eq!(reply["declined"][0]["reason"], "not_newer");
    assert_eq!(reply["declined"][1]["reason"], "set_incomplete");
}
