//! A report: what the gauges say, status texts, position, and whatever else the device's owner wants to tell.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use super::apps::Apps;
use super::config::TelemetryConfig;
use super::gauges::{Gauges, Reading};
use super::gpsd::Gps;
use crate::domain::{DeviceId, ModuleName, ProcessStatus, Report, Timestamp, millis_rfc3339};
use crate::protocol::{self, DeviceMessage, MAX_TEXT, ReportMessage};

/// Longest status text that is sent, bytes.
const MAX_STATUS: u64 = 4096;
/// Longest JSON of extra fields, bytes.
const MAX_EXTRA: u64 = 32 * 1024;
/// Fields that are the agent's own; in a device's extras some would make the message another one.
const RESERVED: [&str; 7] = ["type", "device_id", "timestamp", "seq", "boot_id", "version_list", "update_list"];

/// All sources of a report.
pub struct Telemetry {
    device_id: DeviceId,
    gauges: Option<Box<dyn Gauges>>,
    status: Vec<(String, PathBuf)>,
    gps: Option<Gps>,
    config: TelemetryConfig,
    apps: Apps,
}

impl Telemetry {
    /// Opens the sources that the configuration names.
    pub fn new<'a>(
        device_id: DeviceId,
        gauges: Box<dyn Gauges>,
        config: TelemetryConfig,
        apps: Apps,
        modules: impl Iterator<Item = &'a ModuleName>,
    ) -> Self {
        let usual = |name: &ModuleName| (name.to_string(), PathBuf::from(format!("/sdcard0/{name}/status.txt")));
        let status = if config.status.is_empty() {
            modules.map(usual).collect()
        } else {
            config.status.iter().map(|(name, path)| (name.clone(), path.clone())).collect()
        };
        let gps = config.gpsd.clone().map(Gps::watch);
        Self { device_id, gauges: Some(gauges), status, gps, config, apps }
    }

    /// Makes a report. A source that fails is left out and said in the log; the others count.
    pub async fn report(&mut self, now: Timestamp) -> Report {
        let mut extra = self.extra().await;
        let (reading, mut status, location) = self.read_blocking().await;
        self.apps.add_to(&mut status, &mut extra);
        let mut fields = Map::new();
        fields.insert("cpu_utilization".into(), json!(reading.cpu_utilization));
        fields.insert("load_average".into(), json!(reading.load_average));
        fields.insert("sd_card".into(), json!(reading.disks));
        fields.insert("temperature".into(), json!(reading.temperatures));
        fields.insert("status".into(), json!(status));
        if let Some(location) = location {
            fields.insert("location".into(), location);
        }
        if let Some(fix) = self.gps.as_ref().and_then(Gps::fix) {
            fields.insert("location".into(), json!(fix.location));
            fields.insert("speed".into(), json!(fix.speed));
        }
        self.assemble(now, fields, extra)
    }

    /// Reads the fields back as the server will, so that nothing is sent that it would refuse.
    fn assemble(&self, now: Timestamp, fields: Map<String, Value>, extra: Map<String, Value>) -> Report {
        let mut bare = fields;
        bare.insert("device_id".into(), json!(self.device_id));
        bare.insert("timestamp".into(), json!(millis_rfc3339::text(now)));
        let mut full = bare.clone();
        full.extend(extra);
        let tries = [full, bare];
        for (without_extra, fields) in tries.into_iter().enumerate() {
            match as_report(fields) {
                Ok(report) => return report,
                Err(error) if without_extra == 0 => {
                    tracing::warn!(%error, "the extra fields cannot be sent; reporting without them");
                }
                Err(error) => tracing::error!(%error, "the readings cannot be sent; reporting without them"),
            }
        }
        bare_report(now)
    }

    async fn read_blocking(&mut self) -> (Reading, Vec<ProcessStatus>, Option<Value>) {
        let gauges = self.gauges.take();
        let files = self.status.clone();
        let location = self.config.location_file.clone();
        let all = move || {
            let mut gauges = gauges;
            let reading = gauges.as_mut().map_or_else(Reading::default, |gauges| gauges.read());
            let status = files.iter().filter_map(|(process, path)| status(process, path)).collect();
            let location = location.and_then(|path| json_file(&path));
            (gauges, reading, status, location)
        };
        match tokio::task::spawn_blocking(all).await {
            Ok((gauges, reading, status, location)) => {
                self.gauges = gauges;
                (reading, status, location)
            }
            Err(error) => {
                tracing::error!(%error, "the gauges failed; reporting without them from now on");
                (Reading::default(), Vec::new(), None)
            }
        }
    }

    async fn extra(&self) -> Map<String, Value> {
        let mut extra = Map::new();
        if let Some(path) = &self.config.extra_file {
            extra.extend(object(json_file(path), &path.display().to_string()));
        }
        if let Some(command) = &self.config.extra_command {
            let within = self.config.extra_timeout.unwrap_or(Duration::from_secs(5));
            extra.extend(object(printed(command, within).await, command));
        }
        for name in RESERVED {
            if extra.shift_remove(name).is_some() {
                tracing::warn!(name, "an extra field of this name is not taken");
            }
        }
        extra
    }
}

/// Whether a report with these fields is one that the server would take.
///
/// # Errors
/// A sentence that says what is wrong with them.
pub fn check_extra(fields: &Map<String, Value>) -> Result<(), String> {
    if let Some(name) = fields.keys().find(|name| RESERVED.contains(&name.as_str())) {
        return Err(format!("a field named {name} is the agent's own"));
    }
    let mut all = fields.clone();
    all.insert("device_id".into(), json!("t"));
    all.insert("timestamp".into(), json!(0));
    as_report(all).map(drop)
}

fn as_report(fields: Map<String, Value>) -> Result<Report, String> {
    let text = Value::Object(fields).to_string();
    // Room for the number and run that are added to it.
    if text.len() + 256 > MAX_TEXT {
        return Err(format!("it would be {} bytes, more than a message may be", text.len()));
    }
    match protocol::decode(&text) {
        Ok(DeviceMessage::Report(message)) => Ok(message.report),
        Ok(_) => Err("it would be read as another message".to_owned()),
        Err((error, _)) => Err(error.to_string()),
    }
}

fn bare_report(timestamp: Timestamp) -> Report {
    Report {
        timestamp,
        cpu_utilization: None,
        load_average: Vec::new(),
        sd_card: Vec::new(),
        temperature: Vec::new(),
        status: Vec::new(),
        location: None,
        weather: None,
        speed: None,
        seq: None,
        boot_id: crate::domain::BootId::default(),
        extra: Map::new(),
    }
}

/// As sent to the server.
#[must_use]
pub fn encode(device_id: &DeviceId, report: Report) -> String {
    let message = ReportMessage { device_id: device_id.clone(), report };
    protocol::encode(&DeviceMessage::Report(Box::new(message)))
}

/// The first 4 KiB of a status file; absent when there is none.
fn status(process: &str, path: &Path) -> Option<ProcessStatus> {
    let mut bytes = Vec::new();
    regular(path)?.take(MAX_STATUS).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(ProcessStatus { process: process.to_owned(), status: text.trim_end().to_owned() })
}

/// A pipe or device in a file's place must not hold the report.
fn regular(path: &Path) -> Option<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok()?.is_file().then_some(file)
}

fn json_file(path: &Path) -> Option<Value> {
    let mut bytes = Vec::new();
    regular(path)?.take(MAX_EXTRA).read_to_end(&mut bytes).ok()?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "not JSON of up to 32 KiB; left out of the report");
            None
        }
    }
}

async fn printed(command: &str, within: Duration) -> Option<Value> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(std::process::Stdio::null()).kill_on_drop(true);
    let output = match timeout(within, shell.output()).await {
        Ok(Ok(output)) if output.status.success() => output,
        Ok(Ok(output)) => {
            tracing::warn!(command, status = %output.status, "the command for extra fields failed");
            return None;
        }
        Ok(Err(error)) => {
            tracing::warn!(command, %error, "the command for extra fields did not start");
            return None;
        }
        Err(_) => {
            tracing::warn!(command, "the command for extra fields took too long");
            return None;
        }
    };
    if output.stdout.len() as u64 > MAX_EXTRA {
        tracing::warn!(command, "the command for extra fields printed more than 32 KiB");
        return None;
    }
    serde_json::from_slice(&output.stdout)
        .inspect_err(|error| tracing::warn!(command, %error, "the command for extra fields printed no JSON"))
        .ok()
}

fn object(value: Option<Value>, source: &str) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        None => Map::new(),
        Some(_) => {
            tracing::warn!(source, "extra fields must be a JSON object");
            Map::new()
        }
    }
}

#[cfg(test)]
#[path = "telemetry_tests.rs"]
mod tests;
