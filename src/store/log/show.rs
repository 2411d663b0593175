//! Reading the log back: the lines of one device, oldest first, also while the server writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use chrono::Days;
use flate2::read::MultiGzDecoder;

use super::files::{self, LogFile};
use crate::domain::{KeyId, Timestamp, millis_rfc3339};

/// The lines of one device received from `from` to `to`, both included; `None` is no limit.
///
/// # Errors
/// When the folder can't be read; what goes wrong later is an item.
pub fn show(dir: &Path, key_id: KeyId, from: Option<Timestamp>, to: Option<Timestamp>) -> io::Result<Show> {
    let mut wanted = files::list(dir)?;
    wanted.dedup_by(|next, first| next.is_same_file(*first));
    // A file may end with the first lines of the day after its own.
    let first = from.and_then(|from| from.date_naive().checked_sub_days(Days::new(1)));
    wanted.retain(|file| first.is_none_or(|day| file.day >= day) && to.is_none_or(|to| file.day <= to.date_naive()));
    Ok(Show {
        dir: dir.to_owned(),
        files: wanted.into(),
        reader: None,
        key: key_id.to_string(),
        from: from.map(millis_rfc3339::text),
        to: to.map(millis_rfc3339::text),
    })
}

/// See [`show`].
pub struct Show {
    dir: PathBuf,
    files: VecDeque<LogFile>,
    reader: Option<Box<dyn BufRead + Send>>,
    key: String,
    from: Option<String>,
    to: Option<String>,
}

impl Iterator for Show {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        loop {
            if self.reader.is_none() {
                let file = self.files.pop_front()?;
                match open(&self.dir, file) {
                    Ok(reader) => self.reader = reader,
                    Err(error) => return Some(Err(error)),
                }
                continue;
            }
            match self.line() {
                Ok(Some(line)) if self.wants(&line) => return Some(Ok(line)),
                Ok(Some(_)) => {}
                Ok(None) => self.reader = None,
                Err(error) => {
                    self.reader = None;
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Show {
    /// The next whole line; what has no end yet is still being written.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let Some(reader) = &mut self.reader else { return Ok(None) };
        reader.read_until(b'\n', &mut bytes)?;
        if bytes.pop() != Some(b'\n') {
            return Ok(None);
        }
        String::from_utf8(bytes).map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    fn wants(&self, line: &str) -> bool {
        let mut columns = line.splitn(3, ", ");
        let (Some(time), Some(key)) = (columns.next(), columns.next()) else { return false };
        // Instants of one width compare as text.
        key == self.key
            && self.from.as_deref().is_none_or(|from| time >= from)
            && self.to.as_deref().is_none_or(|to| time <= to)
    }
}

/// `None`: the file was pruned meanwhile.
fn open(dir: &Path, file: LogFile) -> io::Result<Option<Box<dyn BufRead + Send>>> {
    for form in [file, file.as_compressed()] {
        match File::open(dir.join(form.name())) {
            Ok(found) if form.compressed => return Ok(Some(Box::new(BufReader::new(MultiGzDecoder::new(found))))),
            Ok(found) => return Ok(Some(Box::new(BufReader::new(found)))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}
