//! The history of reports: charts read it, and it is thinned and forgotten with time.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::Db;
use super::dialect::{CHUNK, Sql};
use super::samples::{self, Line};
use super::schema::{device_reports, devices, report_runs, sample_blocks};
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
        let thin_from = thinned.map_or(drop_before, |to| drop_before.max(to - step));
        let kept = match step {
            0 => Kept { drop_before, thin_from: thin_before, thin_before, step: 1 },
            step => Kept { drop_before, thin_from: thin_from - thin_from.rem_euclid(step), thin_before, step },
        };
        let mut gone = 0;
        for chunk in keys.chunks(DEVICES_AT_ONCE) {
            let chunk = chunk.to_vec();
            gone += self.write(move |db| prune(db, &chunk, kept)).await? as u64;
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
struct Block {
    #[diesel(sql_type = Text)]
    samples: String,
}

fn history(db: &mut Db, key_id: KeyId, from: i64, to: i64, step: i64) -> Outcome<Vec<(Timestamp, Sample)>> {
    // One statement: between two of them the newest samples may have become a block.
    let blocks = Sql::new(
        "SELECT samples FROM (SELECT id, samples FROM sample_blocks WHERE key_id = ? AND last_at >= ? AND \
         first_at <= ? UNION ALL SELECT 9223372036854775807, recent FROM device_reports WHERE key_id = ?) AS found \
         ORDER BY id",
    )
    .bind(key_id.0)
    .bind(from)
    .bind(to)
    .bind(key_id.0);
    let mut course = Course { step, added: 0, means: BTreeMap::new() };
    // Block by block: a device that says much has more of them than should be in memory at once.
    for block in blocks.load_iter::<Block>(db)? {
        let block = block?;
        let within = samples::samples(&block.samples).filter(|(at, _)| (from..=to).contains(at));
        within.for_each(|(at, numbers)| course.add(at, numbers));
    }
    course.means.into_iter().map(|((at, _), mean)| Ok((instant(at)?, mean.sample()))).collect()
}

/// The first steps, or without steps the first samples, in the order of their times.
struct Course {
    step: i64,
    added: usize,
    means: BTreeMap<(i64, usize), Mean>,
}

impl Course {
    fn add(&mut self, at: i64, numbers: [Option<f64>; 7]) {
        let place = match self.step {
            0 => (at, self.added),
            step => (at - at.rem_euclid(step), 0),
        };
        self.added += 1;
        self.means.entry(place).or_default().add(numbers);
        // What is beyond the first stays beyond them, whatever comes.
        if self.means.len() > MOST {
            self.means.pop_last();
        }
    }
}

/// Of each number the mean of the samples that have it.
#[derive(Default)]
struct Mean([(f64, u32); 7]);

impl Mean {
    fn add(&mut self, numbers: [Option<f64>; 7]) {
        for ((sum, count), number) in self.0.iter_mut().zip(numbers) {
            *sum += number.unwrap_or_default();
            *count += u32::from(number.is_some());
        }
    }

    fn sample(self) -> Sample {
        Sample::of(self.0.map(|(sum, count)| Some(sum / f64::from(count)).filter(|mean| mean.is_finite())))
    }
}

/// What pruning leaves: nothing before `drop_before`, and of each step between `thin_from` and `thin_before` the first
/// sample.
#[derive(Clone, Copy)]
struct Kept {
    drop_before: i64,
    thin_from: i64,
    thin_before: i64,
    step: i64,
}

impl Kept {
    /// The lines that stay, in the order of their times.
    fn of<'a>(&self, mut lines: Vec<Line<'a>>) -> Vec<Line<'a>> {
        lines.retain(|(at, _)| *at >= self.drop_before);
        lines.sort_by_key(|(at, _)| *at);
        let step = |at: i64| (self.thin_from..self.thin_before).contains(&at).then(|| at.div_euclid(self.step));
        lines.dedup_by(|(at, _), (before, _)| step(*at).is_some() && step(*at) == step(*before));
        lines
    }
}

/// Writes anew what there is of these devices where something goes from it. How many samples went.
fn prune(db: &mut Db, devices: &[i64], kept: Kept) -> Outcome<usize> {
    let Kept { drop_before, thin_from, thin_before, .. } = kept;
    let thinned = sample_blocks::first_at.lt(thin_before).and(sample_blocks::last_at.ge(thin_from));
    let rows: Vec<(i64, i64, String)> = sample_blocks::table
        .filter(sample_blocks::key_id.eq_any(devices.to_vec()))
        .filter(sample_blocks::first_at.lt(drop_before).or(thinned))
        .order((sample_blocks::key_id, sample_blocks::id))
        .select((sample_blocks::key_id, sample_blocks::id, sample_blocks::samples))
        .load(db)?;
    let mut gone = 0;
    for blocks in rows.chunk_by(|one, next| one.0 == next.0) {
        let lines: Vec<Line> = blocks.iter().flat_map(|(.., text)| samples::lines(text)).collect();
        let (before, left) = (lines.len(), kept.of(lines));
        if left.len() < before {
            let ids: Vec<i64> = blocks.iter().map(|(_, id, _)| *id).collect();
            for chunk in ids.chunks(CHUNK) {
                diesel::delete(sample_blocks::table.filter(sample_blocks::id.eq_any(chunk.to_vec()))).execute(db)?;
            }
            samples::pack(db, blocks[0].0, &left)?;
            gone += before - left.len();
        }
    }
    Ok(gone + prune_recent(db, devices, kept)?)
}

/// Of a device that is silent its last samples grow old beside its report.
fn prune_recent(db: &mut Db, devices: &[i64], kept: Kept) -> Outcome<usize> {
    let rows: Vec<(i64, String)> = device_reports::table
        .filter(device_reports::key_id.eq_any(devices.to_vec()))
        .filter(device_reports::recent.ne(""))
        .select((device_reports::key_id, device_reports::recent))
        .load(db)?;
    let mut gone = 0;
    for (key_id, recent) in &rows {
        let lines: Vec<Line> = samples::lines(recent).collect();
        let (before, left) = (lines.len(), kept.of(lines));
        if left.len() < before {
            let left: String = left.iter().map(|(_, line)| *line).collect();
            diesel::update(device_reports::table.find(*key_id)).set(device_reports::recent.eq(&left)).execute(db)?;
            gone += before - left.lines().count();
        }
    }
    Ok(gone)
}
