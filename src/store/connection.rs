//! Connections: which database a URL names, how one is opened, and the pool of readers.

use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
#[cfg(feature = "mysql")]
use diesel::mysql::MysqlConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::fault::StoreError;

/// One connection to either database. Opened by [`Address::open`]: the derived `establish` would try each in turn
/// and hide why the right one failed.
#[derive(diesel::MultiConnection)]
pub(super) enum Db {
    Sqlite(SqliteConnection),
    #[cfg(feature = "mysql")]
    Mysql(MysqlConnection),
}

/// What a database URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Sqlite(PathBuf),
    #[cfg(feature = "mysql")]
    Mysql(String),
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Read,
}

/// How long SQLite waits for another program's lock: shorter than the 5 s in which `/readyz` must answer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// Pages of 4 KiB in SQLite's log of changes after which they are brought into the database: a fleet's reports change
/// the same pages again and again, and each is brought over once.
const CHECKPOINT_PAGES: u32 = 4096;

impl Address {
    /// Reads `sqlite:PATH` or `mysql://user:password@host:port/database`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path == ":memory:" {
                return Err(StoreError::Unusable(format!("database-url {url:?} names no file; use sqlite:PATH")));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if let Some(rest) = url.strip_prefix("mysql://").or_else(|| url.strip_prefix("mariadb://")) {
            return Self::mysql(rest);
        }
        let scheme = url.split(':').next().unwrap_or_default();
        Err(StoreError::Unusable(format!(
            "database-url must begin with sqlite: or mysql://, not {scheme:?}; for example sqlite:./data/fleetward.db"
        )))
    }

    #[cfg(feature = "mysql")]
    fn mysql(rest: &str) -> Result<Self, StoreError> {
        let database = rest.split_once('/').map_or("", |(_, database)| database);
        if database.split('?').next().unwrap_or_default().is_empty() {
            let message = "database-url names no database; use mysql://USER:PASSWORD@HOST:PORT/DATABASE, and make it \
                           first: CREATE DATABASE name";
            return Err(StoreError::Unusable(message.to_owned()));
        }
        Ok(Self::Mysql(format!("mysql://{rest}")))
    }

    #[cfg(not(feature = "mysql"))]
    fn mysql(_rest: &str) -> Result<Self, StoreError> {
        Err(StoreError::Unusable(
            "this build of fleetward has no MySQL; build with `--features mysql` (needs libmariadb-dev), \
             or use a sqlite: database"
                .to_owned(),
        ))
    }

    /// For messages: without the password.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            #[cfg(feature = "mysql")]
            Self::Mysql(url) => match url.rsplit_once('@') {
                Some((_, place)) => format!("mysql://{place}"),
                None => url.clone(),
            },
        }
    }

    /// Opens a connection and sets it up.
    pub(super) fn open(&self, purpose: Purpose) -> Result<Db, ConnectionError> {
        match self {
            Self::Sqlite(path) => open_sqlite(&path.to_string_lossy(), purpose),
            #[cfg(feature = "mysql")]
            Self::Mysql(url) => open_mysql(url),
        }
    }

    fn may_drop_connections(&self) -> bool {
        !matches!(self, Self::Sqlite(_))
    }
}

fn open_sqlite(path: &str, purpose: Purpose) -> Result<Db, ConnectionError> {
    let mut connection = SqliteConnection::establish(path)?;
    let query_only = if purpose == Purpose::Read { "ON" } else { "OFF" };
    // The timeout comes first: what follows may already meet a lock.
    let pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; \
         PRAGMA query_only = {query_only};",
        BUSY_TIMEOUT.as_millis()
    );
    connection.batch_execute(&pragmas).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(Db::Sqlite(connection))
}

#[cfg(feature = "mysql")]
fn open_mysql(url: &str) -> Result<Db, ConnectionError> {
    let mut connection = MysqlConnection::establish(url)?;
    // READ COMMITTED: every statement sees what is there now, and InnoDB takes no locks on gaps.
    let settings = "SET SESSION time_zone = '+00:00', \
                    sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', \
                    innodb_lock_wait_timeout = 4; \
                    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    for setting in settings.split("; ") {
        connection.batch_execute(setting).map_err(ConnectionError::CouldntSetupConfiguration)?;
    }
    Ok(Db::Mysql(connection))
}

/// Opens connections for the pool.
#[derive(Debug)]
pub(super) struct Readers(Address);

impl r2d2::ManageConnection for Readers {
    type Connection = Db;
    type Error = ConnectionError;

    fn connect(&self) -> Result<Db, ConnectionError> {
        self.0.open(Purpose::Read)
    }

    fn is_valid(&self, connection: &mut Db) -> Result<(), ConnectionError> {
        connection.batch_execute("SELECT 1").map_err(ConnectionError::CouldntSetupConfiguration)
    }

    fn has_broken(&self, _connection: &mut Db) -> bool {
        std::thread::panicking()
    }
}

pub(super) type Pool = r2d2::Pool<Readers>;

/// A pool of readers. A connection over the network is tried before it is handed out.
pub(super) fn pool(address: &Address, readers: u32) -> Result<Pool, StoreError> {
    r2d2::Pool::builder()
        .max_size(readers.clamp(1, 64))
        .min_idle(Some(1))
        .test_on_check_out(address.may_drop_connections())
        .connection_timeout(Duration::from_secs(4))
        .build(Readers(address.clone()))
        .map_err(|error| StoreError::Unusable(format!("cannot open the database {}: {error}", address.shown())))
}
