//! The schema: migrations embedded in the program, run at start. A schema newer than the program is refused.
//!
//! A new file below `migrations` is seen by the compiler only after this file changed too.

use std::error::Error;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::Db;
use super::dialect::Sql;
use super::fault::{Result, StoreError};

pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
#[cfg(feature = "mysql")]
pub(super) const MYSQL: EmbeddedMigrations = embed_migrations!("migrations/mysql");

type Failure = Box<dyn Error + Send + Sync>;

/// Brings the schema to this program's version.
pub(super) fn migrate(db: &mut Db) -> Result<()> {
    let outcome = match db {
        Db::Sqlite(connection) => migrate_sqlite(connection),
        #[cfg(feature = "mysql")]
        Db::Mysql(connection) => migrate_mysql(connection),
    };
    outcome.map_err(|failure| match failure.downcast::<StoreError>() {
        Ok(error) => *error,
        Err(other) => StoreError::Unusable(format!("the database schema cannot be brought up to date: {other}")),
    })?;
    long_text_comes_back(db)
}

/// Under the write lock, so that a command beside a starting server waits and then finds nothing to do.
fn migrate_sqlite(connection: &mut SqliteConnection) -> Result<(), Failure> {
    let pending = pending::<_, Sqlite>(connection, SQLITE)?;
    if !pending {
        return Ok(());
    }
    connection.immediate_transaction::<_, Locked, _>(|connection| {
        connection.run_pending_migrations(SQLITE).map(drop).map_err(Locked::Migration)
    })?;
    Ok(())
}

/// What may end the transaction around the migrations.
#[derive(Debug, thiserror::Error)]
enum Locked {
    #[error("{0}")]
    Migration(Failure),
    #[error("{0}")]
    Database(#[from] diesel::result::Error),
}

/// Refuses a newer schema; says whether there is anything to run.
fn pending<H, B>(harness: &mut H, known: EmbeddedMigrations) -> Result<bool, Failure>
where
    H: MigrationHarness<B>,
    B: diesel::backend::Backend,
{
    use diesel::migration::MigrationSource as _;
    let known: Vec<Box<dyn diesel::migration::Migration<B>>> = known.migrations()?;
    let versions: Vec<String> = known.iter().map(|m| m.name().version().to_string()).collect();
    let applied: Vec<String> = harness.applied_migrations()?.iter().map(ToString::to_string).collect();
    if let Some(unknown) = applied.iter().find(|version| !versions.contains(version)) {
        return Err(Box::new(StoreError::Unusable(format!(
            "the database is of a newer fleetward than this one (it has the migration {unknown}); \
             install that version, or restore a backup made with this one"
        ))));
    }
    let missing = versions.iter().filter(|version| !applied.contains(version)).count();
    if missing > 0 && !applied.is_empty() {
        tracing::info!(steps = missing, "the database is brought up to date; with a long history this takes minutes");
    }
    Ok(missing > 0)
}

/// MySQL commits every DDL statement at once, so a lock of its own keeps two programs apart.
#[cfg(feature = "mysql")]
fn migrate_mysql(connection: &mut diesel::mysql::MysqlConnection) -> Result<(), Failure> {
    use diesel::sql_types::{BigInt, Nullable};
    #[derive(QueryableByName)]
    struct Lock {
        #[diesel(sql_type = Nullable<BigInt>)]
        held: Option<i64>,
    }
    let lock = "SELECT CAST(GET_LOCK(CONCAT('fleetward.', MD5(DATABASE())), 30) AS SIGNED) AS held";
    if diesel::sql_query(lock).get_result::<Lock>(connection)?.held != Some(1) {
        return Err("another program has been changing it for 30 s; try again".into());
    }
    let outcome = pending::<_, diesel::mysql::Mysql>(connection, MYSQL)
        .and_then(|_| connection.run_pending_migrations(MYSQL).map(drop));
    connection.batch_execute("DO RELEASE_LOCK(CONCAT('fleetward.', MD5(DATABASE())))")?;
    outcome
}

/// A client library once returned long texts empty: better no start than empty reports.
fn long_text_comes_back(db: &mut Db) -> Result<()> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        value: String,
    }
    let text = "lorem ipsum dolor sit amet, \u{7ec8}\u{7aef} ".chars().cycle().take(4096).collect::<String>();
    let broken = |why: String| {
        StoreError::Unusable(format!("the database returns long texts wrongly ({why}); update its client library"))
    };
    // A temporary table: the check leaves nothing behind, and needs no lock on the database.
    let unusable = |error: diesel::result::Error| broken(error.to_string());
    let charset = match db {
        Db::Sqlite(_) => "",
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => " CHARACTER SET utf8mb4",
    };
    let table = format!("CREATE TEMPORARY TABLE fleetward_text_check (value TEXT{charset} NOT NULL)");
    db.batch_execute(&table).map_err(unusable)?;
    Sql::new("INSERT INTO fleetward_text_check (value) VALUES (?)")
        .bind(text.as_str())
        .execute(db)
        .map_err(unusable)?;
    let rows: Vec<Row> = Sql::new("SELECT value FROM fleetward_text_check").load(db).map_err(unusable)?;
    db.batch_execute("DROP TABLE fleetward_text_check").map_err(unusable)?;
    match rows.first() {
        Some(row) if row.value == text => Ok(()),
        Some(row) => Err(broken(format!("{} of {} bytes", row.value.len(), text.len()))),
        None => Err(broken("none".to_owned())),
    }
}
