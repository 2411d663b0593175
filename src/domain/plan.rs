//! The plan of a rollout: who changes what, in which stage, and who is left out and why.
//!
//! Wanted: the same request over the same fleet gives the same plan, so that what was shown is what happens; the
//! first stage holds devices that can answer (online ones first), and which ones they are does not depend on
//! names or age, so that no device is always the first to be tried.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{
    Assignment, AssignmentState, Candidate, DeviceId, KeyId, ModuleName, Modules, Release, RolloutId, RolloutRequest,
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
    /// What is behind the reason, in words: `needs app1 >= 1.2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A plan in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanSummary {
    /// Devices that were to change.
    pub devices: u64,
    /// Of them, those that were offline.
    pub offline: u64,
    /// Modules that were to change.
    pub assignments: u64,
    /// Package bytes to be sent.
    pub bytes: u64,
    /// How many devices each stage had.
    pub stages: Vec<u32>,
    /// Modules of devices that were left out, by reason.
    pub excluded: BTreeMap<String, u64>,
}

/// Why a module of a device is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExclusionReason {
    /// The device runs this very version.
    SameVersion,
    /// The device runs a higher version, and the rollout does not allow rollback.
    NewerAlready,
    /// The package failed on the device before, too often.
    Quarantined,
    /// The package asks for something that the device is not, or does not run.
    RequirementNotMet,
    /// All or nothing was asked for, and another module of the device is left out.
    SetIncomplete,
    /// All or nothing was asked for, and the device's program can't install several modules as one.
    SetsNotSupported,
}

impl ExclusionReason {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameVersion => "same_version",
            Self::NewerAlready => "newer_already",
            Self::Quarantined => "quarantined",
            Self::RequirementNotMet => "requirement_not_met",
            Self::SetIncomplete => "set_incomplete",
            Self::SetsNotSupported => "sets_not_supported",
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

/// Why a module is left out, and what is behind the reason, in words.
type LeftOut = Option<(ExclusionReason, Option<String>)>;

/// Why each module of a device is left out, if it is.
fn left_out(request: &RolloutRequest, releases: &[Release], device: &Candidate) -> Vec<LeftOut> {
    let mut left_out = left_out_alone(request, releases, device);
    if request.policy.all_or_nothing {
        leave_out_broken_set(releases, device.sets, &mut left_out);
    }
    left_out
}

/// All or nothing: where one module can't have its package, the others don't get theirs. One that has it already is
/// no gap.
pub(super) fn leave_out_broken_set(releases: &[Release], sets: bool, left_out: &mut [LeftOut]) {
    let gap = |out: &LeftOut| out.as_ref().is_some_and(|(reason, _)| *reason != ExclusionReason::SameVersion);
    let because = match left_out.iter().position(gap) {
        Some(n) => {
            let (reason, detail) = left_out[n].clone().unwrap_or((ExclusionReason::SetIncomplete, None));
            let why = detail.unwrap_or_else(|| reason.as_str().to_owned());
            (ExclusionReason::SetIncomplete, Some(format!("{}: {why}", releases[n].module)))
        }
        None if !sets && left_out.iter().filter(|out| out.is_none()).count() > 1 => {
            (ExclusionReason::SetsNotSupported, None)
        }
        None => return,
    };
    for out in left_out.iter_mut().filter(|out| out.is_none()) {
        *out = Some(because.clone());
    }
}

/// Each module for itself. A package may require what another of the same rollout brings.
fn left_out_alone(request: &RolloutRequest, releases: &[Release], device: &Candidate) -> Vec<LeftOut> {
    let mut left_out: Vec<LeftOut> = Vec::with_capacity(releases.len());
    for release in releases {
        let compared = compare(device.modules.get(&release.module), &release.version, request.allow_rollback);
        let struck = device.quarantined.iter().any(|(m, v)| *m == release.module && *v == release.version);
        left_out.push(match compared {
            Err(reason) => Some((reason, None)),
            Ok(()) if struck => Some((ExclusionReason::Quarantined, None)),
            Ok(()) => None,
        });
    }
    if releases.iter().all(|release| release.requires.is_empty()) {
        return left_out;
    }
    // What is left out may be what another needs: until nothing more falls out.
    loop {
        let mut after: Modules = device.modules.clone();
        for (release, _) in releases.iter().zip(&left_out).filter(|(_, out)| out.is_none()) {
            after.insert(release.module.clone(), release.version.clone());
        }
        let falls_out = |(n, release): (usize, &Release)| {
            let own = device.modules.get(&release.module);
            let unmet = release.requires.unmet(own, &after, &device.tags).filter(|_| left_out[n].is_none())?;
            Some((n, unmet.to_string()))
        };
        let Some((n, detail)) = releases.iter().enumerate().find_map(falls_out) else { return left_out };
        left_out[n] = Some((ExclusionReason::RequirementNotMet, Some(detail)));
    }
}

/// A number that is as good as drawn, and the same each time for the same packages and device.
fn draw(releases: &[Release], key: KeyId) -> [u8; 32] {
    let mut hash = sha2::Sha256::new_with_prefix(key.to_string());
    for release in releases {
        hash.update("/");
        hash.update(release.sha256.as_str());
    }
    hash.finalize().into()
}

impl Plan {
    fn sort_modules(
        &mut self,
        request: &RolloutRequest,
        releases: &[Release],
        device: &Candidate,
    ) -> Vec<PlannedModule> {
        let mut modules = Vec::new();
        let left_out = left_out(request, releases, device);
        for (release, left_out) in releases.iter().zip(left_out) {
            let current = device.modules.get(&release.module);
            match left_out.map_or(Ok(()), Err) {
                Ok(()) => modules.push(PlannedModule {
                    name: release.module.clone(),
                    from: current.cloned(),
                    to: release.version.clone(),
                    size: release.size,
                    rollback: current.is_some_and(|current| current.is_newer_than(&release.version)),
                }),
                Err((reason, detail)) => self.excluded.push(Exclusion {
                    key_id: device.key_id,
                    device_id: device.device_id.clone(),
                    name: device.name.clone(),
                    module: release.module.clone(),
                    from: current.cloned(),
                    reason,
                    detail,
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

    /// In numbers.
    #[must_use]
    pub fn summary(&self) -> PlanSummary {
        let mut excluded: BTreeMap<String, u64> = BTreeMap::new();
        for exclusion in &self.excluded {
            *excluded.entry(exclusion.reason.as_str().to_owned()).or_default() += 1;
        }
        PlanSummary {
            devices: self.changes.len() as u64,
            offline: self.changes.iter().filter(|device| !device.online).count() as u64,
            assignments: self.changes.iter().map(|device| device.modules.len() as u64).sum(),
            bytes: self.bytes,
            stages: self.stages.clone(),
            excluded,
        }
    }

    /// The rows it becomes.
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
                reason: Some(e.detail.clone().unwrap_or_else(|| e.reason.as_str().to_owned())),
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
