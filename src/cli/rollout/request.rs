//! What a rollout shall be, from flags to the API's document.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::CliError;
use crate::config::parse_seconds;
use crate::domain::{DeviceId, Filter, ModuleName, RolloutState, Version, Window};

/// Which packages, for whom, and how carefully. What is left out has the server's default.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// One package per module: app1=1.3.0
    #[arg(required = true, value_name = "NAME=VERSION", value_parser = package)]
    packages: Vec<(ModuleName, Version)>,
    /// Go to the version even where the device runs a higher one
    #[arg(long)]
    allow_rollback: bool,
    /// Only these devices; may be given several times [default: all]
    #[arg(long = "device", value_name = "DEVICE_ID", conflicts_with = "tags")]
    devices: Vec<DeviceId>,
    /// Only devices with every one of these tags: region=east
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = pair)]
    tags: Vec<(String, String)>,
    /// Only devices that fit this filter: 'module.app1 < 1.3.0 and tag.region = east'
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["devices", "tags"])]
    filter: Option<String>,
    /// Only devices that fit the filter saved under this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["devices", "tags", "filter"])]
    group: Option<String>,
    /// With tags, a filter or a group: only devices that fit when the rollout starts, none later
    #[arg(long = "static", conflicts_with = "devices")]
    fixed: bool,
    /// Most assignments under way at once
    #[arg(long)]
    max_in_flight: Option<u32>,
    /// A stage: 10% of the targets, or 5 devices; give several in growing order
    #[arg(long = "stage", value_name = "STAGE", value_parser = stage)]
    stages: Vec<Value>,
    /// Pause by itself after this many failures; 0: never
    #[arg(long)]
    max_failures: Option<u32>,
    /// Pause by itself when this share of those that ended failed; 100: never
    #[arg(long)]
    max_failure_percent: Option<u32>,
    /// How long a device must stay well on the new version: 60s
    #[arg(long, value_parser = parse_seconds)]
    health_window: Option<u64>,
    /// Tries a device gets
    #[arg(long)]
    attempts: Option<u32>,
    /// Nothing is offered before this: 2026-12-01T02:00:00Z
    #[arg(long, value_name = "TIME")]
    not_before: Option<String>,
    /// Most assignments offered in a minute
    #[arg(long)]
    starts_per_minute: Option<u32>,
    /// Only at these hours of each device's own day: "sat sun 22:00-05:00"; may be given several times
    #[arg(long = "window", value_name = "HOURS")]
    windows: Vec<Window>,
    /// Only when this holds of a device, by its last report too: "speed = 0"
    #[arg(long, value_name = "FILTER")]
    only_when: Option<Filter>,
    /// On each device all of these packages become current together, or none does
    #[arg(long)]
    all_or_nothing: bool,
    /// Which of several rollouts goes first where they share a limit, -100 to 100
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Hottest sensor, in degrees Celsius, of a device that counts as well
    #[arg(long)]
    max_temperature: Option<f64>,
    /// Only write it down; `rollout launch` lets it go out
    #[arg(long)]
    draft: bool,
    /// Package bytes a second to each device
    #[arg(long)]
    bytes_per_second: Option<u64>,
}

impl Request {
    /// The document that the API takes.
    pub fn body(&self) -> Result<Value, CliError> {
        let mut packages: Vec<Value> = Vec::new();
        for (name, version) in &self.packages {
            if packages.iter().any(|package| package["name"] == name.as_str()) {
                return Err(CliError::Usage(format!("{name} is given twice; a rollout has one version per module")));
            }
            packages.push(json!({ "name": name, "version": version }));
        }
        let tags: Map<String, Value> = self.tags.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let mut target = match (&self.filter, &self.group) {
            (Some(filter), _) => json!({ "filter": filter }),
            (None, Some(group)) => json!({ "group": group }),
            (None, None) if !self.devices.is_empty() => json!({ "device_ids": self.devices }),
            (None, None) if !tags.is_empty() => json!({ "tags": tags }),
            (None, None) => json!({ "all": true }),
        };
        if self.fixed {
            target["static"] = json!(true);
        }
        let policy = self.policy();
        let rollback = self.allow_rollback;
        let mut body = json!({ "packages": packages, "allow_rollback": rollback, "target": target, "policy": policy });
        if self.draft {
            body[RolloutState::Draft.as_str()] = json!(true);
        }
        Ok(body)
    }

    fn policy(&self) -> Value {
        let stages = (!self.stages.is_empty()).then(|| json!(self.stages));
        let given = [
            ("max_in_flight", self.max_in_flight.map(Value::from)),
            ("stages", stages),
            ("max_failures", self.max_failures.map(Value::from)),
            ("max_failure_percent", self.max_failure_percent.map(Value::from)),
            ("health_window_s", self.health_window.map(Value::from)),
            ("attempts", self.attempts.map(Value::from)),
            ("not_before", self.not_before.clone().map(Value::from)),
            ("bytes_per_second", self.bytes_per_second.map(Value::from)),
            ("starts_per_minute", self.starts_per_minute.map(Value::from)),
            ("windows", (!self.windows.is_empty()).then(|| json!(self.windows))),
            ("only_when", self.only_when.as_ref().map(|filter| json!(filter))),
            ("all_or_nothing", self.all_or_nothing.then(|| true.into())),
            ("priority", self.priority.map(Value::from)),
            ("health", self.max_temperature.map(|most| json!({ "max_temperature": most }))),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("write NAME=VALUE, not {text:?}"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads `app1=1.3.0`.
pub(in crate::cli) fn package(text: &str) -> Result<(ModuleName, Version), String> {
    let (name, version) = pair(text).map_err(|_| format!("write NAME=VERSION, such as app1=1.3.0, not {text:?}"))?;
    let name = ModuleName::new(&name).map_err(|error| error.to_string())?;
    Ok((name, Version::new(&version).map_err(|error| error.to_string())?))
}

fn stage(text: &str) -> Result<Value, String> {
    let wrong = || format!("a stage is 10% of the targets or a number of devices, not {text:?}");
    match text.strip_suffix('%') {
        Some(percent) => Ok(json!({ "percent": percent.trim().parse::<f64>().map_err(|_| wrong())? })),
        None => Ok(json!({ "count": text.trim().parse::<u32>().map_err(|_| wrong())? })),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        request: Request,
    }

    fn body(line: &str) -> Value {
        Line::try_parse_from(line.split(' ')).unwrap().request.body().unwrap()
    }

    #[test]
    fn flags_become_the_apis_document() {
        assert_eq!(
            body("x app1=1.3.0"),
            json!({"packages": [{"name": "app1", "version": "1.3.0"}], "allow_rollback": false,
                "target": {"all": true}, "policy": {}})
        );
        let careful = body("x app1=2 --tag region=east --stage 1 --stage 50% --health-window 2m --attempts 1");
        assert_eq!(careful["target"], json!({"tags": {"region": "east"}}));
        assert_eq!(body("x app1=2 --filter online --static")["target"], json!({"filter": "online", "static": true}));
        assert_eq!(body("x app1=2 --group old")["target"], json!({"group": "old"}));
        assert!(Line::try_parse_from("x app1=2 --filter online --tag a=b".split(' ')).is_err());
        assert_eq!(careful["policy"]["stages"], json!([{"count": 1}, {"percent": 50.0}]));
        assert_eq!(careful["policy"]["health_window_s"], 120);
    }

    #[test]
    fn a_module_is_given_once() {
        let line = Line::try_parse_from(["x", "app1=1", "app1=2"]).unwrap();
        assert!(matches!(line.request.body(), Err(CliError::Usage(_))));
        assert!(Line::try_parse_from(["x", "app1"]).is_err());
    }
}
