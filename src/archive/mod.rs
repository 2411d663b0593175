//! What a package is made of: its files, by plain names and within bounds. The package is hostile.
//!
//! What it is, is seen from its content: a tar, plain or packed by gzip or zstd, or else one file. Of a tar only
//! regular files and folders are taken, by plain relative names; anything else refuses the whole package. What is
//! done with them is up to who [takes](Take) them: the agent writes them to its disk, who signs the package
//! [lists](list()) them.

mod list;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

pub use list::{Listing, list};

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

/// Why a package was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It holds something that is not taken; another try will find the same.
    #[error("the package is refused: {0}")]
    Refused(String),
    /// The disk would not; another try may.
    #[error("the package could not be unpacked: {0}")]
    Disk(#[from] io::Error),
}

/// Where the files of a package go to, in the order in which they come.
pub trait Take {
    /// A folder, each once, those above it before it.
    ///
    /// # Errors
    /// Ends the walk.
    fn folder(&mut self, path: &Path) -> Result<(), ArchiveError>;

    /// A file, each name once.
    ///
    /// # Errors
    /// Ends the walk.
    fn file(&mut self, path: &Path, executable: bool, body: &mut Body) -> Result<(), ArchiveError>;
}

/// The bytes of one file.
pub struct Body<'a> {
    path: &'a Path,
    from: &'a mut dyn Read,
    left: u64,
    buffer: Vec<u8>,
}

impl Body<'_> {
    /// More bytes; `None` at the end.
    ///
    /// # Errors
    /// When the package is damaged.
    pub fn more(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        // What cannot be read is the package's fault, what cannot be written is the disk's.
        let n = self.from.read(&mut self.buffer).map_err(damaged)?;
        self.left = self.left.saturating_sub(n as u64);
        match n {
            0 if self.left > 0 => refused(format!("{:?} ends early", self.path)),
            0 => Ok(None),
            n => Ok(Some(&self.buffer[..n])),
        }
    }
}

fn refused<T>(why: impl Into<String>) -> Result<T, ArchiveError> {
    Err(ArchiveError::Refused(why.into()))
}

fn damaged(error: io::Error) -> ArchiveError {
    ArchiveError::Refused(format!("it is damaged: {error}"))
}

const BLOCK: usize = 512;

/// Hands everything in an archive to `taker`; `false` where the package is no archive, but one file.
///
/// # Errors
/// [`ArchiveError`]; what was taken until then is not the whole.
pub fn walk(package: &Path, caps: Caps, taker: &mut impl Take) -> Result<bool, ArchiveError> {
    let Some(reader) = open(package)? else { return Ok(false) };
    Walk { caps, taker, made: HashMap::new(), entries: 0, bytes: 0, files: 0 }.run(reader)?;
    Ok(true)
}

/// The tar stream of a package, where it is one.
fn open(package: &Path) -> io::Result<Option<Box<dyn Read>>> {
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

/// What is known of a path that was made, under its lower-case name.
struct Made {
    exact: PathBuf,
    is_folder: bool,
}

struct Walk<'a, T> {
    caps: Caps,
    taker: &'a mut T,
    made: HashMap<String, Made>,
    entries: u64,
    bytes: u64,
    files: u64,
}

impl<T: Take> Walk<'_, T> {
    fn run(mut self, reader: Box<dyn Read>) -> Result<(), ArchiveError> {
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
        Ok(())
    }

    fn take<R: Read>(&mut self, entry: &mut tar::Entry<R>) -> Result<(), ArchiveError> {
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
    fn plain(&self, name: &str) -> Result<PathBuf, ArchiveError> {
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
    fn folder(&mut self, path: &Path) -> Result<(), ArchiveError> {
        let mut above = PathBuf::new();
        for part in path.components() {
            above.push(part);
            match self.made.get(&lower(&above)) {
                Some(made) if made.is_folder && made.exact == above => continue,
                Some(made) => return refused(format!("{above:?} and {:?} are one name", made.exact)),
                None => {}
            }
            self.taker.folder(&above)?;
            self.made.insert(lower(&above), Made { exact: above.clone(), is_folder: true });
        }
        Ok(())
    }

    fn file<R: Read>(&mut self, path: &Path, mode: u32, entry: &mut tar::Entry<R>) -> Result<(), ArchiveError> {
        if let Some(parent) = path.parent() {
            self.folder(parent)?;
        }
        let made = Made { exact: path.to_owned(), is_folder: false };
        if let Some(other) = self.made.insert(lower(path), made) {
            return refused(format!("{path:?} and {:?} are one name", other.exact));
        }
        let left = entry.size();
        let mut body = Body { path, from: entry, left, buffer: vec![0; 64 * 1024] };
        self.taker.file(path, mode & 0o111 != 0, &mut body)?;
        self.files += 1;
        Ok(())
    }
}

fn lower(path: &Path) -> String {
    path.to_string_lossy().to_lowercase()
}
