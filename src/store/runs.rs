//! Which numbers of a run of reports are stored. The last run of a device is in the row of its report, others are apart.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::connection::Db;
use super::devices::in_chunks;
use super::dialect::Value;
use super::rows::Columns;
use super::schema::{device_reports, report_runs};
use super::{Fault, Outcome, Result, Store};
use crate::domain::{BootId, KeyId, SeqSet};

/// A device's run, and its numbers.
pub(super) type Run = (KeyId, BootId, SeqSet);

const RUNS: Columns = Columns::new("report_runs", &["key_id", "boot_id"], &["ranges", "updated_at"]);

impl Store {
    /// The stored runs among these. Read by the writer, so that no crowd of readers keeps reports waiting.
    pub async fn runs(&self, wanted: Vec<(KeyId, BootId)>) -> Result<HashMap<(KeyId, BootId), SeqSet>> {
        self.write(move |db| runs(db, &wanted)).await
    }
}

fn runs(db: &mut Db, wanted: &[(KeyId, BootId)]) -> Outcome<HashMap<(KeyId, BootId), SeqSet>> {
    let mut keys: Vec<i64> = wanted.iter().map(|(key, _)| key.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let all = report_runs::table.select((report_runs::key_id, report_runs::boot_id, report_runs::ranges));
    // A device has few runs: reading all of them takes one index lookup a device.
    let rows: Vec<(i64, String, String)> =
        in_chunks(&keys, |chunk| all.filter(report_runs::key_id.eq_any(chunk)).load(db))?;
    let wanted: HashSet<(i64, &str)> = wanted.iter().map(|(key, run)| (key.0, run.as_str())).collect();
    let mut found = HashMap::new();
    // The last of a device may be apart as well, as it was when another had begun.
    for (key, run, ranges) in rows.into_iter().chain(last_runs(db, &keys)?) {
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

/// The last runs of these devices, with their numbers.
fn last_runs(db: &mut Db, devices: &[i64]) -> Outcome<Vec<(i64, String, String)>> {
    let all = device_reports::table.select((device_reports::key_id, device_reports::boot_id, device_reports::ranges));
    let rows: Vec<(i64, Option<String>, Option<String>)> =
        in_chunks(devices, |chunk| all.filter(device_reports::key_id.eq_any(chunk)).load(db))?;
    Ok(rows.into_iter().filter_map(|(key, run, ranges)| Some((key, run?, ranges?))).collect())
}

/// Keeps runs that are not the last of their device.
pub(super) fn keep(db: &mut Db, runs: Vec<&Run>, heard: i64) -> Outcome<()> {
    let row = |(key, run, set): &Run| (key.0, run.as_str().to_owned(), set.to_text());
    put(db, runs.into_iter().map(row).collect(), heard)
}

/// Keeps the runs that are the last of these devices until now.
pub(super) fn keep_last(db: &mut Db, devices: &[i64], heard: i64) -> Outcome<()> {
    let runs = last_runs(db, devices)?;
    put(db, runs, heard)
}

fn put(db: &mut Db, runs: Vec<(i64, String, String)>, heard: i64) -> Outcome<()> {
    let row = |(key, run, ranges): (i64, String, String)| -> Vec<Value> {
        vec![key.into(), run.into(), ranges.into(), heard.into()]
    };
    Ok(RUNS.upsert(db, runs.into_iter().map(row).collect())?)
}
