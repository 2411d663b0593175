//! Rollouts as they are read: by the updater after a start, by pages and by the plan.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::devices::in_chunks;
use super::dialect::{CHUNK, Sql};
use super::schema::{assignments, rollout_packages, rollouts};
use super::stored::{from_json, instant, optional, optional_instant, parsed, sha256, whole};
use super::{Outcome, Result, Store, rollout_history as history};
use crate::domain::{
    Assignment, AssignmentState, Counts, KeyId, ModuleName, OpenCourse, Release, Rollout, RolloutId, RolloutPackage,
    RolloutState, Turn,
};

/// A rollout with its tally, which is always the sum of its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSummary {
    pub rollout: Rollout,
    pub counts: Counts,
    /// Devices with at least one assignment.
    pub devices: u64,
}

impl Store {
    /// What the updater needs after a start: every rollout that is live, or completed. Oldest first.
    pub async fn open_rollouts(&self) -> Result<Vec<OpenCourse>> {
        self.read(open_rollouts).await
    }

    /// A rollout as the updater takes it up, if it is live or completed.
    pub async fn open_rollout(&self, id: RolloutId) -> Result<Option<OpenCourse>> {
        self.read(move |db| {
            let open = rollouts::table.find(id.0).filter(rollouts::state.eq_any(open_states()));
            let row: Option<RolloutRow> = open.select(RolloutRow::as_select()).get_result(db).optional()?;
            let mut found = with_packages(db, row.into_iter().collect())?;
            found.pop().map(|rollout| course(db, rollout)).transpose()
        })
        .await
    }

    /// Assignments of a rollout that ended badly, of these devices or of all.
    pub async fn failed_assignments(&self, id: RolloutId, only: Option<Vec<KeyId>>) -> Result<Vec<Assignment>> {
        self.read(move |db| {
            let bad = AssignmentState::ALL.into_iter().filter(|s| s.is_failure() || *s == AssignmentState::Declined);
            let rows = in_states(db, id, bad.collect())?;
            let wanted = |row: &Assignment| only.as_ref().is_none_or(|keys| keys.contains(&row.key_id));
            Ok(rows.into_iter().filter(wanted).collect())
        })
        .await
    }

    pub async fn rollout(&self, id: RolloutId) -> Result<Option<RolloutSummary>> {
        self.read(move |db| {
            let row = rollouts::table.find(id.0).select(RolloutRow::as_select()).get_result(db).optional()?;
            Ok(summaries(db, row.into_iter().collect())?.pop())
        })
        .await
    }

    /// Newest first.
    pub async fn rollouts(&self, after: Option<String>, limit: u32) -> Result<Result<Page<RolloutSummary>, BadCursor>> {
        let place: Option<i64> = match cursor::decode("rollouts", after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        self.read(move |db| {
            let limit = cursor::clamp(limit);
            let behind = rollouts::table.filter(rollouts::id.lt(place.unwrap_or(i64::MAX)));
            let newest = behind.order(rollouts::id.desc()).limit(limit as i64 + 1);
            let rows: Vec<RolloutRow> = newest.select(RolloutRow::as_select()).load(db)?;
            let (rows, next) = cursor::page(rows, limit, |row| cursor::encode("rollouts", &row.id));
            Ok(Ok(Page { items: summaries(db, rows)?, next }))
        })
        .await
    }

    /// Every assignment of a device, newest rollout first, at most `limit`.
    pub async fn assignments_of(&self, key_id: KeyId, limit: u32) -> Result<Vec<Assignment>> {
        self.read(move |db| {
            let rows: Vec<AssignmentRow> = assignments::table
                .filter(assignments::key_id.eq(key_id.0))
                .order((assignments::rollout_id.desc(), assignments::module))
                .limit(i64::from(limit))
                .select(AssignmentRow::as_select())
                .load(db)?;
            rows.into_iter().map(AssignmentRow::assignment).collect()
        })
        .await
    }

    /// The newest assignment of each module for each of these devices: what the fleet table shows as module state.
    pub async fn newest_assignments(&self, keys: Vec<KeyId>) -> Result<HashMap<(KeyId, ModuleName), Assignment>> {
        self.read(move |db| newest_assignments(db, &keys)).await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = rollouts)]
struct RolloutRow {
    id: i64,
    state: String,
    why: Option<String>,
    allow_rollback: bool,
    target: String,
    policy: String,
    open_stages: i64,
    stages: i64,
    created_at: i64,
    created_by: String,
    ended_at: Option<i64>,
    plan: Option<String>,
    approved_by: Option<String>,
    takes_back: Option<i64>,
}

impl RolloutRow {
    fn rollout(self, packages: Vec<RolloutPackage>) -> Outcome<Rollout> {
        Ok(Rollout {
            id: RolloutId(self.id),
            state: parsed(&self.state)?,
            why: self.why,
            packages,
            allow_rollback: self.allow_rollback,
            target: from_json(&self.target)?,
            policy: from_json(&self.policy)?,
            open_stages: whole(self.open_stages)?,
            stages: whole(self.stages)?,
            created_at: instant(self.created_at)?,
            created_by: self.created_by,
            ended_at: optional_instant(self.ended_at)?,
            approved_by: self.approved_by,
            takes_back: self.takes_back.map(RolloutId),
            plan: self.plan.as_deref().map(from_json).transpose()?.unwrap_or_default(),
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = rollout_packages)]
struct PackageRow {
    rollout_id: i64,
    module: String,
    version: String,
    size: i64,
    sha256: String,
    signature: Option<String>,
    previous_version: Option<String>,
    requirements: Option<String>,
}

impl PackageRow {
    fn package(self) -> Outcome<RolloutPackage> {
        Ok(RolloutPackage {
            release: Release {
                module: parsed(&self.module)?,
                version: parsed(&self.version)?,
                size: whole(self.size)?,
                sha256: sha256(&self.sha256)?,
                signature: self.signature,
                requires: self.requirements.as_deref().map(from_json).transpose()?.unwrap_or_default(),
            },
            previous_version: optional(self.previous_version.as_deref())?,
        })
    }
}

#[derive(Queryable, Selectable, QueryableByName)]
#[diesel(table_name = assignments)]
pub(super) struct AssignmentRow {
    #[diesel(sql_type = BigInt)]
    rollout_id: i64,
    #[diesel(sql_type = BigInt)]
    key_id: i64,
    #[diesel(sql_type = Text)]
    module: String,
    #[diesel(sql_type = Nullable<Text>)]
    from_version: Option<String>,
    #[diesel(sql_type = Text)]
    to_version: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    stage: i64,
    #[diesel(sql_type = BigInt)]
    attempts: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    until: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    seen_since: Option<i64>,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

impl AssignmentRow {
    pub(super) fn assignment(self) -> Outcome<Assignment> {
        Ok(Assignment {
            rollout: RolloutId(self.rollout_id),
            key_id: KeyId(self.key_id),
            module: parsed(&self.module)?,
            from: optional(self.from_version.as_deref())?,
            to: parsed(&self.to_version)?,
            state: parsed(&self.state)?,
            reason: self.reason,
            stage: whole(self.stage)?,
            attempts: whole(self.attempts)?,
            until: optional_instant(self.until)?,
            seen_since: optional_instant(self.seen_since)?,
            updated_at: instant(self.updated_at)?,
        })
    }
}

/// Puts rows and their packages together.
fn with_packages(db: &mut Db, rows: Vec<RolloutRow>) -> Outcome<Vec<Rollout>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let all = rollout_packages::table.select(PackageRow::as_select()).order(rollout_packages::position);
    let found: Vec<PackageRow> =
        in_chunks(&ids, |chunk| all.filter(rollout_packages::rollout_id.eq_any(chunk)).load(db))?;
    let mut packages: HashMap<i64, Vec<RolloutPackage>> = HashMap::new();
    for row in found {
        packages.entry(row.rollout_id).or_default().push(row.package()?);
    }
    rows.into_iter()
        .map(|row| {
            let packages = packages.remove(&row.id).unwrap_or_default();
            row.rollout(packages)
        })
        .collect()
}

fn summaries(db: &mut Db, rows: Vec<RolloutRow>) -> Outcome<Vec<RolloutSummary>> {
    let mut summaries = Vec::with_capacity(rows.len());
    for rollout in with_packages(db, rows)? {
        let counts = counts(db, rollout.id)?;
        let devices = match rollout.packages.len() {
            1 => counts.sum(|_| true),
            _ => device_count(db, rollout.id)?,
        };
        summaries.push(RolloutSummary { rollout, counts, devices });
    }
    Ok(summaries)
}

fn counts(db: &mut Db, id: RolloutId) -> Outcome<Counts> {
    let of_rollout = assignments::table.filter(assignments::rollout_id.eq(id.0)).group_by(assignments::state);
    let rows: Vec<(String, i64)> = of_rollout.select((assignments::state, diesel::dsl::count_star())).load(db)?;
    let mut counts = Counts::default();
    for (state, count) in rows {
        counts.add(parsed(&state)?, whole(count)?);
    }
    Ok(counts)
}

/// By stage.
fn tallies(db: &mut Db, id: RolloutId) -> Outcome<Vec<(u32, Counts)>> {
    let rows: Vec<(i64, String, i64)> = assignments::table
        .filter(assignments::rollout_id.eq(id.0))
        .group_by((assignments::stage, assignments::state))
        .select((assignments::stage, assignments::state, diesel::dsl::count_star()))
        .order(assignments::stage)
        .load(db)?;
    let mut tallies: Vec<(u32, Counts)> = Vec::new();
    for (stage, state, count) in rows {
        let stage = whole(stage)?;
        if tallies.last().is_none_or(|(last, _)| *last != stage) {
            tallies.push((stage, Counts::default()));
        }
        if let Some((_, counts)) = tallies.last_mut() {
            counts.add(parsed(&state)?, whole(count)?);
        }
    }
    Ok(tallies)
}

/// Who has had a turn, and what each was seen to run well.
fn turns(db: &mut Db, rollout: &Rollout) -> Outcome<HashMap<KeyId, Turn>> {
    let rows: Vec<(i64, String, String, i64, i64)> = assignments::table
        .filter(assignments::rollout_id.eq(rollout.id.0))
        .select((
            assignments::key_id,
            assignments::module,
            assignments::state,
            assignments::stage,
            assignments::attempts,
        ))
        .load(db)?;
    let mut turns = HashMap::new();
    for (key, module, state, stage, attempts) in rows {
        let turn = turns.entry(KeyId(key)).or_insert(Turn::new(whole(stage)?));
        let place = rollout.packages.iter().position(|p| p.release.module.as_str() == module);
        let Some(place) = place.filter(|_| state != AssignmentState::Excluded.as_str()) else { continue };
        turn.give(place);
        if state == AssignmentState::Verified.as_str() {
            turn.saw(place, whole(attempts)?);
        }
    }
    Ok(turns)
}

fn device_count(db: &mut Db, id: RolloutId) -> Outcome<u64> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        devices: i64,
    }
    let sql = Sql::new(
        "SELECT COUNT(*) AS devices FROM (SELECT key_id FROM assignments WHERE rollout_id = ? GROUP BY key_id) AS found",
    );
    let rows: Vec<Row> = sql.bind(id.0).load(db)?;
    rows.first().map_or(Ok(0), |row| whole(row.devices))
}

/// The states of rollouts that the updater has in hand.
fn open_states() -> Vec<&'static str> {
    let open = RolloutState::ALL.into_iter().filter(|s| s.is_live() || *s == RolloutState::Completed);
    open.map(RolloutState::as_str).collect()
}

fn open_rollouts(db: &mut Db) -> Outcome<Vec<OpenCourse>> {
    let open = rollouts::table.filter(rollouts::state.eq_any(open_states())).select(RolloutRow::as_select());
    let rows: Vec<RolloutRow> = open.order(rollouts::id).load(db)?;
    with_packages(db, rows)?.into_iter().map(|rollout| course(db, rollout)).collect()
}

fn course(db: &mut Db, rollout: Rollout) -> Outcome<OpenCourse> {
    let id = rollout.id;
    let open = AssignmentState::ALL.into_iter().filter(|s| !s.is_final() || *s == AssignmentState::Superseded);
    Ok(OpenCourse {
        rows: in_states(db, id, open.collect())?,
        tallies: tallies(db, id)?,
        turns: turns(db, &rollout)?,
        recent_starts: history::recent_starts(db, id)?,
        rollout,
    })
}

fn in_states(db: &mut Db, id: RolloutId, states: Vec<AssignmentState>) -> Outcome<Vec<Assignment>> {
    let rows: Vec<AssignmentRow> = assignments::table
        .filter(assignments::rollout_id.eq(id.0))
        .filter(assignments::state.eq_any(states.into_iter().map(AssignmentState::as_str).collect::<Vec<_>>()))
        .order((assignments::key_id, assignments::module))
        .select(AssignmentRow::as_select())
        .load(db)?;
    rows.into_iter().map(AssignmentRow::assignment).collect()
}

fn newest_assignments(db: &mut Db, keys: &[KeyId]) -> Outcome<HashMap<(KeyId, ModuleName), Assignment>> {
    let mut newest = HashMap::new();
    for chunk in keys.chunks(CHUNK) {
        // The newest of each is found in the index alone; only those rows are read.
        let rows: Vec<AssignmentRow> = Sql::new(
            "SELECT a.* FROM (SELECT key_id, module, MAX(rollout_id) AS rollout_id FROM assignments WHERE key_id IN ",
        )
        .list(chunk.iter().map(|key| key.0))
        .push(
            " GROUP BY key_id, module) n JOIN assignments a \
             ON a.rollout_id = n.rollout_id AND a.key_id = n.key_id AND a.module = n.module",
        )
        .load(db)?;
        for row in rows {
            let assignment = row.assignment()?;
            newest.insert((assignment.key_id, assignment.module.clone()), assignment);
        }
    }
    Ok(newest)
}
