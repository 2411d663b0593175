//! From a package to a folder, durably; what of it is taken is for [`crate::archive`] to say.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::durable;
use crate::archive::{self, ArchiveError, Body, Caps, Take};

/// Unpacks `package` into the new folder `target`, or places it there as one file named `file_name`; all of it is
/// on disk afterwards. What an earlier try left at `target` goes first.
///
/// # Errors
/// [`ArchiveError`]; `target` is removed then.
pub fn unpack(package: &Path, target: &Path, file_name: &str, caps: Caps) -> Result<(), ArchiveError> {
    durable::remove_folder(target)?;
    make_folder(target)?;
    let outcome = fill(package, target, file_name, caps);
    if outcome.is_err() {
        durable::remove_folder(target)?;
    }
    outcome
}

fn fill(package: &Path, target: &Path, file_name: &str, caps: Caps) -> Result<(), ArchiveError> {
    let mut unpacking = Unpacking { target, folders: vec![target.to_owned()] };
    if !archive::walk(package, caps, &mut unpacking)? {
        return place(package, &target.join(file_name));
    }
    for folder in unpacking.folders.iter().rev() {
        durable::sync_folder(folder)?;
    }
    Ok(())
}

fn place(package: &Path, target: &Path) -> Result<(), ArchiveError> {
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

struct Unpacking<'a> {
    target: &'a Path,
    folders: Vec<PathBuf>,
}

impl Take for Unpacking<'_> {
    fn folder(&mut self, path: &Path) -> Result<(), ArchiveError> {
        let full = self.target.join(path);
        make_folder(&full)?;
        self.folders.push(full);
        Ok(())
    }

    fn file(&mut self, path: &Path, executable: bool, body: &mut Body) -> Result<(), ArchiveError> {
        let mode = if executable { 0o755 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(self.target.join(path))?;
        while let Some(bytes) = body.more()? {
            file.write_all(bytes)?;
        }
        file.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "unpack_tests.rs"]
mod tests;
