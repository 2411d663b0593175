//! The way back of a rollout: to what each device ran before it, one rollout for each set of such versions.

use std::collections::{BTreeMap, HashMap};

use super::prepare::{Draft, Ready, draft, plan_over};
use super::{FieldError, RolloutError};
use crate::domain::{
    AssignmentState, DeviceId, ModuleName, Policy, Release, RolloutId, RolloutRequest, RolloutState, Target, Timestamp,
    Version,
};
use crate::store::{Changed, NewRollout, Store};

/// A way back that is on disk.
pub(super) struct WayBack {
    pub ready: Vec<Ready>,
    /// Modules of devices that stay as they are, by reason.
    pub left: BTreeMap<String, u64>,
}

/// What devices go back to, with those that do.
type Groups = HashMap<Vec<(ModuleName, Version)>, Vec<Changed>>;

/// Plans the way back and writes it down, together with the old rollout as taken back: all of it or nothing.
pub(super) async fn prepare(store: &Store, id: RolloutId, by: &str, now: Timestamp) -> Result<WayBack, RolloutError> {
    let mut rollout = store.rollout(id).await?.ok_or(RolloutError::NotFound)?.rollout;
    if !rollout.state.may_become(RolloutState::RolledBack) {
        return Err(RolloutError::Conflict(format!("the rollout is {}, so it can't be taken back", rollout.state)));
    }
    let mut left: BTreeMap<String, u64> = BTreeMap::new();
    let groups = group(store.changed_by(id).await?, &mut left);
    let (mut new, mut drafts): (Vec<NewRollout>, Vec<Draft>) = Default::default();
    for (packages, devices) in groups {
        let releases = match releases(store, &packages).await? {
            Ok(releases) => releases,
            Err(missing) => {
                *left.entry(missing).or_default() += devices.len() as u64 * packages.len() as u64;
                continue;
            }
        };
        let request = request(&rollout.policy, &packages, &devices, by);
        let mut candidates = store.candidates(&request.target).await?;
        // What may still come up with the new version counts as if it ran it.
        let given: HashMap<&DeviceId, &Changed> = devices.iter().map(|device| (&device.device_id, device)).collect();
        for candidate in &mut candidates {
            for row in given.get(&candidate.device_id).into_iter().flat_map(|device| &device.rows) {
                candidate.modules.insert(row.module.clone(), row.to.clone());
            }
            candidate.quarantined.clear();
        }
        let planned = plan_over(&request, releases, candidates)?;
        let (rollout, draft) = draft(store, &request, planned, now, RolloutState::Running, Some(id)).await?;
        new.push(rollout);
        drafts.push(draft);
    }
    if drafts.is_empty() {
        let why: Vec<String> = left.iter().map(|(reason, n)| format!("{n}: {reason}")).collect();
        let message = match why.is_empty() {
            true => "no terminal runs what this rollout brought; cancel it instead".to_owned(),
            false => format!("nothing can go back ({})", why.join("; ")),
        };
        return Err(RolloutError::Invalid(vec![FieldError { field: "rollout".to_owned(), message }]));
    }
    (rollout.state, rollout.why, rollout.ended_at) = (RolloutState::RolledBack, Some(why(by)), Some(now));
    let written = store.take_back(rollout, new).await?;
    let Some(ids) = written else {
        return Err(RolloutError::Conflict("the rollout was taken back, or ended, a moment ago".to_owned()));
    };
    let ready = drafts.into_iter().zip(ids).map(|(draft, id)| draft.written(id)).collect();
    Ok(WayBack { ready, left })
}

/// Why a rollout ended that was taken back.
pub(super) fn why(by: &str) -> String {
    format!("taken back by {by}")
}

/// Puts devices together that go back to the same.
fn group(changed: Vec<Changed>, left: &mut BTreeMap<String, u64>) -> Groups {
    let mut groups = Groups::new();
    for mut device in changed {
        device.rows.retain(|row| {
            let under_way = matches!(row.state, AssignmentState::Installing | AssignmentState::Verifying);
            device.modules.get(&row.module) == Some(&row.to) || under_way
        });
        let before = device.rows.len();
        device.rows.retain(|row| row.from.is_some());
        if before > device.rows.len() {
            *left.entry("the module was not there before".to_owned()).or_default() +=
                (before - device.rows.len()) as u64;
        }
        let target = device.rows.iter().filter_map(|row| Some((row.module.clone(), row.from.clone()?)));
        let target: Vec<(ModuleName, Version)> = target.collect();
        if !target.is_empty() {
            groups.entry(target).or_default().push(device);
        }
    }
    groups
}

/// The packages of one set, or the words for the one that is missing.
async fn releases(
    store: &Store,
    packages: &[(ModuleName, Version)],
) -> Result<Result<Vec<Release>, String>, RolloutError> {
    let mut releases = Vec::with_capacity(packages.len());
    for (module, version) in packages {
        match store.package(module, version).await? {
            Some(package) => releases.push(package.release()),
            None => return Ok(Err(format!("there is no package {module} {version}; upload it first"))),
        }
    }
    Ok(Ok(releases))
}

/// In haste, and as careful with the network as the way there: everyone at once, no windows, no brakes.
fn request(policy: &Policy, packages: &[(ModuleName, Version)], devices: &[Changed], by: &str) -> RolloutRequest {
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.device_id.clone()).collect();
    RolloutRequest {
        packages: packages.to_vec(),
        allow_rollback: true,
        target: Target::DeviceIds(ids),
        policy: Policy {
            stages: vec![crate::domain::Stage::Percent(100.0)],
            max_failures: 0,
            max_failure_percent: 100,
            not_before: None,
            windows: Vec::new(),
            max_of_kind: crate::domain::KindLimits::default(),
            priority: 100,
            ..policy.clone()
        },
        draft: false,
        by: by.to_owned(),
    }
}
