//! Rollouts as they are written: created whole, then saved change by change before anything is said to a device.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use diesel::prelude::*;

use super::alike::alike;
use super::connection::Db;
use super::devices::in_chunks;
use super::dialect::{CHUNK, Value, last_id};
use super::rows::{Columns, statements};
use super::schema::{devices, modules, rollouts};
use super::stored::{NAME, fit, millis, optional, parsed, size, to_json};
use super::{Outcome, Result, Store, StoreError, packages, rollout_history};
use crate::domain::{
    Assignment, Release, Rollout, RolloutId, RolloutPackage, RolloutState, Strike, Transition, Version,
};

/// A rollout to be written down, whole, in one transaction, together with the modules' current versions.
/// The `rollout` of each assignment and the `id` are filled in by the store.
#[derive(Debug, Clone)]
pub struct NewRollout {
    /// `id` is ignored.
    pub rollout: Rollout,
    /// `rollout` is ignored.
    pub assignments: Vec<Assignment>,
}

/// What one save of the updater writes: rows as they shall be.
#[derive(Debug, Clone, Default)]
pub struct RolloutChanges {
    /// Updated by id: state, why, open_stages, stages, ended_at.
    pub rollouts: Vec<Rollout>,
    /// Upserted by (rollout, key_id, module).
    pub assignments: Vec<Assignment>,
    /// Appended to the history.
    pub transitions: Vec<Transition>,
    /// Upserted by (key_id, module).
    pub strikes: Vec<Strike>,
}

statements!(UpsertAssignment);

const ASSIGNMENTS: Columns<UpsertAssignment> = Columns::new(
    "assignments",
    &["rollout_id", "key_id", "module"],
    &["from_version", "to_version", "state", "reason", "stage", "attempts", "until", "seen_since", "updated_at"],
);
const PACKAGES: Columns = Columns::new(
    "rollout_packages",
    &["rollout_id", "position"],
    &["module", "version", "size", "sha256", "signature", "previous_version", "requirements"],
);
const MODULES: Columns = Columns::new("modules", &["name"], &["current_version"]);

/// Characters of a reason that are kept: a TEXT of MySQL has 65,535 bytes.
pub(super) const REASON: usize = 4096;

impl RolloutChanges {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rollouts.is_empty()
            && self.assignments.is_empty()
            && self.transitions.is_empty()
            && self.strikes.is_empty()
    }
}

impl Store {
    /// A `previous_version` that is `None` is filled in from the modules' current versions. Assignments of devices
    /// deleted meanwhile are left out.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when one of the packages was deleted meanwhile.
    pub async fn create_rollout(&self, rollout: NewRollout) -> Result<RolloutId> {
        self.write(move |db| create(db, &rollout)).await
    }

    /// The way back of a rollout, whole, and the rollout as it then is: all of it or nothing. `None`: its state
    /// forbids that by now, and nothing was written.
    ///
    /// # Errors
    /// As [`create_rollout`](Self::create_rollout).
    pub async fn take_back(&self, old: Rollout, way_back: Vec<NewRollout>) -> Result<Option<Vec<RolloutId>>> {
        self.write(move |db| {
            let state: Option<String> =
                rollouts::table.find(old.id.0).select(rollouts::state).get_result(db).optional()?;
            let state: Option<RolloutState> = state.map(|state| parsed(&state)).transpose()?;
            if !state.is_some_and(|state| state.may_become(old.state)) {
                return Ok(None);
            }
            update(db, &old)?;
            way_back.iter().map(|new| create(db, new)).collect::<Outcome<_>>().map(Some)
        })
        .await
    }

    /// One transaction. Assignments of devices deleted meanwhile are left out.
    pub async fn save_rollouts(&self, changes: impl Into<Arc<RolloutChanges>>) -> Result<()> {
        let changes = changes.into();
        self.write(move |db| {
            for rollout in &changes.rollouts {
                update(db, rollout)?;
            }
            let known = save_assignments(db, None, &changes.assignments)?;
            rollout_history::append(db, &changes.transitions, &known)?;
            rollout_history::strike(db, &changes.strikes, &known)
        })
        .await
    }
}

fn create(db: &mut Db, new: &NewRollout) -> Outcome<RolloutId> {
    let rollout = &new.rollout;
    for package in &rollout.packages {
        still_there(db, &package.release)?;
    }
    let row = (
        rollouts::state.eq(rollout.state.as_str()),
        rollouts::why.eq(rollout.why.as_deref()),
        rollouts::allow_rollback.eq(rollout.allow_rollback),
        rollouts::target.eq(to_json(&rollout.target)?),
        rollouts::policy.eq(to_json(&rollout.policy)?),
        rollouts::open_stages.eq(i64::from(rollout.open_stages)),
        rollouts::stages.eq(i64::from(rollout.stages)),
        rollouts::created_at.eq(millis(rollout.created_at)),
        rollouts::created_by.eq(fit(&rollout.created_by, NAME)),
        rollouts::ended_at.eq(rollout.ended_at.map(millis)),
        rollouts::plan.eq(to_json(&rollout.plan)?),
        rollouts::takes_back.eq(rollout.takes_back.map(|id| id.0)),
    );
    diesel::insert_into(rollouts::table).values(row).execute(db)?;
    let id = RolloutId(last_id(db)?);
    save_packages(db, id, &rollout.packages)?;
    if !rollout.state.awaits_people() {
        make_current(db, &rollout.packages)?;
    }
    save_assignments(db, Some(id), &new.assignments)?;
    Ok(id)
}

fn still_there(db: &mut Db, release: &Release) -> Outcome<()> {
    match packages::find(db, &release.module, &release.version)? {
        Some(package) if package.sha256 == release.sha256 => Ok(()),
        _ => Err(StoreError::Unusable(format!("package {} {} was deleted meanwhile", release.module, release.version))
            .into()),
    }
}

/// Copies the packages into the rollout.
fn save_packages(db: &mut Db, id: RolloutId, packages: &[RolloutPackage]) -> Outcome<()> {
    let mut rows: Vec<Vec<Value>> = Vec::new();
    for (position, package) in packages.iter().enumerate() {
        let release = &package.release;
        let before: Option<Option<String>> =
            modules::table.find(release.module.as_str()).select(modules::current_version).get_result(db).optional()?;
        let current: Option<Version> = optional(before.flatten().as_deref())?;
        let previous = package.previous_version.as_ref().or(current.as_ref());
        rows.push(vec![
            id.0.into(),
            size(position as u64).into(),
            release.module.as_str().into(),
            release.version.as_str().into(),
            size(release.size).into(),
            release.sha256.as_str().into(),
            release.signature.as_deref().into(),
            previous.map(Version::as_str).into(),
            Some(to_json(&release.requires)?).filter(|_| !release.requires.is_empty()).into(),
        ]);
    }
    Ok(PACKAGES.insert(db, rows)?)
}

/// The versions of a rollout that has been started are the modules' current ones.
fn make_current(db: &mut Db, packages: &[RolloutPackage]) -> Outcome<()> {
    let current = |package: &RolloutPackage| -> Vec<Value> {
        vec![package.release.module.as_str().into(), package.release.version.as_str().into()]
    };
    Ok(MODULES.upsert(db, packages.iter().map(current).collect())?)
}

fn update(db: &mut Db, rollout: &Rollout) -> Outcome<()> {
    let before: Option<String> =
        rollouts::table.find(rollout.id.0).select(rollouts::state).get_result(db).optional()?;
    let before: Option<RolloutState> = before.map(|state| parsed(&state)).transpose()?;
    if before.is_some_and(RolloutState::awaits_people) && rollout.state.is_live() && !rollout.state.awaits_people() {
        make_current(db, &rollout.packages)?;
    }
    let values = (
        rollouts::state.eq(rollout.state.as_str()),
        rollouts::why.eq(rollout.why.as_deref().map(|why| fit(why, REASON))),
        rollouts::open_stages.eq(i64::from(rollout.open_stages)),
        rollouts::stages.eq(i64::from(rollout.stages)),
        rollouts::ended_at.eq(rollout.ended_at.map(millis)),
        rollouts::approved_by.eq(rollout.approved_by.as_deref().map(|by| fit(by, NAME))),
    );
    Ok(diesel::update(rollouts::table.find(rollout.id.0)).set(values).execute(db).map(drop)?)
}

/// As rows of rollout `id`, or of the one that each names. Returns which of their devices exist.
fn save_assignments(db: &mut Db, id: Option<RolloutId>, assignments: &[Assignment]) -> Outcome<HashSet<i64>> {
    let known = known_devices(db, assignments)?;
    let mut kept: Vec<&Assignment> = assignments.iter().filter(|row| known.contains(&row.key_id.0)).collect();
    // In the order of the table's keys: each row then goes beside the one before it.
    kept.sort_by_key(|row| (row.rollout, row.key_id, &row.module));
    let row = |assignment: &Assignment| row(id.unwrap_or(assignment.rollout), assignment);
    ASSIGNMENTS.upsert_alike(db, alike(kept, |assignment| assignment.key_id, all_but_device, row))?;
    Ok(known)
}

fn all_but_device(assignment: &Assignment) -> impl Eq + Hash {
    let Assignment { rollout, key_id: _, module, from, to, state, reason, .. } = assignment;
    let Assignment { stage, attempts, until, seen_since, updated_at, .. } = assignment;
    ((rollout, module, from, to, state, reason), (stage, attempts, until, seen_since, updated_at))
}

fn row(rollout: RolloutId, assignment: &Assignment) -> Vec<Value> {
    vec![
        rollout.0.into(),
        assignment.key_id.0.into(),
        assignment.module.as_str().into(),
        assignment.from.as_ref().map(Version::as_str).into(),
        assignment.to.as_str().into(),
        assignment.state.as_str().into(),
        assignment.reason.as_deref().map(|reason| fit(reason, REASON)).into(),
        assignment.stage.into(),
        assignment.attempts.into(),
        assignment.until.map(millis).into(),
        assignment.seen_since.map(millis).into(),
        millis(assignment.updated_at).into(),
    ]
}

/// Which of the assignments' devices exist. Of many at once it is quicker to read all keys.
fn known_devices(db: &mut Db, assignments: &[Assignment]) -> Outcome<HashSet<i64>> {
    let all = devices::table.select(devices::key_id);
    let keys: HashSet<i64> = assignments.iter().map(|assignment| assignment.key_id.0).collect();
    let found: Vec<i64> = if keys.len() > 10 * CHUNK {
        all.load(db)?
    } else {
        let keys: Vec<i64> = keys.into_iter().collect();
        in_chunks(&keys, |chunk| all.filter(devices::key_id.eq_any(chunk)).load(db))?
    };
    Ok(found.into_iter().collect())
}
