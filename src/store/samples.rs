//! Samples as they are stored: lines of JSON, `[time, cpu_utilization, load_average, ...]`, several to a row.
//!
//! A row for each would be a page of an index for each, as devices report by turns. So a device's newest samples are
//! in the row that changes with every report anyway, and move to a block when there are enough of them.

use std::fmt::Display;
use std::io::Write as _;

use diesel::prelude::*;

use super::Outcome;
use super::connection::Db;
use super::devices::in_chunks;
use super::dialect::{CHUNK, Value};
use super::fault::Fault;
use super::rows::{Columns, statements};
use super::schema::device_reports;
use crate::domain::Sample;

/// Bytes of samples beside a device's report: with so many they become a block. About six samples: longer rows
/// take longer to write with each report than a block now and then.
pub(super) const ENOUGH: usize = 350;

/// Bytes of a block that old samples are packed into.
const PACKED: usize = 4096;

statements!(InsertBlock);

const BLOCKS: Columns<InsertBlock> = Columns::new("sample_blocks", &[], &["key_id", "first_at", "last_at", "samples"]);

/// A sample's time, and its line with the end of the line.
pub(super) type Line<'a> = (i64, &'a str);

/// Adds a sample's line.
pub(super) fn add_line(block: &mut Vec<u8>, at: i64, sample: &Sample) -> Outcome<()> {
    write!(block, "[{at}").map_err(Fault::corrupt)?;
    for number in sample.numbers() {
        block.push(b',');
        serde_json::to_writer(&mut *block, &number).map_err(Fault::corrupt)?;
    }
    block.extend_from_slice(b"]\n");
    Ok(())
}

/// The samples of a block, in the order in which they were written, as rows of their numbers.
pub(super) fn samples(block: &str) -> impl Iterator<Item = (i64, [Option<f64>; 7])> {
    lines(block).filter_map(|(at, line)| {
        let row: [Option<f64>; 8] = serde_json::from_str(line).inspect_err(|error| unreadable(line, error)).ok()?;
        let [_, numbers @ ..] = row;
        Some((at, numbers))
    })
}

/// The lines of a block, in the order in which they were written. One that can't be read keeps no other from it.
pub(super) fn lines(block: &str) -> impl Iterator<Item = Line<'_>> {
    block.split_inclusive('\n').filter_map(|line| {
        let time = line.strip_prefix('[').and_then(|rest| rest.split(',').next()).unwrap_or_default();
        time.parse().inspect_err(|error| unreadable(line, error)).ok().map(|at| (at, line))
    })
}

fn unreadable(line: &str, why: &dyn Display) {
    tracing::error!(line, %why, "a stored sample can't be read");
}

/// Makes the samples that are beside the reports of these devices into blocks.
pub(super) fn into_blocks(db: &mut Db, devices: &[i64]) -> Outcome<()> {
    let all = device_reports::table.select((device_reports::key_id, device_reports::recent));
    let rows: Vec<(i64, String)> =
        in_chunks(devices, |chunk| all.filter(device_reports::key_id.eq_any(chunk)).load(db))?;
    BLOCKS.insert(db, rows.iter().filter_map(|(key_id, lines)| block(*key_id, lines)).collect())?;
    for chunk in devices.chunks(CHUNK) {
        let taken = device_reports::table.filter(device_reports::key_id.eq_any(chunk.to_vec()));
        diesel::update(taken).set(device_reports::recent.eq("")).execute(db)?;
    }
    Ok(())
}

/// Packs lines that are in the order of their times.
pub(super) fn pack(db: &mut Db, key_id: i64, lines: &[Line<'_>]) -> Outcome<()> {
    let (mut blocks, mut text) = (Vec::new(), String::new());
    for (_, line) in lines {
        if text.len() + line.len() > PACKED {
            blocks.extend(block(key_id, &text));
            text.clear();
        }
        text.push_str(line);
    }
    blocks.extend(block(key_id, &text));
    Ok(BLOCKS.insert(db, blocks)?)
}

/// A block's row; none without lines.
fn block(key_id: i64, text: &str) -> Option<Vec<Value>> {
    let times = || lines(text).map(|(at, _)| at);
    Some(vec![key_id.into(), times().min()?.into(), times().max()?.into(), text.into()])
}
