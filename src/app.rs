//! Composition: a server built from its configuration and a bound listener, run until a stop future.

mod http;
mod room;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use tokio::sync::watch;
use tracing::{error, info, warn};

use self::room::Room;
use crate::actors::{Fleet, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Blobs, DataDir, KeyFolder, Store, StoreConfig, StoreError};
use crate::store::{LogConfig, Recovery, StatusLog};
use crate::web::{self, Listening, WebState};

pub use self::room::{open_files, raise_open_files};

/// Database readers.
const READERS: u32 = 8;

/// After a stop, devices come back within this many seconds, each at a moment of its own.
const COME_BACK_WITHIN_S: u32 = 30;

/// How long devices may take their leave, requests may end, what waits may be written, and the database may close:
/// less than 15 s in all.
const DRAIN: Duration = Duration::from_secs(5);
const FINISH: Duration = Duration::from_secs(4);
const CLOSE: Duration = Duration::from_secs(2);

/// Why a server does not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder, or something in it.
    #[error("{0}")]
    Data(#[from] std::io::Error),
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// A server that is ready to run.
pub struct App {
    config: Arc<Config>,
    // Locked for as long as the server lives.
    _data_dir: DataDir,
    store: Store,
    blobs: Blobs,
    keys: KeyFolder,
    fleet: Fleet,
    clock: Clock,
    listener: TcpListener,
    address: SocketAddr,
    setup_link: Option<String>,
}

impl App {
    /// Opens everything, brings what the last life left in order, and starts the actors. Needs an actix system.
    ///
    /// # Errors
    /// [`StartError`], with what to do.
    pub async fn build(config: Config, listener: TcpListener) -> Result<Self, StartError> {
        Self::build_with_clock(config, listener, Clock::system()).await
    }

    /// As [`build`](Self::build), with a clock that a test can move.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub async fn build_with_clock(config: Config, listener: TcpListener, clock: Clock) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir)?;
        let database_url =
            config.database_url.clone().unwrap_or_else(|| format!("sqlite:{}", data_dir.database().display()));
        let store = Store::open(&StoreConfig { database_url, readers: READERS })?;
        let blobs = Blobs::open(&data_dir.packages())?;
        store.all_offline(clock.now()).await?;
        say_what_is_amiss(&store, &blobs).await?;
        let log = open_log(&config, &data_dir, &store).await?;
        let address = listener.local_addr()?;
        let setup_link = setup_link(&store, &config.base_url(address)).await?;
        let keys = KeyFolder::new(&data_dir.keys());
        keys.keys()?;
        let parts = Parts { store: store.clone(), blobs: blobs.clone(), keys: keys.clone(), log, clock: clock.clone() };
        let fleet = Fleet::start_actors(&config, parts).await?;
        for warning in fleet.warnings() {
            warn!(warning, "the database is set weaker than what is promised");
        }
        let config = Arc::new(config);
        Ok(Self { config, _data_dir: data_dir, store, blobs, keys, fleet, clock, listener, address, setup_link })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where the first admin is made, while there is no user.
    #[must_use]
    pub fn setup_link(&self) -> Option<String> {
        self.setup_link.clone()
    }

    /// Its database.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Its package bytes.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// Its actors.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Serves until `stop`, then sends devices away, ends requests, and writes what waits.
    ///
    /// # Errors
    /// When the server can't listen, or ends by itself.
    pub async fn run(self, stop: impl Future<Output = ()>) -> std::io::Result<()> {
        let Self { config, _data_dir, store, blobs, keys, fleet, clock, listener, address, .. } = self;
        let (stopping, stopped) = watch::channel(false);
        let room = Room::of(&config);
        info!(devices = room.devices, open_files = ?open_files(), "so many devices may be connected at once");
        let state = WebState::new(
            Arc::clone(&config),
            store.clone(),
            (blobs, keys),
            fleet.clone(),
            clock,
            Listening { address, connections: room.devices, stop: stopped.clone() },
        );
        let site = web::configure(Data::new(state));
        let server = http::serve(listener, site, room, stopped)?;
        let handle = server.handle();
        let served = actix_web::rt::spawn(server);
        stop.await;
        info!("the server stops: devices are sent away");
        // Nobody is left to hear of it when every stream has ended.
        let _ = stopping.send(true);
        handle.pause().await;
        fleet.drain(COME_BACK_WITHIN_S, DRAIN).await;
        handle.stop(true).await;
        if tokio::time::timeout(FINISH, fleet.finish()).await.is_err() {
            error!("some reports could not be written in time; none of them was acknowledged");
        }
        close(store).await;
        match served.await {
            Ok(ended) => ended,
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

/// Closes the database; one that is stuck ends with the program, which has acknowledged nothing of what it still holds.
async fn close(store: Store) {
    let (done, closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        store.close();
        // Nobody waits any more.
        let _ = done.send(());
    });
    if tokio::time::timeout(CLOSE, closed).await.is_err() {
        error!("the database did not take its leave in time");
    }
}

async fn setup_link(store: &Store, base_url: &str) -> Result<Option<String>, StartError> {
    let link = web::setup::link(store, base_url).await;
    link.map_err(|error| StartError::Data(std::io::Error::other(error.to_string())))
}

/// Rows without their file, and files without their row.
async fn say_what_is_amiss(store: &Store, blobs: &Blobs) -> Result<(), StartError> {
    let rows = store.package_hashes().await?;
    let found = blobs.check(&rows)?;
    for sha256 in &found.missing {
        error!(%sha256, "a package's file is missing: delete the package and upload it again");
    }
    for (sha256, size, rightly) in &found.wrong_size {
        error!(%sha256, size, rightly, "a package's file has the wrong size: delete the package and upload it again");
    }
    if !found.stray.is_empty() {
        warn!(files = found.stray.len(), first = ?found.stray.first(), "files in the package folder belong to no package");
    }
    Ok(())
}

async fn open_log(config: &Config, data_dir: &DataDir, store: &Store) -> Result<StatusLog, StartError> {
    let settings =
        LogConfig { body: config.log.body, max_bytes: config.log.max_bytes, keep_days: config.log.keep_days };
    let committed = store.log_position().await?;
    let (log, recovery) = StatusLog::open(&data_dir.log(), settings, committed)?;
    match recovery {
        Recovery::Clean => {}
        Recovery::Cut { bytes } => info!(bytes, "lines of the status log that were never acknowledged were cut off"),
        Recovery::Left { why } => warn!(why, "the status log and the database do not agree"),
    }
    Ok(log)
}
