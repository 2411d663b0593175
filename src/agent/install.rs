//! Carries out the acts of an install: the only file that touches a module's folder while it changes.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::config::ModuleConfig;
use super::download::{Download, Downloads};
use super::hooks::{self, Setting};
use super::machine::{Act, Event, Fault, Job, Stage};
use super::module_dir::ModuleDir;
use super::tree;
use super::unpack::unpack;
use crate::archive::ArchiveError;
use crate::domain::{ListedFile, Version};

/// What an act needs beside the job.
#[derive(Debug, Clone)]
pub struct Installer {
    pub downloads: Downloads,
    pub config: ModuleConfig,
    /// Counts what the server is heard to say, and the time in which it must be heard; `None`: it need not be.
    pub reached: Option<(watch::Receiver<u64>, Duration)>,
    /// The files of the version to go back to, where they were signed one by one.
    pub old_files: Option<Vec<ListedFile>>,
}

/// Between two tries of a health command.
const HEALTH_EVERY: Duration = Duration::from_secs(1);

impl Installer {
    /// Carries out one act of `job` and says how it went. `download` is the finished one, for [`Act::Check`] in the
    /// same run; after a restart the file is read again.
    pub async fn carry_out(self, act: Act, job: Job, download: Option<Download>) -> Event {
        match self.outcome(act, job, download).await {
            Ok(()) => Event::Done(act),
            Err(fault) => Event::WentWrong(act, fault),
        }
    }

    /// Carries out one act of `job`.
    ///
    /// # Errors
    /// How it went wrong.
    pub async fn outcome(self, act: Act, job: Job, download: Option<Download>) -> Result<(), Fault> {
        match act {
            Act::Check => blocking(move || self.check(&job, download)).await,
            Act::Unpack => blocking(move || self.unpack(&job)).await,
            Act::Switch => blocking(move || self.switch_to_new(&job)).await,
            Act::Inspect => blocking(move || self.inspect(&job)).await,
            Act::SwitchBack => blocking(move || self.switch(job.from.as_ref())).await,
            Act::Tidy => blocking(move || self.tidy(&job)).await,
            Act::Stop => self.stop(&job, job.from.as_ref()).await,
            Act::StopNew => self.stop(&job, Some(&job.version)).await,
            Act::Start => self.start(&job, &job.version).await,
            Act::StartOld => match &job.from {
                Some(old) => self.start(&job, old).await,
                None => Ok(()),
            },
            Act::Prove => {
                self.prove(&job).await?;
                self.reach_server().await
            }
            Act::ProveOld => match (&self.config.health, &job.from) {
                (Some(command), Some(old)) => self.well_once(command, &job, old).await,
                _ => Ok(()),
            },
        }
    }

    fn check(&self, job: &Job, download: Option<Download>) -> Result<(), Fault> {
        let Some(expected) = &job.sha256 else { return Ok(()) };
        let download = match download {
            Some(download) => download,
            None => {
                self.downloads.resume(expected, job.size, None).map_err(|e| ours("the download cannot be read", &e))?
            }
        };
        let received = download.received();
        let found = download.seal().map_err(|e| ours("the download cannot be put on disk", &e))?;
        if received == job.size && found == *expected {
            return Ok(());
        }
        let text = format!(
            "wrong_bytes: {received} bytes with sha256 {found} came; {} bytes with sha256 {expected} were announced",
            job.size
        );
        Err(Fault::passing(text))
    }

    fn unpack(&self, job: &Job) -> Result<(), Fault> {
        let Some(sha256) = &job.sha256 else { return Ok(()) };
        let dir = self.dir();
        dir.prepare().map_err(|e| ours("the module's folder cannot be made", &e))?;
        let file_name = self.config.file_name.as_deref().unwrap_or(job.module.as_str());
        let workshop = dir.workshop(&job.version);
        unpack(&self.downloads.path(sha256), &workshop, file_name, self.config.caps()).map_err(|error| {
            let package_is_bad = matches!(error, ArchiveError::Refused(_));
            Fault { text: error.to_string(), package_is_bad, module: None }
        })?;
        if let Some(files) = job.manifest.as_ref().and_then(|manifest| manifest.files.as_ref()) {
            // The same bytes may be signed again with another list, so it is not they that are bad.
            let checked = tree::holds(&workshop, files).and_then(|()| tree::holds_nothing_else(&workshop, files));
            checked.map_err(|error| Fault::passing(error.to_string()))?;
        }
        // What may still be dropped with its set gets its name at the switch.
        if job.set.is_some() { Ok(()) } else { adopt(&dir, job) }
    }

    /// What a program wrote beside its own files is none of the list's business.
    fn inspect(&self, job: &Job) -> Result<(), Fault> {
        let (Some(files), Some(old)) = (&self.old_files, &job.from) else { return Ok(()) };
        tree::holds(&self.dir().folder(old), files).map_err(|error| Fault::passing(error.to_string()))
    }

    fn switch_to_new(&self, job: &Job) -> Result<(), Fault> {
        if job.set.is_some() {
            adopt(&self.dir(), job)?;
        }
        self.switch(Some(&job.version))
    }

    fn switch(&self, to: Option<&Version>) -> Result<(), Fault> {
        self.dir().switch(to).map_err(|e| ours("the version cannot be switched", &e))
    }

    fn tidy(&self, job: &Job) -> Result<(), Fault> {
        let dir = self.dir();
        let swept = match job.stage {
            Stage::Committed => dir.tidy(&[Some(&job.version), job.from.as_ref()].map(|v| v.unwrap_or(&job.version))),
            _ => {
                let others: Vec<Version> = dir.installed().into_iter().filter(|v| *v != job.version).collect();
                let running = dir.running();
                dir.tidy(&others.iter().chain(running.as_ref()).collect::<Vec<_>>())
            }
        };
        if let Some(sha256) = &job.sha256 {
            self.downloads.discard(sha256).map_err(|e| ours("the download cannot be removed", &e))?;
        }
        swept.map_err(|e| ours("old versions cannot be removed", &e))
    }

    async fn stop(&self, job: &Job, version: Option<&Version>) -> Result<(), Fault> {
        let (Some(command), Some(version)) = (&self.config.stop, version) else { return Ok(()) };
        self.hook(command, self.config.stop_timeout, job, version).await.inspect_err(|fault| {
            tracing::warn!(module = %job.module, %version, error = %fault.text, "the stop command failed; going on");
        })
    }

    async fn start(&self, job: &Job, version: &Version) -> Result<(), Fault> {
        let Some(command) = &self.config.start else { return Ok(()) };
        self.hook(command, self.config.start_timeout, job, version).await
    }

    /// Asks for health until it succeeds once in time, and then keeps asking until it has settled.
    async fn prove(&self, job: &Job) -> Result<(), Fault> {
        let Some(command) = &self.config.health else {
            sleep(self.config.settle.unwrap_or_default()).await;
            return Ok(());
        };
        self.well_once(command, job, &job.version).await?;
        let settled = Instant::now() + self.config.settle.unwrap_or(DEFAULT_SETTLE);
        while Instant::now() < settled {
            sleep(HEALTH_EVERY.min(settled.saturating_duration_since(Instant::now()))).await;
            self.hook(command, self.config.health_timeout, job, &job.version).await?;
        }
        Ok(())
    }

    async fn reach_server(self) -> Result<(), Fault> {
        let Some((mut heard, within)) = self.reached else { return Ok(()) };
        match timeout(within, heard.changed()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Fault::passing(format!("the server was not heard within {} s", within.as_secs()))),
        }
    }

    async fn well_once(&self, command: &str, job: &Job, version: &Version) -> Result<(), Fault> {
        let deadline = Instant::now() + self.config.health_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.hook(command, left, job, version).await {
                Ok(()) => return Ok(()),
                Err(fault) if Instant::now() + HEALTH_EVERY >= deadline => return Err(fault),
                Err(_) => sleep(HEALTH_EVERY).await,
            }
        }
    }

    async fn hook(&self, command: &str, within: Duration, job: &Job, version: &Version) -> Result<(), Fault> {
        let folder: PathBuf = self.dir().folder(version);
        let setting = Setting { module: &job.module, version, folder: &folder };
        hooks::run(command, within, setting).await.map_err(Fault::of_package)
    }

    fn dir(&self) -> ModuleDir {
        ModuleDir::new(&self.config.dir)
    }
}

/// So long a version with a health command has to stay well, where the configuration does not say.
const DEFAULT_SETTLE: Duration = Duration::from_secs(5);

fn adopt(dir: &ModuleDir, job: &Job) -> Result<(), Fault> {
    dir.adopt(&job.version).map_err(|e| ours("the version's folder cannot be made", &e))
}

/// A fault of the device and not of the package.
fn ours(what: &str, error: &std::io::Error) -> Fault {
    Fault::passing(format!("{what}: {error}"))
}

async fn blocking(act: impl FnOnce() -> Result<(), Fault> + Send + 'static) -> Result<(), Fault> {
    tokio::task::spawn_blocking(act)
        .await
        .unwrap_or_else(|error| Err(Fault::passing(format!("the step ended without an answer: {error}"))))
}
