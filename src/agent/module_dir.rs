//! A module's folder: `versions/<version>/...` and the link `current` that says which of them runs.
//!
//! A folder without `current` but with a file `VERSION` is one from before Fleetward: it runs the version that the
//! file names, from the folder itself, until the first update.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::compare::can_be_a_folder;
use super::durable;
use crate::domain::Version;

/// One module's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleDir {
    root: PathBuf,
}

impl ModuleDir {
    /// The folder at `root`, which need not be there yet.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The version that runs: what `current` points to, or else what `VERSION` says; `None` when not installed.
    #[must_use]
    pub fn running(&self) -> Option<Version> {
        self.linked().or_else(|| self.named())
    }

    fn linked(&self) -> Option<Version> {
        let target = fs::read_link(self.link()).ok()?;
        let version = Version::new(target.file_name()?.to_str()?).ok()?;
        self.root.join(target).is_dir().then_some(version)
    }

    fn named(&self) -> Option<Version> {
        Version::new(fs::read_to_string(self.root.join("VERSION")).ok()?.trim()).ok()
    }

    /// Where a version's files are.
    #[must_use]
    pub fn folder(&self, version: &Version) -> PathBuf {
        let folder = self.versions().join(version.as_str());
        // The version from before Fleetward lives in the folder itself.
        if !folder.is_dir() && self.named().as_ref() == Some(version) { self.root.clone() } else { folder }
    }

    /// Where a version is made before it gets its name.
    #[must_use]
    pub fn workshop(&self, version: &Version) -> PathBuf {
        self.versions().join(format!(".new-{version}"))
    }

    /// Makes the (synced) workshop of `version` its folder. A folder of that name from an older install goes first.
    /// Without a workshop it has been done already.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn adopt(&self, version: &Version) -> io::Result<()> {
        let folder = self.versions().join(version.as_str());
        let aside = self.versions().join(format!(".old-{version}"));
        durable::remove_folder(&aside)?;
        if !self.workshop(version).exists() && folder.is_dir() {
            return durable::sync_folder(&self.versions());
        }
        if folder.exists() {
            fs::rename(&folder, &aside)?;
        }
        durable::rename(&self.workshop(version), &folder)?;
        durable::remove_folder(&aside)
    }

    /// Points `current` at `version`; at nothing when that is `None` or the version from before Fleetward.
    ///
    /// # Errors
    /// Those of the file system, and when the version is not there.
    pub fn switch(&self, version: Option<&Version>) -> io::Result<()> {
        let Some(version) = version else { return self.unlink() };
        if self.versions().join(version.as_str()).is_dir() {
            return durable::replace_link(&self.link(), &Path::new("versions").join(version.as_str()));
        }
        if self.named().as_ref() == Some(version) {
            return self.unlink();
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no version {version} to switch to")))
    }

    fn unlink(&self) -> io::Result<()> {
        durable::remove_file(&self.link())?;
        durable::sync_folder(&self.root)
    }

    /// Removes every version but those in `keep`, and what unfinished installs left.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn tidy(&self, keep: &[&Version]) -> io::Result<()> {
        let entries = match fs::read_dir(self.versions()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let is_kept = |version: &&Version| name.to_str() == Some(version.as_str());
            if !keep.iter().any(is_kept) && entry.file_type()?.is_dir() {
                durable::remove_folder(&entry.path())?;
            }
        }
        durable::sync_folder(&self.versions())
    }

    /// Every complete version on disk.
    #[must_use]
    pub fn installed(&self) -> Vec<Version> {
        let entries = fs::read_dir(self.versions()).into_iter().flatten().flatten();
        let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
        let versions = names.filter_map(|name| Version::new(name.to_str()?).ok());
        versions.filter(can_be_a_folder).chain(self.named()).collect()
    }

    /// Makes the folder and its `versions`, where they are not there yet.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(self.versions())?;
        durable::sync_folder(&self.root)
    }

    fn versions(&self) -> PathBuf {
        self.root.join("versions")
    }

    fn link(&self) -> PathBuf {
        self.root.join("current")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    fn with_versions(versions: &[&str]) -> (tempfile::TempDir, ModuleDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = ModuleDir::new(folder.path());
        dir.prepare().unwrap();
        for version in versions {
            fs::create_dir(folder.path().join("versions").join(version)).unwrap();
        }
        (folder, dir)
    }

    #[test]
    fn current_says_what_runs_and_a_dangling_one_says_nothing() {
        let (folder, dir) = with_versions(&["1", "2"]);
        assert_eq!(dir.running(), None);
        dir.switch(Some(&v("1"))).unwrap();
        assert_eq!(dir.running(), Some(v("1")));
        dir.switch(Some(&v("2"))).unwrap();
        assert_eq!(dir.running(), Some(v("2")));
        assert!(dir.switch(Some(&v("3"))).is_err());
        assert_eq!(dir.running(), Some(v("2")), "a switch that fails changes nothing");
        fs::remove_dir(folder.path().join("versions/2")).unwrap();
        assert_eq!(dir.running(), None);
    }

    #[test]
    fn a_folder_from_before_is_its_version_file_and_the_way_back_to_it_is_no_link() {
        let (folder, dir) = with_versions(&["2"]);
        fs::write(folder.path().join("VERSION"), "1.0.0\n").unwrap();
        assert_eq!(dir.running(), Some(v("1.0.0")));
        assert_eq!(dir.folder(&v("1.0.0")), folder.path());
        dir.switch(Some(&v("2"))).unwrap();
        assert_eq!(dir.running(), Some(v("2")));
        dir.switch(Some(&v("1.0.0"))).unwrap();
        assert_eq!(dir.running(), Some(v("1.0.0")));
    }

    #[test]
    fn tidying_keeps_only_what_it_is_told_to_keep() {
        let (_folder, dir) = with_versions(&["1", "2", "3", ".new-4", ".old-2"]);
        dir.tidy(&[&v("3"), &v("2")]).unwrap();
        let mut left: Vec<String> = dir.installed().iter().map(ToString::to_string).collect();
        left.sort();
        assert_eq!(left, ["2", "3"]);
        assert!(!dir.workshop(&v("4")).exists());
    }

    #[test]
    fn adopting_replaces_a_leftover_of_the_same_name() {
        let (folder, dir) = with_versions(&["2"]);
        fs::write(folder.path().join("versions/2/old"), "").unwrap();
        fs::create_dir(dir.workshop(&v("2"))).unwrap();
        fs::write(dir.workshop(&v("2")).join("new"), "").unwrap();
        dir.adopt(&v("2")).unwrap();
        assert!(dir.folder(&v("2")).join("new").exists());
        assert!(!dir.folder(&v("2")).join("old").exists());
    }
}
