//! A look into the database beside the server, by SQL of the harness's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::moment::pass;

/// Where a server's database is.
#[derive(Clone)]
pub enum Database {
    Sqlite(PathBuf),
    #[cfg(feature = "mysql")]
    Mysql(String),
}

/// A run of report numbers of a device, and which are stored.
#[derive(QueryableByName)]
pub struct Run {
    #[diesel(sql_type = Text)]
    pub device_id: String,
    #[diesel(sql_type = BigInt)]
    pub key_id: i64,
    #[diesel(sql_type = Text)]
    pub boot_id: String,
    /// `1-40,42-42`.
    #[diesel(sql_type = Text)]
    pub ranges: String,
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    many: i64,
}

#[derive(QueryableByName)]
struct Verdict {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

const RUNS: &str = "SELECT devices.device_id AS device_id, report_runs.key_id AS key_id, \
    report_runs.boot_id AS boot_id, report_runs.ranges AS ranges \
    FROM (SELECT key_id, boot_id, ranges FROM report_runs UNION ALL \
    SELECT key_id, boot_id, ranges FROM device_reports WHERE boot_id IS NOT NULL) AS report_runs \
    JOIN devices ON devices.key_id = report_runs.key_id";

impl Database {
    /// The one that a server has in its data folder.
    pub fn in_folder(data: &Path) -> Self {
        Self::Sqlite(data.join("fleetward.db"))
    }

    pub fn runs(&self) -> Vec<Run> {
        match self {
            Self::Sqlite(path) => diesel::sql_query(RUNS).load(&mut sqlite(path)).unwrap(),
            #[cfg(feature = "mysql")]
            Self::Mysql(url) => diesel::sql_query(RUNS).load(&mut MysqlConnection::establish(url).unwrap()).unwrap(),
        }
    }

    /// Rows of a query for `name` and `many`.
    pub fn counts(&self, query: &str) -> Vec<(String, u64)> {
        let rows: Vec<Counted> = match self {
            Self::Sqlite(path) => diesel::sql_query(query).load(&mut sqlite(path)).unwrap(),
            #[cfg(feature = "mysql")]
            Self::Mysql(url) => diesel::sql_query(query).load(&mut MysqlConnection::establish(url).unwrap()).unwrap(),
        };
        rows.into_iter().map(|row| (row.name, row.many.unsigned_abs())).collect()
    }

    /// How many samples there are: in blocks, and beside the devices' reports.
    pub fn samples(&self) -> u64 {
        self.lines("sample_blocks", "samples") + self.lines("device_reports", "recent")
    }

    /// Lines in all texts of a column.
    pub fn lines(&self, table: &str, column: &str) -> u64 {
        let lines = format!("SUM(LENGTH({column}) - LENGTH(REPLACE({column}, CHAR(10), '')))");
        let query = format!("SELECT '' AS name, CAST(COALESCE({lines}, 0) AS SIGNED) AS many FROM {table}");
        self.counts(&query)[0].1
    }

    pub fn has_table(&self, name: &str) -> bool {
        let tables = match self {
            Self::Sqlite(_) => "sqlite_master WHERE type = 'table' AND name",
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => "information_schema.tables WHERE table_schema = DATABASE() AND table_name",
        };
        self.counts(&format!("SELECT '' AS name, COUNT(*) AS many FROM {tables} = '{name}'"))[0].1 > 0
    }

    /// Runs statements.
    pub fn run(&self, statements: &str) {
        match self {
            Self::Sqlite(path) => sqlite(path).batch_execute(statements).unwrap(),
            #[cfg(feature = "mysql")]
            Self::Mysql(url) => MysqlConnection::establish(url).unwrap().batch_execute(statements).unwrap(),
        }
    }

    /// Fails when SQLite finds its file damaged.
    pub fn is_whole(&self) {
        match self {
            Self::Sqlite(path) => {
                let found: Vec<Verdict> = diesel::sql_query("PRAGMA integrity_check").load(&mut sqlite(path)).unwrap();
                let said: Vec<&str> = found.iter().map(|verdict| verdict.integrity_check.as_str()).collect();
                assert_eq!(said, ["ok"]);
            }
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => {}
        }
    }

    /// Holds the lock that every writer needs.
    pub fn hold_lock(&self, time: Duration) {
        match self {
            Self::Sqlite(path) => {
                let mut connection = sqlite(path);
                connection.batch_execute("BEGIN IMMEDIATE").unwrap();
                pass(time);
                connection.batch_execute("ROLLBACK").unwrap();
            }
            #[cfg(feature = "mysql")]
            Self::Mysql(_) => unreachable!("the server of a MariaDB is killed instead"),
        }
    }
}

fn sqlite(path: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 20000").unwrap();
    connection
}
