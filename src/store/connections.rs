//! When devices came and went, and why: rows are added, and forgotten with age.

use diesel::prelude::*;

use super::connection::Db;
use super::dialect::{Sql, Value};
use super::rows::{Columns, statements};
use super::schema::connections;
use super::stored::{instant, millis, parsed};
use super::{Outcome, Result, Store};
use crate::domain::{ConnectionCause, ConnectionEvent, KeyId, Timestamp};

/// Rows that one sweep deletes at once.
const SWEEP: usize = 20_000;

statements!(InsertConnection);

const CONNECTIONS: Columns<InsertConnection> =
    Columns::new("connections", &[], &["key_id", "online", "cause", "happened_at"]);

impl Store {
    /// How a device came and went, newest first.
    pub async fn connections_of(&self, key_id: KeyId, limit: u32) -> Result<Vec<ConnectionEvent>> {
        self.read(move |db| {
            let rows: Vec<(bool, String, i64)> = connections::table
                .filter(connections::key_id.eq(key_id.0))
                .order(connections::id.desc())
                .limit(i64::from(limit))
                .select((connections::online, connections::cause, connections::happened_at))
                .load(db)?;
            let event = |(online, cause, at): (bool, String, i64)| -> Outcome<ConnectionEvent> {
                Ok(ConnectionEvent { online, cause: parsed(&cause)?, at: instant(at)? })
            };
            rows.into_iter().map(event).collect()
        })
        .await
    }

    /// Forgets what happened before, in small transactions. Answers how many rows went.
    pub async fn prune_connections(&self, before: Timestamp) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let n = self.write(move |db| sweep(db, before)).await?;
            deleted += n;
            if n < SWEEP as u64 {
                return Ok(deleted);
            }
        }
    }
}

fn sweep(db: &mut Db, before: Timestamp) -> Outcome<u64> {
    // Through a derived table: MySQL doesn't delete from a table that it reads in a subquery.
    let sql = Sql::new(
        "DELETE FROM connections WHERE id IN (SELECT id FROM (SELECT id FROM connections WHERE happened_at < ?",
    );
    Ok(sql.bind(millis(before)).push(&format!(" LIMIT {SWEEP}) AS old)")).execute(db)? as u64)
}

/// Writes down that a device came or went.
pub(super) fn append(db: &mut Db, key_id: i64, online: bool, cause: ConnectionCause, now: Timestamp) -> Outcome<()> {
    let row = vec![key_id.into(), Value::Bool(online), cause.as_str().into(), millis(now).into()];
    Ok(CONNECTIONS.insert(db, vec![row])?)
}

/// ... that whoever is online goes.
pub(super) fn append_all_gone(db: &mut Db, cause: ConnectionCause, now: Timestamp) -> Outcome<()> {
    let sql = Sql::new(
        "INSERT INTO connections (key_id, online, cause, happened_at) SELECT key_id, ?, ?, ? FROM devices WHERE online = ?",
    );
    Ok(sql.bind(false).bind(cause.as_str()).bind(millis(now)).bind(true).execute(db).map(drop)?)
}
