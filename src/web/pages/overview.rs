//! `/`: how the fleet is, who is on what, what moves, what needs a person; for an empty fleet the next steps.

use actix_web::{HttpRequest, web};
use chrono::TimeDelta;
use serde::Serialize;

use super::answer::{server_url, show};
use super::overview_day::Day;
use super::rollouts::{RolloutRow, changing, written_packages};
use super::shell::{View, shown};
use crate::domain::{self, AssignmentState, Device, ModuleName, Package, RolloutId, RolloutState, Timestamp, Version};
use crate::store::{FleetPoint, ModuleSummary, RolloutSummary};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;
use crate::web::fleet_counts::counted;

/// A count that is older is shown with its time.
const STALE: TimeDelta = TimeDelta::seconds(5);

/// What happened lately that is shown.
const ACTIVITY: usize = 12;
/// New terminals among it, at most.
const NEW_DEVICES: u32 = 5;

#[derive(Debug, Serialize)]
pub struct Overview {
    pub online: u64,
    pub offline: u64,
    pub total: u64,
    /// When that was counted, where it is not just now.
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub counted_at: Option<Timestamp>,
    /// How long ago that was: an open page that has heard of something since then asks again.
    pub counted_ago_ms: i64,
    pub packages: u64,
    pub modules: Vec<ModuleVersions>,
    /// Those under way.
    pub rollouts_live: Vec<RolloutRow>,
    /// Kinds of trouble, with how many terminals are in each.
    pub troubles: Vec<Trouble>,
    /// Whether any terminal is in any of them, or any rollout needs a person.
    pub calm: bool,
    pub attention: Vec<Attention>,
    pub day: Option<Day>,
    pub activity: Vec<Activity>,
    /// What is wrong with the server itself.
    pub trouble: Option<String>,
    /// What the database's settings put at risk.
    pub warnings: Vec<String>,
    /// For the command that adds a terminal.
    pub server_url: String,
}

impl View for Overview {
    const TEMPLATE: &'static str = "overview";
}

/// How many terminals run which version of a module.
#[derive(Debug, Serialize)]
pub struct ModuleVersions {
    pub name: ModuleName,
    pub current: Option<Version>,
    pub devices: u64,
    pub versions: Vec<VersionCount>,
    /// Versions beyond those shown, and the terminals on them.
    pub more: usize,
    pub more_devices: u64,
}

#[derive(Debug, Serialize)]
pub struct VersionCount {
    pub version: Version,
    pub count: u64,
    pub current: bool,
}

/// How many terminals are in one kind of trouble.
#[derive(Debug, Serialize)]
pub struct Trouble {
    pub what: domain::Attention,
    pub count: u64,
}

/// Something that happened lately.
#[derive(Debug, Serialize)]
pub struct Activity {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
    /// `rollout_begun`, `rollout_ended`, `package`, `device`: the template has the words.
    pub kind: &'static str,
    /// The rollout's number, the package's version, the terminal's id.
    pub subject: String,
    /// What it is called: packages, the module, the terminal's name.
    pub name: String,
    /// Who did it, where it was a person.
    pub by: Option<String>,
    /// Where a rollout stands.
    pub state: Option<RolloutState>,
}

/// A rollout with assignments that went wrong.
#[derive(Debug, Serialize)]
pub struct Attention {
    pub id: RolloutId,
    pub packages: String,
    pub failures: Vec<StateCount>,
    /// Why it is paused.
    pub paused: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct StateCount {
    pub state: AssignmentState,
    pub count: u64,
}

/// Versions shown of one module.
const VERSIONS_SHOWN: usize = 6;

impl From<ModuleSummary> for ModuleVersions {
    fn from(module: ModuleSummary) -> Self {
        let current = module.current_version;
        let (shown, rest) = module.devices.split_at(module.devices.len().min(VERSIONS_SHOWN));
        let count = |(version, count): &(Version, u64)| VersionCount {
            version: version.clone(),
            count: *count,
            current: Some(version) == current.as_ref(),
        };
        Self {
            name: module.name,
            devices: module.devices.iter().map(|(_, n)| n).sum(),
            versions: shown.iter().map(count).collect(),
            more: rest.len(),
            more_devices: rest.iter().map(|(_, n)| n).sum(),
            current,
        }
    }
}

impl Attention {
    /// What of a rollout needs a person; `None` when nothing does.
    #[must_use]
    pub fn of(summary: &RolloutSummary) -> Option<Self> {
        let rollout = &summary.rollout;
        if rollout.state == RolloutState::Cancelled {
            return None;
        }
        let failures: Vec<StateCount> = AssignmentState::ALL
            .into_iter()
            .filter(|state| state.is_failure())
            .map(|state| StateCount { state, count: summary.counts.of(state) })
            .filter(|failure| failure.count > 0)
            .collect();
        let paused = (rollout.state == RolloutState::Paused).then(|| shown(rollout.why.as_deref().unwrap_or_default()));
        if failures.is_empty() && paused.is_none() {
            return None;
        }
        Some(Self { id: rollout.id, packages: written_packages(rollout), failures, paused })
    }
}

/// `GET /`
///
/// # Errors
/// 503 without the database.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer) -> Answer {
    let now = state.clock.now();
    let store = &state.store;
    let (counted, course, packages, newest) = futures_util::try_join!(
        counted(&state),
        store.fleet_course(now - Day::SPAN),
        store.packages(None, None, ACTIVITY as u32),
        store.newest_devices(NEW_DEVICES),
    )?;
    let packages = packages?.items;
    let (fleet, rollouts) = (&counted.fleet, &counted.rollouts);
    let attention: Vec<Attention> = rollouts.iter().filter_map(Attention::of).collect();
    let troubles: Vec<Trouble> =
        fleet.attention.iter().map(|(what, count)| Trouble { what: *what, count: *count }).collect();
    let page = Overview {
        online: fleet.online,
        offline: fleet.devices.saturating_sub(fleet.online),
        total: fleet.devices,
        counted_at: Some(counted.at).filter(|at| now - *at > STALE),
        counted_ago_ms: counted.ago_ms(&state),
        packages: counted.modules.iter().map(|module| module.packages).sum(),
        modules: counted.modules.iter().cloned().map(ModuleVersions::from).collect(),
        rollouts_live: rollouts.iter().filter(|summary| is_under_way(summary)).map(RolloutRow::from).collect(),
        calm: attention.is_empty() && troubles.iter().all(|trouble| trouble.count == 0),
        troubles,
        attention,
        day: Day::new(&course, FleetPoint { at: now, online: fleet.online, devices: fleet.devices }),
        activity: activity(rollouts, &packages, &newest),
        trouble: state.fleet.ended_part().or_else(|| state.fleet.trouble()).as_deref().map(shown),
        warnings: state.fleet.warnings().to_vec(),
        server_url: server_url(&request, &state),
    };
    show(&request, page)
}

/// What happened lately, newest first.
fn activity(rollouts: &[RolloutSummary], packages: &[Package], devices: &[Device]) -> Vec<Activity> {
    let mut all = Vec::new();
    for summary in rollouts {
        let rollout = &summary.rollout;
        let by = Some(shown(&rollout.created_by));
        let (subject, name) = (rollout.id.to_string(), written_packages(rollout));
        let begun = Activity { at: rollout.created_at, kind: "rollout_begun", subject, name, by, state: None };
        if let Some(at) = rollout.ended_at {
            let (subject, name, state) = (begun.subject.clone(), begun.name.clone(), Some(rollout.state));
            all.push(Activity { at, kind: "rollout_ended", subject, name, by: None, state });
        }
        all.push(begun);
    }
    all.extend(packages.iter().map(|package| Activity {
        at: package.created_at,
        kind: "package",
        subject: package.version.to_string(),
        name: package.name.to_string(),
        by: Some(shown(&package.created_by)),
        state: None,
    }));
    all.extend(devices.iter().map(|device| Activity {
        at: device.created_at,
        kind: "device",
        subject: device.device_id.to_string(),
        name: shown(&device.name),
        by: None,
        state: None,
    }));
    all.sort_by_key(|activity| std::cmp::Reverse(activity.at));
    all.truncate(ACTIVITY);
    all
}

/// Live ones, and completed ones that still serve terminals which were away.
fn is_under_way(summary: &RolloutSummary) -> bool {
    let open = changing(summary).sum(AssignmentState::holds_a_lease);
    summary.rollout.state.is_live() || (summary.rollout.state == RolloutState::Completed && open > 0)
}
