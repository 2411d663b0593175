//! The last lines of one device, read from the log's end: as far back as is worth it, and no further.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::files;
use crate::domain::KeyId;

/// Bytes that are read at once.
const PIECE: u64 = 256 * 1024;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// Newest last.
    pub lines: Vec<String>,
    /// Whether the log goes on before what was read.
    pub more: bool,
}

/// The last `most_lines` lines of a device within the last `most_bytes` of the files that are not compressed yet.
///
/// # Errors
/// When the folder or a file can't be read.
pub fn tail(dir: &Path, key_id: KeyId, most_lines: usize, most_bytes: u64) -> io::Result<Tail> {
    let key = format!(", {key_id}");
    let mut lines = VecDeque::new();
    let mut left = most_bytes;
    let files = files::list(dir)?;
    for file in files.iter().rev() {
        if file.compressed || left == 0 || lines.len() >= most_lines {
            return Ok(Tail { lines: lines.into(), more: true });
        }
        match File::open(dir.join(file.name())) {
            Ok(mut opened) => left -= backwards(&mut opened, &key, most_lines, left, &mut lines)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let more = left == 0 || lines.len() >= most_lines;
    Ok(Tail { lines: lines.into(), more })
}

/// Reads a file from its end; how many bytes that were.
fn backwards(
    file: &mut File,
    key: &str,
    most_lines: usize,
    most_bytes: u64,
    lines: &mut VecDeque<String>,
) -> io::Result<u64> {
    let mut at = file.seek(SeekFrom::End(0))?;
    let mut read = 0;
    // The beginning of a line whose end is in what was read before.
    let mut rest: Vec<u8> = Vec::new();
    while at > 0 && read < most_bytes && lines.len() < most_lines {
        let size = PIECE.min(at).min(most_bytes - read);
        at -= size;
        read += size;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
        file.read_exact(&mut bytes)?;
        bytes.append(&mut rest);
        let mut ends = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<VecDeque<_>>();
        rest = ends.pop_front().unwrap_or_default();
        while let Some(line) = ends.pop_back() {
            take(&line, key, most_lines, lines);
        }
    }
    if at == 0 {
        take(&rest, key, most_lines, lines);
    }
    Ok(read)
}

/// Takes a line of the device: behind the time comes the key, and the end or another column.
fn take(line: &[u8], key: &str, most_lines: usize, lines: &mut VecDeque<String>) {
    let Some(comma) = line.iter().position(|byte| *byte == b',') else { return };
    let behind = line[comma..].strip_prefix(key.as_bytes());
    if behind.is_some_and(|rest| rest.is_empty() || rest.starts_with(b",")) && lines.len() < most_lines {
        lines.push_front(String::from_utf8_lossy(line).into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_of_one_device_are_found_across_files_and_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let body = "x".repeat(1000);
        let line = |n: u32, key: u32| format!("2026-11-22T08:48:00.{n:03}Z, {key}, {{\"n\":{n},\"b\":\"{body}\"}}\n");
        let old: String = (0..10).map(|n| line(n, 7)).collect();
        let new: String = (10..700).map(|n| line(n, if n % 100 == 0 { 7 } else { 77 })).collect();
        std::fs::write(dir.path().join("status-2026-11-22.0.log"), old).unwrap();
        std::fs::write(dir.path().join("status-2026-11-22.1.log"), new).unwrap();
        let numbers = |tail: &Tail| -> Vec<String> { tail.lines.iter().map(|line| line[20..23].to_owned()).collect() };
        let found = tail(dir.path(), KeyId(7), 8, u64::MAX).unwrap();
        assert_eq!(numbers(&found), ["008", "009", "100", "200", "300", "400", "500", "600"]);
        assert!(found.more);
        let short = tail(dir.path(), KeyId(7), 8, 300_000).unwrap();
        assert_eq!(numbers(&short), ["500", "600"]);
        let all = tail(dir.path(), KeyId(7), 100, u64::MAX).unwrap();
        assert_eq!((all.lines.len(), all.more), (16, false));
    }
}
