//! Packages on their way in: one file each, named by its sha256, so that a part serves whatever offer comes next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::durable;
use crate::domain::Sha256Hex;

/// The folder of incoming packages.
#[derive(Debug, Clone)]
pub struct Downloads {
    folder: PathBuf,
}

/// Parts that nobody went on with for so long are removed at start.
const STALE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

impl Downloads {
    /// The folder below the state folder, made where needed, without parts nobody goes on with.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let folder = state_dir.join("downloads");
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)?.flatten() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > STALE_AFTER) {
                durable::remove_file(&entry.path())?;
            }
        }
        Ok(Self { folder })
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the package with this digest is.
    #[must_use]
    pub fn path(&self, sha256: &Sha256Hex) -> PathBuf {
        self.folder.join(sha256.as_str())
    }

    /// Bytes of it that are here.
    #[must_use]
    pub fn present(&self, sha256: &Sha256Hex) -> u64 {
        fs::metadata(self.path(sha256)).map_or(0, |m| m.len())
    }

    /// Goes on with a package: what is here is read through again for its digest. A file that is longer than the
    /// package cannot be a part of it and goes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn resume(&self, sha256: &Sha256Hex, size: u64) -> io::Result<Download> {
        let path = self.path(sha256);
        if self.present(sha256) > size {
            durable::remove_file(&path)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&path)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                n => {
                    digest.update(&buffer[..n]);
                    received += n as u64;
                }
            }
        }
        Ok(Download { file, digest, received })
    }

    /// Forgets a package.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn discard(&self, sha256: &Sha256Hex) -> io::Result<()> {
        durable::remove_file(&self.path(sha256))
    }

    /// Forgets every part but these, to make room.
    pub fn discard_others(&self, keep: &[&Sha256Hex]) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if !keep.iter().any(|sha256| entry.file_name().to_str() == Some(sha256.as_str())) {
                let _ = durable::remove_file(&entry.path());
            }
        }
    }
}

/// One package coming in.
#[derive(Debug)]
pub struct Download {
    file: File,
    digest: Sha256,
    received: u64,
}

impl Download {
    /// Bytes that are here.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Those of the file system; what was received before stays.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            self.file.set_len(self.received)?;
            return Err(error);
        }
        self.digest.update(bytes);
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// Starts over: the server sends from the beginning.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.digest = Sha256::new();
        self.received = 0;
        Ok(())
    }

    /// Puts it on disk and returns its digest.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn seal(self) -> io::Result<Sha256Hex> {
        self.file.sync_all()?;
        Ok(Sha256Hex::from_digest(&self.digest.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_gone_on_with_and_the_whole_has_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(folder.path()).unwrap();
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
        let sha256 = Sha256Hex::of(&bytes);
        for (from, to) in [(0, 1), (1, 70_000), (70_000, 200_000)] {
            let mut download = downloads.resume(&sha256, bytes.len() as u64).unwrap();
            assert_eq!(download.received(), from as u64);
            download.write(&bytes[from..to]).unwrap();
        }
        let whole = downloads.resume(&sha256, bytes.len() as u64).unwrap();
        assert_eq!(whole.seal().unwrap(), sha256);
    }

    #[test]
    fn starting_over_forgets_the_part() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(folder.path()).unwrap();
        let sha256 = Sha256Hex::of(b"right");
        let mut download = downloads.resume(&sha256, 5).unwrap();
        download.write(b"wro").unwrap();
        download.restart().unwrap();
        download.write(b"right").unwrap();
        assert_eq!(download.seal().unwrap(), sha256);
        assert_eq!(fs::read(downloads.path(&sha256)).unwrap(), b"right");
    }

    #[test]
    fn a_file_longer_than_the_package_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(folder.path()).unwrap();
        let sha256 = Sha256Hex::of(b"abc");
        downloads.resume(&sha256, 9).unwrap().write(b"xxxxxxxxx").unwrap();
        assert_eq!(downloads.resume(&sha256, 3).unwrap().received(), 0);
    }
}
