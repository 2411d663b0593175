//! The wire as golden files: what devices said once stays understood for ever. Files are added, never edited.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use fleetward::protocol::{Declined, DeviceMessage, ErrorCode, MAX_TEXT, ServerMessage, decode, encode};
use serde_json::{Value, json};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| !path.to_str().unwrap().ends_with(".read.json"));
    files.sort();
    files
}

/// What a message was read as, in the shape of a `.read.json`.
fn told(message: &DeviceMessage) -> Value {
    match message {
        DeviceMessage::Hello(hello) => {
            let mut told = json!({"hello": {"device_id": hello.device_id, "modules": hello.modules}});
            if let Some(trust) = &hello.trust {
                told["hello"]["trust"] = json!([trust.version, trust.nonce]);
            }
            if hello.sets {
                told["hello"]["sets"] = json!(true);
            }
            told
        }
        DeviceMessage::Report(message) => json!({"report": message.report}),
        DeviceMessage::UpdateReply(reply) => {
            let wanted: Vec<Value> = reply.wanted.iter().map(|w| json!([w.module, w.version, w.offset])).collect();
            let declined: Vec<Value> = reply.declined.iter().map(declined).collect();
            json!({"update_reply": {"wanted": wanted, "declined": declined}})
        }
        DeviceMessage::Progress(p) => json!({"progress": [p.module, p.version, p.received]}),
        DeviceMessage::Result(r) => json!({"result": [r.module, r.version, r.outcome, r.error]}),
    }
}

fn declined(declined: &Declined) -> Value {
    let Declined { module, version, reason, error } = declined;
    error.as_ref().map_or_else(|| json!([module, version, reason]), |error| json!([module, version, reason, error]))
}

#[test]
fn what_devices_say_is_read_as_it_was_meant() {
    let files = files("device");
    assert!(files.len() >= 35, "{} golden files", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let read = match decode(&text) {
            Ok(message) => told(&message),
            Err((error, _)) => json!({"error": error.code}),
        };
        let expected = std::fs::read_to_string(path.with_extension("read.json")).unwrap();
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(read, expected, "{}", path.display());
    }
}

#[test]
fn what_this_house_writes_is_read_as_the_same_again() {
    for path in files("device") {
        let Ok(message) = decode(&std::fs::read_to_string(&path).unwrap()) else { continue };
        let again = decode(&encode(&message));
        assert_eq!(again, Ok(message), "{}", path.display());
    }
}

#[test]
fn what_the_server_says_is_written_to_the_letter() {
    let files = files("server");
    assert!(files.len() >= 10, "{} golden files", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let message = ServerMessage::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(message.to_json(), text.trim_end(), "{}", path.display());
    }
}

#[test]
fn fields_that_a_later_server_adds_are_ignored() {
    let message = ServerMessage::from_json(r#"{"type":"ack","seq":9,"colour":"red"}"#);
    assert!(matches!(message, Ok(ServerMessage::Ack { seq: 9, .. })), "{message:?}");
}

#[test]
fn a_report_that_cannot_be_taken_is_named_by_its_number() {
    let (error, seq) = decode(r#"{"device_id":"t","timestamp":"soon","seq":9}"#).unwrap_err();
    assert_eq!((error.code, seq), (ErrorCode::BadMessage, Some(9)));
}

#[test]
fn limits_hold_to_the_byte_and_the_key() {
    let padded = |length: usize| {
        let head = r#"{"device_id":"t","timestamp":1,"x":""#;
        format!("{head}{}\"}}", "y".repeat(length - head.len() - 2))
    };
    assert!(decode(&padded(MAX_TEXT)).is_ok());
    assert_eq!(decode(&padded(MAX_TEXT + 1)).unwrap_err().0.code, ErrorCode::TooLarge);
    let keys = |n: usize| {
        let many: Vec<String> = (0..n).map(|i| format!("\"k{i}\":0")).collect();
        format!(r#"{{"device_id":"t","timestamp":1,"x":{{{}}}}}"#, many.join(","))
    };
    assert!(decode(&keys(256)).is_ok());
    assert_eq!(decode(&keys(257)).unwrap_err().0.code, ErrorCode::TooLarge);
}
