//! Reports: the newest of each device, its samples, and which numbers of its run are stored.
//!
//! Two rows change with a report: the numbers of the newest, which pages read of every device, and all else.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::connection::Db;
use super::devices::in_chunks;
use super::dialect::Value;
use super::log::LogPosition;
use super::rows::{Columns, Merge, statements};
use super::runs::{self, Run};
use super::schema::{device_reports, device_status, devices};
use super::stored::{from_json, millis, to_json};
use super::{Fault, Outcome, Result, Store, samples, settings};
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
    pub last: LastReports,
}

/// What the database has of the reports of devices; none of those that have not reported yet. Devices that don't exist
/// are not in it.
pub type LastReports = HashMap<KeyId, Option<LastReport>>;

/// What the database has of a device's reports.
#[derive(Debug, Clone)]
pub struct LastReport {
    /// When the newest was made, as far as that can be believed.
    made: i64,
    /// The run that the last one with a number was of.
    run: Option<BootId>,
    /// Bytes of samples that are beside it; it may be less by now.
    recent: usize,
}

// The statements that are run for every report.
statements!(UpsertStatus, UpdateStatus, UpsertReport, UpdateReport);

/// The newest report's times and numbers: short rows, as pages read those of every device.
const STATUS: Columns<UpsertStatus> = Columns::new(
    "device_status",
    &["key_id"],
    &[
        "reported_at",
        "received_at",
        "cpu_utilization",
        "load_average",
        "temperature",
        "disk_used_percent",
        "speed",
        "latitude",
        "longitude",
    ],
);

/// The newest report as it was said, what is stored of the run that it is of, and samples that are in no block yet.
const REPORTS: Columns<UpsertReport> =
    Columns::new("device_reports", &["key_id"], &["body", "boot_id", "ranges", "recent"]).merging(&[
        ("body", Merge::UnlessEmpty),
        ("boot_id", Merge::UnlessNull),
        ("ranges", Merge::UnlessNull),
        ("recent", Merge::Append),
    ]);

/// The setting that holds the log position.
const LOG_POSITION: &str = "log_position";

impl Store {
    /// One transaction for all of it. Reports of a device deleted meanwhile are left out; where it was deleted since
    /// [`RecordBatch::last`] was read, all of it is refused. Answers what the database has of the batch's devices
    /// now.
    pub async fn record(&self, batch: RecordBatch) -> Result<LastReports> {
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

/// What a batch changes for a device that exists.
#[derive(Default)]
struct Change<'a> {
    /// Its newest report, where that is of the batch.
    newest: Option<&'a StatusRecord>,
    /// The run that its last report with a number is of.
    run: Option<&'a Run>,
    /// Lines of samples.
    samples: Vec<u8>,
}

fn record(db: &mut Db, batch: &RecordBatch) -> Outcome<LastReports> {
    let mut last = last_reports(db, batch)?;
    let heard = batch.reports.iter().map(|record| millis(record.received_at)).max().unwrap_or_default();
    let (changes, runs_before) = changes(batch, &last)?;
    let (mut status, mut reports) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
    let (mut other_run, mut full) = (Vec::new(), Vec::new());
    for (key, Change { newest, run, samples }) in changes {
        let samples = String::from_utf8(samples).map_err(Fault::corrupt)?;
        status.extend(newest.map(status_row));
        let before = last.get(&key).and_then(Option::as_ref);
        let (now, is_full) = follows(before, newest, run, samples.len());
        if before.is_some_and(|before| before.run.is_some() && before.run != now.run) {
            other_run.push(key.0);
        }
        if is_full {
            full.push(key.0);
        }
        last.insert(key, Some(now));
        reports.push(report_row(key, newest, run, samples));
    }
    // What the batch has of a run is newer than what the row has.
    runs::keep_last(db, &other_run, heard)?;
    runs::keep(db, runs_before, heard)?;
    STATUS.update::<UpdateStatus>(db, status)?;
    REPORTS.update::<UpdateReport>(db, reports)?;
    samples::into_blocks(db, &full)?;
    if let Some(position) = &batch.log_position {
        let place = StoredPosition { file: position.file.clone(), offset: position.offset };
        settings::put(db, LOG_POSITION, &to_json(&place)?)?;
    }
    Ok(last)
}

/// What the database has of the batch's devices.
fn last_reports(db: &mut Db, batch: &RecordBatch) -> Outcome<LastReports> {
    let reports = batch.reports.iter().map(|record| record.key_id);
    let devices_of_it = reports.chain(batch.runs.iter().map(|(key, ..)| *key));
    let mut keys: Vec<i64> = devices_of_it.filter(|key| !batch.last.contains_key(key)).map(|key| key.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut last = batch.last.clone();
    let exist: Vec<i64> = in_chunks(&keys, |chunk| {
        devices::table.filter(devices::key_id.eq_any(chunk)).select(devices::key_id).load(db)
    })?;
    last.extend(exist.iter().map(|key| (KeyId(*key), None)));
    let all = device_status::table
        .inner_join(device_reports::table.on(device_reports::key_id.eq(device_status::key_id)))
        .select((
            device_status::key_id,
            device_status::reported_at,
            device_status::received_at,
            device_reports::boot_id,
            device_reports::recent,
        ));
    let rows: Vec<(i64, i64, i64, Option<String>, String)> =
        in_chunks(&exist, |chunk| all.filter(device_status::key_id.eq_any(chunk)).load(db))?;
    for (key, reported, received, run, recent) in rows {
        let run = run.map(|run| BootId::new(&run).map_err(Fault::corrupt)).transpose()?;
        last.insert(KeyId(key), Some(LastReport { made: reported.min(received), run, recent: recent.len() }));
    }
    Ok(last)
}

/// When a report was made, as far as that can be believed: not after it was received. Otherwise one report with a
/// clock that is ahead would stay the newest for good.
fn made(record: &StatusRecord) -> i64 {
    millis(record.reported_at).min(millis(record.received_at))
}

/// By device, in the order of the tables; and the runs that are not the last of their device. Of two reports made at the
/// same instant the later received one is the newer.
fn changes<'a>(batch: &'a RecordBatch, last: &LastReports) -> Outcome<(BTreeMap<KeyId, Change<'a>>, Vec<&'a Run>)> {
    let (mut changes, mut runs_before) = (BTreeMap::<KeyId, Change>::new(), Vec::new());
    for record in &batch.reports {
        let Some(before) = last.get(&record.key_id) else { continue };
        let change = changes.entry(record.key_id).or_default();
        let newest = change.newest.map(made).or_else(|| Some(before.as_ref()?.made));
        if newest.is_none_or(|newest| made(record) >= newest) {
            change.newest = Some(record);
        }
        if !batch.without_history {
            samples::add_line(&mut change.samples, made(record), &record.sample)?;
        }
    }
    for run in batch.runs.iter() {
        match (last.get(&run.0), changes.get_mut(&run.0)) {
            (Some(_), Some(change)) => runs_before.extend(change.run.replace(run)),
            // Nothing of it is new, or it is of a device that never reported.
            (Some(_), None) => runs_before.push(run),
            (None, _) => {}
        }
    }
    Ok((changes, runs_before))
}

/// What the database has of a device's reports behind a change, and whether it has enough samples for a block.
fn follows(
    before: Option<&LastReport>,
    newest: Option<&StatusRecord>,
    run: Option<&Run>,
    samples: usize,
) -> (LastReport, bool) {
    let recent = before.map_or(0, |before| before.recent) + samples;
    let is_full = recent >= samples::ENOUGH;
    let last = LastReport {
        made: newest.map(made).or_else(|| Some(before?.made)).unwrap_or_default(),
        run: run.map(|(_, run, _)| run).or_else(|| before?.run.as_ref()).cloned(),
        recent: if is_full { 0 } else { recent },
    };
    (last, is_full)
}

fn status_row(record: &StatusRecord) -> Vec<Value> {
    let times = [record.key_id.0, millis(record.reported_at), millis(record.received_at)].map(Value::from);
    times.into_iter().chain(record.sample.numbers().map(Value::Real)).collect()
}

fn report_row(key: KeyId, newest: Option<&StatusRecord>, run: Option<&Run>, samples: String) -> Vec<Value> {
    let body = newest.map_or_else(|| Value::from(""), |newest| Value::Shared(Arc::clone(&newest.body)));
    let (run, ranges) = run.map(|(_, run, set)| (run.as_str(), set.to_text())).unzip();
    vec![key.0.into(), body, run.into(), ranges.into(), samples.into()]
}
