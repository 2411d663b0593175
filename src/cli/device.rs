//! `fleetward device`: what the fleet runs and how it is, over the API.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::CliError;
use super::api::Server;
use super::context::Context;
use super::output::{text, visible};
use crate::domain::DeviceId;

/// Devices, over the API
#[derive(Debug, Args)]
pub(super) struct Device {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List devices
    List {
        /// Part of the name or device_id
        #[arg(long)]
        q: Option<String>,
        /// Only those that are online
        #[arg(long, conflicts_with = "offline")]
        online: bool,
        /// Only those that are offline
        #[arg(long)]
        offline: bool,
        /// Only those with this tag: region=east, or region for any value
        #[arg(long)]
        tag: Option<String>,
        /// Only those that have this module
        #[arg(long)]
        module: Option<String>,
        /// Only those that run this version
        #[arg(long)]
        version: Option<String>,
        /// Only those that fit this filter: 'module.app1 < 1.3.0 and not online'
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Show all that is known of a device, and why each module is where it is
    Show { device_id: DeviceId },
}

impl Device {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let api = self.server.api(context)?;
        match self.action {
            Action::List { q, online, offline, tag, module, version, filter } => {
                let online = (online || offline).then(|| online.to_string());
                let given = [
                    ("q", q),
                    ("online", online),
                    ("tag", tag),
                    ("module", module),
                    ("version", version),
                    ("filter", filter),
                ];
                let query: Vec<_> = given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                let items = api.all("devices", &query)?;
                context.output().list(&["DEVICE_ID", "NAME", "ONLINE", "MODULES", "LAST REPORT"], items, |device| {
                    let online = if device["online"] == true { "yes" } else { "no" };
                    let (id, name) = (text(device, "/device_id"), text(device, "/name"));
                    vec![id, name, online.to_owned(), modules(device), text(device, "/reported_at")]
                })
            }
            Action::Show { device_id } => {
                let device = api.get(&format!("devices/{device_id}"), &[])?;
                if context.output().is_json() { context.output().value(&device) } else { show(context, &device) }
            }
        }
    }
}

/// `app1 1.2.0 -> 1.3.0, app2 7`
fn modules(device: &Value) -> String {
    let one = |(name, module): (&String, &Value)| {
        let version = text(module, "/version");
        match module.get("target").and_then(Value::as_str) {
            Some(target) if target != version => format!("{name} {version} -> {target}"),
            _ => format!("{name} {version}"),
        }
    };
    device["modules"].as_object().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}

fn show(context: &Context, device: &Value) -> Result<(), CliError> {
    let out = context.output();
    for (label, pointer) in [
        ("device_id", "/device_id"),
        ("key_id", "/key_id"),
        ("name", "/name"),
        ("online", "/online"),
        ("since", "/since"),
        ("tags", "/tags"),
        ("reported", "/reported_at"),
    ] {
        out.line(format!("{label:10} {}", visible(&text(device, pointer))))?;
    }
    for (name, module) in device["modules"].as_object().into_iter().flatten() {
        let [version, target, state, reason] = ["/version", "/target", "/state", "/reason"].map(|f| text(module, f));
        out.line(format!("module     {name}: {version}, target {target}, {state} {}", visible(&reason)))?;
    }
    for (name, why) in device["why"].as_object().into_iter().flatten() {
        out.line(format!("why        {name}: {}", visible(&text(why, "/sentence"))))?;
    }
    for (field, value) in device["report"].as_object().into_iter().flatten() {
        out.line(format!("report     {field}: {}", visible(&value.to_string())))?;
    }
    Ok(())
}
