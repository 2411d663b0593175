//! Reports: the newest of each device, the history of all, and which numbers of a run are stored.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::Db;
use super::devices::in_chunks;
use super::dialect::Value;
use super::log::LogPosition;
use super::rows::{Columns, Known};
use super::schema::{device_status, devices, report_runs};
use super::stored::{from_json, millis, to_json};
use super::{Fault, Outcome, Result, Store, settings};
use crate::domain::{BootId, KeyId, Report, Sample, SeqSet, Timestamp};

/// A report to be written: a line of the log, the newest state, a history sample. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StatusRecord {
    pub key_id: KeyId,
    pub received_at: Timestamp,
    pub reported_at: Timestamp,
    pub sample: Sample,
    /// The report as one line of JSON: made once, for log and database.
    body: Arc<str>,
}

impl StatusRecord {
    /// What is to be written of a report.
    #[must_use]
    pub fn new(key_id: KeyId, report: &Report, received_at: Timestamp) -> Self {
        Self { key_id, received_at, reported_at: report.timestamp, sample: report.sample(), body: line(report) }
    }

    /// The report as one line of JSON.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }
}

thread_local! {
    /// Where reports are written out, so that each is given memory once, of the right size.
    static LINE: RefCell<Vec<u8>> = RefCell::default();
}

fn line(report: &Report) -> Arc<str> {
    LINE.with_borrow_mut(|line| {
        line.clear();
        let written = serde_json::to_writer(&mut *line, report).map_err(|error| error.to_string());
        match written.and_then(|()| std::str::from_utf8(line).map_err(|error| error.to_string())) {
            Ok(line) => line.into(),
            // Only maps with keys that are no text fail, and there are none.
            Err(error) => format!(r#"{{"unwritable":"{error}"}}"#).into(),
        }
    })
}

/// What one group commit writes.
#[derive(Debug, Clone, Default)]
pub struct RecordBatch {
    /// In the order received. A device's `device_status` row becomes the one with the newest `timestamp`.
    pub reports: Vec<StatusRecord>,
    /// The runs as they are after this batch.
    pub runs: Arc<Vec<(KeyId, BootId, SeqSet)>>,
    pub log_position: Option<LogPosition>,
    /// The reports do not become history samples: the server is overrun.
    pub without_history: bool,
    /// What the database has of these devices, where that is at hand. It is read for all others.
    pub newest: Newest,
}

/// When the stored report of a device was made, as far as that can be believed; none where it has no report yet.
/// Devices that don't exist are not in it.
pub type Newest = HashMap<KeyId, Option<i64>>;

/// A sample's columns, in the order in which [`numbers`] gives them.
macro_rules! sample_columns {
    ($($before:literal),*; $($after:literal),*) => {
        &[$($before,)* "cpu_utilization", "load_average", "temperature", "disk_used_percent", "speed", "latitude",
          "longitude" $(,$after)*]
    };
}

/// The statements that are run for every report.
macro_rules! statement {
    ($name:ident) => {
        struct $name;

        impl Known for $name {
            const BY_TYPE: bool = true;
        }
    };
}
statement!(UpsertStatus);
statement!(UpdateStatus);
statement!(UpsertBody);
statement!(UpdateBody);
statement!(InsertSample);
statement!(UpsertRun);
statement!(UpdateRun);

/// The newest report's times and numbers: short rows, as pages read those of every device.
const STATUS: Columns<UpsertStatus> =
    Columns::new("device_status", &["key_id"], sample_columns!("reported_at", "received_at";));
const BODIES: Columns<UpsertBody> = Columns::new("device_reports", &["key_id"], &["body"]);
const SAMPLES: Columns<InsertSample> = Columns::new("samples", &[], sample_columns!("key_id", "reported_at";));
const RUNS: Columns<UpsertRun> = Columns::new("report_runs", &["key_id", "boot_id"], &["ranges", "updated_at"]);

/// The setting that holds the log position.
const LOG_POSITION: &str = "log_position";

impl Store {
    /// The stored runs among these. Read by the writer, so that no crowd of readers keeps reports waiting.
    pub async fn runs(&self, wanted: Vec<(KeyId, BootId)>) -> Result<HashMap<(KeyId, BootId), SeqSet>> {
        self.write(move |db| runs(db, &wanted)).await
    }

    /// One transaction for all of it. Reports of a device deleted meanwhile are left out; where it was deleted since
    /// [`RecordBatch::newest`] was read, all of it is refused. Answers what the database has of the batch's devices
    /// now.
    pub async fn record(&self, batch: RecordBatch) -> Result<Newest> {
        self.write(move |db| record(db, &batch)).await
    }

    pub async fn log_position(&self) -> Result<Option<LogPosition>> {
        self.read(|db| {
            let stored: Option<StoredPosition> =
                settings::get(db, LOG_POSITION)?.as_deref().map(from_json).transpose()?;
            Ok(stored.map(|place| LogPosition { file: place.file, offset: place.offset }))
        })
        .await
    }
}

#[derive(Serialize, Deserialize)]
struct StoredPosition {
    file: String,
    offset: u64,
}

fn runs(db: &mut Db, wanted: &[(KeyId, BootId)]) -> Outcome<HashMap<(KeyId, BootId), SeqSet>> {
    let mut keys: Vec<i64> = wanted.iter().map(|(key, _)| key.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let all = report_runs::table.select((report_runs::key_id, report_runs::boot_id, report_runs::ranges));
    // A device has few runs: reading all of them takes one index lookup a device.
    let rows: Vec<(i64, String, String)> =
        in_chunks(&keys, |chunk| all.filter(report_runs::key_id.eq_any(chunk)).load(db))?;
    let wanted: std::collections::HashSet<(i64, &str)> =
        wanted.iter().map(|(key, run)| (key.0, run.as_str())).collect();
    let mut found = HashMap::new();
    for (key, run, ranges) in rows {
        if wanted.contains(&(key, run.as_str())) {
            let run = BootId::new(&run).map_err(Fault::corrupt)?;
            let set = SeqSet::from_text(&ranges).unwrap_or_else(|error| {
                // Better a report of this run that is stored again than none of anybody's.
                tracing::error!(key_id = key, boot_id = run.as_str(), %error, "which reports of a run are stored can't be read");
                SeqSet::default()
            });
            found.insert((KeyId(key), run), set);
        }
    }
    Ok(found)
}

fn record(db: &mut Db, batch: &RecordBatch) -> Outcome<Newest> {
    let mut newest = newest_stored(db, batch)?;
    let (status, bodies) = newest_reports(batch, &mut newest).into_iter().map(newest_rows).unzip();
    STATUS.update::<UpdateStatus>(db, status)?;
    BODIES.update::<UpdateBody>(db, bodies)?;
    if !batch.without_history {
        SAMPLES.insert(db, sample_rows(batch, &newest))?;
    }
    RUNS.update::<UpdateRun>(db, run_rows(batch, &newest))?;
    if let Some(position) = &batch.log_position {
        let place = StoredPosition { file: position.file.clone(), offset: position.offset };
        settings::put(db, LOG_POSITION, &to_json(&place)?)?;
    }
    Ok(newest)
}

/// For each device of the batch that exists.
fn newest_stored(db: &mut Db, batch: &RecordBatch) -> Outcome<Newest> {
    let reports = batch.reports.iter().map(|record| record.key_id);
    let devices_of_it = reports.chain(batch.runs.iter().map(|(key, ..)| *key));
    let mut keys: Vec<i64> = devices_of_it.filter(|key| !batch.newest.contains_key(key)).map(|key| key.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let all = devices::table.left_join(device_status::table.on(device_status::key_id.eq(devices::key_id))).select((
        devices::key_id,
        device_status::reported_at.nullable(),
        device_status::received_at.nullable(),
    ));
    let rows: Vec<(i64, Option<i64>, Option<i64>)> =
        in_chunks(&keys, |chunk| all.filter(devices::key_id.eq_any(chunk)).load(db))?;
    let made = |reported: Option<i64>, received: Option<i64>| Some(reported?.min(received?));
    let read = rows.into_iter().map(|(key, reported, received)| (KeyId(key), made(reported, received)));
    Ok(batch.newest.iter().map(|(key, newest)| (*key, *newest)).chain(read).collect())
}

/// When a report was made, as far as that can be believed: not after it was received. Otherwise one report with a
/// clock that is ahead would stay the newest for good.
fn made(record: &StatusRecord) -> i64 {
    millis(record.reported_at).min(millis(record.received_at))
}

/// The newest report of each device, where it is not older than the stored one, which it becomes in `stored`. Of two
/// made at the same instant the later received one counts.
fn newest_reports<'a>(batch: &'a RecordBatch, stored: &mut Newest) -> Vec<&'a StatusRecord> {
    let mut newest: HashMap<KeyId, &StatusRecord> = HashMap::new();
    for record in &batch.reports {
        let made_at = made(record);
        let Some(before) = stored.get_mut(&record.key_id) else { continue };
        if before.is_none_or(|before| made_at >= before) {
            *before = Some(made_at);
            newest.insert(record.key_id, record);
        }
    }
    // In the order of the table.
    let mut newest: Vec<&StatusRecord> = newest.into_values().collect();
    newest.sort_unstable_by_key(|record| record.key_id);
    newest
}

/// The rows of a device's newest report: its status, its body.
fn newest_rows(record: &StatusRecord) -> (Vec<Value>, Vec<Value>) {
    let times = [record.key_id.0, millis(record.reported_at), millis(record.received_at)];
    let status = times.into_iter().map(Value::from).chain(numbers(&record.sample)).collect();
    (status, vec![record.key_id.0.into(), Value::Shared(Arc::clone(&record.body))])
}

fn sample_rows(batch: &RecordBatch, stored: &Newest) -> Vec<Vec<Value>> {
    let known = batch.reports.iter().filter(|record| stored.contains_key(&record.key_id));
    let row = |record: &StatusRecord| -> Vec<Value> {
        let place = [record.key_id.0, made(record)];
        place.into_iter().map(Value::from).chain(numbers(&record.sample)).collect()
    };
    known.map(row).collect()
}

/// A run was heard of when the newest report of its batch came.
fn run_rows(batch: &RecordBatch, stored: &Newest) -> Vec<Vec<Value>> {
    let heard = batch.reports.iter().map(|record| millis(record.received_at)).max().unwrap_or_default();
    let known = batch.runs.iter().filter(|(key, ..)| stored.contains_key(key));
    let row = |(key, run, set): &(KeyId, BootId, SeqSet)| -> Vec<Value> {
        vec![key.0.into(), run.as_str().into(), set.to_text().into(), heard.into()]
    };
    known.map(row).collect()
}

fn numbers(sample: &Sample) -> [Value; 7] {
    // A NaN is no number to any database.
    [
        sample.cpu_utilization,
        sample.load_average,
        sample.temperature,
        sample.disk_used_percent,
        sample.speed,
        sample.latitude,
        sample.longitude,
    ]
    .map(|number| Value::Real(number.filter(|n| n.is_finite())))
}
