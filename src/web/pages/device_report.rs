//! The last report of a terminal, as its page shows it.

use serde::Serialize;

use super::shell::shown;
use crate::domain::{Location, ProcessStatus, Report, SdCard, Status, Temperature, Timestamp};

#[derive(Debug, Serialize)]
pub struct ReportView {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub reported_at: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub received_at: Timestamp,
    pub cpu: Option<f64>,
    pub load: Vec<f64>,
    pub disks: Vec<DiskView>,
    pub temperatures: Vec<Temperature>,
    pub statuses: Vec<StatusView>,
    pub location: Option<PlaceView>,
    pub weather: Option<String>,
    pub speed: Option<f64>,
    /// Whatever else it sent, as JSON.
    pub extra: Option<String>,
    /// All of it, correctly spelled, as JSON.
    pub raw: String,
}

#[derive(Debug, Serialize)]
pub struct DiskView {
    pub name: String,
    pub total: Option<f64>,
    pub used: Option<f64>,
    pub free: Option<f64>,
    pub percent: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct StatusView {
    pub process: String,
    pub status: String,
}

#[derive(Debug, Serialize)]
pub struct PlaceView {
    pub latitude: f64,
    pub longitude: f64,
    pub altitude: Option<f64>,
}

impl From<&Status> for ReportView {
    fn from(status: &Status) -> Self {
        let Report { weather, location, extra, .. } = &status.report;
        let report = &status.report;
        Self {
            reported_at: report.timestamp,
            received_at: status.received_at,
            cpu: report.cpu_utilization,
            load: report.load_average.clone(),
            disks: report.sd_card.iter().map(DiskView::from).collect(),
            temperatures: report.temperature.iter().map(sensor).collect(),
            statuses: report.status.iter().map(StatusView::from).collect(),
            location: location.as_ref().map(PlaceView::from),
            weather: weather.as_ref().map(|weather| match weather {
                serde_json::Value::String(text) => shown(text),
                other => shown(&other.to_string()),
            }),
            speed: report.speed,
            extra: written_extra(extra),
            raw: serde_json::to_string_pretty(report).map(|text| shown(&text)).unwrap_or_default(),
        }
    }
}

fn written_extra(extra: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    if extra.is_empty() {
        return None;
    }
    serde_json::to_string_pretty(extra).ok().map(|text| shown(&text))
}

fn sensor(sensor: &Temperature) -> Temperature {
    Temperature { kind: shown(&sensor.kind), degree: sensor.degree }
}

impl From<&SdCard> for DiskView {
    fn from(card: &SdCard) -> Self {
        let percent = card.used_percent();
        Self { name: shown(&card.name), total: card.total, used: card.used, free: card.free, percent }
    }
}

impl From<&ProcessStatus> for StatusView {
    fn from(status: &ProcessStatus) -> Self {
        Self { process: shown(&status.process), status: shown(&status.status) }
    }
}

impl From<&Location> for PlaceView {
    fn from(location: &Location) -> Self {
        Self { latitude: location.latitude, longitude: location.longitude, altitude: location.altitude }
    }
}
