//! Rows of many devices that are the same but for the device: a rollout asks thousands of devices in one moment.
//! SQLite writes them with one statement, which takes a third of the time that one for each row takes.

use std::collections::HashMap;
use std::hash::Hash;

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;

use super::connection::Db;
use super::dialect::Value;
use super::rows::{Binds as _, Columns, Known};
use crate::domain::KeyId;

/// The column that names the device.
const DEVICE: &str = "key_id";

/// Fewer devices than this are written one by one, which is as quick then.
const MANY: usize = 4;

/// Rows that are the same but for the device.
#[derive(Debug, Clone)]
pub(super) struct Alike {
    /// One of them.
    row: Vec<Value>,
    devices: Vec<i64>,
}

/// Puts together what is the same but for the device, in the order of the first of each kind. `rest`: all but the
/// device; `row`: the row that is written.
pub(super) fn alike<T: Copy, K: Eq + Hash>(
    items: Vec<T>,
    device: impl Fn(T) -> KeyId,
    rest: impl Fn(T) -> K,
    row: impl Fn(T) -> Vec<Value>,
) -> Vec<Alike> {
    let mut found: Vec<Alike> = Vec::new();
    let mut places: HashMap<K, usize> = HashMap::new();
    for item in items {
        let place = *places.entry(rest(item)).or_insert_with(|| {
            found.push(Alike { row: row(item), devices: Vec::new() });
            found.len() - 1
        });
        found[place].devices.push(device(item).0);
    }
    found
}

impl<T: Known> Columns<T> {
    /// As [`insert`](Self::insert).
    pub(super) fn insert_alike(&self, db: &mut Db, rows: Vec<Alike>) -> QueryResult<()> {
        self.write_alike(db, rows, "")
    }

    /// As [`upsert`](Self::upsert).
    pub(super) fn upsert_alike(&self, db: &mut Db, rows: Vec<Alike>) -> QueryResult<()> {
        let clause = self.or_the_same(db);
        self.write_alike(db, rows, &clause)
    }

    fn write_alike(&self, db: &mut Db, rows: Vec<Alike>, clause: &str) -> QueryResult<()> {
        let no_device = || diesel::result::Error::QueryBuilderError("a table of devices is expected".into());
        let place = self.all().position(|column| column == DEVICE).ok_or_else(no_device)?;
        let head = self.head();
        let mut one_by_one = Vec::new();
        for Alike { row, devices } in rows {
            let at_once = matches!(db, Db::Sqlite(_)) && devices.len() >= MANY;
            if at_once {
                // What stands before it is written before it.
                self.write(db, std::mem::take(&mut one_by_one), clause)?;
            }
            match db {
                Db::Sqlite(connection) if at_once => {
                    let devices = serde_json::json!(devices).to_string();
                    InsertAlike { head: &head, row: &row, place, devices, clause }.execute(connection)?;
                }
                _ => one_by_one.extend(devices.into_iter().map(|device| with(&row, place, device))),
            }
        }
        self.write(db, one_by_one, clause)
    }
}

/// The same row, of this device.
fn with(row: &[Value], place: usize, device: i64) -> Vec<Value> {
    let mut row = row.to_vec();
    row[place] = device.into();
    row
}

/// One `INSERT` of a row for each device of a list.
struct InsertAlike<'a> {
    head: &'a str,
    row: &'a [Value],
    /// Where the row has its device.
    place: usize,
    /// As a list of JSON.
    devices: String,
    clause: &'a str,
}

impl QueryId for InsertAlike<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<C: Connection> RunQueryDsl<C> for InsertAlike<'_> {}

impl QueryFragment<Sqlite> for InsertAlike<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(self.head);
        for (index, value) in self.row.iter().enumerate() {
            out.push_sql(if index == 0 { "SELECT " } else { ", " });
            if index == self.place {
                out.push_sql("value");
            } else {
                Sqlite::bind(&mut out, value)?;
            }
        }
        out.push_sql(" FROM json_each(");
        out.push_bind_param::<diesel::sql_types::Text, String>(&self.devices)?;
        // Without a condition SQLite takes the clause for one of a join.
        out.push_sql(") WHERE true");
        out.push_sql(self.clause);
        Ok(())
    }
}
