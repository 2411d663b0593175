//! From a package to a folder. The package is hostile until its files lie in a folder of our own.
//!
//! What it is, is seen from its content: a tar, plain or packed by gzip or zstd, or else one file. Of a tar only
//! regular files and folders are taken, by plain relative names; anything else refuses the whole package.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::durable;

/// What a package may be at most.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Files and folders.
    pub entries: u64,
    /// Folders below folders.
    pub depth: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { entries: 20_000, depth: 32, bytes: 4 << 30 }
    }
}

/// Why a package was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It holds something that is not taken; another try will find the same.
    #[error("the package is refused: {0}")]
    Refused(String),
    /// The device could not; another try may.
    #[error("the package could not be unpacked: {0}")]
    Disk(#[from] io::Error),
}

fn refused<T>(why: impl Into<String>) -> Result<T, UnpackError> {
    Err(UnpackError::Refused(why.into()))
}

const BLOCK: usize = 512;

/// Unpacks `package` into the new folder `target`, or places it there as one file named `file_name`; all of it is
/// on disk afterwards. What an earlier try left at `target` goes first.
///
/// # Errors
/// [`UnpackError`]; `target` is removed then.
pub fn unpack(package: &Path, target: &Path, file_name: &str, caps: Caps) -> Result<(), UnpackError> {
    durable::remove_folder(target)?;
    make_folder(target)?;
    let outcome = match archive(package)? {
        Some(reader) => Unpacking::new(target, caps).run(reader),
        None => place(package, &target.join(file_name)),
    };
    if outcome.is_err() {
        durable::remove_folder(target)?;
    }
    outcome
}

/// The tar stream of a package, where it is one.
fn archive(package: &Path) -> io::Result<Option<Box<dyn Read>>> {
    let open = || File::open(package).map(BufReader::new);
    let mut magic = Vec::new();
    open()?.take(4).read_to_end(&mut magic)?;
    let unpacked = || -> io::Result<Box<dyn Read>> {
        Ok(match magic.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(open()?)),
            [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::with_buffer(open()?)?),
            _ => Box::new(open()?),
        })
    };
    let mut first = Vec::new();
    // A damaged stream is no archive that we know; it is then placed as the file it is.
    let _ = unpacked()?.take(BLOCK as u64).read_to_end(&mut first);
    if is_tar_header(&first) { unpacked().map(Some) } else { Ok(None) }
}

/// Whether a block has the checksum of a tar header; older tars have no magic word.
fn is_tar_header(block: &[u8]) -> bool {
    let Some(field) = block.get(148..156).filter(|_| block.len() == BLOCK && block[0] != 0) else { return false };
    let digits: String = field.iter().map(|b| char::from(*b)).filter(|c| c.is_digit(8)).collect();
    let sum: u32 =
        block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    u32::from_str_radix(&digits, 8) == Ok(sum)
}

fn place(package: &Path, target: &Path) -> Result<(), UnpackError> {
    let mut from = File::open(package)?;
    from.rewind()?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o755).open(target)?;
    io::copy(&mut from, &mut to)?;
    to.sync_all()?;
    durable::sync_parent(target)?;
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o755).create(path)
}

/// What is known of a path that was made, under its lower-case name.
struct Made {
    exact: PathBuf,
    is_folder: bool,
}

struct Unpacking<'a> {
    target: &'a Path,
    caps: Caps,
    made: HashMap<String, Made>,
    folders: Vec<PathBuf>,
    entries: u64,
    bytes: u64,
    files: u64,
}

impl<'a> Unpacking<'a> {
    fn new(target: &'a Path, caps: Caps) -> Self {
        let folders = vec![target.to_owned()];
        Self { target, caps, made: HashMap::new(), folders, entries: 0, bytes: 0, files: 0 }
    }

    fn run(mut self, reader: Box<dyn Read>) -> Result<(), UnpackError> {
        // Room for headers and padding beside the files themselves; no stream is read beyond it.
        let longest = self.caps.bytes.saturating_add(self.caps.entries.saturating_mul(4096));
        let mut archive = tar::Archive::new(reader.take(longest));
        for entry in archive.entries().map_err(damaged)? {
            let mut entry = entry.map_err(damaged)?;
            self.take(&mut entry)?;
        }
        if self.files == 0 {
            return refused("it holds no file");
        }
        for folder in self.folders.iter().rev() {
            durable::sync_folder(folder)?;
        }
        Ok(())
    }

    fn take<R: Read>(&mut self, entry: &mut tar::Entry<R>) -> Result<(), UnpackError> {
        let kind = entry.header().entry_type();
        if kind.is_pax_global_extensions() {
            return Ok(());
        }
        self.entries += 1;
        if self.entries > self.caps.entries {
            return refused(format!("more than {} entries", self.caps.entries));
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let mode = entry.header().mode().map_err(damaged)?;
        if mode & 0o6000 != 0 {
            return refused(format!("{name:?} is setuid or setgid"));
        }
        let path = self.plain(&name)?;
        if kind.is_dir() {
            return self.folder(&path);
        }
        if !kind.is_file() {
            return refused(format!("{name:?} is neither a file nor a folder"));
        }
        if path.as_os_str().is_empty() || name.ends_with('/') {
            return refused(format!("{name:?} is no name of a file"));
        }
        self.bytes = self.bytes.saturating_add(entry.size());
        if self.bytes > self.caps.bytes {
            return refused(format!("more than {} bytes", self.caps.bytes));
        }
        self.file(&path, mode, entry)
    }

    /// The path of an entry, where it is a plain one that stays below the target.
    fn plain(&self, name: &str) -> Result<PathBuf, UnpackError> {
        let mut path = PathBuf::new();
        if name.contains(['\0', '\\']) || name.contains(char::REPLACEMENT_CHARACTER) {
            return refused(format!("{name:?} is no plain name"));
        }
        for component in Path::new(name).components() {
            match component {
                Component::Normal(part) => path.push(part),
                Component::CurDir => {}
                _ => return refused(format!("{name:?} leaves the folder")),
            }
        }
        if path.components().count() > self.caps.depth {
            return refused(format!("{name:?} is deeper than {} folders", self.caps.depth));
        }
        Ok(path)
    }

    /// Makes a folder and those above it, each once and in one spelling.
    fn folder(&mut self, path: &Path) -> Result<(), UnpackError> {
        let mut above = PathBuf::new();
        for part in path.components() {
            above.push(part);
            match self.made.get(&lower(&above)) {
                Some(made) if made.is_folder && made.exact == above => continue,
                Some(made) => return refused(format!("{above:?} and {:?} are one name", made.exact)),
                None => {}
            }
            let full = self.target.join(&above);
            make_folder(&full)?;
            self.folders.push(full);
            self.made.insert(lower(&above), Made { exact: above.clone(), is_folder: true });
        }
        Ok(())
    }

    fn file<R: Read>(&mut self, path: &Path, mode: u32, entry: &mut tar::Entry<R>) -> Result<(), UnpackError> {
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        let made = Made { exact: path.to_owned(), is_folder: false };
        if let Some(other) = self.made.insert(lower(path), made) {
            return refused(format!("{path:?} and {:?} are one name", other.exact));
        }
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.target.join(path))?;
        let mut buffer = vec![0; 64 * 1024];
        let mut left = entry.size();
        loop {
            // What cannot be read is the package's fault, what cannot be written is the disk's.
            let n = entry.read(&mut buffer).map_err(damaged)?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n])?;
            left = left.saturating_sub(n as u64);
        }
        if left > 0 {
            return refused(format!("{path:?} ends early"));
        }
        file.sync_all()?;
        self.files += 1;
        Ok(())
    }
}

fn lower(path: &Path) -> String {
    path.to_string_lossy().to_lowercase()
}

fn damaged(error: io::Error) -> UnpackError {
    UnpackError::Refused(format!("it is damaged: {error}"))
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
