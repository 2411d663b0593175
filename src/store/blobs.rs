//! Package bytes: files named by their sha256, written aside, hashed while written, and renamed when they are on disk.
//!
//! What stands under its name is whole. A temporary file is locked while it is written, so that another program which
//! opens the same folder removes only what nobody writes any more.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use fs4::FileExt;
use sha2::{Digest, Sha256};

use crate::domain::Sha256Hex;

/// Package bytes below `DIR/packages`, named by their sha256. Synchronous: call it from blocking threads.
#[derive(Debug, Clone)]
pub struct Blobs {
    dir: PathBuf,
}

/// What differs between the rows of the database and the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobCheck {
    /// Rows without a file.
    pub missing: Vec<Sha256Hex>,
    /// Rows whose file has another size: expected, found.
    pub wrong_size: Vec<(Sha256Hex, u64, u64)>,
    /// Files that no row stands for.
    pub stray: Vec<PathBuf>,
}

impl BlobCheck {
    /// Whether files and rows agree.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

static TEMPORARIES: AtomicU64 = AtomicU64::new(0);

impl Blobs {
    /// Opens the packages folder, makes it where it is missing, and removes temporaries that nobody writes.
    ///
    /// # Errors
    /// When the folder can't be made or read.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let blobs = Self { dir: dir.to_owned() };
        fs::create_dir_all(blobs.temporaries())?;
        for entry in fs::read_dir(blobs.temporaries())? {
            let path = entry?.path();
            if File::open(&path).is_ok_and(|file| FileExt::try_lock(&file).is_ok()) {
                fs::remove_file(&path)?;
            }
        }
        Ok(blobs)
    }

    /// Begins a new file.
    ///
    /// # Errors
    /// When it can't be made; a full disk says so.
    pub fn create(&self) -> io::Result<BlobWriter> {
        let number = TEMPORARIES.fetch_add(1, Ordering::Relaxed);
        let path = self.temporaries().join(format!("{}-{number}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(said)?;
        let writer = BlobWriter { blobs: self.clone(), file, path, hash: Sha256::new(), written: 0 };
        FileExt::lock(&writer.file)?;
        Ok(writer)
    }

    /// Where the bytes of this hash are, or would be.
    #[must_use]
    pub fn path(&self, hash: &Sha256Hex) -> PathBuf {
        let name = hash.as_str();
        self.dir.join(&name[..2]).join(name)
    }

    /// Removes the bytes of this hash; already gone is fine.
    ///
    /// # Errors
    /// When the file is there and can't be removed.
    pub fn remove(&self, hash: &Sha256Hex) -> io::Result<()> {
        match fs::remove_file(self.path(hash)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Compares the files with the rows of the database: hash and size.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn check(&self, rows: &[(Sha256Hex, u64)]) -> io::Result<BlobCheck> {
        let mut check = BlobCheck::default();
        let mut wanted: HashMap<PathBuf, &(Sha256Hex, u64)> = rows.iter().map(|row| (self.path(&row.0), row)).collect();
        for folder in fs::read_dir(&self.dir)? {
            let folder = folder?.path();
            if folder == self.temporaries() || !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let found = entry.metadata()?.len();
                match wanted.remove(&entry.path()) {
                    None => check.stray.push(entry.path()),
                    Some((hash, size)) if *size != found => check.wrong_size.push((hash.clone(), *size, found)),
                    Some(_) => {}
                }
            }
        }
        check.missing = wanted.into_values().map(|(hash, _)| hash.clone()).collect();
        check.missing.sort();
        check.stray.sort();
        Ok(check)
    }

    /// Bytes that may still be written to the disk of the folder.
    ///
    /// # Errors
    /// When the file system doesn't say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        fs4::available_space(&self.dir)
    }

    fn temporaries(&self) -> PathBuf {
        self.dir.join("tmp")
    }
}

/// A file being written. Dropped before [`finish`](Self::finish) it leaves nothing.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    file: File,
    path: PathBuf,
    hash: Sha256,
    written: u64,
}

impl BlobWriter {
    /// Appends bytes.
    ///
    /// # Errors
    /// When they can't be written; a full disk says so.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(said)?;
        self.hash.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Puts the bytes under their name, durably; where they are already, the old file stays. Answers hash and size.
    ///
    /// # Errors
    /// When they can't be brought to disk; a full disk says so. Nothing is left then.
    pub fn finish(self) -> io::Result<(Sha256Hex, u64)> {
        let hash = Sha256Hex::from_digest(&self.hash.clone().finalize());
        let path = self.blobs.path(&hash);
        if fs::metadata(&path).is_ok_and(|old| old.len() == self.written) {
            return Ok((hash, self.written));
        }
        self.file.sync_all().map_err(said)?;
        let folder = path.parent().unwrap_or(&self.blobs.dir);
        fs::create_dir_all(folder).map_err(said)?;
        fs::rename(&self.path, &path).map_err(said)?;
        // A rename is durable only after its directory is.
        File::open(folder)?.sync_all()?;
        File::open(&self.blobs.dir)?.sync_all()?;
        Ok((hash, self.written))
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        // Gone already when it was renamed; what can't be removed now is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// A full disk, in words that say what to do.
fn said(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            io::Error::new(error.kind(), format!("the disk of the data folder is full; free some space ({error})"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("packages")).unwrap();
        (dir, blobs)
    }

    fn written(blobs: &Blobs, bytes: &[u8]) -> Sha256Hex {
        let mut writer = blobs.create().unwrap();
        bytes.chunks(3).for_each(|chunk| writer.write(chunk).unwrap());
        writer.finish().unwrap().0
    }

    #[test]
    fn bytes_stand_under_their_hash_and_twice_is_once() {
        let (_dir, blobs) = blobs();
        let hash = written(&blobs, b"some bytes");
        assert_eq!(hash, Sha256Hex::of(b"some bytes"));
        assert_eq!(fs::read(blobs.path(&hash)).unwrap(), b"some bytes");
        assert_eq!(written(&blobs, b"some bytes"), hash);
        assert_eq!(fs::read_dir(blobs.temporaries()).unwrap().count(), 0);
        blobs.remove(&hash).unwrap();
        blobs.remove(&hash).unwrap();
        assert!(!blobs.path(&hash).exists());
    }

    #[test]
    fn an_upload_that_is_given_up_leaves_nothing() {
        let (_dir, blobs) = blobs();
        let mut writer = blobs.create().unwrap();
        writer.write(b"half").unwrap();
        drop(writer);
        assert_eq!(fs::read_dir(blobs.temporaries()).unwrap().count(), 0);
    }

    #[test]
    fn opening_removes_what_nobody_writes_and_spares_what_somebody_does() {
        let (_dir, blobs) = blobs();
        let mut writer = blobs.create().unwrap();
        fs::write(blobs.temporaries().join("left-by-a-kill"), b"x").unwrap();
        let other = Blobs::open(&blobs.dir).unwrap();
        assert_eq!(fs::read_dir(other.temporaries()).unwrap().count(), 1);
        writer.write(b"whole").unwrap();
        assert!(blobs.path(&writer.finish().unwrap().0).exists());
    }

    #[test]
    fn files_and_rows_are_compared() {
        let (_dir, blobs) = blobs();
        let (good, short, stray) = (written(&blobs, b"good"), written(&blobs, b"short"), written(&blobs, b"stray"));
        let gone = Sha256Hex::of(b"gone");
        let check = blobs.check(&[(good, 4), (short.clone(), 50), (gone.clone(), 4)]).unwrap();
        assert_eq!(check.missing, [gone]);
        assert_eq!(check.wrong_size, [(short, 50, 5)]);
        assert_eq!(check.stray, [blobs.path(&stray)]);
        assert!(!check.is_clean());
        assert!(blobs.free_bytes().unwrap() > 0);
    }
}
