//! Devices: the rows as lists show them, and what admins do to one.

use std::collections::HashMap;

use diesel::prelude::*;

use super::connection::Db;
use super::dialect::{CHUNK, Value};
use super::rows::Columns;
use super::schema::{device_modules, device_reports, device_status, device_tags, devices, version_changes};
use super::stored::{NAME, fit, from_json, instant, optional, parsed};
use super::{Outcome, Result, Store};
use crate::domain::{Device, DeviceId, KeyId, Modules, Sha256Hex, Status, Tags, VersionChange};

pub(super) const TAGS: Columns = Columns::new("device_tags", &["key_id", "name"], &["value"]);

impl Store {
    pub async fn device(&self, device_id: &DeviceId) -> Result<Option<Device>> {
        let device_id = device_id.clone();
        self.read(move |db| {
            let row = device_rows().filter(devices::device_id.eq(device_id.as_str())).get_result(db).optional()?;
            only(db, row)
        })
        .await
    }

    pub async fn device_by_key(&self, key_id: KeyId) -> Result<Option<Device>> {
        self.read(move |db| {
            let row = device_rows().filter(devices::key_id.eq(key_id.0)).get_result(db).optional()?;
            only(db, row)
        })
        .await
    }

    /// Those that came in last, newest first.
    pub async fn newest_devices(&self, limit: u32) -> Result<Vec<Device>> {
        self.read(move |db| {
            let newest = device_rows().order(devices::key_id.desc()).limit(i64::from(limit));
            let rows: Vec<DeviceRow> = newest.load(db)?;
            with_details(db, rows)
        })
        .await
    }

    /// `None` leaves a field as it is. `false`: no such device. A name is cut at 190 characters.
    pub async fn update_device(&self, device_id: &DeviceId, name: Option<String>, tags: Option<Tags>) -> Result<bool> {
        let device_id = device_id.clone();
        self.act(move |db| update(db, &device_id, name.as_deref(), tags.as_ref())).await
    }

    /// Lets this `device_id` enrol again (its token stays valid until it does), or no longer.
    pub async fn allow_enrolment(&self, device_id: &DeviceId, allowed: bool) -> Result<bool> {
        let device_id = device_id.clone();
        self.act(move |db| {
            let row = devices::table.filter(devices::device_id.eq(device_id.as_str()));
            Ok(diesel::update(row).set(devices::may_enrol_again.eq(allowed)).execute(db)? > 0)
        })
        .await
    }

    /// Replaces the device's own token, or with `None` revokes it.
    pub async fn set_device_token(&self, device_id: &DeviceId, hash: Option<Sha256Hex>) -> Result<bool> {
        let device_id = device_id.clone();
        self.act(move |db| {
            let row = devices::table.filter(devices::device_id.eq(device_id.as_str()));
            let hash = hash.as_ref().map(Sha256Hex::as_str);
            Ok(diesel::update(row).set(devices::token_hash.eq(hash)).execute(db)? > 0)
        })
        .await
    }

    /// Purges the device and everything of it; its key_id is never used again.
    pub async fn delete_device(&self, device_id: &DeviceId) -> Result<Option<KeyId>> {
        let device_id = device_id.clone();
        self.act(move |db| {
            let Some(key_id) = key_of(db, &device_id)? else { return Ok(None) };
            // Every table of a device's rows refers to it with ON DELETE CASCADE.
            diesel::delete(devices::table.find(key_id.0)).execute(db)?;
            Ok(Some(key_id))
        })
        .await
    }

    /// Newest first.
    pub async fn version_changes(&self, key_id: KeyId, limit: u32) -> Result<Vec<VersionChange>> {
        self.read(move |db| {
            let rows: Vec<ChangeRow> = version_changes::table
                .filter(version_changes::key_id.eq(key_id.0))
                .order(version_changes::id.desc())
                .limit(i64::from(limit))
                .select(ChangeRow::as_select())
                .load(db)?;
            rows.into_iter().map(ChangeRow::change).collect()
        })
        .await
    }

    /// All tag names with their values, for choosing.
    pub async fn tag_values(&self) -> Result<Vec<(String, String)>> {
        self.read(|db| {
            let pairs = device_tags::table.select((device_tags::name, device_tags::value)).distinct();
            Ok(pairs.order((device_tags::name, device_tags::value)).load(db)?)
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = version_changes)]
struct ChangeRow {
    module: String,
    old_version: Option<String>,
    new_version: Option<String>,
    changed_at: i64,
}

impl ChangeRow {
    fn change(self) -> Outcome<VersionChange> {
        Ok(VersionChange {
            module: parsed(&self.module)?,
            from: optional(self.old_version.as_deref())?,
            to: optional(self.new_version.as_deref())?,
            at: instant(self.changed_at)?,
        })
    }
}

/// A device's own row; its tags, modules and status are read for many at once.
#[derive(Queryable, Selectable)]
#[diesel(table_name = devices)]
pub(super) struct DeviceRow {
    pub(super) key_id: i64,
    pub(super) device_id: String,
    pub(super) name: String,
    pub(super) online: bool,
    pub(super) since: i64,
    pub(super) created_at: i64,
    pub(super) may_enrol_again: bool,
    pub(super) sets: bool,
}

/// All devices, as [`DeviceRow`] takes them.
#[diesel::dsl::auto_type(no_type_alias)]
pub(super) fn device_rows() -> _ {
    let columns: diesel::dsl::AsSelect<DeviceRow, super::connection::MultiBackend> = DeviceRow::as_select();
    devices::table.select(columns)
}

/// What people search and sort by: the name first, so that the order is by name and then by `device_id`.
pub(super) fn search_key(name: &str, device_id: &DeviceId) -> String {
    fit(&format!("{}\n{}", name.to_lowercase(), device_id.as_str().to_lowercase()), 512)
}

pub(super) fn key_of(db: &mut Db, device_id: &DeviceId) -> Outcome<Option<KeyId>> {
    let row = devices::table.filter(devices::device_id.eq(device_id.as_str())).select(devices::key_id);
    Ok(row.get_result(db).optional()?.map(KeyId))
}

fn update(db: &mut Db, device_id: &DeviceId, name: Option<&str>, tags: Option<&Tags>) -> Outcome<bool> {
    let Some(key_id) = key_of(db, device_id)? else { return Ok(false) };
    if let Some(name) = name {
        let name = fit(name, NAME);
        let search = search_key(&name, device_id);
        let values = (devices::name.eq(name), devices::search_key.eq(search));
        diesel::update(devices::table.find(key_id.0)).set(values).execute(db)?;
    }
    if let Some(tags) = tags {
        diesel::delete(device_tags::table.filter(device_tags::key_id.eq(key_id.0))).execute(db)?;
        let row = |(name, value): (&String, &String)| -> Vec<Value> {
            vec![key_id.0.into(), fit(name, NAME).into(), fit(value, NAME).into()]
        };
        TAGS.upsert(db, tags.iter().map(row).collect())?;
    }
    Ok(true)
}

fn only(db: &mut Db, row: Option<DeviceRow>) -> Outcome<Option<Device>> {
    Ok(with_details(db, row.into_iter().collect())?.pop())
}

/// Adds tags, modules and the last report to rows, in their order.
pub(super) fn with_details(db: &mut Db, rows: Vec<DeviceRow>) -> Outcome<Vec<Device>> {
    let keys: Vec<i64> = rows.iter().map(|row| row.key_id).collect();
    let (mut tags, mut modules) = (tags_of(db, Some(&keys))?, modules_of(db, Some(&keys))?);
    let mut statuses = statuses_of(db, &keys)?;
    let device = |row: DeviceRow| -> Outcome<Device> {
        Ok(Device {
            key_id: KeyId(row.key_id),
            device_id: parsed(&row.device_id)?,
            name: row.name,
            online: row.online,
            since: instant(row.since)?,
            created_at: instant(row.created_at)?,
            tags: tags.remove(&row.key_id).unwrap_or_default(),
            modules: modules.remove(&row.key_id).unwrap_or_default(),
            may_enrol_again: row.may_enrol_again,
            status: statuses.remove(&row.key_id),
        })
    };
    rows.into_iter().map(device).collect()
}

/// The tags of these devices, or of all.
pub(super) fn tags_of(db: &mut Db, keys: Option<&[i64]>) -> Outcome<HashMap<i64, Tags>> {
    let mut found: HashMap<i64, Tags> = HashMap::new();
    let all = device_tags::table.select((device_tags::key_id, device_tags::name, device_tags::value));
    let rows: Vec<(i64, String, String)> = match keys {
        None => all.load(db)?,
        Some(keys) => in_chunks(keys, |chunk| all.filter(device_tags::key_id.eq_any(chunk)).load(db))?,
    };
    for (key, name, value) in rows {
        found.entry(key).or_default().insert(name, value);
    }
    Ok(found)
}

/// What these devices run, or all.
pub(super) fn modules_of(db: &mut Db, keys: Option<&[i64]>) -> Outcome<HashMap<i64, Modules>> {
    let mut found: HashMap<i64, Modules> = HashMap::new();
    let all = device_modules::table.select((device_modules::key_id, device_modules::module, device_modules::version));
    let rows: Vec<(i64, String, String)> = match keys {
        None => all.load(db)?,
        Some(keys) => in_chunks(keys, |chunk| all.filter(device_modules::key_id.eq_any(chunk)).load(db))?,
    };
    for (key, module, version) in rows {
        found.entry(key).or_default().insert(parsed(&module)?, parsed(&version)?);
    }
    Ok(found)
}

fn statuses_of(db: &mut Db, keys: &[i64]) -> Outcome<HashMap<i64, Status>> {
    let reports = device_reports::table.on(device_reports::key_id.eq(device_status::key_id));
    let all = device_status::table.inner_join(reports).select((
        device_status::key_id,
        device_status::received_at,
        device_reports::body,
    ));
    let rows: Vec<(i64, i64, String)> =
        in_chunks(keys, |chunk| all.filter(device_status::key_id.eq_any(chunk)).load(db))?;
    let status = |(key, received_at, body): (i64, i64, String)| -> Outcome<(i64, Status)> {
        Ok((key, Status { report: from_json(&body)?, received_at: instant(received_at)? }))
    };
    rows.into_iter().map(status).collect()
}

/// Reads by lists of keys that no database finds too long.
pub(super) fn in_chunks<T>(keys: &[i64], mut read: impl FnMut(Vec<i64>) -> QueryResult<Vec<T>>) -> QueryResult<Vec<T>> {
    let mut all = Vec::new();
    for chunk in keys.chunks(CHUNK) {
        all.append(&mut read(chunk.to_vec())?);
    }
    Ok(all)
}
