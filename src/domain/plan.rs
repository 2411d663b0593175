//! The plan of a rollout: who changes what, in which stage, and who is left out and why.
//!
//! Wanted: the same request over the same fleet gives the same plan, so that what was shown is what happens; the
//! first stage holds devices that can answer (online ones first), and which ones they are does not depend on
//! names or age, so that no device is always the first to be tried.

use std::cmp::Ordering;

use serde::Serialize;

use super::{
    Assignment, AssignmentState, Candidate, DeviceId, KeyId, ModuleName, Release, RolloutId, RolloutRequest, Sha256Hex,
    Timestamp, Version,
};

/// What a rollout would do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Devices that change, in the order of their stages.
    pub changes: Vec<PlannedDevice>,
    /// Modules that are left out, with the reason.
    pub excluded: Vec<Exclusion>,
    /// How many devices each stage has.
    pub stages: Vec<u32>,
    /// Package bytes to be sent in all.
    pub bytes: u64,
}

/// A device that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedDevice {
    #[serde(skip)]
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub name: String,
    pub online: bool,
    /// From 1.
    pub stage: u32,
    pub modules: Vec<PlannedModule>,
}

/// A module that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedModule {
    pub name: ModuleName,
    /// `null`: the device has not got the module yet.
    pub from: Option<Version>,
    pub to: Version,
    /// Bytes to be sent.
    pub size: u64,
    /// Whether the device goes to a lower version.
    pub rollback: bool,
}

/// A module of a device that is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exclusion {
    #[serde(skip)]
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub name: String,
    pub module: ModuleName,
    pub from: Option<Version>,
    pub reason: ExclusionReason,
}

/// Why a module of a device is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    /// The device runs this very version.
    SameVersion,
    /// The device runs a higher version, and the rollout does not allow rollback.
    NewerAlready,
}

impl ExclusionReason {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameVersion => "same_version",
            Self::NewerAlready => "newer_already",
        }
    }
}

/// Whether a device that runs `current` is to get `target`.
///
/// # Errors
/// The reason why not.
pub fn compare(current: Option<&Version>, target: &Version, allow_rollback: bool) -> Result<(), ExclusionReason> {
    let Some(current) = current else { return Ok(()) };
    if current == target {
        return Err(ExclusionReason::SameVersion);
    }
    match (target.compare(current), allow_rollback) {
        (Ordering::Greater, _) | (_, true) => Ok(()),
        (Ordering::Equal, false) => Err(ExclusionReason::SameVersion),
        (Ordering::Less, false) => Err(ExclusionReason::NewerAlready),
    }
}

/// Plans a rollout of `releases` (one per module, in the request's order) over `candidates`.
#[must_use]
pub fn plan(request: &RolloutRequest, releases: &[Release], mut candidates: Vec<Candidate>) -> Plan {
    let draw = |key: KeyId| draw(releases, key);
    candidates.sort_by_cached_key(|c| (!c.online, draw(c.key_id), c.key_id));
    let mut plan = Plan { changes: Vec::new(), excluded: Vec::new(), stages: Vec::new(), bytes: 0 };
    for candidate in candidates {
        let modules = plan.sort_modules(request, releases, &candidate);
        if !modules.is_empty() {
            plan.bytes += modules.iter().map(|m| m.size).sum::<u64>();
            plan.changes.push(PlannedDevice {
                key_id: candidate.key_id,
                device_id: candidate.device_id,
                name: candidate.name,
                online: candidate.online,
                stage: 0,
                modules,
            });
        }
    }
    plan.cut_into_stages(request);
    plan
}

/// A number that is as good as drawn, and the same each time for the same packages and device.
fn draw(releases: &[Release], key: KeyId) -> Sha256Hex {
    let mut text = key.to_string();
    for release in releases {
        text.push('/');
        text.push_str(release.sha256.as_str());
    }
    Sha256Hex::of(text.as_bytes())
}

impl Plan {
    fn sort_modules(
        &mut self,
        request: &RolloutRequest,
        releases: &[Release],
        device: &Candidate,
    ) -> Vec<PlannedModule> {
        let mut modules = Vec::new();
        for release in releases {
            let current = device.modules.get(&release.module);
            match compare(current, &release.version, request.allow_rollback) {
                Ok(()) => modules.push(PlannedModule {
                    name: release.module.clone(),
                    from: current.cloned(),
                    to: release.version.clone(),
                    size: release.size,
                    rollback: current.is_some_and(|current| current.is_newer_than(&release.version)),
                }),
                Err(reason) => self.excluded.push(Exclusion {
                    key_id: device.key_id,
                    device_id: device.device_id.clone(),
                    name: device.name.clone(),
                    module: release.module.clone(),
                    from: current.cloned(),
                    reason,
                }),
            }
        }
        modules
    }

    fn cut_into_stages(&mut self, request: &RolloutRequest) {
        let total = u32::try_from(self.changes.len()).unwrap_or(u32::MAX);
        let mut begin = 0;
        for (index, end) in request.policy.stage_ends(total).into_iter().enumerate() {
            for device in &mut self.changes[begin as usize..end as usize] {
                device.stage = index as u32 + 1;
            }
            self.stages.push(end - begin);
            begin = end;
        }
    }

    /// The rows it becomes, excluded ones too.
    #[must_use]
    pub fn assignments(&self, now: Timestamp) -> Vec<Assignment> {
        let changing = self.changes.iter().flat_map(|device| {
            device.modules.iter().map(move |module| Assignment {
                rollout: RolloutId(0),
                key_id: device.key_id,
                module: module.name.clone(),
                from: module.from.clone(),
                to: module.to.clone(),
                state: AssignmentState::Waiting,
                reason: None,
                stage: device.stage - 1,
                attempts: 0,
                until: None,
                seen_since: None,
                updated_at: now,
            })
        });
        changing.collect()
    }

    /// The rows of what is left out. `releases` gives the version each module would have had.
    #[must_use]
    pub fn exclusions(&self, releases: &[Release], now: Timestamp) -> Vec<Assignment> {
        let target = |module: &ModuleName| releases.iter().find(|r| r.module == *module).map(|r| r.version.clone());
        let row = |e: &Exclusion| {
            Some(Assignment {
                rollout: RolloutId(0),
                key_id: e.key_id,
                module: e.module.clone(),
                from: e.from.clone(),
                to: target(&e.module)?,
                state: AssignmentState::Excluded,
                reason: Some(e.reason.as_str().to_owned()),
                stage: 0,
                attempts: 0,
                until: None,
                seen_since: None,
                updated_at: now,
            })
        };
        self.excluded.iter().filter_map(row).collect()
    }
}
