//! The data folder: where everything of one server is, and that no second server uses it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use fs4::{FileExt, TryLockError};

/// A data folder that this process holds, until it is dropped.
#[derive(Debug)]
pub struct DataDir {
    dir: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder where it is missing (for its owner alone), checks that it can be written, and locks it.
    ///
    /// # Errors
    /// A sentence: it can't be made or written, or another server, named by its process id, holds it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("the data folder {} can't be used: {error}", dir.display()))
        };
        make(dir).map_err(named)?;
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        let mut lock = options.read(true).write(true).create(true).truncate(false).open(path).map_err(named)?;
        match FileExt::try_lock(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(dir, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(named(error)),
        }
        // Writing the pid is also the check that the disk takes anything.
        lock.set_len(0).map_err(named)?;
        lock.rewind().map_err(named)?;
        writeln!(lock, "{}", std::process::id()).map_err(named)?;
        lock.sync_all().map_err(named)?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The SQLite database, where no other is set.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        Self::database_in(&self.dir)
    }

    /// The same of a folder that is not held, for commands beside a running server.
    #[must_use]
    pub fn database_in(dir: &Path) -> PathBuf {
        dir.join("fleetward.db")
    }

    /// The folder of [`Blobs`](super::Blobs).
    #[must_use]
    pub fn packages(&self) -> PathBuf {
        Self::packages_in(&self.dir)
    }

    /// The same of a folder that is not held.
    #[must_use]
    pub fn packages_in(dir: &Path) -> PathBuf {
        dir.join("packages")
    }

    /// The folder of the [`KeyFolder`](super::KeyFolder).
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        Self::keys_in(&self.dir)
    }

    /// The same of a folder that is not held.
    #[must_use]
    pub fn keys_in(dir: &Path) -> PathBuf {
        dir.join("keys")
    }

    /// The folder of the [`StatusLog`](super::StatusLog).
    #[must_use]
    pub fn log(&self) -> PathBuf {
        Self::log_in(&self.dir)
    }

    /// The same of a folder that is not held.
    #[must_use]
    pub fn log_in(dir: &Path) -> PathBuf {
        dir.join("log")
    }

    /// Makes a folder for its owner alone where it is missing, and leaves one that exists as it is: for commands
    /// that may come before the first start.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make(dir: &Path) -> io::Result<()> {
        make(dir)
    }
}

fn make(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

fn held(dir: &Path, lock: &mut File) -> io::Error {
    let mut pid = String::new();
    let _ = lock.read_to_string(&mut pid);
    let by = match pid.trim() {
        "" => String::new(),
        pid => format!(" (process {pid})"),
    };
    let sentence = format!(
        "another fleetward server{by} uses the data folder {}; stop it, or choose another folder with --data-dir",
        fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned()).display()
    );
    io::Error::new(io::ErrorKind::WouldBlock, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_on_the_same_folder_is_refused_and_told_who_has_it() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let first = DataDir::open(&dir).unwrap();
        let refused = DataDir::open(&dir).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.contains("data"), "{refused}");
        drop(first);
        DataDir::open(&dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let held = DataDir::open(&parent.path().join("new/data")).unwrap();
        assert_eq!(fs::metadata(held.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, b"").unwrap();
        let refused = DataDir::open(&file).unwrap_err().to_string();
        assert!(refused.contains("file"), "{refused}");
    }
}
