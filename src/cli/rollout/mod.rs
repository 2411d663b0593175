//! `fleetward rollout`: moving the fleet, over the API.

mod request;
mod watch;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::CliError;
use super::api::{Api, Server};
use super::context::Context;
use super::output::{text, visible};
use crate::domain::{DeviceId, RolloutId};
use request::Request;
pub(super) use request::package;

/// Rollouts: who gets which version, and how far it is; over the API
#[derive(Debug, Args)]
pub(super) struct Rollout {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a rollout of one or more packages
    Start {
        #[command(flatten)]
        request: Request,
        /// Only show who would change what
        #[arg(long)]
        plan: bool,
    },
    /// Show who would change what; creates nothing
    Plan {
        #[command(flatten)]
        request: Request,
    },
    /// List rollouts, newest first
    List,
    /// Show a rollout and its devices
    Show {
        id: RolloutId,
        /// Keep showing until it is over; exit code 1 if it does not complete
        #[arg(long)]
        watch: bool,
    },
    /// Offer nothing new; what is under way goes on
    Pause { id: RolloutId },
    /// Go on with a paused rollout
    Resume { id: RolloutId },
    /// Call a rollout off
    Cancel { id: RolloutId },
    /// Let a draft go out
    Launch { id: RolloutId },
    /// Agree to somebody else's rollout, where the server asks for a second person
    Approve { id: RolloutId },
    /// Give what ended badly another turn
    Retry {
        id: RolloutId,
        /// Only these devices; may be given several times [default: all]
        #[arg(long = "device", value_name = "DEVICE_ID")]
        devices: Vec<DeviceId>,
    },
    /// End a rollout, and bring devices back to what they ran before
    Rollback { id: RolloutId },
}

impl Rollout {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let api = self.server.api(context)?;
        match self.action {
            Action::Plan { request } | Action::Start { request, plan: true } => {
                let plan = api.post("rollouts/plan", &request.body()?)?;
                if context.output().is_json() { context.output().value(&plan) } else { show_plan(context, &plan) }
            }
            Action::Start { request, plan: false } => {
                let rollout = api.post("rollouts", &request.body()?)?;
                if context.output().is_json() {
                    return context.output().value(&rollout);
                }
                let (id, state) = (text(&rollout, "/id"), text(&rollout, "/state"));
                context
                    .output()
                    .line(format!("rollout {id} is {state}; follow it: fleetward rollout show {id} --watch"))
            }
            Action::List => list(context, api.all("rollouts", &[])?),
            Action::Show { id, watch: true } => watch::watch(context, &api, id),
            Action::Show { id, watch: false } => show(context, &api, id),
            Action::Pause { id } => steer(context, &api, id, "pause"),
            Action::Resume { id } => steer(context, &api, id, "resume"),
            Action::Cancel { id } => steer(context, &api, id, "cancel"),
            Action::Launch { id } => steer(context, &api, id, "launch"),
            Action::Approve { id } => steer(context, &api, id, "approve"),
            Action::Retry { id, devices } => retry(context, &api, id, &devices),
            Action::Rollback { id } => rollback(context, &api, id),
        }
    }
}

fn steer(context: &Context, api: &Api, id: RolloutId, verb: &str) -> Result<(), CliError> {
    let rollout = api.post(&format!("rollouts/{id}/{verb}"), &json!({}))?;
    if context.output().is_json() {
        return context.output().value(&rollout);
    }
    context.output().line(format!("rollout {id} is {}", text(&rollout, "/state")))
}

fn retry(context: &Context, api: &Api, id: RolloutId, devices: &[DeviceId]) -> Result<(), CliError> {
    let body = if devices.is_empty() { json!({}) } else { json!({ "device_ids": devices }) };
    let rollout = api.post(&format!("rollouts/{id}/retry"), &body)?;
    if context.output().is_json() {
        return context.output().value(&rollout);
    }
    let (state, retried) = (text(&rollout, "/state"), text(&rollout, "/retried"));
    context.output().line(format!("rollout {id} is {state}; {retried} tried again"))
}

fn rollback(context: &Context, api: &Api, id: RolloutId) -> Result<(), CliError> {
    let rollout = api.post(&format!("rollouts/{id}/rollback"), &json!({}))?;
    let out = context.output();
    if out.is_json() {
        return out.value(&rollout);
    }
    out.line(format!("rollout {id} is {}", text(&rollout, "/state")))?;
    for (reason, count) in rollout["left"].as_object().into_iter().flatten() {
        out.line(format!("stays as it is: {count} ({})", visible(reason)))?;
    }
    for back in rollout["way_back"].as_array().into_iter().flatten() {
        out.line(format!("the way back is rollout {back}; follow it: fleetward rollout show {back} --watch"))?;
    }
    Ok(())
}

fn list(context: &Context, items: Vec<Value>) -> Result<(), CliError> {
    context.output().list(&["ID", "STATE", "PACKAGES", "COUNTS", "CREATED", "BY"], items, |rollout| {
        let (id, state) = (text(rollout, "/id"), text(rollout, "/state"));
        let (at, by) = (text(rollout, "/created_at"), text(rollout, "/created_by"));
        vec![id, state, packages(rollout), counts(rollout), at, by]
    })
}

/// `app1=1.3.0 app2=8`
fn packages(rollout: &Value) -> String {
    let one = |package: &Value| format!("{}={}", text(package, "/name"), text(package, "/version"));
    rollout["packages"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(" ")
}

/// `waiting 3, verified 9`: the states that some assignment is in.
fn counts(rollout: &Value) -> String {
    let some = rollout["counts"].as_object().into_iter().flatten().filter(|(_, count)| count.as_u64() != Some(0));
    some.map(|(state, count)| format!("{state} {count}")).collect::<Vec<_>>().join(", ")
}

fn show(context: &Context, api: &Api, id: RolloutId) -> Result<(), CliError> {
    let mut rollout = api.get(&format!("rollouts/{id}"), &[])?;
    let devices = api.all(&format!("rollouts/{id}/devices"), &[])?;
    let out = context.output();
    if out.is_json() {
        rollout["devices"] = Value::Array(devices);
        return out.value(&rollout);
    }
    out.line(format!("rollout {id}: {} ({})", text(&rollout, "/state"), counts(&rollout)))?;
    out.line(format!("packages {}", packages(&rollout)))?;
    if let Some(why) = rollout["why"].as_str() {
        out.line(format!("why {}", visible(why)))?;
    }
    let rows = devices.iter().flat_map(|device| {
        let modules = device["modules"].as_object().into_iter().flatten();
        modules.map(move |(name, module)| {
            let fields = ["/version", "/target", "/state", "/reason"].map(|field| text(module, field));
            [vec![text(device, "/device_id"), name.clone()], fields.to_vec()].concat()
        })
    });
    out.table(&["DEVICE_ID", "MODULE", "VERSION", "TARGET", "STATE", "REASON"], &rows.collect::<Vec<_>>())
}

fn show_plan(context: &Context, plan: &Value) -> Result<(), CliError> {
    let out = context.output();
    let mut rows = Vec::new();
    for device in plan["changes"].as_array().into_iter().flatten() {
        for module in device["modules"].as_array().into_iter().flatten() {
            let (stage, id) = (text(device, "/stage"), text(device, "/device_id"));
            let [name, from, to, size] = ["/name", "/from", "/to", "/size"].map(|field| text(module, field));
            rows.push(vec![stage, id, name, from, to, size]);
        }
    }
    out.table(&["STAGE", "DEVICE_ID", "MODULE", "FROM", "TO", "BYTES"], &rows)?;
    for excluded in plan.pointer("/excluded").and_then(Value::as_array).into_iter().flatten() {
        let [id, module, from, reason] =
            ["/device_id", "/module", "/from", "/reason"].map(|f| visible(&text(excluded, f)));
        let detail = excluded["detail"].as_str().map(|detail| format!(": {}", visible(detail))).unwrap_or_default();
        out.line(format!("left out: {id} {module} {from} ({reason}{detail})"))?;
    }
    let changes = plan["changes"].as_array().map_or(0, Vec::len);
    out.line(format!("{changes} devices would change, {} bytes in all", text(plan, "/bytes")))
}
