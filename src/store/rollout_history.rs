//! What became of rollouts: every change of an assignment's state, and what failed on a device too often.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::alike::alike;
use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::dialect::{Sql, Value};
use super::rollouts::REASON;
use super::rows::{Columns, statements};
use super::schema::{assignment_history, strikes};
use super::stored::{fit, instant, millis, parsed, whole};
use super::{Outcome, Result, Store};
use crate::domain::{
    AssignmentState, KeyId, ModuleName, QUARANTINE_AFTER, RolloutId, Strike, Timestamp, Transition, Version,
};

statements!(InsertTransition);

const HISTORY: Columns<InsertTransition> =
    Columns::new("assignment_history", &[], &["rollout_id", "key_id", "module", "state", "reason", "changed_at"]);
const STRIKES: Columns =
    Columns::new("strikes", &["key_id", "module"], &["version", "failures", "rollout_id", "reason", "struck_at"]);

/// Starts within this span count towards a limit of starts a minute, milliseconds.
const RECENT: i64 = 60_000;

/// Most changes of assignments that are read at once.
pub const CHANGES: u32 = 1000;

/// Rows that one sweep of old history deletes at once.
const SWEEP: usize = 20_000;

/// How many assignments were in a state at the end of a step.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CoursePoint {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
    pub verified: i64,
    pub failed: i64,
}

impl Store {
    /// The newest changes of a device's assignments, oldest first, at most [`CHANGES`]; of one rollout, or of all.
    pub async fn assignment_history(&self, key_id: KeyId, rollout: Option<RolloutId>) -> Result<Vec<Transition>> {
        self.read(move |db| {
            let mut query = assignment_history::table
                .filter(assignment_history::key_id.eq(key_id.0))
                .order(assignment_history::id.desc())
                .limit(i64::from(CHANGES))
                .into_boxed();
            if let Some(id) = rollout {
                query = query.filter(assignment_history::rollout_id.eq(id.0));
            }
            let mut rows: Vec<HistoryRow> = query.select(HistoryRow::as_select()).load(db)?;
            rows.reverse();
            rows.into_iter().map(HistoryRow::transition).collect()
        })
        .await
    }

    /// A device's assignments' changes as pages, oldest first, at most [`CHANGES`] on one; of one rollout, or of all.
    pub async fn assignment_changes(
        &self,
        key_id: KeyId,
        rollout: Option<RolloutId>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Page<Transition>, BadCursor>> {
        let place: i64 = match cursor::decode("assignment_changes", after.as_deref()) {
            Ok(place) => place.unwrap_or(0),
            Err(bad) => return Ok(Err(bad)),
        };
        self.read(move |db| {
            let limit = cursor::clamp_to(limit, CHANGES);
            let mut query = assignment_history::table
                .filter(assignment_history::key_id.eq(key_id.0))
                .filter(assignment_history::id.gt(place))
                .order(assignment_history::id)
                .limit(limit as i64 + 1)
                .into_boxed();
            if let Some(id) = rollout {
                query = query.filter(assignment_history::rollout_id.eq(id.0));
            }
            let rows: Vec<(i64, HistoryRow)> =
                query.select((assignment_history::id, HistoryRow::as_select())).load(db)?;
            let (rows, next) = cursor::page(rows, limit, |(id, _)| cursor::encode("assignment_changes", id));
            let items = rows.into_iter().map(|(_, row)| row.transition()).collect::<Outcome<_>>()?;
            Ok(Ok(Page { items, next }))
        })
        .await
    }

    /// How a rollout went: verified and failed assignments in all, at the end of each step of `step_s` seconds in
    /// which one of the two changed.
    pub async fn rollout_course(&self, id: RolloutId, step_s: u32) -> Result<Vec<CoursePoint>> {
        self.read(move |db| rollout_course(db, id, i64::from(step_s.max(1)) * 1000)).await
    }

    /// What failed for good on devices.
    pub async fn strikes(&self) -> Result<Vec<Strike>> {
        self.read(|db| {
            let rows: Vec<StrikeRow> =
                strikes::table.select(StrikeRow::as_select()).order((strikes::key_id, strikes::module)).load(db)?;
            rows.into_iter().map(StrikeRow::strike).collect()
        })
        .await
    }

    /// What failed for good on this device, and is held against it.
    pub async fn strikes_of(&self, key_id: KeyId) -> Result<Vec<Strike>> {
        self.read(move |db| {
            let own = strikes::table.filter(strikes::key_id.eq(key_id.0)).select(StrikeRow::as_select());
            let rows: Vec<StrikeRow> = own.order(strikes::module).load(db)?;
            rows.into_iter().map(StrikeRow::strike).collect()
        })
        .await
    }

    /// Nothing that failed on this device before counts any more. Returns how many packages it was kept from.
    pub async fn free_from_quarantine(&self, key_id: KeyId) -> Result<u64> {
        self.write(move |db| {
            let of_device = strikes::table.filter(strikes::key_id.eq(key_id.0));
            let kept: i64 =
                of_device.filter(strikes::failures.ge(i64::from(QUARANTINE_AFTER))).count().get_result(db)?;
            diesel::delete(of_device).execute(db)?;
            whole(kept)
        })
        .await
    }

    /// Deletes changes of assignments from before `before`, some at a time. Returns how many.
    pub async fn prune_rollout_history(&self, before: Timestamp) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let n = self
                .write(move |db| {
                    // Through a derived table: MySQL doesn't delete from a table that it reads in a subquery.
                    let sql = Sql::new(
                        "DELETE FROM assignment_history WHERE id IN (SELECT id FROM (SELECT id FROM \
                         assignment_history WHERE changed_at < ?",
                    )
                    .bind(millis(before))
                    .push(&format!(" LIMIT {SWEEP}) AS old)"));
                    Ok(sql.execute(db)? as u64)
                })
                .await?;
            deleted += n;
            if n < SWEEP as u64 {
                return Ok(deleted);
            }
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = assignment_history)]
struct HistoryRow {
    rollout_id: i64,
    key_id: i64,
    module: String,
    state: String,
    reason: Option<String>,
    changed_at: i64,
}

impl HistoryRow {
    fn transition(self) -> Outcome<Transition> {
        Ok(Transition {
            rollout: RolloutId(self.rollout_id),
            key_id: KeyId(self.key_id),
            module: parsed(&self.module)?,
            to: parsed(&self.state)?,
            reason: self.reason,
            at: instant(self.changed_at)?,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = strikes)]
struct StrikeRow {
    key_id: i64,
    module: String,
    version: String,
    failures: i64,
    rollout_id: i64,
    reason: Option<String>,
    struck_at: i64,
}

impl StrikeRow {
    fn strike(self) -> Outcome<Strike> {
        Ok(Strike {
            key_id: KeyId(self.key_id),
            module: parsed(&self.module)?,
            version: parsed(&self.version)?,
            failures: whole(self.failures)?,
            rollout: RolloutId(self.rollout_id),
            reason: self.reason,
            at: instant(self.struck_at)?,
        })
    }
}

/// Appends changes of assignments whose devices are `known`, or were known before.
pub(super) fn append(db: &mut Db, moved: &[Transition], known: &HashSet<i64>) -> Outcome<()> {
    let row = |(_, t): (u32, &Transition)| -> Vec<Value> {
        vec![
            t.rollout.0.into(),
            t.key_id.0.into(),
            t.module.as_str().into(),
            t.to.as_str().into(),
            t.reason.as_deref().map(|reason| fit(reason, REASON)).into(),
            millis(t.at).into(),
        ]
    };
    // First what happened first to each device, then what happened second, and so on: those of one device stay in the
    // order in which they happened.
    let mut before: HashMap<KeyId, u32> = HashMap::new();
    let mut number = |key_id| {
        let before = before.entry(key_id).or_default();
        *before += 1;
        *before
    };
    let kept = moved.iter().filter(|t| known.contains(&t.key_id.0));
    let mut kept: Vec<(u32, &Transition)> = kept.map(|t| (number(t.key_id), t)).collect();
    // In the order of an index.
    kept.sort_by_key(|(number, t)| (*number, t.key_id));
    Ok(HISTORY.insert_alike(db, alike(kept, |(_, t)| t.key_id, all_but_device, row))?)
}

fn all_but_device((number, moved): (u32, &Transition)) -> impl Eq + Hash {
    let Transition { rollout, key_id: _, module, to, reason, at } = moved;
    (number, rollout, module, to, reason, at)
}

/// Writes down what failed for good.
pub(super) fn strike(db: &mut Db, struck: &[Strike], known: &HashSet<i64>) -> Outcome<()> {
    let row = |s: &Strike| -> Vec<Value> {
        vec![
            s.key_id.0.into(),
            s.module.as_str().into(),
            s.version.as_str().into(),
            s.failures.into(),
            s.rollout.0.into(),
            s.reason.as_deref().map(|reason| fit(reason, REASON)).into(),
            millis(s.at).into(),
        ]
    };
    // One statement can't write a row twice: the last of a key counts.
    let newest: HashMap<(i64, &ModuleName), &Strike> =
        struck.iter().filter(|s| known.contains(&s.key_id.0)).map(|s| ((s.key_id.0, &s.module), s)).collect();
    Ok(STRIKES.upsert(db, newest.into_values().map(row).collect())?)
}

/// What devices are kept from, by device.
pub(super) fn quarantined(db: &mut Db) -> Outcome<HashMap<i64, Vec<(ModuleName, Version)>>> {
    let rows: Vec<(i64, String, String)> = strikes::table
        .filter(strikes::failures.ge(i64::from(QUARANTINE_AFTER)))
        .select((strikes::key_id, strikes::module, strikes::version))
        .load(db)?;
    let mut found: HashMap<i64, Vec<(ModuleName, Version)>> = HashMap::new();
    for (key, module, version) in rows {
        found.entry(key).or_default().push((parsed(&module)?, parsed(&version)?));
    }
    Ok(found)
}

/// When assignments of a rollout were offered, of the last minute in which any was.
pub(super) fn recent_starts(db: &mut Db, id: RolloutId) -> Outcome<Vec<Timestamp>> {
    let offered = || {
        assignment_history::table
            .filter(assignment_history::rollout_id.eq(id.0))
            .filter(assignment_history::state.eq(AssignmentState::Offered.as_str()))
    };
    let last: Option<i64> = offered().select(diesel::dsl::max(assignment_history::changed_at)).get_result(db)?;
    let Some(last) = last else { return Ok(Vec::new()) };
    let recent = offered().filter(assignment_history::changed_at.gt(last - RECENT));
    let rows: Vec<i64> =
        recent.select(assignment_history::changed_at).order(assignment_history::changed_at).load(db)?;
    rows.into_iter().map(instant).collect()
}

#[derive(QueryableByName)]
struct StepRow {
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

fn rollout_course(db: &mut Db, id: RolloutId, step: i64) -> Outcome<Vec<CoursePoint>> {
    let wanted = AssignmentState::ALL.into_iter().filter(|s| s.is_failure() || *s == AssignmentState::Verified);
    let sql = Sql::new(&format!(
        "SELECT changed_at - changed_at % {step} AS at, state, COUNT(*) AS n FROM assignment_history \
         WHERE rollout_id = ? AND state IN ",
    ))
    .bind(id.0)
    .list(wanted.map(AssignmentState::as_str))
    .push(&format!(" GROUP BY changed_at - changed_at % {step}, state ORDER BY at"));
    let rows: Vec<StepRow> = sql.load(db)?;
    let mut points: Vec<CoursePoint> = Vec::new();
    for row in rows {
        let at = instant(row.at + step)?;
        let (verified, failed) = points.last().map_or((0, 0), |last| (last.verified, last.failed));
        if points.last().is_none_or(|last| last.at != at) {
            points.push(CoursePoint { at, verified, failed });
        }
        if let Some(point) = points.last_mut() {
            match parsed::<AssignmentState>(&row.state)? {
                AssignmentState::Verified => point.verified += row.n,
                _ => point.failed += row.n,
            }
        }
    }
    Ok(points)
}
