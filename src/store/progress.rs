//! A rollout seen by device: the progress table, and before it the devices a plan is made of.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::devices::{DeviceRow, device_rows, in_chunks, modules_of, tags_of, with_details};
use super::dialect::{CHUNK, Sql};
use super::matching::Facts;
use super::rollout_list::AssignmentRow;
use super::schema::{assignments, devices, rollout_packages};
use super::stored::{instant, parsed};
use super::{Outcome, Result, Store, rollout_history};
use crate::domain::{
    Assignment, AssignmentState, Candidate, Device, DeviceId, KeyId, ModuleName, Modules, RolloutId, Tags, Target,
    Version,
};

/// One row of a rollout's progress table.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutDevice {
    pub device: Device,
    /// In the order of the rollout's packages.
    pub assignments: Vec<Assignment>,
}

impl Store {
    /// By device name. `state`: only devices with an assignment in it.
    pub async fn rollout_devices(
        &self,
        id: RolloutId,
        state: Option<AssignmentState>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Page<RolloutDevice>, BadCursor>> {
        let place: Option<(String, i64)> = match cursor::decode("rollout_devices", after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        self.read(move |db| progress(db, id, state, place, cursor::clamp(limit))).await.map(Ok)
    }

    /// The devices a target includes, with what they run; `DeviceIds` that don't exist are absent. By key_id.
    pub async fn candidates(&self, target: &Target) -> Result<Vec<Candidate>> {
        let target = target.clone();
        self.read(move |db| candidates(db, &target)).await
    }
}

#[derive(QueryableByName)]
struct PlaceRow {
    #[diesel(sql_type = BigInt)]
    key_id: i64,
    #[diesel(sql_type = Text)]
    search_key: String,
}

fn progress(
    db: &mut Db,
    id: RolloutId,
    state: Option<AssignmentState>,
    place: Option<(String, i64)>,
    limit: usize,
) -> Outcome<Page<RolloutDevice>> {
    let (places, next) = progress_keys(db, id, state, place, limit)?;
    let keys: Vec<i64> = places.iter().map(|place| place.key_id).collect();
    let rows: Vec<DeviceRow> = in_chunks(&keys, |chunk| device_rows().filter(devices::key_id.eq_any(chunk)).load(db))?;
    let found = with_details(db, rows)?;
    let mut found: HashMap<i64, Device> = found.into_iter().map(|device| (device.key_id.0, device)).collect();
    let mut assigned = assignments_in(db, id, &keys)?;
    let row = |key: i64| {
        let assignments = assigned.remove(&key).unwrap_or_default();
        found.remove(&key).map(|device| RolloutDevice { device, assignments })
    };
    Ok(Page { items: keys.into_iter().filter_map(row).collect(), next })
}

fn progress_keys(
    db: &mut Db,
    id: RolloutId,
    state: Option<AssignmentState>,
    place: Option<(String, i64)>,
    limit: usize,
) -> Outcome<(Vec<PlaceRow>, Option<String>)> {
    // All devices of a rollout are walked in the order of names; the few in one state are found first, then sorted.
    let mut sql = Sql::new("SELECT d.key_id, d.search_key FROM devices d WHERE ");
    sql = match state {
        None => {
            sql.push("EXISTS (SELECT 1 FROM assignments a WHERE a.rollout_id = ? AND a.key_id = d.key_id)").bind(id.0)
        }
        Some(state) => sql
            .push("d.key_id IN (SELECT a.key_id FROM assignments a WHERE a.rollout_id = ? AND a.state = ?)")
            .bind(id.0)
            .bind(state.as_str()),
    };
    if let Some((name, key)) = place {
        sql = sql
            .push(" AND d.search_key >= ? AND (d.search_key > ? OR d.key_id > ?)")
            .bind(name.as_str())
            .bind(name.as_str())
            .bind(key);
    }
    let rows: Vec<PlaceRow> = sql.push(&format!(" ORDER BY d.search_key, d.key_id LIMIT {}", limit + 1)).load(db)?;
    Ok(cursor::page(rows, limit, |row| cursor::encode("rollout_devices", &(&row.search_key, row.key_id))))
}

/// The assignments of these devices in one rollout, in the order of its packages.
fn assignments_in(db: &mut Db, id: RolloutId, keys: &[i64]) -> Outcome<HashMap<i64, Vec<Assignment>>> {
    let order: Vec<String> = rollout_packages::table
        .filter(rollout_packages::rollout_id.eq(id.0))
        .order(rollout_packages::position)
        .select(rollout_packages::module)
        .load(db)?;
    let of_rollout = assignments::table.filter(assignments::rollout_id.eq(id.0)).select(AssignmentRow::as_select());
    let rows: Vec<AssignmentRow> =
        in_chunks(keys, |chunk| of_rollout.filter(assignments::key_id.eq_any(chunk)).load(db))?;
    let mut found: HashMap<i64, Vec<Assignment>> = HashMap::new();
    for row in rows {
        let assignment = row.assignment()?;
        found.entry(assignment.key_id.0).or_default().push(assignment);
    }
    for assigned in found.values_mut() {
        assigned.sort_by_key(|assignment| order.iter().position(|module| module == assignment.module.as_str()));
    }
    Ok(found)
}

fn candidates(db: &mut Db, target: &Target) -> Outcome<Vec<Candidate>> {
    let mut rows: Vec<DeviceRow> = match target {
        Target::All => device_rows().load(db)?,
        Target::DeviceIds(ids) => named(db, ids)?,
        Target::Tags(tags) => {
            let keys = tagged(db, tags)?;
            in_chunks(&keys, |chunk| device_rows().filter(devices::key_id.eq_any(chunk)).load(db))?
        }
        Target::Filter(filter) => {
            let rows: Vec<DeviceRow> = device_rows().load(db)?;
            let facts = Facts::of(db, &rows, filter)?;
            let rows = facts.fitting(filter, rows)?;
            return as_candidates(rows, facts.tags, facts.modules, rollout_history::quarantined(db)?);
        }
        Target::Static(target) => return candidates(db, target),
    };
    rows.sort_by_key(|row| row.key_id);
    rows.dedup_by_key(|row| row.key_id);
    let keys: Option<Vec<i64>> = (!matches!(target, Target::All)).then(|| rows.iter().map(|row| row.key_id).collect());
    let (tags, modules) = (tags_of(db, keys.as_deref())?, modules_of(db, keys.as_deref())?);
    let quarantined = rollout_history::quarantined(db)?;
    as_candidates(rows, tags, modules, quarantined)
}

fn as_candidates(
    mut rows: Vec<DeviceRow>,
    mut tags: HashMap<i64, Tags>,
    mut modules: HashMap<i64, Modules>,
    mut quarantined: HashMap<i64, Vec<(ModuleName, Version)>>,
) -> Outcome<Vec<Candidate>> {
    rows.sort_by_key(|row| row.key_id);
    let candidate = |row: DeviceRow| -> Outcome<Candidate> {
        Ok(Candidate {
            key_id: KeyId(row.key_id),
            device_id: parsed(&row.device_id)?,
            name: row.name,
            tags: tags.remove(&row.key_id).unwrap_or_default(),
            online: row.online,
            since: instant(row.since)?,
            modules: modules.remove(&row.key_id).unwrap_or_default(),
            sets: row.sets,
            quarantined: quarantined.remove(&row.key_id).unwrap_or_default(),
        })
    };
    rows.into_iter().map(candidate).collect()
}

fn named(db: &mut Db, ids: &[DeviceId]) -> Outcome<Vec<DeviceRow>> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        let names: Vec<&str> = chunk.iter().map(DeviceId::as_str).collect();
        let mut found: Vec<DeviceRow> = device_rows().filter(devices::device_id.eq_any(names)).load(db)?;
        rows.append(&mut found);
    }
    Ok(rows)
}

/// The devices that have every one of these tags.
fn tagged(db: &mut Db, tags: &Tags) -> Outcome<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        key_id: i64,
    }
    let mut sql = Sql::new("SELECT key_id FROM device_tags WHERE 1 = 0");
    for (name, value) in tags {
        sql = sql.push(" OR (name = ? AND value = ?)").bind(name.as_str()).bind(value.as_str());
    }
    let rows: Vec<Row> = sql.push(&format!(" GROUP BY key_id HAVING COUNT(*) = {}", tags.len())).load(db)?;
    Ok(rows.into_iter().map(|row| row.key_id).collect())
}
