//! Filters held against many devices: versions are ordered by the domain, not by SQL, so rows are read and asked.

use std::collections::HashMap;

use diesel::prelude::*;

use super::connection::Db;
use super::devices::{DeviceRow, in_chunks, modules_of, tags_of};
use super::dialect::CHUNK;
use super::schema::{device_reports, device_status};
use super::stored::{from_json, parsed};
use super::{Outcome, Result, Store};
use crate::domain::{DeviceId, Filter, KeyId, Modules, Readings, Report, Sample, Subject, Tags};

/// What filters ask about, beside the devices' own rows.
pub(super) struct Facts {
    pub(super) tags: HashMap<i64, Tags>,
    pub(super) modules: HashMap<i64, Modules>,
    readings: HashMap<i64, Readings>,
}

impl Facts {
    /// Those of these devices. Of many at once it is quicker to read all.
    pub(super) fn of(db: &mut Db, rows: &[DeviceRow], filter: &Filter) -> Outcome<Self> {
        let keys: Vec<i64> = rows.iter().map(|row| row.key_id).collect();
        let keys = (keys.len() <= 10 * CHUNK).then_some(keys.as_slice());
        let readings = match filter.asks_for_readings() {
            true => readings_of(db, keys, filter.asks_for_fields())?,
            false => HashMap::new(),
        };
        Ok(Self { tags: tags_of(db, keys)?, modules: modules_of(db, keys)?, readings })
    }

    /// The rows that fit, in their order.
    pub(super) fn fitting(&self, filter: &Filter, rows: Vec<DeviceRow>) -> Outcome<Vec<DeviceRow>> {
        let mut fitting = Vec::new();
        for row in rows {
            if self.fits(filter, &row)? {
                fitting.push(row);
            }
        }
        Ok(fitting)
    }

    /// Whether this device fits.
    pub(super) fn fits(&self, filter: &Filter, row: &DeviceRow) -> Outcome<bool> {
        let device_id: DeviceId = parsed(&row.device_id)?;
        let (no_tags, no_modules) = (Tags::new(), Modules::new());
        Ok(filter.matches(&Subject {
            device_id: &device_id,
            name: &row.name,
            online: row.online,
            tags: self.tags.get(&row.key_id).unwrap_or(&no_tags),
            modules: self.modules.get(&row.key_id).unwrap_or(&no_modules),
            readings: self.readings.get(&row.key_id),
        }))
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = device_status)]
struct SampleRow {
    key_id: i64,
    cpu_utilization: Option<f64>,
    load_average: Option<f64>,
    temperature: Option<f64>,
    disk_used_percent: Option<f64>,
    speed: Option<f64>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

impl Store {
    /// What the last reports of these devices say; the numbers alone unless `fields`.
    pub async fn readings(&self, keys: Vec<KeyId>, fields: bool) -> Result<HashMap<KeyId, Readings>> {
        let keys: Vec<i64> = keys.into_iter().map(|key| key.0).collect();
        let read = self.read(move |db| readings_of(db, Some(&keys), fields)).await?;
        Ok(read.into_iter().map(|(key, readings)| (KeyId(key), readings)).collect())
    }
}

/// What the last reports of these devices, or of all, say; the numbers alone unless `fields`.
pub(super) fn readings_of(db: &mut Db, keys: Option<&[i64]>, fields: bool) -> Outcome<HashMap<i64, Readings>> {
    if fields { with_fields(db, keys) } else { numbers_of(db, keys) }
}

fn with_fields(db: &mut Db, keys: Option<&[i64]>) -> Outcome<HashMap<i64, Readings>> {
    let all = device_reports::table.select((device_reports::key_id, device_reports::body));
    let rows: Vec<(i64, String)> = match keys {
        None => all.load(db)?,
        Some(keys) => in_chunks(keys, |chunk| all.filter(device_reports::key_id.eq_any(chunk)).load(db))?,
    };
    let readings = |(key, body): (i64, String)| Ok((key, Readings::of(&from_json::<Report>(&body)?)));
    rows.into_iter().map(readings).collect()
}

fn numbers_of(db: &mut Db, keys: Option<&[i64]>) -> Outcome<HashMap<i64, Readings>> {
    let all = device_status::table.select(SampleRow::as_select());
    let rows: Vec<SampleRow> = match keys {
        None => all.load(db)?,
        Some(keys) => in_chunks(keys, |chunk| all.filter(device_status::key_id.eq_any(chunk)).load(db))?,
    };
    let readings = |row: SampleRow| {
        let sample = Sample {
            cpu_utilization: row.cpu_utilization,
            load_average: row.load_average,
            temperature: row.temperature,
            disk_used_percent: row.disk_used_percent,
            speed: row.speed,
            latitude: row.latitude,
            longitude: row.longitude,
        };
        (row.key_id, Readings { sample, ..Readings::default() })
    };
    Ok(rows.into_iter().map(readings).collect())
}
