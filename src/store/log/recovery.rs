//! After a start: the log is brought to the position that the database stands for, or it is said why not.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::LogPosition;
use super::files::{self, LogFile};

/// What was found behind the committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    Clean,
    /// Lines that were never acknowledged; they were cut off.
    Cut { bytes: u64 },
    /// Log and database don't agree, and nothing was touched; a new file goes on. A sentence for the operator.
    Left { why: String },
}

/// A tail longer than this was not left by a kill: no more than two groups of reports are ahead of the database.
const MOST_CUT: u64 = 64 << 20;

/// The position to go on from, where there is one, and what was found.
pub(super) fn recover(dir: &Path, committed: Option<&LogPosition>) -> io::Result<(Option<LogPosition>, Recovery)> {
    let all = files::list(dir)?;
    let Some(committed) = committed else {
        let recovery = match all.len() {
            0 => Recovery::Clean,
            n => left(format!("the database does not know the status log's {n} files; they were left as they are")),
        };
        return Ok((None, recovery));
    };
    let Some(name) = LogFile::parse(&committed.file).filter(|name| !name.compressed && all.contains(name)) else {
        return Ok((None, missing(&all, committed)));
    };
    let length = fs::metadata(dir.join(name.name()))?.len();
    let Some(mut behind) = length.checked_sub(committed.offset) else {
        return Ok((
            None,
            left(format!(
                "{} has {length} bytes, but the database stands for {}: its end was lost",
                committed.file, committed.offset
            )),
        ));
    };
    for file in all.iter().filter(|file| **file > name) {
        behind += fs::metadata(dir.join(file.name()))?.len();
    }
    if behind > MOST_CUT {
        let why = format!("{behind} bytes of the status log behind {} are not in the database", committed.file);
        return Ok((None, left(format!("{why}; they were left as they are (was an older database restored?)"))));
    }
    let recovery = if behind == 0 { Recovery::Clean } else { Recovery::Cut { bytes: behind } };
    Ok((Some(committed.clone()), recovery))
}

fn missing(all: &[LogFile], committed: &LogPosition) -> Recovery {
    let compressed = LogFile::parse(&committed.file).is_some_and(|name| all.contains(&name.as_compressed()));
    left(if compressed {
        format!("{} was compressed meanwhile; a new file goes on", committed.file)
    } else {
        format!("{} is not there any more; a new file goes on", committed.file)
    })
}

fn left(why: String) -> Recovery {
    Recovery::Left { why }
}

/// Cuts a file at `offset` and removes every file behind it, durably.
pub(super) fn cut(dir: &Path, name: LogFile, offset: u64) -> io::Result<()> {
    let later = files::list(dir)?.into_iter().filter(|file| *file > name && !file.is_same_file(name));
    // The newest first: a kill in between leaves no gap.
    for file in later.rev() {
        files::remove_if_there(&dir.join(file.name()))?;
    }
    let file = OpenOptions::new().write(true).open(dir.join(name.name()))?;
    if file.metadata()?.len() != offset {
        file.set_len(offset)?;
        file.sync_all()?;
    }
    files::sync_dir(dir)
}
