use std::collections::BTreeSet;

use super::*;
use crate::domain::{KeyId, Report};

const DAY: i64 = 24 * 3600;

fn at(seconds: i64) -> Timestamp {
    // 2026-11-22T08:48:00.123Z
    chrono::DateTime::from_timestamp_millis(1_795_337_280_123 + seconds * 1000).unwrap()
}

fn line(key: i64, seconds: i64) -> StatusRecord {
    let report =
        serde_json::json!({"timestamp": millis_rfc3339::text(at(seconds)), "weather": "a\nb", "speed": seconds});
    let report: Report = serde_json::from_value(report).unwrap();
    StatusRecord::new(KeyId(key), &report, at(seconds))
}

fn open(dir: &Path, config: LogConfig, committed: Option<&LogPosition>) -> (StatusLog, Recovery) {
    StatusLog::open(dir, config, committed.cloned()).unwrap()
}

fn small() -> LogConfig {
    LogConfig { max_bytes: 200, ..LogConfig::default() }
}

fn shown(dir: &Path, key: i64) -> Vec<String> {
    show(dir, KeyId(key), None, None).unwrap().map(|line| line.unwrap()).collect()
}

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_line_is_the_time_the_key_and_the_report() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, recovery) = open(dir.path(), LogConfig::default(), None);
    assert_eq!((recovery, log.position()), (Recovery::Clean, None));
    let position = log.append(&[line(42, 0), line(7, 0)]).unwrap().position;
    let text = fs::read_to_string(dir.path().join("status-2026-11-22.0.log")).unwrap();
    let first = "2026-11-22T08:48:00.123Z, 42, {\"timestamp\":\"2026-11-22T08:48:00.123Z\",\"weather\":\"a\\nb\",\"speed\":0.0}";
    assert_eq!(text.lines().next(), Some(first));
    assert_eq!((position.file.as_str(), position.offset), ("status-2026-11-22.0.log", text.len() as u64));
    assert_eq!(shown(dir.path(), 42), [first]);
}

#[test]
fn without_a_body_a_line_is_exactly_two_columns() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), LogConfig { body: false, ..LogConfig::default() }, None);
    log.append(&[line(42, 0)]).unwrap();
    assert_eq!(shown(dir.path(), 42), ["2026-11-22T08:48:00.123Z, 42"]);
}

#[test]
fn files_rotate_are_compressed_and_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), small(), None);
    for seconds in 0..9 {
        log.append(&[line(1, seconds), line(2, seconds)]).unwrap();
    }
    log.append(&[line(1, DAY)]).unwrap();
    log.finish_compressing();
    log.append(&[line(1, DAY + 1)]).unwrap();
    log.finish_compressing();
    let names = names(dir.path());
    assert!(names.contains("status-2026-11-22.0.log.gz"), "{names:?}");
    assert!(names.contains("status-2026-11-23.0.log"), "{names:?}");
    assert_eq!(names.iter().filter(|name| name.ends_with(".log")).count(), 1, "{names:?}");
    let lines = shown(dir.path(), 1);
    assert_eq!(lines.len(), 11);
    assert!(lines.is_sorted());
    let part = show(dir.path(), KeyId(2), Some(at(3)), Some(at(5))).unwrap();
    assert_eq!(part.count(), 3);
    assert_eq!(show(dir.path(), KeyId(1), Some(at(DAY)), None).unwrap().count(), 2);
}

#[test]
fn what_was_never_acknowledged_is_cut_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), small(), None);
    let committed = log.append(&[line(1, 0)]).unwrap().position;
    for seconds in 1..6 {
        log.append(&[line(1, seconds)]).unwrap();
    }
    log.finish_compressing();
    // Killed in the middle of a line, before any of it was committed; nothing of it was compressed.
    let (dir, committed) = (dir.path(), &committed);
    for file in files::list(dir).unwrap().into_iter().filter(|file| file.compressed) {
        fs::remove_file(dir.join(file.name())).unwrap();
    }
    fs::write(dir.join("status-2026-11-22.0.log"), "x".repeat(committed.offset as usize + 10)).unwrap();
    drop(log);
    let (mut log, recovery) = open(dir, small(), Some(committed));
    assert!(matches!(recovery, Recovery::Cut { bytes } if bytes > 10), "{recovery:?}");
    assert_eq!(log.position().as_ref(), Some(committed));
    assert_eq!(names(dir).len(), 1);
    log.append(&[line(1, 9)]).unwrap();
    assert_eq!(shown(dir, 1).len(), 1);
    let position = log.position();
    drop(log);
    assert_eq!(open(dir, small(), position.as_ref()).1, Recovery::Clean);
}

#[test]
fn a_tail_too_long_for_a_kill_is_left_and_said() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), LogConfig::default(), None);
    let committed = log.append(&[line(1, 0)]).unwrap().position;
    drop(log);
    let file = OpenOptions::new().write(true).open(dir.path().join(&committed.file)).unwrap();
    file.set_len(70 << 20).unwrap();
    let (mut log, recovery) = open(dir.path(), LogConfig::default(), Some(&committed));
    assert!(matches!(&recovery, Recovery::Left { why } if why.contains("older database")), "{recovery:?}");
    assert_eq!(log.append(&[line(1, 1)]).unwrap().position.file, "status-2026-11-22.1.log");
    assert_eq!(fs::metadata(dir.path().join(&committed.file)).unwrap().len(), 70 << 20);
}

#[test]
fn a_position_that_is_gone_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), LogConfig::default(), None);
    let committed = log.append(&[line(1, 0)]).unwrap().position;
    drop(log);
    let why = |committed: Option<&LogPosition>| match open(dir.path(), LogConfig::default(), committed).1 {
        Recovery::Left { why } => why,
        other => panic!("{other:?}"),
    };
    let longer = LogPosition { offset: committed.offset + 1, ..committed.clone() };
    assert!(why(Some(&longer)).contains("its end was lost"));
    assert!(why(None).contains("does not know"));
    let other = LogPosition { file: "status-2026-11-21.0.log".to_owned(), offset: 1 };
    assert!(why(Some(&other)).contains("not there any more"));
    files::compress(&dir.path().join(&committed.file)).unwrap();
    assert!(why(Some(&committed)).contains("compressed"));
}

#[test]
fn what_the_database_refused_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), small(), None);
    let refused = log.append(&[line(1, 0)]).unwrap();
    log.take_back(refused.before).unwrap();
    assert_eq!((log.position(), names(dir.path()).len()), (None, 0), "the first file too");
    log.append(&[line(1, 1)]).unwrap();
    let kept = log.append(&[line(1, 2), line(1, 3)]).unwrap();
    let refused = log.append(&[line(1, 4)]).unwrap();
    assert_eq!(refused.before, Some(kept.position));
    log.take_back(refused.before).unwrap();
    assert_eq!(shown(dir.path(), 1).len(), 3);
    let refused = log.append(&[line(1, DAY)]).unwrap();
    log.append(&[line(1, DAY + 1)]).unwrap();
    log.take_back(refused.before).unwrap();
    assert_eq!(shown(dir.path(), 1).len(), 3, "across a rotation, and what was appended behind it");
    log.append(&[line(1, 5)]).unwrap();
    assert_eq!(shown(dir.path(), 1).len(), 4);
}

#[test]
fn what_was_owed_is_behind_what_is_taken_back_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), LogConfig::default(), None);
    log.append(&[line(1, 0)]).unwrap();
    let refused = log.append(&[line(1, 1)]).unwrap();
    // Lines behind these could be neither written nor taken back.
    log.owed = Some(Some(refused.position));
    log.take_back(refused.before).unwrap();
    log.append(&[line(1, 2)]).unwrap();
    let text = fs::read_to_string(dir.path().join("status-2026-11-22.0.log")).unwrap();
    assert_eq!(text.lines().count(), 2, "{text:?}");
    assert_eq!(shown(dir.path(), 1).len(), 2);
}

#[test]
fn old_files_are_forgotten_and_the_current_one_never() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), LogConfig { keep_days: 2, ..LogConfig::default() }, None);
    for day in 0..5 {
        log.append(&[line(1, day * DAY)]).unwrap();
    }
    log.finish_compressing();
    assert_eq!(log.prune(at(4 * DAY)).unwrap(), 2);
    assert_eq!(shown(dir.path(), 1).len(), 3);
    assert_eq!(log.prune(at(40 * DAY)).unwrap(), 2);
    assert_eq!(shown(dir.path(), 1).len(), 1);
    log.rotate_if_due(at(40 * DAY)).unwrap();
    assert_eq!(log.prune(at(40 * DAY)).unwrap(), 1);
}

#[test]
fn a_kill_while_compressing_leaves_every_line_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), small(), None);
    for seconds in 0..3 {
        log.append(&[line(1, seconds), line(1, seconds)]).unwrap();
    }
    log.finish_compressing();
    let position = log.position();
    drop(log);
    let plain = dir.path().join("status-2026-11-22.0.log");
    if !plain.exists() {
        let mut text = Vec::new();
        let compressed = File::open(dir.path().join("status-2026-11-22.0.log.gz")).unwrap();
        std::io::copy(&mut flate2::read::GzDecoder::new(compressed), &mut text).unwrap();
        fs::write(&plain, text).unwrap();
    }
    // Of a file that is not compressed again.
    fs::write(dir.path().join("status-2026-11-21.0.log.gz.tmp"), "half").unwrap();
    assert_eq!(shown(dir.path(), 1).len(), 6, "both forms are there");
    let (mut log, recovery) = open(dir.path(), small(), position.as_ref());
    assert_eq!(recovery, Recovery::Clean);
    log.finish_compressing();
    assert_eq!(shown(dir.path(), 1).len(), 6);
    assert!(names(dir.path()).iter().all(|name| !name.ends_with(".tmp")));
}
