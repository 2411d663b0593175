//! The status log: append-only text, one line a report, durable before it is acknowledged.
//!
//! `2026-11-22T08:48:00.123Z, 42, {"timestamp":...}`: when the server had it, the device's key_id, the report as
//! one line of JSON. Files rotate by UTC day and by size; old ones are compressed aside and forgotten after a while.
//!
//! The log is written before the database commits, and the database keeps the position up to which it stands for the
//! log. What is behind that position after a kill was never acknowledged, and is cut off at the next start.

mod files;
mod recovery;
mod show;
mod tail;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use chrono::{Days, NaiveDate};

use self::files::LogFile;
use super::reports::StatusRecord;
use crate::domain::{Timestamp, millis_rfc3339};

pub use recovery::Recovery;
pub use show::{Show, show};
pub use tail::{Tail, tail};

/// Which bytes of the status log the database stands for: written in the same transaction as the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPosition {
    /// The file's name within the log folder.
    pub file: String,
    pub offset: u64,
}

/// How the log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Whether a line has the report; without it a line is exactly `timestamp, key_id`.
    pub body: bool,
    /// A file this long is followed by a new one.
    pub max_bytes: u64,
    /// Files of days before these are deleted.
    pub keep_days: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { body: true, max_bytes: 256 << 20, keep_days: 30 }
    }
}

/// The log's one writer.
#[derive(Debug)]
pub struct StatusLog {
    dir: PathBuf,
    config: LogConfig,
    current: Option<Current>,
    /// An undoing that failed and must succeed before anything more is written.
    owed: Option<Mark>,
    /// Whether there may be plain files before the current one.
    older: bool,
    compressing: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Current {
    name: LogFile,
    file: File,
    length: u64,
}

/// A place in the log, or `None` before its first file in this run.
pub type Mark = Option<LogPosition>;

/// Lines that are on disk: where the log was before them, and where it is behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub before: Mark,
    pub position: LogPosition,
}

impl StatusLog {
    /// Opens the log folder and brings it to what the database stands for.
    ///
    /// # Errors
    /// When the folder or its files can't be read or cut.
    pub fn open(dir: &Path, config: LogConfig, committed: Option<LogPosition>) -> io::Result<(Self, Recovery)> {
        fs::create_dir_all(dir)?;
        files::tidy(dir)?;
        let (resumed, recovery) = recovery::recover(dir, committed.as_ref())?;
        let mut log = Self { dir: dir.to_owned(), config, current: None, owed: None, older: true, compressing: None };
        if let Some(position) = resumed {
            log.back_to(&Some(position))?;
        }
        log.compress_older()?;
        Ok((log, recovery))
    }

    /// Where the next line will be, once there is a file.
    #[must_use]
    pub fn position(&self) -> Option<LogPosition> {
        self.current.as_ref().map(|current| LogPosition { file: current.name.name(), offset: current.length })
    }

    /// Writes a line for each, and returns when they are on disk. Without records nothing happens.
    ///
    /// # Errors
    /// When they can't be written; then none of them is in the log.
    pub fn append(&mut self, records: &[StatusRecord]) -> io::Result<Appended> {
        if let Some(mark) = self.owed.take() {
            self.take_back(mark)?;
        }
        let before = self.position();
        if let Some(first) = records.first() {
            self.compress_older()?;
            let written = self.rotate_if_due(first.received_at).and_then(|()| self.write(records));
            if let Err(error) = written {
                // Owed when it fails; the error to tell is the first one.
                let _ = self.take_back(before);
                return Err(error);
            }
        }
        let position = self.position().ok_or_else(|| io::Error::other("there is no log file yet"))?;
        Ok(Appended { before, position })
    }

    /// Takes back all that was appended since, also files begun, after the database refused it.
    ///
    /// # Errors
    /// When a file can't be cut or removed; the next append tries again first.
    pub fn take_back(&mut self, mark: Mark) -> io::Result<()> {
        let outcome = self.back_to(&mark);
        // What was owed before was behind this mark too.
        self.owed = outcome.is_err().then_some(mark);
        outcome
    }

    /// Ends the current file when it is long enough or of a day before `now`'s; the next line begins a new one.
    ///
    /// # Errors
    /// When the new file can't be made.
    pub fn rotate_if_due(&mut self, now: Timestamp) -> io::Result<()> {
        let today = now.date_naive();
        let due = self
            .current
            .as_ref()
            .is_none_or(|current| current.length >= self.config.max_bytes || current.name.day < today);
        if due { self.begin(today) } else { Ok(()) }
    }

    /// Deletes files of days that need not be kept. How many.
    ///
    /// # Errors
    /// When a file can't be deleted.
    pub fn prune(&mut self, now: Timestamp) -> io::Result<u64> {
        let Some(oldest) = now.date_naive().checked_sub_days(Days::new(self.config.keep_days.into())) else {
            return Ok(0);
        };
        let current = self.current.as_ref().map(|current| current.name);
        let mut gone = 0;
        for file in files::list(&self.dir)? {
            if file.day < oldest && !current.is_some_and(|current| current.is_same_file(file)) {
                fs::remove_file(self.dir.join(file.name()))?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    /// Waits until what is being compressed is done.
    pub fn finish_compressing(&mut self) {
        if let Some(thread) = self.compressing.take()
            && thread.join().is_err()
        {
            tracing::error!("compressing a status log ended by a panic");
        }
    }

    /// Begins a file behind all that exist.
    fn begin(&mut self, today: NaiveDate) -> io::Result<()> {
        let last = files::list(&self.dir)?.into_iter().next_back();
        let name = match last {
            Some(last) if last.day >= today => LogFile { number: last.number + 1, compressed: false, ..last },
            _ => LogFile { day: today, number: 0, compressed: false },
        };
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).open(self.dir.join(name.name()))?;
        files::sync_dir(&self.dir)?;
        self.current = Some(Current { name, file, length: 0 });
        self.older = true;
        Ok(())
    }

    fn write(&mut self, records: &[StatusRecord]) -> io::Result<()> {
        let mut lines = Vec::with_capacity(records.len() * 512);
        for record in records {
            write!(lines, "{}, {}", millis_rfc3339::text(record.received_at), record.key_id)?;
            if self.config.body {
                lines.extend_from_slice(b", ");
                lines.extend_from_slice(record.body().as_bytes());
            }
            lines.push(b'\n');
        }
        let Some(current) = &mut self.current else { return Err(io::Error::other("the log has no file")) };
        current.file.write_all(&lines)?;
        current.file.sync_data()?;
        current.length += lines.len() as u64;
        Ok(())
    }

    /// Removes what was begun since, and cuts the file of the mark.
    fn back_to(&mut self, mark: &Mark) -> io::Result<()> {
        let Some(position) = mark else {
            if let Some(current) = &self.current {
                files::remove_if_there(&self.dir.join(current.name.name()))?;
            }
            self.current = None;
            return files::sync_dir(&self.dir);
        };
        let name = LogFile::parse(&position.file)
            .filter(|name| !name.compressed)
            .ok_or_else(|| io::Error::other(format!("{:?} is no file of the status log", position.file)))?;
        recovery::cut(&self.dir, name, position.offset)?;
        let file = OpenOptions::new().append(true).open(self.dir.join(name.name()))?;
        self.current = Some(Current { name, file, length: position.offset });
        Ok(())
    }

    /// Everything before the current file is committed: an append comes only when the one before the last was settled,
    /// and never begins a file behind itself.
    fn compress_older(&mut self) -> io::Result<()> {
        let busy = self.compressing.as_ref().is_some_and(|thread| !thread.is_finished());
        let Some(current) = self.current.as_ref().map(|current| current.name) else { return Ok(()) };
        if busy || !self.older {
            return Ok(());
        }
        self.finish_compressing();
        self.older = false;
        let older = files::list(&self.dir)?.into_iter().filter(|file| !file.compressed && *file < current);
        let older: Vec<PathBuf> = older.map(|file| self.dir.join(file.name())).collect();
        if older.is_empty() {
            return Ok(());
        }
        self.compressing = Some(std::thread::Builder::new().name("log-compressor".to_owned()).spawn(move || {
            for path in older {
                if let Err(error) = files::compress(&path) {
                    tracing::warn!(file = %path.display(), %error, "a status log was not compressed");
                }
            }
        })?);
        Ok(())
    }
}

impl Drop for StatusLog {
    fn drop(&mut self) {
        self.finish_compressing();
    }
}

#[cfg(test)]
mod tests;
