//! What a device says of itself every 30 s, in the words of the house (correctly spelled, one shape a field).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::BootId;

/// An instant, UTC. Wire and storage keep milliseconds.
pub type Timestamp = DateTime<Utc>;

/// One status message of a device. Everything but the time is optional.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When the device says it was made.
    #[serde(with = "super::millis_rfc3339")]
    pub timestamp: Timestamp,
    /// Percent of all processors, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_utilization: Option<f64>,
    /// Runnable processes over 1, 5 and 15 minutes; as many as the device gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_average: Vec<f64>,
    /// Storage cards and disks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sd_card: Vec<SdCard>,
    /// Sensors, in degrees Celsius.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub temperature: Vec<Temperature>,
    /// Status texts of processes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<ProcessStatus>,
    /// Where the device is, WGS-84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The weather as the device names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weather: Option<Value>,
    /// Kilometres an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Position in its run; reports with one are acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The run that `seq` counts in.
    #[serde(default, skip_serializing_if = "is_unnamed")]
    pub boot_id: BootId,
    /// Whatever else the device sent, kept with the report.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn is_unnamed(run: &BootId) -> bool {
    run.as_str().is_empty()
}

/// One storage card; sizes in the unit the device uses (the mission's devices: MB).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SdCard {
    /// `sdcard0`.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<f64>,
}

impl SdCard {
    /// Percent used, where the card says enough to know it.
    #[must_use]
    pub fn used_percent(&self) -> Option<f64> {
        let total = self.total.filter(|t| *t > 0.0)?;
        let used = self.used.or_else(|| Some(total - self.free?))?;
        Some((used / total * 100.0).clamp(0.0, 100.0))
    }
}

/// One sensor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Temperature {
    /// `cpu`, `gpu`, `board`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Degrees Celsius.
    pub degree: f64,
}

/// The status text of one process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessStatus {
    pub process: String,
    pub status: String,
}

/// A position, WGS-84; altitude in metres.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Location {
    pub latitude: f64,
    pub longitude: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude: Option<f64>,
}

/// The numbers of a report that are charted: one row of a device's history.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sample {
    pub cpu_utilization: Option<f64>,
    pub load_average: Option<f64>,
    /// The hottest sensor.
    pub temperature: Option<f64>,
    /// The fullest card, percent.
    pub disk_used_percent: Option<f64>,
    pub speed: Option<f64>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

impl Sample {
    /// As a row; what is no number is not in it.
    #[must_use]
    pub fn numbers(&self) -> [Option<f64>; 7] {
        let Self { cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude, longitude } = *self;
        [cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude, longitude]
            .map(|number| number.filter(|n| n.is_finite()))
    }

    /// A row's numbers, in the same order.
    #[must_use]
    pub fn of(numbers: [Option<f64>; 7]) -> Self {
        let [cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude, longitude] = numbers;
        Self { cpu_utilization, load_average, temperature, disk_used_percent, speed, latitude, longitude }
    }
}

impl Report {
    /// The numbers worth a chart.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample {
            cpu_utilization: self.cpu_utilization,
            load_average: self.load_average.first().copied(),
            temperature: self.temperature.iter().map(|t| t.degree).reduce(f64::max),
            disk_used_percent: self.sd_card.iter().filter_map(SdCard::used_percent).reduce(f64::max),
            speed: self.speed,
            latitude: self.location.map(|l| l.latitude),
            longitude: self.location.map(|l| l.longitude),
        }
    }
}
