//! The commands of a module: stop, start, health. Each runs in a process group of its own, for a limited time, and
//! is killed with all its children when the time is over.
//!
//! What a command prints is kept (the last 10 KiB). A command that leaves a program in the background should point
//! that program's output elsewhere: once the agent ends, nobody reads it here.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::domain::{ModuleName, Version};

/// What a command is told of its module, and where it runs.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    pub module: &'a ModuleName,
    pub version: &'a Version,
    /// The version's folder.
    pub folder: &'a Path,
}

/// Most bytes kept of what a command prints; the end is what tells.
pub const KEPT_OUTPUT: usize = 10 * 1024;

/// Between the polite and the hard end of a command that ran out of time.
const GRACE: Duration = Duration::from_secs(2);

/// Runs `command` through the shell.
///
/// # Errors
/// A sentence that says how it failed, and the end of what it printed.
pub async fn run(command: &str, within: Duration, setting: Setting<'_>) -> Result<(), String> {
    let mut child = spawn(command, setting).map_err(|error| format!("{command:?} did not start: {error}"))?;
    let output = Arc::new(Mutex::new(VecDeque::new()));
    let mut readers = tokio::task::JoinSet::new();
    if let Some(stdout) = child.stdout.take() {
        readers.spawn(keep_end(stdout, Arc::clone(&output)));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.spawn(keep_end(stderr, Arc::clone(&output)));
    }
    let ended = timeout(within, child.wait()).await;
    let verdict = match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{command:?} ended with {status}")),
        Ok(Err(error)) => Err(format!("{command:?} could not be waited for: {error}")),
        Err(_) => {
            kill_group(&mut child).await;
            Err(format!("{command:?} took longer than {} s", within.as_secs_f64()))
        }
    };
    // What was printed just before the end may still be on its way; a child in the background may print for ever.
    let _ = timeout(Duration::from_millis(200), async { while readers.join_next().await.is_some() {} }).await;
    readers.detach_all();
    verdict.map_err(|why| with_output(why, &output))
}

fn spawn(command: &str, setting: Setting<'_>) -> std::io::Result<Child> {
    Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .current_dir(setting.folder)
        .env("FLEETWARD_MODULE", setting.module.as_str())
        .env("FLEETWARD_VERSION", setting.version.as_str())
        .env_remove("FLEETWARD_AGENT_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

async fn kill_group(child: &mut Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let Some(group) = group else { return };
    let _ = kill_process_group(group, Signal::TERM);
    let polite = timeout(GRACE, child.wait()).await;
    if polite.is_ok() {
        // The shell is gone; give its children what is left of the grace, in short.
        sleep(Duration::from_millis(50)).await;
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait().await;
}

type Output = Arc<Mutex<VecDeque<u8>>>;

async fn keep_end(mut stream: impl AsyncRead + Unpin, output: Output) {
    let mut buffer = [0; 4096];
    while let Ok(n) = stream.read(&mut buffer).await {
        if n == 0 {
            return;
        }
        let mut kept = output.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(&buffer[..n]);
        let excess = kept.len().saturating_sub(KEPT_OUTPUT);
        kept.drain(..excess);
    }
}

fn with_output(why: String, output: &Output) -> String {
    let kept: Vec<u8> = output.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
    let text = String::from_utf8_lossy(&kept);
    if text.trim().is_empty() { why } else { format!("{why}; it printed: {}", text.trim()) }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn run_in(folder: &Path, command: &str, within: Duration) -> Result<(), String> {
        let (module, version) = (ModuleName::new("app1").unwrap(), Version::new("2").unwrap());
        run(command, within, Setting { module: &module, version: &version, folder }).await
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_command_knows_its_module_and_stands_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        run_in(folder.path(), "echo $FLEETWARD_MODULE $FLEETWARD_VERSION > here", LONG).await.unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("here")).unwrap(), "app1 2\n");
    }

    #[tokio::test]
    async fn a_failure_tells_the_end_of_what_was_printed() {
        let folder = tempfile::tempdir().unwrap();
        let command = "yes | head -c 50000; echo the cause >&2; exit 3";
        let error = run_in(folder.path(), command, LONG).await.unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("the cause"), "{}", &error[..80]);
        assert!(error.len() < KEPT_OUTPUT + 200, "{}", error.len());
    }

    #[tokio::test]
    async fn out_of_time_the_whole_group_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let command = "sh -c 'echo $$ > child; exec sleep 1000' & wait";
        let error = run_in(folder.path(), command, Duration::from_millis(500)).await.unwrap_err();
        assert!(error.contains("longer than 0.5 s"), "{error}");
        let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "the child lives on: {stat}");
    }

    #[tokio::test]
    async fn a_program_left_in_the_background_does_not_hold_the_command() {
        let folder = tempfile::tempdir().unwrap();
        let before = Instant::now();
        run_in(folder.path(), "sleep 20 & echo started", LONG).await.unwrap();
        assert!(before.elapsed() < Duration::from_secs(10));
    }
}
