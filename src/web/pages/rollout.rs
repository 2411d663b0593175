//! `/rollouts/{id}`: an update while it moves: its state and why, the tally as a bar, and the progress table
//! `name | state | app1_version | app1_state | app2_version | app2_state ...`.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::show;
use super::course::Drawing;
use super::devices::DeviceRow;
use super::form::{Pairs, query};
use super::modules::{ModuleCell, Share, Transfers, shares};
use super::shell::{View, shown};
use crate::domain::{
    AssignmentState, Counts, ModuleName, PlanSummary, Policy, Rollout, RolloutId, RolloutPackage, RolloutState, Target,
    Timestamp, Version, Window,
};
use crate::store::{RolloutDevice, RolloutSummary};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::{Answer, ApiError};
use crate::web::fleet_counts::{course_of, summary};

/// Rows of one page.
pub const PAGE: u32 = 100;

#[derive(Debug, Serialize)]
pub struct RolloutPage {
    pub id: RolloutId,
    pub state: RolloutState,
    pub why: Option<String>,
    pub packages: Vec<PackageLine>,
    pub allow_rollback: bool,
    pub target: TargetWords,
    pub policy: PolicyWords,
    pub open_stages: u32,
    pub stages: u32,
    pub devices: u64,
    /// Assignments that change something, those that are there, and the share of those, percent.
    pub wanted: u64,
    pub verified: u64,
    pub percent: u64,
    pub bar: Vec<Share>,
    pub stage_bar: Vec<StagePart>,
    /// Assignments that ended badly, and those that have not ended.
    pub ended_badly: u64,
    pub still_open: u64,
    pub states: Vec<StateFilter>,
    /// The state the table is narrowed to.
    pub only: Option<AssignmentState>,
    pub columns: Vec<ModuleName>,
    pub rows: Vec<DeviceRow>,
    pub first: Option<String>,
    pub next: Option<String>,
    pub may: Steering,
    /// Why the last press did nothing.
    pub problem: Option<String>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub ended_at: Option<Timestamp>,
    pub approved_by: Option<String>,
    pub takes_back: Option<RolloutId>,
    /// The rollouts that take this one back.
    pub way_back: Vec<RolloutId>,
    pub plan: PlanSummary,
    /// How it went, as a drawing; once there is something to see.
    pub course: Option<Drawing>,
}

impl View for RolloutPage {
    const TEMPLATE: &'static str = "rollout";
}

#[derive(Debug, Serialize)]
pub struct PackageLine {
    pub module: ModuleName,
    pub version: Version,
    pub previous: Option<Version>,
    pub size: u64,
}

/// A stage as it was planned, and how far the rollout is with it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct StagePart {
    pub number: usize,
    pub devices: u32,
    pub state: StageState,
    pub current: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    Done,
    Open,
    Ahead,
}

/// A state, how many are in it, and the page narrowed to it.
#[derive(Debug, Serialize)]
pub struct StateFilter {
    pub state: AssignmentState,
    pub count: u64,
    pub chosen: bool,
}

/// Whom it is for. One of these.
#[derive(Debug, Default, Serialize)]
pub struct TargetWords {
    pub all: bool,
    /// How many were named.
    pub devices: Option<usize>,
    /// `region=east, kind=bus`
    pub tags: Option<String>,
    pub filter: Option<String>,
    /// Whether terminals that come to fit later stay out.
    pub fixed: bool,
}

/// The policy, as the page says it.
#[derive(Debug, Serialize)]
pub struct PolicyWords {
    pub max_in_flight: u32,
    pub max_failures: u32,
    pub max_failure_percent: u32,
    pub of_kind: Vec<KindLimit>,
    pub health_window_s: u32,
    pub attempts: u32,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub not_before: Option<Timestamp>,
    pub bytes_per_second: Option<u64>,
    pub starts_per_minute: Option<u32>,
    pub windows: Vec<Window>,
    pub priority: i32,
    pub only_when: Option<String>,
    /// `temperature at most 100 °C`
    pub health: Vec<String>,
}

/// A limit of one kind of failure.
#[derive(Debug, Serialize)]
pub struct KindLimit {
    pub state: AssignmentState,
    pub limit: u32,
}

/// What can be done with it now.
#[derive(Debug, Serialize)]
pub struct Steering {
    pub launch: bool,
    pub approve: bool,
    pub pause: bool,
    pub resume: bool,
    /// How many ended badly and can be tried again.
    pub retry: u64,
    pub rollback: bool,
    pub cancel: bool,
}

/// One page of the progress table.
pub struct Table {
    pub rows: Vec<RolloutDevice>,
    pub only: Option<AssignmentState>,
    /// Where this page begins; `None` for the first.
    pub after: Option<String>,
    pub next: Option<String>,
}

impl RolloutPage {
    /// The page of a rollout.
    #[must_use]
    pub fn new(summary: RolloutSummary, table: &Table, transfer: &Transfers<'_>) -> Self {
        let counts = super::rollouts::changing(&summary);
        let RolloutSummary { rollout, counts: all, devices } = summary;
        let columns: Vec<ModuleName> = rollout.packages.iter().map(|p| p.release.module.clone()).collect();
        let (wanted, verified) = (counts.sum(|_| true), counts.of(AssignmentState::Verified));
        let base = format!("/rollouts/{}", rollout.id);
        let state = table.only.map_or("", AssignmentState::as_str);
        let page = |after: &str| format!("{base}{}", query(&[("state", state), ("after", after)]));
        Self {
            packages: rollout.packages.iter().map(package_line).collect(),
            target: TargetWords::from(&rollout.target),
            policy: PolicyWords::from(&rollout.policy),
            devices,
            wanted,
            verified,
            percent: verified.saturating_mul(100).checked_div(wanted).unwrap_or(100),
            bar: shares(&counts),
            stage_bar: stage_bar(&rollout),
            ended_badly: counts.sum(ended_badly),
            still_open: counts.sum(|s| s == AssignmentState::Waiting || s.holds_a_lease()),
            states: filters(&all, table.only),
            only: table.only,
            rows: table.rows.iter().map(|row| progress_row(row, &columns, transfer)).collect(),
            columns,
            first: table.after.as_ref().map(|_| page("")),
            next: table.next.as_deref().map(page),
            may: Steering::new(rollout.state, &all),
            problem: None,
            id: rollout.id,
            state: rollout.state,
            why: rollout.why.as_deref().map(shown),
            allow_rollback: rollout.allow_rollback,
            open_stages: rollout.open_stages,
            stages: rollout.stages,
            created_at: rollout.created_at,
            created_by: rollout.created_by,
            ended_at: rollout.ended_at,
            approved_by: rollout.approved_by,
            takes_back: rollout.takes_back,
            way_back: Vec::new(),
            plan: rollout.plan,
            course: None,
        }
    }
}

/// Nothing where there is one stage alone.
fn stage_bar(rollout: &Rollout) -> Vec<StagePart> {
    let open = rollout.open_stages as usize;
    let ended = rollout.state == RolloutState::Completed;
    let part = |(number, devices): (usize, &u32)| StagePart {
        number,
        devices: *devices,
        state: match number.cmp(&open) {
            _ if ended => StageState::Done,
            std::cmp::Ordering::Less => StageState::Done,
            std::cmp::Ordering::Equal => StageState::Open,
            std::cmp::Ordering::Greater => StageState::Ahead,
        },
        current: !ended && number == open,
    };
    let stages = &rollout.plan.stages;
    if stages.len() < 2 { Vec::new() } else { (1..).zip(stages).map(part).collect() }
}

fn ended_badly(state: AssignmentState) -> bool {
    state.is_failure() || state == AssignmentState::Declined
}

fn package_line(package: &RolloutPackage) -> PackageLine {
    PackageLine {
        module: package.release.module.clone(),
        version: package.release.version.clone(),
        previous: package.previous_version.clone(),
        size: package.release.size,
    }
}

fn filters(counts: &Counts, only: Option<AssignmentState>) -> Vec<StateFilter> {
    let filter = |state| StateFilter { state, count: counts.of(state), chosen: only == Some(state) };
    AssignmentState::ALL.into_iter().map(filter).filter(|filter| filter.count > 0 || filter.chosen).collect()
}

fn progress_row(row: &RolloutDevice, columns: &[ModuleName], transfer: &Transfers<'_>) -> DeviceRow {
    let device = &row.device;
    let cell = |module: &ModuleName| {
        let assignment = row.assignments.iter().find(|assignment| assignment.module == *module);
        ModuleCell::new(module, device.modules.get(module), assignment, transfer(device.key_id, module))
    };
    DeviceRow {
        key_id: device.key_id,
        device_id: device.device_id.clone(),
        name: shown(&device.name),
        online: device.online,
        since: device.since,
        reported_at: None,
        cells: columns.iter().map(cell).collect(),
    }
}

impl From<&Target> for TargetWords {
    fn from(target: &Target) -> Self {
        match target {
            Target::All => Self { all: true, ..Self::default() },
            Target::DeviceIds(ids) => Self { devices: Some(ids.len()), ..Self::default() },
            Target::Filter(filter) => Self { filter: Some(filter.to_string()), ..Self::default() },
            Target::Static(target) => Self { fixed: true, ..Self::from(target.as_ref()) },
            Target::Tags(tags) => {
                let words: Vec<String> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
                Self { tags: Some(shown(&words.join(", "))), ..Self::default() }
            }
        }
    }
}

impl From<&Policy> for PolicyWords {
    fn from(policy: &Policy) -> Self {
        Self {
            max_in_flight: policy.max_in_flight,
            max_failures: policy.max_failures,
            max_failure_percent: policy.max_failure_percent,
            of_kind: policy.max_of_kind.set().map(|(state, limit)| KindLimit { state, limit }).collect(),
            health_window_s: policy.health_window_s,
            attempts: policy.attempts,
            not_before: policy.not_before,
            bytes_per_second: policy.bytes_per_second,
            starts_per_minute: policy.starts_per_minute,
            windows: policy.windows.clone(),
            priority: policy.priority,
            only_when: policy.only_when.as_ref().map(|filter| shown(filter.as_str())),
            health: policy.health.words().iter().map(|words| shown(words)).collect(),
        }
    }
}

impl Steering {
    fn new(state: RolloutState, counts: &Counts) -> Self {
        let ended_badly = counts.sum(ended_badly);
        let begun = counts.sum(|s| s.is_failure() || s.holds_a_lease() || s == AssignmentState::Verified);
        let tries = matches!(state, RolloutState::Running | RolloutState::Paused | RolloutState::Completed);
        Self {
            launch: state == RolloutState::Draft,
            approve: state == RolloutState::AwaitingApproval,
            pause: matches!(state, RolloutState::Running | RolloutState::Scheduled),
            resume: state == RolloutState::Paused,
            retry: if tries { ended_badly } else { 0 },
            rollback: state.may_become(RolloutState::RolledBack) && begun > 0,
            cancel: state.may_become(RolloutState::Cancelled),
        }
    }
}

/// `GET /rollouts/{id}?state=&after=`
///
/// # Errors
/// 404, 422 for a place that the table does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer, id: web::Path<String>) -> Answer {
    let page = read(&request, &state, &id).await?;
    show(&request, page)
}

pub(super) async fn read(request: &HttpRequest, state: &WebState, id: &str) -> Result<RolloutPage, ApiError> {
    let id = number(id)?;
    let pairs = Pairs::of_query(request);
    let only: Option<AssignmentState> = pairs.text("state").parse().ok();
    let after = Some(pairs.text("after").to_owned()).filter(|after| !after.is_empty());
    let summary = summary(state, id).await?.ok_or_else(missing)?;
    // An open page asks for what is counted again and again, and is told of its rows by the live stream.
    let (rows, next) = if pairs.text("part") == "counts" {
        (Vec::new(), None)
    } else {
        let page = state.store.rollout_devices(id, only, after.clone(), PAGE).await??;
        (page.items, page.next)
    };
    let table = Table { rows, only, after, next };
    let course = course_of(state, &summary.rollout).await?;
    let begun = summary.rollout.created_at;
    let mut page = RolloutPage::new(summary, &table, &|key, module| state.fleet.transfer(key, module));
    page.way_back = state.store.way_back_of(id).await?;
    page.course = Drawing::new(&course.points, begun, course.until, page.wanted);
    Ok(page)
}

pub(super) fn missing() -> ApiError {
    ApiError::not_found("such update")
}

pub(super) fn number(id: &str) -> Result<RolloutId, ApiError> {
    id.parse().map_err(|_| missing())
}
