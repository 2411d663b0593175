//! Packages on their way in: one file each, named by its sha256, so that a part serves whatever offer comes next.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::durable;
use crate::domain::{ChunkHasher, Chunks, Sha256Hex};

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
    /// package cannot be a part of it and goes; where the digests of its chunks are known, so does the rest from the
    /// first wrong one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn resume(&self, sha256: &Sha256Hex, size: u64, chunks: Option<&Chunks>) -> io::Result<Download> {
        match self.read_through(sha256, size, chunks) {
            // The file ends before the wrong chunk now.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => self.read_through(sha256, size, chunks),
            other => other,
        }
    }

    fn read_through(&self, sha256: &Sha256Hex, size: u64, chunks: Option<&Chunks>) -> io::Result<Download> {
        let path = self.path(sha256);
        if self.present(sha256) > size {
            durable::remove_file(&path)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let mut buffer = vec![0; 64 * 1024];
        let parts = chunks.map(|chunks| Parts { hasher: ChunkHasher::new(chunks.size), wanted: chunks.clone() });
        let mut reader = OpenOptions::new().read(true).open(&path)?;
        let mut download = Download { file, digest: Sha256::new(), parts, received: 0, size };
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(download),
                n => download.count(&buffer[..n])?,
            }
        }
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
    parts: Option<Parts>,
    received: u64,
    size: u64,
}

/// The chunks of a package as they come, and as they should be.
#[derive(Debug)]
struct Parts {
    hasher: ChunkHasher,
    wanted: Chunks,
}

impl Parts {
    /// Takes bytes in; says from which byte on what was received is wrong.
    fn update(&mut self, bytes: &[u8], is_last: bool) -> Result<(), u64> {
        let before = self.hasher.done().len();
        self.hasher.update(bytes);
        if is_last {
            self.hasher.finish();
        }
        let is_wrong = |index: &usize| self.wanted.sha256.get(*index) != self.hasher.done().get(*index);
        (before..self.hasher.done().len()).find(is_wrong).map_or(Ok(()), |index| Err(index as u64 * self.wanted.size))
    }
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
    /// Those of the file system; what was received before stays. `InvalidData` where a chunk is not what it should
    /// be; the chunks before it stay.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            self.file.set_len(self.received)?;
            return Err(error);
        }
        self.count(bytes)
    }

    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.received += bytes.len() as u64;
        let is_last = self.received == self.size;
        let Some(Err(from)) = self.parts.as_mut().map(|parts| parts.update(bytes, is_last)) else { return Ok(()) };
        self.file.set_len(from)?;
        let text = format!("corrupted_chunk: what came from byte {from} on is not what was signed");
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }

    /// Starts over: the server sends from the beginning.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.digest = Sha256::new();
        if let Some(parts) = &mut self.parts {
            parts.hasher = ChunkHasher::new(parts.wanted.size);
        }
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
            let mut download = downloads.resume(&sha256, bytes.len() as u64, None).unwrap();
            assert_eq!(download.received(), from as u64);
            download.write(&bytes[from..to]).unwrap();
        }
        let whole = downloads.resume(&sha256, bytes.len() as u64, None).unwrap();
        assert_eq!(whole.seal().unwrap(), sha256);
    }

    #[test]
    fn starting_over_forgets_the_part() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(folder.path()).unwrap();
        let sha256 = Sha256Hex::of(b"right");
        let mut download = downloads.resume(&sha256, 5, None).unwrap();
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
        downloads.resume(&sha256, 9, None).unwrap().write(b"xxxxxxxxx").unwrap();
        assert_eq!(downloads.resume(&sha256, 3, None).unwrap().received(), 0);
    }

    #[test]
    fn a_wrong_chunk_is_seen_at_its_end_and_the_ones_before_it_stay() {
        let folder = tempfile::tempdir().unwrap();
        let downloads = Downloads::open(folder.path()).unwrap();
        let bytes = b"onetwothree!".to_vec();
        let mut hasher = ChunkHasher::new(3);
        hasher.update(&bytes);
        let (sha256, chunks) = (Sha256Hex::of(&bytes), hasher.chunks());
        let resume = || downloads.resume(&sha256, 12, chunks.as_ref()).unwrap();
        resume().write(b"onetw").unwrap();
        let error = resume().write(b"Xthree!").unwrap_err();
        assert!(error.to_string().contains("corrupted_chunk") && error.to_string().contains("byte 3"), "{error}");
        fs::write(downloads.path(&sha256), b"onetwothrXX").unwrap();
        let mut download = resume();
        assert_eq!(download.received(), 11, "an unfinished chunk cannot be told yet");
        assert!(download.write(b"!").is_err());
        let mut download = resume();
        assert_eq!(download.received(), 9, "the last chunk that was whole and right");
        download.write(b"ee!").unwrap();
        assert_eq!(download.seal().unwrap(), sha256);
    }
}
