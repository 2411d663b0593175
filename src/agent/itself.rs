//! The module that is the agent itself: started by ending.
//!
//! Its launcher starts what `current` points to, and goes back to the version before when a new one was started
//! several times without confirming itself. So the act that starts a version is done when that version runs it.

use std::io;
use std::path::{Path, PathBuf};

use super::durable;
use super::machine::{Act, Event, Fault, Job, MAX_RESTARTS, Stage};
use super::module_dir::ModuleDir;
use crate::domain::Version;

/// With this exit code the agent asks to be started again.
pub const START_AGAIN: u8 = 75;

/// The name that the launcher looks for in the module's folder: which version last confirmed itself.
const CONFIRMED: &str = "confirmed";

/// What becomes of an act.
#[derive(Debug)]
pub enum Way {
    /// As with any other module.
    Ordinary,
    /// It is over already.
    Over(Event),
    /// This process is to end; the next one goes on.
    Leave,
}

/// Which version this process is, where it was started from the folder.
#[must_use]
pub fn version(dir: &Path) -> Option<Version> {
    version_of(&std::env::current_exe().ok()?, dir)
}

fn version_of(program: &Path, dir: &Path) -> Option<Version> {
    let versions = dir.canonicalize().ok()?.join("versions");
    let below: PathBuf = program.canonicalize().ok()?.strip_prefix(versions).ok()?.to_owned();
    Version::new(below.components().next()?.as_os_str().to_str()?).ok()
}

/// What an act comes to in this process, which is version `own`.
#[must_use]
pub fn way(act: Act, job: &Job, own: Option<&Version>, dir: &ModuleDir) -> Way {
    let wanted = match act {
        Act::Start => Some(&job.version),
        Act::StartOld => job.from.as_ref(),
        _ => return Way::Ordinary,
    };
    if own.is_none() || (act == Act::StartOld && job.restarts > 2 * MAX_RESTARTS) {
        // Ending would have the same program started again, and again.
        let text = "this agent was not started from its module's folder by the launcher";
        return Way::Over(Event::WentWrong(act, Fault::passing(text)));
    }
    if own == wanted || wanted.is_none() {
        return Way::Over(Event::Done(act));
    }
    if act == Act::Start && dir.running().as_ref() != wanted {
        let text = "the new agent did not confirm itself; the launcher went back to the one before";
        return Way::Over(Event::WentWrong(act, Fault::of_package(text)));
    }
    Way::Leave
}

/// Tells the launcher that what is current works, before it is over: from here on it is what is gone back to.
///
/// # Errors
/// Those of the file system.
pub fn confirm(job: &Job, dir: &ModuleDir) -> io::Result<()> {
    let stays = match job.stage {
        Stage::Committed => Some(&job.version),
        Stage::RolledBack => job.from.as_ref(),
        _ => None,
    };
    let Some(version) = stays else { return Ok(()) };
    durable::replace_file(&dir.root().join(CONFIRMED), format!("versions/{version}\n").as_bytes(), 0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_version_by_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("versions/1.2.0/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("agent"), "").unwrap();
        std::os::unix::fs::symlink("versions/1.2.0", folder.path().join("current")).unwrap();
        let started = folder.path().join("current/bin/agent");
        assert_eq!(version_of(&started, folder.path()), Some(Version::new("1.2.0").unwrap()));
        assert_eq!(version_of(Path::new("/bin/sh"), folder.path()), None);
        assert_eq!(version(folder.path()), None);
    }
}
