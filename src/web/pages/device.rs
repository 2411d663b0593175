//! `/devices/{device_id}`: everything known of one terminal, and why each module is where it is.

use actix_web::{HttpRequest, web};
use chrono::TimeDelta;
use serde::Serialize;

use super::answer::show;
use super::chart::Chart;
use super::form::Field;
use super::modules::{ModuleCell, Transfers};
use super::shell::{View, shown};
use crate::actors::Why;
use crate::domain::{
    Assignment, AssignmentState, Device, DeviceId, KeyId, Location, ModuleName, ProcessStatus, QUARANTINE_AFTER,
    Report, RolloutId, SdCard, Status, Strike, Tags, Temperature, Timestamp, Version, VersionChange,
};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::{Answer, ApiError};

/// Rows of the histories on a device's page.
pub const HISTORY: u32 = 30;
/// Points of the chart.
const CHART_POINTS: i64 = 288;

#[derive(Debug, Serialize)]
pub struct DevicePage {
    pub device_id: DeviceId,
    pub key_id: KeyId,
    pub name: String,
    pub online: bool,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub since: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub may_enrol_again: bool,
    pub modules: Vec<ModuleRow>,
    pub report: Option<ReportView>,
    pub chart: Option<Chart>,
    pub changes: Vec<ChangeRow>,
    pub assignments: Vec<AssignmentRow>,
    /// Packages that it is kept from, as they failed on it.
    pub kept_from: Vec<KeptFrom>,
    pub tags: Vec<TagRow>,
    pub form: DeviceForm,
}

impl View for DevicePage {
    const TEMPLATE: &'static str = "device";
}

/// What can be changed of it.
#[derive(Debug, Serialize)]
pub struct DeviceForm {
    pub name: Field,
    /// One `name=value` a line.
    pub tags: Field,
}

#[derive(Debug, Serialize)]
pub struct KeptFrom {
    pub module: ModuleName,
    pub version: Version,
    pub failures: u32,
    pub reason: Option<String>,
    pub rollout: RolloutId,
}

impl From<Strike> for KeptFrom {
    fn from(strike: Strike) -> Self {
        let reason = strike.reason.as_deref().map(shown);
        let Strike { module, version, failures, rollout, .. } = strike;
        Self { module, version, failures, reason, rollout }
    }
}

#[derive(Debug, Serialize)]
pub struct TagRow {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Serialize)]
pub struct ModuleRow {
    pub module: ModuleName,
    pub version: Option<Version>,
    /// What it should run, where any rollout says so.
    pub target: Option<Version>,
    pub state: Option<AssignmentState>,
    pub percent: Option<u64>,
    pub why: String,
    pub rollout: Option<RolloutId>,
}

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

#[derive(Debug, Serialize)]
pub struct ChangeRow {
    pub module: ModuleName,
    pub from: Option<Version>,
    pub to: Option<Version>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
}

#[derive(Debug, Serialize)]
pub struct AssignmentRow {
    pub rollout: RolloutId,
    pub module: ModuleName,
    pub from: Option<Version>,
    pub to: Version,
    pub state: AssignmentState,
    pub reason: Option<String>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub updated_at: Timestamp,
}

/// What the page is made of.
pub struct Known {
    pub device: Device,
    pub why: Vec<Why>,
    pub changes: Vec<VersionChange>,
    /// Newest rollout first.
    pub assignments: Vec<Assignment>,
    pub chart: Option<Chart>,
    pub strikes: Vec<Strike>,
}

impl DevicePage {
    /// The page of a device.
    #[must_use]
    pub fn new(known: Known, transfer: &Transfers<'_>) -> Self {
        let Known { device, why, changes, assignments, chart, mut strikes } = known;
        strikes.retain(|strike| strike.key_id == device.key_id && strike.failures >= QUARANTINE_AFTER);
        let modules = module_rows(&device, why, &assignments, transfer);
        Self {
            modules,
            report: device.status.as_ref().map(ReportView::from),
            chart,
            changes: changes.into_iter().map(ChangeRow::from).collect(),
            assignments: assignments.iter().map(AssignmentRow::from).collect(),
            kept_from: strikes.into_iter().map(KeptFrom::from).collect(),
            tags: device.tags.iter().map(|(name, value)| TagRow { name: shown(name), value: shown(value) }).collect(),
            form: DeviceForm { name: Field::new(shown(&device.name)), tags: Field::new(written_tags(&device.tags)) },
            name: shown(&device.name),
            device_id: device.device_id,
            key_id: device.key_id,
            online: device.online,
            since: device.since,
            created_at: device.created_at,
            may_enrol_again: device.may_enrol_again,
        }
    }
}

fn module_rows(device: &Device, why: Vec<Why>, assignments: &[Assignment], transfer: &Transfers<'_>) -> Vec<ModuleRow> {
    let row = |why: Why| {
        let newest = assignments.iter().find(|assignment| assignment.module == why.module);
        let version = device.modules.get(&why.module);
        let transfer = transfer(device.key_id, &why.module);
        let cell = ModuleCell::new(&why.module, version, newest, transfer);
        ModuleRow {
            version: cell.version,
            target: why.target,
            state: cell.state,
            percent: cell.percent,
            why: shown(&why.sentence),
            rollout: why.rollout_id,
            module: why.module,
        }
    };
    why.into_iter().map(row).collect()
}

/// One `name=value` a line.
#[must_use]
pub fn written_tags(tags: &Tags) -> String {
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("\n")
}

/// Reads one `name=value` a line.
///
/// # Errors
/// The line that is no such thing.
pub fn read_tags(text: &str) -> Result<Tags, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| match line.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
            _ => Err(line.chars().take(80).collect()),
        })
        .collect()
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

impl From<VersionChange> for ChangeRow {
    fn from(change: VersionChange) -> Self {
        Self { module: change.module, from: change.from, to: change.to, at: change.at }
    }
}

impl From<&Assignment> for AssignmentRow {
    fn from(assignment: &Assignment) -> Self {
        Self {
            rollout: assignment.rollout,
            module: assignment.module.clone(),
            from: assignment.from.clone(),
            to: assignment.to.clone(),
            state: assignment.state,
            reason: assignment.reason.as_deref().map(shown),
            updated_at: assignment.updated_at,
        }
    }
}

/// `GET /devices/{device_id}`
///
/// # Errors
/// 404
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer, id: web::Path<String>) -> Answer {
    show(&request, read(&state, &id).await?)
}

/// The page of the device that a path names.
///
/// # Errors
/// 404
pub async fn read(state: &WebState, id: &str) -> Result<DevicePage, ApiError> {
    let device = find(state, id).await?;
    let now = state.clock.now();
    // A terminal that has been known for less than a day has a chart of that time.
    let from = (now - TimeDelta::days(1)).max(device.created_at);
    let key_id = device.key_id;
    let step_s = u32::try_from((now - from).num_seconds() / CHART_POINTS).unwrap_or(0);
    let samples = state.store.history(key_id, from, now, step_s).await?;
    let known = Known {
        why: state.fleet.why(key_id).await?,
        changes: state.store.version_changes(key_id, HISTORY).await?,
        assignments: state.store.assignments_of(key_id, HISTORY).await?,
        chart: Chart::new(&samples, from, now),
        strikes: state.store.strikes().await?,
        device,
    };
    Ok(DevicePage::new(known, &|key, module| state.fleet.transfer(key, module)))
}

/// The device that a path names.
///
/// # Errors
/// 404
pub async fn find(state: &WebState, id: &str) -> Result<Device, ApiError> {
    let missing = || ApiError::not_found("such terminal");
    let device_id = DeviceId::new(id).map_err(|_| missing())?;
    state.store.device(&device_id).await?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_written_as_they_are_read() {
        let tags = read_tags("region = east\n\nkind=bus=1\n").unwrap();
        assert_eq!(written_tags(&tags), "kind=bus=1\nregion=east");
        assert_eq!(read_tags("region=east\nnonsense"), Err("nonsense".to_owned()));
        assert!(read_tags("=x").is_err());
    }
}
