//! What a device says to the server, written: for the agent and the simulator.

use serde::Serialize;
use serde_json::{Value, json};

use super::device_message::{Declined, DeviceMessage, ReportMessage};
use crate::domain::{DeviceId, ModuleName, Report, Version, millis_rfc3339};

/// Writes one text message, as a device of this protocol does: the shapes that need no `type` have none.
#[must_use]
pub fn encode(message: &DeviceMessage) -> String {
    let entry = |module: &ModuleName, version: &Version| json!({ "app_name": module, "version": version });
    let value = match message {
        DeviceMessage::Hello(hello) => {
            let list: Vec<Value> = hello.modules.iter().map(|(m, v)| entry(m, v)).collect();
            let mut value = json!({ "device_id": hello.device_id, "version_list": list });
            if let Some(timestamp) = hello.timestamp {
                value["timestamp"] = json!(millis_rfc3339::text(timestamp));
            }
            if hello.sets {
                value["supports"] = json!(["sets"]);
            }
            if let Some(trust) = &hello.trust {
                value["trust_version"] = json!(trust.version);
                value["nonce"] = json!(trust.nonce);
            }
            value
        }
        DeviceMessage::Report(message) => {
            return encode_report(message);
        }
        DeviceMessage::UpdateReply(reply) => {
            let wanted: Vec<Value> = reply
                .wanted
                .iter()
                .map(|w| json!({ "app_name": w.module, "version": w.version, "offset": w.offset }))
                .collect();
            let declined: Vec<Value> = reply.declined.iter().map(declined).collect();
            json!({ "update_list": wanted, "declined": declined })
        }
        DeviceMessage::Progress(p) => {
            json!({ "type": "progress", "app_name": p.module, "version": p.version, "received": p.received })
        }
        DeviceMessage::Result(r) => {
            let mut value =
                json!({ "type": "result", "app_name": r.module, "version": r.version, "outcome": r.outcome });
            if let Some(error) = &r.error {
                value["error"] = json!(error);
            }
            value
        }
    };
    value.to_string()
}

fn encode_report(message: &ReportMessage) -> String {
    #[derive(Serialize)]
    struct Said<'a> {
        #[serde(flatten)]
        report: &'a Report,
        device_id: &'a DeviceId,
    }
    // Only maps with keys that are no text fail, and there are none.
    serde_json::to_string(&Said { report: &message.report, device_id: &message.device_id }).unwrap_or_default()
}

fn declined(declined: &Declined) -> Value {
    let Declined { module, version, reason, error } = declined;
    let mut value = json!({ "app_name": module, "version": version, "reason": reason });
    if let Some(error) = error {
        value["error"] = json!(error);
    }
    value
}
