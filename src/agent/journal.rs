//! The agent's memory of installs: what is under way, which results nobody has heard yet, and which packages failed.
//!
//! One small file, replaced as a whole before each act, so that it is always one state or the next.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::durable;
use super::machine::Job;
use crate::domain::{ModuleName, Sha256Hex, Version};
use crate::protocol::{Outcome, UpdateResult};

/// What the journal holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Entries {
    /// The install under way.
    pub active: Option<Job>,
    /// Results that have not left the device, oldest first.
    pub untold: Vec<Untold>,
    /// By sha256: packages that failed by their own fault.
    pub failures: BTreeMap<Sha256Hex, Failure>,
}

/// A result to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    pub module: ModuleName,
    pub version: Version,
    pub outcome: Outcome,
    pub error: Option<String>,
}

impl Untold {
    /// As the wire says it.
    #[must_use]
    pub fn message(&self) -> UpdateResult {
        UpdateResult {
            module: self.module.clone(),
            version: self.version.clone(),
            outcome: self.outcome,
            error: self.error.clone(),
        }
    }
}

/// How often a package failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub module: ModuleName,
    pub version: Version,
    pub times: u32,
}

/// A package that failed so often is not tried again.
pub const KNOWN_BAD_AFTER: u32 = 3;

/// The journal and its file.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    pub entries: Entries,
}

/// How the journal was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Read, or there was none yet.
    Fine,
    /// Not readable; put aside under this name. What is installed has to be seen from the disk.
    Unreadable { aside: PathBuf, why: String },
}

impl Journal {
    /// Reads `journal.json` of the state folder.
    ///
    /// # Errors
    /// When the folder itself cannot be read or written.
    pub fn open(state_dir: &Path) -> io::Result<(Self, Found)> {
        let path = state_dir.join("journal.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Self { path, entries: Entries::default() }, Found::Fine));
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice(&text) {
            Ok(entries) => Ok((Self { path, entries }, Found::Fine)),
            Err(error) => {
                let aside = path.with_extension("json.unreadable");
                durable::rename(&path, &aside)?;
                let found = Found::Unreadable { aside, why: error.to_string() };
                Ok((Self { path, entries: Entries::default() }, found))
            }
        }
    }

    /// Puts the entries on disk.
    ///
    /// # Errors
    /// Those of the file system; the journal on disk is the one before then.
    pub fn save(&self) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&self.entries)?;
        durable::replace_file(&self.path, &text, 0o600)
    }

    /// Ends the active job: one write takes it out, keeps its result, and counts a failure of the package's own.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn finish(&mut self, outcome: Outcome) -> io::Result<()> {
        if let Some(job) = self.entries.active.take() {
            let culprit = job.culprit();
            if let (true, Some(sha256)) = (job.package_is_bad, &culprit.sha256) {
                let fresh = || Failure { module: culprit.module.clone(), version: culprit.version.clone(), times: 0 };
                self.entries.failures.entry(sha256.clone()).or_insert_with(fresh).times += 1;
            }
            if outcome == Outcome::Installed {
                for sha256 in job.members().iter().filter_map(|job| job.sha256.as_ref()) {
                    self.entries.failures.remove(sha256);
                }
            }
            // A trial that was reconstructed answers no offer.
            if job.sha256.is_some() {
                self.entries.untold.extend(job.results(outcome));
            }
        }
        self.save()
    }

    /// Whether these very bytes failed too often.
    #[must_use]
    pub fn is_known_bad(&self, sha256: &Sha256Hex) -> bool {
        self.entries.failures.get(sha256).is_some_and(|failure| failure.times >= KNOWN_BAD_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::clock;
    use crate::protocol::Offer;

    fn job(bad: bool) -> Job {
        let offer = Offer {
            app_name: ModuleName::new("app1").unwrap(),
            version: Version::new("2").unwrap(),
            size: 3,
            sha256: Sha256Hex::of(b"abc"),
            signature: None,
            manifest: None,
            allow_rollback: false,
        };
        let mut job = Job::offered(&offer, Some(Version::new("1").unwrap()), clock::now());
        job.package_is_bad = bad;
        job
    }

    #[test]
    fn what_is_saved_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found, Found::Fine);
        journal.entries.active = Some(job(true));
        journal.finish(Outcome::RolledBack).unwrap();
        let (again, found) = Journal::open(folder.path()).unwrap();
        assert_eq!(found, Found::Fine);
        assert_eq!(again.entries, journal.entries);
        assert_eq!(again.entries.untold[0].outcome, Outcome::RolledBack);
    }

    #[test]
    fn a_journal_cut_anywhere_is_put_aside_and_said() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.entries.active = Some(job(false));
        journal.save().unwrap();
        let path = folder.path().join("journal.json");
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (again, found) = Journal::open(folder.path()).unwrap();
            assert_eq!(again.entries, Entries::default());
            let Found::Unreadable { aside, .. } = found else { panic!("cut at {length} was taken for whole") };
            assert_eq!(fs::read(aside).unwrap(), whole[..length]);
        }
    }

    #[test]
    fn three_failures_of_its_own_make_a_package_known_bad_and_a_success_clears_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        let sha256 = Sha256Hex::of(b"abc");
        for (bad, known) in [(false, false), (true, false), (true, false), (true, true)] {
            journal.entries.active = Some(job(bad));
            journal.finish(Outcome::Failed).unwrap();
            assert_eq!(journal.is_known_bad(&sha256), known);
        }
        journal.entries.active = Some(job(false));
        journal.finish(Outcome::Installed).unwrap();
        assert!(!journal.is_known_bad(&sha256));
    }
}
