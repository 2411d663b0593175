//! Reports that the server has not acknowledged: on disk, in order, bounded.
//!
//! Kind to flash: a report is one append to a segment file; what is acknowledged goes by removing whole segments.
//! Nothing is rewritten. A segment begins with the run (`boot_id`) and the next `seq`, so that numbering goes on
//! after a restart of the agent. After a restart of the device the tail of the file may be gone although the server
//! has it, so numbering then starts a new run: a number is never given to two reports.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::durable;
use crate::domain::BootId;

/// A new segment is begun at this size, bytes.
const SEGMENT: u64 = 256 * 1024;
/// An all-acknowledged segment is kept until this size, so that a device with a good link rarely makes files, bytes.
const KEEP_EMPTY: u64 = 64 * 1024;
/// Most bytes of all segments.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// One line of a segment.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    run: std::borrow::Cow<'a, str>,
    seq: u64,
    /// In a segment's first line: the start of the device that wrote it. `seq` is the next number then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    report: Option<&'a RawValue>,
}

struct Segment {
    number: u64,
    path: PathBuf,
    file: File,
    length: u64,
    /// Entries of it that are still kept.
    kept: usize,
}

struct Entry {
    run: BootId,
    seq: u64,
    segment: Rc<File>,
    number: u64,
    at: u64,
    length: usize,
}

/// The unacknowledged reports.
pub struct Outbox {
    folder: PathBuf,
    host: String,
    run: BootId,
    next_seq: u64,
    entries: VecDeque<Entry>,
    /// How many of the entries were sent on this connection; they are the first ones.
    sent: usize,
    segments: VecDeque<(Segment, Rc<File>)>,
    capacity: usize,
}

/// What to know of a report that was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Oldest reports that had to go for it.
    pub dropped: usize,
}

impl Outbox {
    /// Opens the folder. `host` names the start of the device (not of the agent), `fresh` a run that was never used.
    ///
    /// # Errors
    /// Those of the file system. What is damaged is left out and is no error.
    pub fn open(folder: &Path, host: &str, fresh: BootId, capacity: usize) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut outbox = Self {
            folder: folder.to_owned(),
            host: host.to_owned(),
            run: fresh.clone(),
            next_seq: 1,
            entries: VecDeque::new(),
            sent: 0,
            segments: VecDeque::new(),
            capacity: capacity.max(1),
        };
        let mut numbers: Vec<u64> = fs::read_dir(folder)?.flatten().filter_map(|e| number_of(&e.path())).collect();
        numbers.sort_unstable();
        for number in numbers {
            // The last segment decides; a damaged one must not hand out numbers of the one before it again.
            (outbox.run, outbox.next_seq) = outbox.load(number)?.unwrap_or_else(|| (fresh.clone(), 1));
        }
        if outbox.run == fresh {
            outbox.begin_segment()?;
        }
        outbox.forget_empty_segments()?;
        Ok(outbox)
    }

    /// The run and number of the next report.
    #[must_use]
    pub fn next(&self) -> (BootId, u64) {
        (self.run.clone(), self.next_seq)
    }

    /// Takes in the report (one line of JSON) that has the number of [`Outbox::next`].
    ///
    /// # Errors
    /// Those of the file system; the report is not kept then, and its number is not used.
    pub fn push(&mut self, report: &str) -> io::Result<Kept> {
        let raw: &RawValue = serde_json::from_str(report)?;
        let line = Line { run: self.run.as_str().into(), seq: self.next_seq, host: None, report: Some(raw) };
        let mut line = serde_json::to_vec(&line)?;
        line.push(b'\n');
        if self.segments.back().is_none_or(|(segment, _)| segment.length >= SEGMENT) {
            self.begin_segment()?;
        }
        let Some((segment, file)) = self.segments.back_mut() else { return Ok(Kept { dropped: 0 }) };
        let at = segment.length;
        segment.append(&line)?;
        segment.kept += 1;
        let entry = Entry {
            run: self.run.clone(),
            seq: self.next_seq,
            segment: Rc::clone(file),
            number: segment.number,
            at,
            length: line.len(),
        };
        self.entries.push_back(entry);
        self.next_seq += 1;
        self.make_room()
    }

    /// The next report to send, as JSON; it counts as sent from now on. One that cannot be read back is left out.
    pub fn next_unsent(&mut self) -> Option<String> {
        while let Some(entry) = self.entries.get(self.sent) {
            if let Some(report) = entry.read() {
                self.sent += 1;
                return Some(report);
            }
            self.remove(self.sent);
        }
        None
    }

    /// Whether a report waits to be sent.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.sent < self.entries.len()
    }

    /// A new connection: everything is to be sent again.
    pub fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The server has every report of `run` up to `seq` that was sent.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn acknowledge(&mut self, run: &BootId, seq: u64) -> io::Result<()> {
        let mut index = 0;
        while index < self.sent {
            let entry = &self.entries[index];
            if entry.run == *run && entry.seq <= seq {
                self.remove(index);
            } else {
                index += 1;
            }
        }
        self.forget_empty_segments()
    }

    /// The server will never take this one: it goes. Says whether there was one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn refuse(&mut self, seq: u64) -> io::Result<bool> {
        let found = self.entries.iter().take(self.sent).position(|entry| entry.seq == seq);
        if let Some(index) = found {
            self.remove(index);
            self.forget_empty_segments()?;
        }
        Ok(found.is_some())
    }

    /// Reports that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many are kept at most.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
    }

    /// Before the agent ends: puts everything on disk, and leaves nothing to be sent twice when all is acknowledged.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn close(&mut self) -> io::Result<()> {
        if self.entries.is_empty() && !self.segments.is_empty() {
            self.begin_segment()?;
            self.forget_empty_segments()?;
        }
        self.segments.back().map_or(Ok(()), |(segment, _)| segment.file.sync_all())
    }

    fn make_room(&mut self) -> io::Result<Kept> {
        let mut dropped = 0;
        let bytes = |segments: &VecDeque<(Segment, Rc<File>)>| segments.iter().map(|(s, _)| s.length).sum::<u64>();
        while self.entries.len() > self.capacity || (self.segments.len() > 1 && bytes(&self.segments) > MAX_BYTES) {
            self.remove(0);
            dropped += 1;
            self.forget_empty_segments()?;
        }
        Ok(Kept { dropped })
    }

    fn remove(&mut self, index: usize) {
        let Some(entry) = self.entries.remove(index) else { return };
        self.sent -= usize::from(index < self.sent);
        if let Some((segment, _)) = self.segments.iter_mut().find(|(s, _)| s.number == entry.number) {
            segment.kept -= 1;
        }
    }

    /// Removes segments of which nothing is kept. The last one holds the numbering and stays until it is long; then
    /// its successor is there before it goes.
    fn forget_empty_segments(&mut self) -> io::Result<()> {
        if self.segments.back().is_some_and(|(last, _)| last.kept == 0 && last.length >= KEEP_EMPTY) {
            self.begin_segment()?;
        }
        let last = self.segments.back().map_or(0, |(segment, _)| segment.number);
        while let Some(index) = self.segments.iter().position(|(s, _)| s.kept == 0 && s.number != last) {
            if let Some((segment, _)) = self.segments.remove(index) {
                durable::remove_file(&segment.path)?;
            }
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        let number = self.segments.back().map_or(1, |(segment, _)| segment.number + 1);
        let path = self.folder.join(format!("{number:020}.log"));
        let head =
            Line { run: self.run.as_str().into(), seq: self.next_seq, host: Some(self.host.clone()), report: None };
        let mut head = serde_json::to_vec(&head)?;
        head.push(b'\n');
        durable::replace_file(&path, &head, 0o600)?;
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let shared = Rc::new(file.try_clone()?);
        let length = head.len() as u64;
        self.segments.push_back((Segment { number, path, file, length, kept: 0 }, shared));
        Ok(())
    }

    /// Reads a segment: whole lines up to the first that is none; the rest is cut off. Says how numbering goes on,
    /// where nothing that was written can have been lost since.
    fn load(&mut self, number: u64) -> io::Result<Option<(BootId, u64)>> {
        let path = self.folder.join(format!("{number:020}.log"));
        let text = fs::read(&path)?;
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let shared = Rc::new(file.try_clone()?);
        let mut segment = Segment { number, path, file, length: 0, kept: 0 };
        let mut numbering = None;
        for line in text.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")) {
            let Ok(read) = serde_json::from_slice::<Line>(line) else { break };
            let Ok(run) = BootId::new(&read.run) else { break };
            match (read.host, read.report) {
                (Some(host), None) => numbering = Some((host, run, read.seq)),
                (None, Some(_)) => {
                    let (segment_file, at) = (Rc::clone(&shared), segment.length);
                    let length = line.len();
                    numbering = numbering.map(|(host, _, _)| (host, run.clone(), read.seq + 1));
                    self.entries.push_back(Entry { run, seq: read.seq, segment: segment_file, number, at, length });
                    segment.kept += 1;
                }
                _ => break,
            }
            segment.length += line.len() as u64;
        }
        segment.file.set_len(segment.length)?;
        self.segments.push_back((segment, shared));
        Ok(numbering.filter(|(host, _, _)| *host == self.host).map(|(_, run, next)| (run, next)))
    }
}

impl Segment {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(line, self.length).and_then(|()| (&self.file).flush());
        if let Err(error) = written {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

impl Entry {
    fn read(&self) -> Option<String> {
        let mut line = vec![0; self.length];
        self.segment.read_exact_at(&mut line, self.at).ok()?;
        let line: Line = serde_json::from_slice(&line).ok()?;
        line.report.map(|report| report.get().to_owned())
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
