//! What must be true afterwards, whatever happened: read from the ledgers, the database and the log's files.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::database::Database;
use super::place::tell;
use super::server::Server;

/// A report: device, run, number.
type Report = (String, String, u64);

/// What the checker counted; that nothing was lost or doubled, it has made sure of.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub acknowledged: usize,
    pub stored: usize,
}

/// Everything there is of reports.
struct Found {
    acknowledged: HashSet<Report>,
    /// In the database.
    stored: HashSet<Report>,
    /// With how often each is there.
    logged: HashMap<Report, u32>,
}

/// After a stop: every acknowledged report is in the database and in the log, once in each, and both hold the same.
pub fn reports(database: &Database, data: &Path, ledgers: &[&PathBuf]) -> Counted {
    let found = find(database, data, ledgers, false);
    let counted = nothing_is_lost(&found);
    none("more than once in the log", found.logged.iter().filter(|(_, times)| **times > 1).map(|(report, _)| report));
    let unstored = found.logged.keys().filter(|report| !found.stored.contains(*report));
    none("in the log and not in the database", unstored);
    // Every report is a sample, so one that is stored twice shows here.
    let samples = database.samples();
    assert_eq!(samples, found.stored.len() as u64, "samples in the database, for stored reports");
    counted
}

/// After a cut, before the server has started: the same, but the log may end with lines that were never committed.
pub fn survived(database: &Database, data: &Path, ledgers: &[&PathBuf]) -> Counted {
    nothing_is_lost(&find(database, data, ledgers, true))
}

fn find(database: &Database, data: &Path, ledgers: &[&PathBuf], torn: bool) -> Found {
    database.is_whole();
    let (stored, names) = stored(database);
    Found { acknowledged: acknowledged(ledgers), stored, logged: logged(&data.join("log"), &names, torn) }
}

fn nothing_is_lost(found: &Found) -> Counted {
    let Found { acknowledged, stored, logged } = found;
    none("acknowledged and not in the database", acknowledged.iter().filter(|report| !stored.contains(*report)));
    none("acknowledged and not in the log", acknowledged.iter().filter(|report| !logged.contains_key(*report)));
    none("in the database and not in the log", stored.iter().filter(|report| !logged.contains_key(*report)));
    Counted { acknowledged: acknowledged.len(), stored: stored.len() }
}

/// Fails with how many there are, and some of them.
fn none<'a>(what: &str, reports: impl Iterator<Item = &'a Report>) {
    let mut found: Vec<&Report> = reports.collect();
    found.sort();
    assert!(found.is_empty(), "{what}: {}, such as {:?}", found.len(), &found[..found.len().min(10)]);
}

/// Tells what [`reports`] counted.
pub fn tell_reports(counted: Counted) {
    tell("reports acknowledged", counted.acknowledged);
    tell("of these lost", 0);
    tell("reports stored (and in the log)", counted.stored);
    tell("of these doubled", 0);
}

/// The counters of every rollout are the sums of its rows.
pub fn counters(server: &Server, database: &Database) {
    for rollout in server.json("/api/v1/rollouts?limit=500")["items"].as_array().unwrap() {
        let id = rollout["id"].as_u64().unwrap();
        let query =
            format!("SELECT state AS name, COUNT(*) AS many FROM assignments WHERE rollout_id = {id} GROUP BY state");
        let rows: HashMap<String, u64> = database.counts(&query).into_iter().collect();
        for (state, count) in rollout["counts"].as_object().unwrap() {
            assert_eq!(count.as_u64(), Some(rows.get(state).copied().unwrap_or(0)), "rollout {id}: {state}");
        }
    }
}

fn acknowledged(ledgers: &[&PathBuf]) -> HashSet<Report> {
    let mut reports = HashSet::new();
    for ledger in ledgers {
        // The last line of a fleet that was ended by force may be cut.
        let text = fs::read_to_string(ledger).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [device, run, seq] = words[..] else { panic!("{line:?} is no line of a ledger") };
            assert!(reports.insert((device.to_owned(), run.to_owned(), seq.parse().unwrap())), "twice: {line}");
        }
    }
    reports
}

/// What the database holds, and the devices' names by their keys.
fn stored(database: &Database) -> (HashSet<Report>, HashMap<i64, String>) {
    let (mut reports, mut names) = (HashSet::new(), HashMap::new());
    for run in database.runs() {
        for range in run.ranges.split(',') {
            let (low, high) = range.split_once('-').unwrap();
            let (low, high): (u64, u64) = (low.parse().unwrap(), high.parse().unwrap());
            reports.extend((low..=high).map(|seq| (run.device_id.clone(), run.boot_id.clone(), seq)));
        }
        names.insert(run.key_id, run.device_id);
    }
    (reports, names)
}

/// What is in the log's files, with how often it is there. `torn`: a file may end in the middle of a write.
fn logged(dir: &Path, names: &HashMap<i64, String>, torn: bool) -> HashMap<Report, u32> {
    let mut reports = HashMap::new();
    let Ok(files) = fs::read_dir(dir) else { return reports };
    for path in files.map(|entry| entry.unwrap().path()) {
        let file = File::open(&path).unwrap();
        let compressed = path.extension().is_some_and(|extension| extension == "gz");
        let lines: Box<dyn BufRead> = match compressed {
            true => Box::new(BufReader::new(GzDecoder::new(file))),
            false => Box::new(BufReader::new(file)),
        };
        for line in lines.split(b'\n').map(Result::unwrap) {
            match reported(&line, names) {
                Some(report) => *reports.entry(report).or_default() += 1,
                // What was acknowledged and is behind the tear would be missed.
                None if torn => break,
                None => panic!("{}: {:?}", path.display(), String::from_utf8_lossy(&line)),
            }
        }
    }
    reports
}

/// The report of a line: `timestamp, key_id, report`.
fn reported(line: &[u8], names: &HashMap<i64, String>) -> Option<Report> {
    let mut columns = std::str::from_utf8(line).ok()?.splitn(3, ", ").skip(1);
    let (key, body) = (columns.next()?.parse().ok()?, columns.next()?);
    let body: Value = serde_json::from_str(body).ok()?;
    let name = names.get(&key).cloned().unwrap_or_else(|| format!("key {key}"));
    Some((name, body["boot_id"].as_str().unwrap_or_default().to_owned(), body["seq"].as_u64()?))
}
