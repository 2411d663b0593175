//! From what an admin asks for to a rollout that is written down: checks, plan, rows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{FieldError, RolloutError};
use crate::domain::{
    Assignment, AssignmentState, Candidate, Counts, DeviceId, Filter, KeyId, OpenCourse, Plan, Policy, Readings,
    Release, Rollout, RolloutId, RolloutPackage, RolloutRequest, RolloutState, Target, Timestamp, Turn, plan,
};
use crate::store::{NewRollout, Store, StoreError};

/// Most modules that one rollout changes.
const MAX_PACKAGES: usize = 100;

/// A rollout that is on disk, as the engine takes it.
pub(super) struct Ready {
    pub open: OpenCourse,
    /// Since when those of them that are offline are.
    pub away: Vec<(KeyId, Timestamp)>,
    /// What those of them that are online reported last, where the policy asks for that.
    pub readings: HashMap<KeyId, Readings>,
}

/// A plan, and what it rests on.
pub(super) struct Planned {
    pub plan: Plan,
    pub releases: Vec<Release>,
    away: Vec<(KeyId, Timestamp)>,
}

impl From<StoreError> for RolloutError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The same packages for the same target are under way already.
pub(super) fn same_rollout<'a>(
    mut live: impl Iterator<Item = &'a Rollout>,
    request: &RolloutRequest,
) -> Option<RolloutError> {
    let versions = |rollout: &Rollout| -> Vec<_> {
        let release = |p: &RolloutPackage| (p.release.module.clone(), p.release.version.clone());
        rollout.packages.iter().map(release).collect()
    };
    let same = live.find(|rollout| {
        rollout.state.is_live()
            && rollout.target == request.target
            && rollout.allow_rollback == request.allow_rollback
            && versions(rollout) == request.packages
    })?;
    Some(RolloutError::Conflict(format!(
        "rollout {} has the same packages and target and is {}; cancel it, or change this one",
        same.id, same.state
    )))
}

/// Checks a request and plans it; changes nothing.
pub(super) async fn make_plan(
    store: &Store,
    request: &RolloutRequest,
    now: Timestamp,
) -> Result<Planned, RolloutError> {
    let mut errors = request_errors(request, now);
    let mut releases = Vec::new();
    for (index, (module, version)) in request.packages.iter().enumerate() {
        match store.package(module, version).await? {
            Some(package) => releases.push(package.release()),
            None => errors.push(field(
                &format!("packages[{index}]"),
                format!("there is no package {module} {version}; upload it first"),
            )),
        }
    }
    if !errors.is_empty() {
        return Err(RolloutError::Invalid(errors));
    }
    let candidates = store.candidates(&request.target).await?;
    plan_over(request, releases, candidates)
}

/// Plans over the devices that the target includes.
pub(super) fn plan_over(
    request: &RolloutRequest,
    releases: Vec<Release>,
    candidates: Vec<Candidate>,
) -> Result<Planned, RolloutError> {
    if let Some(error) = missing(&request.target, candidates.iter().map(|c| &c.device_id).collect()) {
        return Err(RolloutError::Invalid(vec![error]));
    }
    let away = candidates.iter().filter(|c| !c.online).map(|c| (c.key_id, c.since)).collect();
    let plan = plan(request, &releases, candidates);
    Ok(Planned { plan, releases, away })
}

fn field(field: &str, message: impl Into<String>) -> FieldError {
    FieldError { field: field.to_owned(), message: message.into() }
}

fn request_errors(request: &RolloutRequest, now: Timestamp) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> =
        request.policy.errors().into_iter().map(|error| field(&error.field, error.message)).collect();
    if request.packages.is_empty() {
        errors.push(field("packages", "name at least one package"));
    }
    if request.packages.len() > MAX_PACKAGES {
        errors.push(field("packages", format!("at most {MAX_PACKAGES} packages")));
    }
    for (index, (module, _)) in request.packages.iter().enumerate() {
        if request.packages[..index].iter().any(|(before, _)| before == module) {
            errors
                .push(field(&format!("packages[{index}]"), format!("{module} is named twice; one version per module")));
        }
    }
    errors.extend(set_errors(request));
    if request.policy.not_before.is_some_and(|at| at <= now) {
        errors.push(field("policy.not_before", "must be in the future; leave it out to start now"));
    }
    errors
}

/// All or nothing needs a slot for each package of a device at once.
fn set_errors(request: &RolloutRequest) -> Vec<FieldError> {
    let (policy, packages) = (&request.policy, request.packages.len());
    let limits = [("max_in_flight", Some(policy.max_in_flight)), ("starts_per_minute", policy.starts_per_minute)];
    let too_low = |(name, limit): (&str, Option<u32>)| {
        let limit = limit.filter(|limit| policy.all_or_nothing && (*limit as usize) < packages)?;
        let message = format!("all or nothing asks a device for {packages} packages at once; {limit} is too few");
        Some(field(&format!("policy.{name}"), message))
    };
    limits.into_iter().filter_map(too_low).collect()
}

/// A set that the limit of the whole fleet would never let out.
pub(super) fn set_beyond(fleet_limit: Option<u32>, request: &RolloutRequest) -> Option<RolloutError> {
    let packages = request.packages.len();
    let limit = fleet_limit.filter(|limit| request.policy.all_or_nothing && (*limit as usize) < packages)?;
    let message = format!("the server lets {limit} updates be under way at once, and these are {packages}");
    Some(RolloutError::Invalid(vec![field("policy.all_or_nothing", message)]))
}

fn missing(target: &Target, mut found: Vec<&DeviceId>) -> Option<FieldError> {
    match target {
        Target::DeviceIds(ids) => {
            found.sort();
            let unknown: Vec<&str> =
                ids.iter().filter(|id| found.binary_search(id).is_err()).map(DeviceId::as_str).take(10).collect();
            (!unknown.is_empty())
                .then(|| field("target.device_ids", format!("there is no device {}", unknown.join(", "))))
        }
        Target::Static(target) => missing(target, found),
        Target::Filter(_) if found.is_empty() => Some(field("target.filter", "no device fits this filter")),
        Target::Tags(_) if found.is_empty() => Some(field("target.tags", "no device has these tags")),
        Target::All if found.is_empty() => Some(field("target", "there is no device yet")),
        _ => None,
    }
}

/// Checks, plans, and writes down. `approval`: a second person must agree first.
pub(super) async fn write_down(
    store: &Store,
    request: RolloutRequest,
    now: Timestamp,
    approval: bool,
) -> Result<Ready, RolloutError> {
    let planned = make_plan(store, &request, now).await?;
    let state = match (request.draft, approval, request.policy.not_before) {
        (true, ..) => RolloutState::Draft,
        (false, true, _) => RolloutState::AwaitingApproval,
        (false, false, Some(_)) => RolloutState::Scheduled,
        (false, false, None) => RolloutState::Running,
    };
    let (new, draft) = draft(store, &request, planned, now, state, None).await?;
    let id = store.create_rollout(new).await?;
    Ok(draft.written(id))
}

/// What a rollout begins with, once it is on disk.
pub(super) struct Draft {
    open: OpenCourse,
    away: Vec<(KeyId, Timestamp)>,
    readings: HashMap<KeyId, Readings>,
}

impl Draft {
    /// It is on disk under this id.
    pub fn written(self, id: RolloutId) -> Ready {
        let Self { mut open, away, readings } = self;
        open.rollout.id = id;
        open.rows.iter_mut().for_each(|row| row.rollout = id);
        Ready { open, away, readings }
    }
}

/// What is to be written down of a plan, and what it begins with then. `takes_back`: the rollout that it is the way
/// back of.
pub(super) async fn draft(
    store: &Store,
    request: &RolloutRequest,
    planned: Planned,
    now: Timestamp,
    state: RolloutState,
    takes_back: Option<RolloutId>,
) -> Result<(NewRollout, Draft), RolloutError> {
    let Planned { plan, releases, away } = planned;
    let rows = plan.assignments(now);
    let exclusions = plan.exclusions(&releases, now);
    let rollout = Rollout {
        id: RolloutId(0),
        state,
        why: None,
        packages: releases.into_iter().map(|release| RolloutPackage { release, previous_version: None }).collect(),
        allow_rollback: request.allow_rollback,
        target: request.target.clone(),
        policy: Policy { ..request.policy.clone() },
        open_stages: 0,
        stages: u32::try_from(plan.stages.len()).unwrap_or(u32::MAX).max(1),
        created_at: now,
        created_by: request.by.clone(),
        ended_at: None,
        approved_by: None,
        takes_back,
        plan: plan.summary(),
    };
    let assignments: Vec<Assignment> = rows.iter().chain(&exclusions).cloned().collect();
    let tallies = tally(&assignments);
    // Those with something to do are made of their rows.
    let turns: HashMap<KeyId, Turn> = exclusions.iter().map(|row| (row.key_id, Turn::new(row.stage))).collect();
    // Before it is written down: what is on disk is taken in hand, whatever else can't be read.
    let readings = readings(store, &request.policy, &rows, &away).await?;
    let open = OpenCourse { rollout: rollout.clone(), rows, tallies, turns, recent_starts: Vec::new() };
    Ok((NewRollout { rollout, assignments }, Draft { open, away, readings }))
}

/// What the devices of these rows reported last, where a policy asks for that: nobody has watched them so far.
pub(super) async fn readings(
    store: &Store,
    policy: &Policy,
    rows: &[Assignment],
    away: &[(KeyId, Timestamp)],
) -> Result<HashMap<KeyId, Readings>, StoreError> {
    if !policy.asks_for_readings() {
        return Ok(HashMap::new());
    }
    let away: HashSet<KeyId> = away.iter().map(|(key, _)| *key).collect();
    let keys: BTreeSet<KeyId> = rows.iter().map(|row| row.key_id).filter(|key| !away.contains(key)).collect();
    store.readings(keys.into_iter().collect(), policy.only_when.as_ref().is_some_and(Filter::asks_for_fields)).await
}

fn tally(rows: &[Assignment]) -> Vec<(u32, Counts)> {
    let mut tallies: BTreeMap<u32, Counts> = BTreeMap::new();
    for row in rows {
        tallies.entry(row.stage).or_default().add(row.state, 1);
    }
    debug_assert!(rows.iter().all(|row| matches!(row.state, AssignmentState::Waiting | AssignmentState::Excluded)));
    tallies.into_iter().collect()
}
