//! What is remembered: the only place that speaks SQL, and the files below the data folder.
//!
//! [`Store`] is the only door to the database: verbs that take and return domain types. All writes go through one
//! writer thread, which puts what waits into one transaction (group commit) and answers after the commit; reads
//! go through a pool. SQLite and MySQL/MariaDB are the same code; the few statements that differ are in `dialect`.
//!
//! In reading order: `connection`, `writer`, `dialect` and `migrate` are how the database is spoken to; then a file
//! a table group, each with its types, its private rows and its verbs; then the files beside the database:
//! [`Blobs`], [`KeyFolder`], [`StatusLog`], [`DataDir`].

mod connection;
mod cursor;
mod dialect;
mod fault;
mod migrate;
mod rows;
mod runs;
mod samples;
mod schema;
mod stored;
mod way_back;
mod writer;

mod accounts;
mod alike;
mod attention;
mod audit;
mod bearers;
mod connections;
mod database;
mod device_list;
mod devices;
mod filtering;
mod fleet_course;
mod groups;
mod history;
mod join;
mod matching;
mod packages;
mod progress;
mod reports;
mod rollout_history;
mod rollout_list;
mod rollouts;
mod second_factors;
mod sessions;
mod settings;
mod tagging;
mod tokens;
mod views;

mod blobs;
mod data_dir;
mod keys;
mod log;

pub mod secrets;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bearers::Bearers;
use connection::{Address, Db, Pool, Purpose};
use fault::{Fault, Outcome};
use writer::Writer;

use crate::domain::AuditEntry;

pub use attention::{FleetState, Watched};
pub use audit::{AuditCheck, AuditQuery};
pub use blobs::{BlobCheck, BlobWriter, Blobs};
pub use cursor::{BadCursor, Page};
pub use data_dir::DataDir;
pub use database::Database;
pub use device_list::{DeviceQuery, DeviceSort};
pub use fault::{Result, StoreError};
pub use fleet_course::{COUNTS, FleetPoint};
pub use groups::{Group, Saved};
pub use join::{JoinOutcome, JoinRefusal, JoinRequest};
pub use keys::{KeyFolder, Keys, read_key, write_key};
pub use log::{Appended, LogConfig, LogPosition, Mark, Recovery, Show, StatusLog, Tail, show, tail};
pub use packages::{AddPackage, DeletePackage, ModuleSummary, NewPackage, PackageUse};
pub use progress::RolloutDevice;
pub use reports::{LastReports, RecordBatch, StatusRecord};
pub use rollout_history::{CHANGES, CoursePoint};
pub use rollout_list::RolloutSummary;
pub use rollouts::{NewRollout, RolloutChanges};
pub use sessions::{SeenFrom, SessionInUse, session_id};
pub use tagging::{TagChange, Tagged};
pub use views::SavedView;
pub use way_back::Changed;

/// Where and how to open the store.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// `sqlite:PATH` or `mysql://user:password@host:port/database`.
    pub database_url: String,
    /// Readers in the pool.
    pub readers: u32,
}

/// The one door. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    /// What is put into the audit log when a person or a program acts through this.
    entry: Option<AuditEntry>,
}

struct Inner {
    readers: Pool,
    writer: Writer,
    bearers: Bearers,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// How long `/readyz` waits for a write before it says no.
const PING_TIMEOUT: Duration = Duration::from_millis(4500);

impl Store {
    /// Opens the database, runs what migrations are missing, and starts the writer.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] with what to do: the URL can't be opened, the schema is newer, MySQL is not built in.
    pub fn open(config: &StoreConfig) -> Result<Self> {
        let address = Address::parse(&config.database_url)?;
        let mut db = address
            .open(Purpose::Write)
            .map_err(|error| StoreError::Unusable(format!("cannot open the database {}: {error}", address.shown())))?;
        migrate::migrate(&mut db)?;
        let readers = connection::pool(&address, config.readers)?;
        let writer = Writer::start(address, db)?;
        Ok(Self { inner: Arc::new(Inner { readers, writer, bearers: Bearers::default() }), entry: None })
    }

    /// Whether a write transaction can be made now; for `/readyz`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when a small write is not on disk within 4.5 s.
    pub async fn ping(&self) -> Result<()> {
        let write = self.set_setting("ping", Some("1"));
        match tokio::time::timeout(PING_TIMEOUT, write).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {PING_TIMEOUT:?}"))),
        }
    }

    /// Ends the writer after what it has; later writes are `Unavailable`. Blocks until that is done.
    pub fn close(&self) {
        self.inner.writer.close();
    }

    /// Writes a consistent copy of the database to `path`, which must not exist. The server may go on meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] on MySQL, with the tool to use; [`StoreError::Unavailable`] when it can't be written.
    pub async fn backup_to(&self, path: &Path) -> Result<()> {
        let path = path.to_string_lossy().into_owned();
        self.read(move |db| dialect::copy_to(db, &path)).await
    }

    /// Runs `verb` on a reader, off the async threads.
    async fn read<T, F>(&self, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Outcome<T> + Send + 'static,
    {
        let pool = self.inner.readers.clone();
        let task = tokio::task::spawn_blocking(move || {
            let mut db = pool.get().map_err(|error| StoreError::Unavailable(error.to_string()))?;
            verb(&mut db).map_err(StoreError::from)
        });
        task.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }

    /// Runs `verb` in the writer's next transaction; it may be run twice.
    async fn write<T, F>(&self, verb: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Db) -> Outcome<T> + Send + 'static,
    {
        self.inner.writer.write(verb).await
    }
}

#[cfg(test)]
mod tests;
