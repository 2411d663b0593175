//! One agent a state folder; the lock goes with the process.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::{Context as _, anyhow};

/// Takes the state folder for this process.
///
/// # Errors
/// When another agent uses it, or it cannot be written.
pub fn take(state_dir: &Path) -> anyhow::Result<File> {
    let path = state_dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
    let held = rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    held.map_err(|_| anyhow!("another agent uses the state folder {}", state_dir.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_agent_on_the_same_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path()).unwrap();
        assert!(take(folder.path()).unwrap_err().to_string().contains("another agent"));
        drop(first);
        take(folder.path()).unwrap();
    }
}
