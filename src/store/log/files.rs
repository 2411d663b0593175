//! The files of the status log: their names, their order, and how an old one is compressed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

use chrono::NaiveDate;
use flate2::Compression;
use flate2::write::GzEncoder;

/// `status-2026-11-22.0.log`, or the same with `.gz`. Ordered by age; of both forms of one file the plain one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LogFile {
    /// The UTC day of its first line.
    pub(super) day: NaiveDate,
    pub(super) number: u32,
    pub(super) compressed: bool,
}

const TEMPORARY: &str = ".tmp";

impl LogFile {
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (plain, compressed) = match name.strip_suffix(".gz") {
            Some(plain) => (plain, true),
            None => (name, false),
        };
        let (day, number) = plain.strip_prefix("status-")?.strip_suffix(".log")?.split_once('.')?;
        let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
        Some(Self { day, number: number.parse().ok()?, compressed })
    }

    pub(super) fn name(self) -> String {
        let gz = if self.compressed { ".gz" } else { "" };
        format!("status-{}.{}.log{gz}", self.day.format("%Y-%m-%d"), self.number)
    }

    /// Whether both are forms of one file.
    pub(super) fn is_same_file(self, other: Self) -> bool {
        (self.day, self.number) == (other.day, other.number)
    }

    pub(super) fn as_compressed(self) -> Self {
        Self { compressed: true, ..self }
    }
}

/// All files of the log, oldest first.
pub(super) fn list(dir: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        files.extend(entry?.file_name().to_str().and_then(LogFile::parse));
    }
    files.sort_unstable();
    Ok(files)
}

/// Removes what a kill during compression left: temporaries, and plain files whose compressed form is whole.
pub(super) fn tidy(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.to_str().is_some_and(|name| name.ends_with(TEMPORARY)) {
            remove_if_there(&path)?;
        }
    }
    let files = list(dir)?;
    for file in files.iter().filter(|file| !file.compressed && files.contains(&file.as_compressed())) {
        remove_if_there(&dir.join(file.name()))?;
    }
    Ok(())
}

/// Puts `X.gz` in the place of `X`; a reader finds one or the other at every moment.
pub(super) fn compress(path: &Path) -> io::Result<()> {
    let named = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    let (target, temporary) = (named(".gz"), named(&format!(".gz{TEMPORARY}")));
    let mut plain = match File::open(path) {
        // Pruned meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut encoder = GzEncoder::new(File::create(&temporary)?, Compression::fast());
    io::copy(&mut plain, &mut encoder)?;
    encoder.finish()?.sync_all()?;
    fs::rename(&temporary, &target)?;
    if let Some(dir) = path.parent() {
        sync_dir(dir)?;
    }
    remove_if_there(path)
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A file's name is durable only after its directory is.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
