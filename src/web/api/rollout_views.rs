//! Rollouts and their progress as the API shows them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::actors::Fleet;
use crate::domain::{
    Assignment, AssignmentState, Counts, DeviceId, KeyId, ModuleName, PlanSummary, Policy, Rollout, RolloutId,
    RolloutPackage, RolloutState, Sha256Hex, Target, Timestamp, Version, millis_rfc3339,
};
use crate::store::{RolloutDevice, RolloutSummary};

/// A rollout with its tally.
#[derive(Debug, Serialize)]
pub struct RolloutView<'a> {
    id: RolloutId,
    state: RolloutState,
    why: Option<&'a str>,
    packages: Vec<PackageView<'a>>,
    policy: &'a Policy,
    target: &'a Target,
    allow_rollback: bool,
    counts: Counts,
    /// Devices with at least one assignment.
    devices: u64,
    open_stages: u32,
    stages: u32,
    #[serde(with = "millis_rfc3339")]
    created_at: Timestamp,
    created_by: &'a str,
    #[serde(with = "millis_rfc3339::option")]
    ended_at: Option<Timestamp>,
    approved_by: Option<&'a str>,
    /// The rollout that this one is the way back of.
    takes_back: Option<RolloutId>,
    /// What was planned, in numbers; `counts` is what came of it.
    plan: &'a PlanSummary,
}

#[derive(Debug, Serialize)]
struct PackageView<'a> {
    name: &'a ModuleName,
    version: &'a Version,
    size: u64,
    sha256: &'a Sha256Hex,
    /// What was current before this rollout.
    previous_version: Option<&'a Version>,
}

impl<'a> From<&'a RolloutSummary> for RolloutView<'a> {
    fn from(summary: &'a RolloutSummary) -> Self {
        let Rollout { id, state, allow_rollback, open_stages, stages, created_at, ended_at, .. } = summary.rollout;
        let rollout = &summary.rollout;
        Self {
            id,
            state,
            why: rollout.why.as_deref(),
            packages: rollout.packages.iter().map(PackageView::from).collect(),
            policy: &rollout.policy,
            target: &rollout.target,
            allow_rollback,
            counts: summary.counts,
            devices: summary.devices,
            open_stages,
            stages,
            created_at,
            created_by: &rollout.created_by,
            ended_at,
            approved_by: rollout.approved_by.as_deref(),
            takes_back: rollout.takes_back,
            plan: &rollout.plan,
        }
    }
}

impl<'a> From<&'a RolloutPackage> for PackageView<'a> {
    fn from(package: &'a RolloutPackage) -> Self {
        let release = &package.release;
        Self {
            name: &release.module,
            version: &release.version,
            size: release.size,
            sha256: &release.sha256,
            previous_version: package.previous_version.as_ref(),
        }
    }
}

/// A row of the progress table.
#[derive(Debug, Serialize)]
pub struct ProgressRow<'a> {
    device_id: &'a DeviceId,
    key_id: KeyId,
    name: &'a str,
    online: bool,
    modules: BTreeMap<&'a ModuleName, ModuleProgress<'a>>,
}

#[derive(Debug, Serialize)]
struct ModuleProgress<'a> {
    /// What the device says it runs.
    version: Option<&'a Version>,
    target: &'a Version,
    state: AssignmentState,
    reason: Option<&'a str>,
    /// Bytes, while it is downloading.
    received: Option<u64>,
    size: Option<u64>,
}

impl<'a> ProgressRow<'a> {
    /// One device's row in this rollout's table.
    #[must_use]
    pub fn new(row: &'a RolloutDevice, rollout: &'a Rollout, fleet: &Fleet) -> Self {
        let modules = row.assignments.iter().map(|assignment| {
            let size = rollout.packages.iter().find(|p| p.release.module == assignment.module).map(|p| p.release.size);
            (&assignment.module, ModuleProgress::new(row, assignment, size, fleet))
        });
        Self {
            device_id: &row.device.device_id,
            key_id: row.device.key_id,
            name: &row.device.name,
            online: row.device.online,
            modules: modules.collect(),
        }
    }
}

impl<'a> ModuleProgress<'a> {
    fn new(row: &'a RolloutDevice, assignment: &'a Assignment, size: Option<u64>, fleet: &Fleet) -> Self {
        let downloading = assignment.state == AssignmentState::Downloading;
        let transfer = downloading.then(|| fleet.transfer(assignment.key_id, &assignment.module)).flatten();
        Self {
            version: row.device.modules.get(&assignment.module),
            target: &assignment.to,
            state: assignment.state,
            reason: assignment.reason.as_deref(),
            received: transfer.map(|(received, _)| received),
            size,
        }
    }
}
