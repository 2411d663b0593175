//! Filters held against many devices: versions are ordered by the domain, not by SQL, so rows are read and asked.

use std::collections::HashMap;

use diesel::prelude::*;

use super::Outcome;
use super::connection::Db;
use super::devices::{DeviceRow, in_chunks, modules_of, tags_of};
use super::dialect::CHUNK;
use super::schema::device_status;
use super::stored::parsed;
use crate::domain::{DeviceId, Filter, Modules, Sample, Subject, Tags};

/// What filters ask about, beside the devices' own rows.
pub(super) struct Facts {
    pub(super) tags: HashMap<i64, Tags>,
    pub(super) modules: HashMap<i64, Modules>,
    samples: HashMap<i64, Sample>,
}

impl Facts {
    /// Those of these devices. Of many at once it is quicker to read all.
    pub(super) fn of(db: &mut Db, rows: &[DeviceRow], filter: &Filter) -> Outcome<Self> {
        let keys: Vec<i64> = rows.iter().map(|row| row.key_id).collect();
        let keys = (keys.len() <= 10 * CHUNK).then_some(keys.as_slice());
        let samples = if filter.asks_for_numbers() { samples_of(db, keys)? } else { HashMap::new() };
        Ok(Self { tags: tags_of(db, keys)?, modules: modules_of(db, keys)?, samples })
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
            sample: self.samples.get(&row.key_id),
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

/// The numbers of the last reports of these devices, or of all.
pub(super) fn samples_of(db: &mut Db, keys: Option<&[i64]>) -> Outcome<HashMap<i64, Sample>> {
    let all = device_status::table.select(SampleRow::as_select());
    let rows: Vec<SampleRow> = match keys {
        None => all.load(db)?,
        Some(keys) => in_chunks(keys, |chunk| all.filter(device_status::key_id.eq_any(chunk)).load(db))?,
    };
    let sample = |row: SampleRow| {
        let sample = Sample {
            cpu_utilization: row.cpu_utilization,
            load_average: row.load_average,
            temperature: row.temperature,
            disk_used_percent: row.disk_used_percent,
            speed: row.speed,
            latitude: row.latitude,
            longitude: row.longitude,
        };
        (row.key_id, sample)
    };
    Ok(rows.into_iter().map(sample).collect())
}
