//! `/devices/{device_id}`: everything known of one terminal, and why each module is where it is.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::show;
use super::chart::{Charts, Range};
use super::device_report::ReportView;
use super::form::{Field, Pairs};
use super::modules::{ModuleCell, Transfers};
use super::shell::{View, shown};
use crate::actors::Why;
use crate::domain::{
    Assignment, AssignmentState, ConnectionEvent, Device, DeviceId, KeyId, ModuleName, QUARANTINE_AFTER, Report,
    RolloutId, Strike, Tags, Timestamp, Transition, Version, VersionChange,
};
use crate::store::{DataDir, Tail, tail};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::{Answer, ApiError};

/// Rows of the histories on a device's page.
pub const HISTORY: u32 = 30;
/// Lines of the log, and how far back they are looked for: at once, and when the reader asks for more.
const LOG_LINES: usize = 20;
const LOG_NEAR: u64 = 1024 * 1024;
const LOG_FAR: u64 = 128 * 1024 * 1024;

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
    /// Where it was when it reported last.
    pub place: Option<Place>,
    pub charts: Charts,
    pub map: MapView,
    pub changes: Vec<ChangeRow>,
    pub assignments: Vec<AssignmentRow>,
    pub connections: Vec<ConnectionEvent>,
    pub log: LogView,
    /// Packages that it is kept from, as they failed on it.
    pub kept_from: Vec<KeptFrom>,
    pub tags: Vec<TagRow>,
    pub form: DeviceForm,
}

impl View for DevicePage {
    const TEMPLATE: &'static str = "device";
}

/// Where it was, and when.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    pub latitude: f64,
    pub longitude: f64,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
}

/// Where its maps are from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MapView {
    /// `None`: the outline alone.
    pub tile_url: Option<String>,
    pub attribution: String,
}

/// The end of the status log, as far as it is the terminal's.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LogView {
    pub lines: Vec<String>,
    /// Whether the log goes on before what was read.
    pub more: bool,
    /// Whether as much was read as ever is.
    pub far: bool,
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
    /// How it came there, oldest first.
    pub steps: Vec<StepRow>,
}

#[derive(Debug, Serialize)]
pub struct StepRow {
    pub state: AssignmentState,
    pub reason: Option<String>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
}

/// What the page is made of.
pub struct Known {
    pub device: Device,
    pub why: Vec<Why>,
    pub changes: Vec<VersionChange>,
    /// Newest rollout first.
    pub assignments: Vec<Assignment>,
    /// Their changes, oldest first.
    pub transitions: Vec<Transition>,
    pub charts: Charts,
    pub map: MapView,
    pub strikes: Vec<Strike>,
    /// Newest first.
    pub connections: Vec<ConnectionEvent>,
    pub log: LogView,
}

impl DevicePage {
    /// The page of a device.
    #[must_use]
    pub fn new(known: Known, transfer: &Transfers<'_>) -> Self {
        let Known { device, why, changes, assignments, transitions, charts, map, mut strikes, connections, log } =
            known;
        strikes.retain(|strike| strike.key_id == device.key_id && strike.failures >= QUARANTINE_AFTER);
        let modules = module_rows(&device, why, &assignments, transfer);
        Self {
            modules,
            report: device.status.as_ref().map(ReportView::from),
            place: device.status.as_ref().and_then(|status| place(&status.report)),
            charts,
            map,
            connections,
            log,
            changes: changes.into_iter().map(ChangeRow::from).collect(),
            assignments: assignments.iter().map(|row| AssignmentRow::new(row, &transitions)).collect(),
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

fn place(report: &Report) -> Option<Place> {
    let location = report.location.as_ref()?;
    Some(Place { latitude: location.latitude, longitude: location.longitude, at: report.timestamp })
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

impl From<VersionChange> for ChangeRow {
    fn from(change: VersionChange) -> Self {
        Self { module: change.module, from: change.from, to: change.to, at: change.at }
    }
}

impl AssignmentRow {
    fn new(assignment: &Assignment, transitions: &[Transition]) -> Self {
        let own = |t: &&Transition| t.rollout == assignment.rollout && t.module == assignment.module;
        let step = |t: &Transition| StepRow { state: t.to, reason: t.reason.as_deref().map(shown), at: t.at };
        Self {
            rollout: assignment.rollout,
            module: assignment.module.clone(),
            from: assignment.from.clone(),
            to: assignment.to.clone(),
            state: assignment.state,
            reason: assignment.reason.as_deref().map(shown),
            updated_at: assignment.updated_at,
            steps: transitions.iter().filter(own).map(step).collect(),
        }
    }
}

/// `GET /devices/{device_id}?range=&log=`: `range` is `1h`, `6h`, `24h`, `7d` or `30d`; `log=far` looks further back.
///
/// # Errors
/// 404
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer, id: web::Path<String>) -> Answer {
    let pairs = Pairs::of_query(&request);
    let wanted = Wanted { range: pairs.text("range").to_owned(), far: pairs.text("log") == "far" };
    show(&request, read(&state, &id, &wanted).await?)
}

/// How much of its past is shown.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub range: String,
    pub far: bool,
}

/// The page of the device that a path names.
///
/// # Errors
/// 404
pub async fn read(state: &WebState, id: &str, wanted: &Wanted) -> Result<DevicePage, ApiError> {
    let device = find(state, id).await?;
    let (store, key_id) = (&state.store, device.key_id);
    let range = Range::of(&wanted.range, state.clock.now());
    let (samples, why, log) = futures_util::join!(
        store.history(key_id, range.from, range.to, range.step_s()),
        state.fleet.why(key_id),
        log_view(state, key_id, wanted.far),
    );
    let known = Known {
        why: why?,
        changes: store.version_changes(key_id, HISTORY).await?,
        assignments: store.assignments_of(key_id, HISTORY).await?,
        transitions: store.assignment_history(key_id, None).await?,
        charts: Charts::new(&samples?, range),
        map: MapView { tile_url: state.config.map.tile_url.clone(), attribution: state.config.map.attribution.clone() },
        strikes: store.strikes_of(key_id).await?,
        connections: store.connections_of(key_id, HISTORY).await?,
        log,
        device,
    };
    Ok(DevicePage::new(known, &|key, module| state.fleet.transfer(key, module)))
}

/// The log's end; one that can't be read is said in the program's own log, and the page goes on without.
async fn log_view(state: &WebState, key_id: KeyId, far: bool) -> LogView {
    let dir = DataDir::log_in(&state.config.data_dir);
    let bytes = if far { LOG_FAR } else { LOG_NEAR };
    let read = web::block(move || tail(&dir, key_id, LOG_LINES, bytes)).await;
    match read {
        Ok(Ok(Tail { lines, more })) => {
            LogView { lines: lines.iter().rev().map(|line| shown(line)).collect(), more, far }
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the status log can't be read");
            LogView { far, ..LogView::default() }
        }
        Err(_) => LogView { far, ..LogView::default() },
    }
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
