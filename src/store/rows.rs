//! Many rows of one table: written one by one or several at once, whichever its database does faster.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Bool, Double, HasSqlType, Nullable, Text};

use super::connection::Db;
use super::dialect::Value;

/// A table's columns, for writing many rows at once. `T`: how its statement is found among those prepared before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<T = ByText> {
    table: &'static str,
    /// The primary key.
    key: &'static [&'static str],
    rest: &'static [&'static str],
    /// Columns of the rest that are not just replaced where the row exists.
    merged: &'static [(&'static str, Merge)],
    known_by: PhantomData<T>,
}

/// What becomes of a column of a row that exists.
#[derive(Debug, Clone, Copy)]
pub(super) enum Merge {
    /// It stays as it is where the new value is null.
    UnlessNull,
    /// ... or an empty text.
    UnlessEmpty,
    /// The new text goes behind the old one.
    Append,
}

/// How a prepared statement is found again.
pub(super) trait Known: 'static {
    /// By its type, and its text is not even made: the type belongs to one statement of one row.
    const BY_TYPE: bool;
}

/// Types for statements of one row that are run often: each of one kind, for one table.
macro_rules! statements {
    ($($name:ident),+) => {
        $(
            struct $name;

            impl $crate::store::rows::Known for $name {
                const BY_TYPE: bool = true;
            }
        )+
    };
}
pub(super) use statements;

/// By its text.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByText;

impl Known for ByText {
    const BY_TYPE: bool = false;
}

/// Bytes of text bound in one statement, about: a MariaDB or MySQL server takes 16 MiB in one by default, and nothing
/// is gained beyond this.
#[cfg(feature = "mysql")]
const MAX_TEXT: usize = 1 << 20;

/// Values bound in one statement: far below SQLite's 32,766 and MySQL's 65,535, and beyond it nothing is gained.
#[cfg(feature = "mysql")]
const MAX_BOUND: usize = 2000;

impl<T: Known> Columns<T> {
    pub(super) const fn new(table: &'static str, key: &'static [&'static str], rest: &'static [&'static str]) -> Self {
        Self { table, key, rest, merged: &[], known_by: PhantomData }
    }

    /// The same, with columns that are not just replaced.
    pub(super) const fn merging(self, merged: &'static [(&'static str, Merge)]) -> Self {
        Self { merged, ..self }
    }

    /// To what a column of a row that exists is set, in pieces of SQL; `new` is the new value.
    fn set_to<'a>(&self, column: &'a str, new: &'a str, is_mysql: bool) -> [&'a str; 5] {
        match self.merged.iter().find(|(name, _)| *name == column) {
            None => [new, "", "", "", ""],
            Some((_, Merge::UnlessNull)) => ["COALESCE(", new, ", ", column, ")"],
            Some((_, Merge::UnlessEmpty)) => ["COALESCE(NULLIF(", new, ", ''), ", column, ")"],
            Some((_, Merge::Append)) if is_mysql => ["CONCAT(", column, ", ", new, ")"],
            Some((_, Merge::Append)) => [column, " || ", new, "", ""],
        }
    }

    /// Inserts rows; each has the key's values, then the rest's.
    pub(super) fn insert(&self, db: &mut Db, rows: Vec<Vec<Value>>) -> QueryResult<()> {
        self.write(db, rows, "")
    }

    /// Inserts rows, or where the key exists makes that row the same.
    pub(super) fn upsert(&self, db: &mut Db, rows: Vec<Vec<Value>>) -> QueryResult<()> {
        let clause = self.or_the_same(db);
        self.write(db, rows, &clause)
    }

    /// What is said behind an `INSERT` for rows that exist.
    pub(super) fn or_the_same(&self, db: &Db) -> String {
        match db {
            Db::Sqlite(_) => {
                let new = |c| self.set_to(c, &format!("excluded.{c}"), false).concat();
                let set: Vec<String> = self.rest.iter().map(|c| format!("{c} = {}", new(c))).collect();
                format!(" ON CONFLICT ({}) DO UPDATE SET {}", self.key.join(", "), set.join(", "))
            }
            #[cfg(feature = "mysql")]
            Db::Mysql(_) => {
                let new = |c| self.set_to(c, &format!("VALUES({c})"), true).concat();
                let set: Vec<String> = self.rest.iter().map(|c| format!("{c} = {}", new(c))).collect();
                format!(" ON DUPLICATE KEY UPDATE {}", set.join(", "))
            }
        }
    }

    /// The key's columns, then the rest.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> {
        self.key.iter().chain(self.rest).copied()
    }

    /// What an `INSERT` begins with.
    pub(super) fn head(&self) -> String {
        format!("INSERT INTO {} ({}) ", self.table, self.all().collect::<Vec<_>>().join(", "))
    }

    /// Makes rows that are there the same as these, or merges them; one that is not there yet is inserted. `U`: how the
    /// statement is found again.
    pub(super) fn update<U: Known>(&self, db: &mut Db, rows: Vec<Vec<Value>>) -> QueryResult<()> {
        if !matches!(db, Db::Sqlite(_)) {
            return self.upsert(db, rows);
        }
        // Looks for the row by its key and changes it in place: an upsert would first have all of a new row ready.
        let mut missing = Vec::new();
        for row in rows {
            if !self.change::<U>(db, &row)? {
                missing.push(row);
            }
        }
        if missing.is_empty() { Ok(()) } else { self.upsert(db, missing) }
    }

    /// Changes the row with this key. Returns whether there is one. Diesel prepares its own updates anew each time.
    pub(super) fn change<U: Known>(&self, db: &mut Db, row: &[Value]) -> QueryResult<bool> {
        let is_mysql = !matches!(db, Db::Sqlite(_));
        let update = Update { columns: self, row, is_mysql, known_by: PhantomData::<U> };
        let changed = match db {
            Db::Sqlite(connection) => update.execute(connection)?,
            #[cfg(feature = "mysql")]
            Db::Mysql(connection) => update.execute(connection)?,
        };
        Ok(changed > 0)
    }

    /// Inserts rows, with a clause for those that exist.
    pub(super) fn write(&self, db: &mut Db, rows: Vec<Vec<Value>>, clause: &str) -> QueryResult<()> {
        let width = self.key.len() + self.rest.len();
        let head = self.head() + "VALUES ";
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let (rows, others) = rest.split_at(at_once(db, rest, width));
            let insert = Insert { head: &head, rows, clause, known_by: PhantomData::<T> };
            match db {
                Db::Sqlite(connection) => insert.execute(connection)?,
                // Each number of rows is a statement of its own.
                #[cfg(feature = "mysql")]
                Db::Mysql(connection) => {
                    Insert { head: &head, rows, clause, known_by: PhantomData::<ByText> }.execute(connection)?
                }
            };
            rest = others;
        }
        Ok(())
    }
}

/// How many of these rows, of so many values each, are written with one statement. There is at least one.
#[cfg_attr(not(feature = "mysql"), expect(unused_variables, reason = "SQLite takes them one by one"))]
fn at_once(db: &Db, rows: &[Vec<Value>], width: usize) -> usize {
    match db {
        // One of several rows keeps a copy of each page that it changes, to take its first rows back if a later one
        // fails.
        Db::Sqlite(_) => 1,
        // Each is a message to the server and back.
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => power_of_two(that_fit(&rows[..rows.len().min(MAX_BOUND / width)])),
    }
}

/// How many of these rows, at least one, have no more than [`MAX_TEXT`].
#[cfg(feature = "mysql")]
fn that_fit(rows: &[Vec<Value>]) -> usize {
    let text = |value: &Value| match value {
        Value::Text(Some(text)) => text.len(),
        Value::Shared(text) => text.len(),
        _ => 0,
    };
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.iter().map(text).sum::<usize>();
        bytes <= MAX_TEXT
    });
    fit.count().max(1)
}

/// The greatest that is not above `most`: so few numbers of rows, and so few statements that stay prepared.
#[cfg(feature = "mysql")]
const fn power_of_two(most: usize) -> usize {
    1 << most.ilog2()
}

/// One `INSERT` of rows. It is prepared once for each number of rows, and binds without copies.
struct Insert<'a, T> {
    head: &'a str,
    rows: &'a [Vec<Value>],
    clause: &'a str,
    known_by: PhantomData<T>,
}

impl<T: Known> QueryId for Insert<'_, T> {
    type QueryId = T;
    const HAS_STATIC_QUERY_ID: bool = T::BY_TYPE;
}

impl<C: Connection, T> RunQueryDsl<C> for Insert<'_, T> {}

/// A database that has every type of [`Value`].
pub(super) trait Binds: Backend {
    /// Binds a value where the text has come to.
    fn bind<'b>(out: &mut AstPass<'_, 'b, Self>, value: &'b Value) -> QueryResult<()>;
}

impl<DB> Binds for DB
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Double> + HasSqlType<Text> + HasSqlType<Bool>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    Option<f64>: ToSql<Nullable<Double>, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    str: ToSql<Text, DB>,
    bool: ToSql<Bool, DB>,
{
    fn bind<'b>(out: &mut AstPass<'_, 'b, Self>, value: &'b Value) -> QueryResult<()> {
        match value {
            Value::Integer(x) => out.push_bind_param::<Nullable<BigInt>, _>(x),
            Value::Real(x) => out.push_bind_param::<Nullable<Double>, _>(x),
            Value::Text(x) => out.push_bind_param::<Nullable<Text>, _>(x),
            Value::Shared(x) => out.push_bind_param::<Text, str>(x),
            Value::Bool(x) => out.push_bind_param::<Bool, _>(x),
        }
    }
}

impl<DB: Binds, T> QueryFragment<DB> for Insert<'_, T> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.head);
        for (index, row) in self.rows.iter().enumerate() {
            out.push_sql(if index == 0 { "(" } else { ",(" });
            for (index, value) in row.iter().enumerate() {
                if index > 0 {
                    out.push_sql(",");
                }
                DB::bind(&mut out, value)?;
            }
            out.push_sql(")");
        }
        out.push_sql(self.clause);
        Ok(())
    }
}

/// Where a new value is bound.
const VALUE: &str = "?";

/// One `UPDATE` of one row, by its key.
struct Update<'a, T, U> {
    columns: &'a Columns<T>,
    /// The key's values, then the rest's.
    row: &'a [Value],
    is_mysql: bool,
    known_by: PhantomData<U>,
}

impl<T: Known, U: Known> QueryId for Update<'_, T, U> {
    type QueryId = U;
    const HAS_STATIC_QUERY_ID: bool = U::BY_TYPE;
}

impl<C: Connection, T, U> RunQueryDsl<C> for Update<'_, T, U> {}

impl<DB: Binds, T: Known, U> QueryFragment<DB> for Update<'_, T, U> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let Columns { table, key, rest, .. } = self.columns;
        let (of_key, of_rest) = self.row.split_at(key.len());
        out.push_sql("UPDATE ");
        out.push_sql(table);
        for (index, (column, value)) in rest.iter().zip(of_rest).enumerate() {
            out.push_sql(if index == 0 { " SET " } else { ", " });
            out.push_sql(column);
            out.push_sql(" = ");
            for piece in self.columns.set_to(column, VALUE, self.is_mysql) {
                match piece {
                    VALUE => DB::bind(&mut out, value)?,
                    text => out.push_sql(text),
                }
            }
        }
        for (index, (column, value)) in key.iter().zip(of_key).enumerate() {
            out.push_sql(if index == 0 { " WHERE " } else { " AND " });
            out.push_sql(column);
            out.push_sql(" = ");
            DB::bind(&mut out, value)?;
        }
        Ok(())
    }
}
