//! `/`: how the fleet is, who is on what, what moves, what needs a person; for an empty fleet the next steps.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{server_url, show};
use super::rollouts::{RolloutRow, changing, written_packages};
use super::shell::{View, shown};
use crate::domain::{AssignmentState, ModuleName, RolloutId, RolloutState, Version};
use crate::store::{DeviceQuery, ModuleSummary, RolloutSummary};
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;

/// Rollouts looked at for what is under way and what went wrong.
const ROLLOUTS: u32 = 50;

#[derive(Debug, Serialize)]
pub struct Overview {
    pub online: u64,
    pub offline: u64,
    pub total: u64,
    pub packages: u64,
    pub modules: Vec<ModuleVersions>,
    /// Those under way.
    pub rollouts_live: Vec<RolloutRow>,
    pub attention: Vec<Attention>,
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
    let count = |online| state.store.device_count(DeviceQuery { online, limit: 1, ..DeviceQuery::default() });
    let (total, online) = (count(None).await?, count(Some(true)).await?);
    let modules = state.store.modules().await?;
    let rollouts = state.store.rollouts(None, ROLLOUTS).await??.items;
    let live = rollouts.iter().filter(|summary| is_under_way(summary));
    let page = Overview {
        online,
        offline: total.saturating_sub(online),
        total,
        packages: modules.iter().map(|module| module.packages).sum(),
        modules: modules.into_iter().map(ModuleVersions::from).collect(),
        rollouts_live: live.map(RolloutRow::from).collect(),
        attention: rollouts.iter().filter_map(Attention::of).collect(),
        trouble: state.fleet.trouble().as_deref().map(shown),
        warnings: state.fleet.warnings().to_vec(),
        server_url: server_url(&request, &state),
    };
    show(&request, page)
}

/// Live ones, and completed ones that still serve terminals which were away.
fn is_under_way(summary: &RolloutSummary) -> bool {
    let open = changing(summary).sum(AssignmentState::holds_a_lease);
    summary.rollout.state.is_live() || (summary.rollout.state == RolloutState::Completed && open > 0)
}
