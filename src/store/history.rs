//! The history of reports: charts read it, and it is thinned and forgotten with time.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable};

use super::connection::Db;
use super::dialect::Sql;
use super::schema::{devices, report_runs, samples};
use super::stored::{instant, millis};
use super::{Outcome, Result, Store, settings};
use crate::domain::{KeyId, Sample, Timestamp};

/// Most samples that one reading returns.
const MOST: usize = 5000;
/// Devices whose samples are pruned in one transaction: short enough that reports hardly wait.
const DEVICES_AT_ONCE: usize = 20;
/// The setting that says up to when the history is thinned.
const THINNED_TO: &str = "history_thinned_to";

impl Store {
    /// Samples by report time, averaged over steps of `step_s` seconds (0: every sample), at most 5,000, oldest first.
    /// An averaged sample has the time at which its step begins.
    pub async fn history(
        &self,
        key_id: KeyId,
        from: Timestamp,
        to: Timestamp,
        step_s: u32,
    ) -> Result<Vec<(Timestamp, Sample)>> {
        let step = i64::from(step_s) * 1000;
        self.read(move |db| history(db, key_id, millis(from), millis(to), step)).await
    }

    /// Deletes samples before `drop_before`, and keeps one per `step_s` and device before `thin_before`. In small
    /// transactions. Also forgets runs not heard of since `drop_before`. Answers how many samples went.
    pub async fn prune_history(&self, drop_before: Timestamp, thin_before: Timestamp, step_s: u32) -> Result<u64> {
        let keys: Vec<i64> = self.read(|db| Ok(devices::table.select(devices::key_id).load(db)?)).await?;
        let thinned: Option<i64> = self.setting(THINNED_TO).await?.and_then(|text| text.parse().ok());
        let step = i64::from(step_s) * 1000;
        let (drop_before, thin_before) = (millis(drop_before), millis(thin_before));
        // What was thinned before stays so; the last step may have been half full.
        let thin_from = thinned.map_or(drop_before, |to| drop_before.max(to - step.max(1)));
        let mut gone = 0;
        for chunk in keys.chunks(DEVICES_AT_ONCE) {
            let chunk = chunk.to_vec();
            gone += self
                .write(move |db| {
                    let dropped = drop_samples(db, &chunk, drop_before)?;
                    Ok(dropped + thin_samples(db, &chunk, thin_from, thin_before, step)?)
                })
                .await?;
        }
        self.write(move |db| {
            let silent = report_runs::table.filter(report_runs::updated_at.lt(drop_before));
            diesel::delete(silent).execute(db)?;
            settings::put(db, THINNED_TO, &thin_before.to_string())
        })
        .await?;
        Ok(gone)
    }
}

#[derive(QueryableByName)]
struct SampleRow {
    #[diesel(sql_type = BigInt)]
    at: i64,
    #[diesel(sql_type = Nullable<Double>)]
    cpu_utilization: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    load_average: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    temperature: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    disk_used_percent: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    speed: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    latitude: Option<f64>,
    #[diesel(sql_type = Nullable<Double>)]
    longitude: Option<f64>,
}

impl SampleRow {
    fn sample(self) -> Outcome<(Timestamp, Sample)> {
        let sample = Sample {
            cpu_utilization: self.cpu_utilization,
            load_average: self.load_average,
            temperature: self.temperature,
            disk_used_percent: self.disk_used_percent,
            speed: self.speed,
            latitude: self.latitude,
            longitude: self.longitude,
        };
        Ok((instant(self.at)?, sample))
    }
}

fn history(db: &mut Db, key_id: KeyId, from: i64, to: i64, step: i64) -> Outcome<Vec<(Timestamp, Sample)>> {
    let sql = if step == 0 {
        Sql::new(
            "SELECT reported_at AS at, cpu_utilization, load_average, temperature, disk_used_percent, speed, \
             latitude, longitude FROM samples WHERE key_id = ? AND reported_at >= ? AND reported_at <= ? \
             ORDER BY reported_at, id",
        )
    } else {
        Sql::new(&format!(
            "SELECT reported_at - reported_at % {step} AS at, AVG(cpu_utilization) AS cpu_utilization, \
             AVG(load_average) AS load_average, AVG(temperature) AS temperature, \
             AVG(disk_used_percent) AS disk_used_percent, AVG(speed) AS speed, AVG(latitude) AS latitude, \
             AVG(longitude) AS longitude FROM samples WHERE key_id = ? AND reported_at >= ? AND reported_at <= ? \
             GROUP BY reported_at - reported_at % {step} ORDER BY at",
        ))
    };
    let sql = sql.bind(key_id.0).bind(from).bind(to).push(&format!(" LIMIT {MOST}"));
    let rows: Vec<SampleRow> = sql.load(db)?;
    rows.into_iter().map(SampleRow::sample).collect()
}

fn drop_samples(db: &mut Db, keys: &[i64], before: i64) -> Outcome<u64> {
    let old = samples::table.filter(samples::key_id.eq_any(keys.to_vec())).filter(samples::reported_at.lt(before));
    Ok(diesel::delete(old).execute(db)? as u64)
}

/// Keeps the first written sample of each step.
fn thin_samples(db: &mut Db, keys: &[i64], from: i64, before: i64, step: i64) -> Outcome<u64> {
    if step == 0 || from >= before {
        return Ok(0);
    }
    let from = from - from.rem_euclid(step);
    // The kept ones go through a derived table: MySQL doesn't delete from a table that it reads in a subquery.
    let sql = Sql::new("DELETE FROM samples WHERE key_id IN ")
        .list(keys.iter().copied())
        .push(" AND reported_at >= ? AND reported_at < ? AND id NOT IN (SELECT kept FROM (")
        .bind(from)
        .bind(before)
        .push("SELECT MIN(id) AS kept FROM samples WHERE key_id IN ")
        .list(keys.iter().copied())
        .push(&format!(
            " AND reported_at >= ? AND reported_at < ? GROUP BY key_id, reported_at - reported_at % {step}) AS k)"
        ))
        .bind(from)
        .bind(before);
    Ok(sql.execute(db)? as u64)
}
