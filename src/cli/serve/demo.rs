//! `fleetward serve --demo N`: a small fleet of simulated devices inside the server's process, with something newer
//! to give them. The devices use the server's own listener, like any other.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::App;
use crate::cli::CliError;
use crate::cli::simulate::{Swarm, SwarmSettings, device_url, names};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{ModuleName, Modules, Requirements, TokenKind, Version};
use crate::store::secrets::new_token;
use crate::store::{AddPackage, Blobs, NewPackage, Store};

/// Module, the version devices run, the newer one, and its size in bytes.
const MODULES: [(&str, &str, &str, usize); 2] =
    [("app1", "1.0.0", "1.1.0", 3 * 1024 * 1024), ("app2", "2.0.0", "2.1.0", 768 * 1024)];

/// How often tokens and versions are saved.
const SAVE: Duration = Duration::from_millis(500);

/// Simulated devices that live as long as the server.
pub(super) struct Demo {
    swarm: Arc<Swarm>,
    saving: JoinHandle<()>,
    count: u32,
}

impl Demo {
    /// Adds the packages and starts the devices.
    pub async fn start(config: &Config, app: &App, count: u32) -> Result<Self, CliError> {
        for (name, _, newer, size) in MODULES {
            add_package(app.store(), app.blobs(), name, newer, size).await?;
        }
        let server = Config { public_url: None, ..config.clone() }.base_url(app.local_addr());
        let settings = SwarmSettings {
            url: device_url(&server).map_err(CliError::Failed)?,
            token: Some(enrolment_token(app.store(), count).await?),
            devices: names("demo-", 1, count).map_err(CliError::Failed)?,
            modules: modules()?,
            interval: None,
            closed_loop: false,
            start_together: false,
            connect_rate: 100.0,
            sources: Vec::new(),
            check_packages: true,
            install_time: Duration::from_secs(2),
            fail_rate: 0.0,
            longest_wait: None,
            seed: None,
            state: Some(state_file(config)),
            ledger: None,
        };
        let swarm = Arc::new(Swarm::start(settings).map_err(CliError::doing("demo devices"))?);
        let saving = tokio::spawn(save_now_and_then(Arc::clone(&swarm)));
        Ok(Self { swarm, saving, count })
    }

    /// What to try.
    pub fn told(&self) -> String {
        let newer: Vec<String> = MODULES.iter().map(|(name, _, newer, _)| format!("{name} {newer}")).collect();
        format!("Demo: {} simulated devices report; {} wait to be rolled out", self.count, newer.join(" and "))
    }

    /// Saves the last of it. The devices' connections ended with the server.
    pub async fn stop(self) -> Result<(), CliError> {
        self.saving.abort();
        // Cancelled is what it was asked to be.
        let _ = self.saving.await;
        self.swarm.save().map_err(CliError::doing("demo devices"))
    }
}

async fn save_now_and_then(swarm: Arc<Swarm>) {
    let mut tick = tokio::time::interval(SAVE);
    loop {
        tick.tick().await;
        if let Err(error) = swarm.save() {
            tracing::warn!(%error, "the demo devices' state cannot be saved");
        }
    }
}

fn state_file(config: &Config) -> PathBuf {
    config.data_dir.join("demo").join("devices.json")
}

fn modules() -> Result<Modules, CliError> {
    let one = |(name, version, ..): &(&str, &str, &str, usize)| Ok((parse::<ModuleName>(name)?, parse(version)?));
    MODULES.iter().map(one).collect()
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, CliError> {
    text.parse().map_err(|error: T::Err| CliError::Failed(error.to_string()))
}

/// A token for this start alone: each device has its own afterwards.
async fn enrolment_token(store: &Store, count: u32) -> Result<String, CliError> {
    let (token, hash) = new_token(TokenKind::Enrolment).map_err(|error| CliError::Failed(error.to_string()))?;
    let now = Clock::system().now();
    let until = now + chrono::TimeDelta::minutes(10);
    store.add_enrolment_token(&hash, Some(count), Some(until), "demo", now).await?;
    Ok(token)
}

/// A file like one that was uploaded; the same bytes at every start.
async fn add_package(store: &Store, blobs: &Blobs, name: &str, version: &str, size: usize) -> Result<(), CliError> {
    let (name, version): (ModuleName, Version) = (parse(name)?, parse(version)?);
    if store.package(&name, &version).await?.is_some() {
        return Ok(());
    }
    let (blobs, line) = (blobs.clone(), format!("{name} {version} of the demonstration\n"));
    let write = move || {
        let mut file = blobs.create()?;
        file.write(&line.as_bytes().iter().copied().cycle().take(size).collect::<Vec<u8>>())?;
        file.finish()
    };
    let written = tokio::task::spawn_blocking(write).await.map_err(|error| CliError::Failed(error.to_string()))?;
    let (sha256, size) = written.map_err(CliError::doing("demo package"))?;
    let file_name = format!("{name}-{version}.bin");
    let (notes, created_by) = ("Made by --demo.".to_owned(), "demo".to_owned());
    let now = Clock::system().now();
    let (requires, signed_by, signature) = (Requirements::default(), None, None);
    let package =
        NewPackage { name, version, size, sha256, file_name, notes, requires, created_by, signed_by, signature, now };
    match store.add_package(package).await? {
        AddPackage::Added(_) | AddPackage::Same(_) | AddPackage::Conflict(_) => Ok(()),
    }
}
