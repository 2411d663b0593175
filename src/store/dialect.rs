//! The statements that differ between the databases, side by side, and the bound SQL that both understand.
//!
//! Through the multi connection diesel has no upserts, no inserts of many rows and no `returning`; they are here and
//! in `rows`, as text with bound values.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::query_builder::BoxedSqlQuery;
use diesel::sql_types::{BigInt, Bool, Double, Nullable, Text};

use super::connection::{Db, MultiBackend};

/// A bound value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    /// Text that others have too.
    Shared(Arc<str>),
    Bool(bool),
}

macro_rules! value_from {
    ($($from:ty => |$x:ident| $value:expr),* $(,)?) => {
        $(impl From<$from> for Value {
            fn from($x: $from) -> Self {
                $value
            }
        })*
    };
}

value_from! {
    i64 => |x| Self::Integer(Some(x)),
    Option<i64> => |x| Self::Integer(x),
    u32 => |x| Self::Integer(Some(i64::from(x))),
    Option<f64> => |x| Self::Real(x),
    String => |x| Self::Text(Some(x)),
    &str => |x| Self::Text(Some(x.to_owned())),
    Option<String> => |x| Self::Text(x),
    Option<&str> => |x| Self::Text(x.map(str::to_owned)),
    bool => |x| Self::Bool(x),
}

/// A statement in the making: its text and what is bound to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sql {
    text: String,
    bound: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), bound: Vec::new() }
    }

    /// Appends text.
    #[must_use]
    pub(super) fn push(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Binds the next `?`.
    #[must_use]
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.bound.push(value.into());
        self
    }

    /// Appends a piece with what is bound to it.
    #[must_use]
    pub(super) fn append(mut self, piece: Self) -> Self {
        self.text.push_str(&piece.text);
        self.bound.extend(piece.bound);
        self
    }

    /// Appends `(?, ?, ...)` with these values.
    #[must_use]
    pub(super) fn list<V: Into<Value>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        let before = self.bound.len();
        self.bound.extend(values.into_iter().map(Into::into));
        self.text.push_str(&marks(self.bound.len() - before));
        self
    }

    pub(super) fn load<T>(self, db: &mut Db) -> QueryResult<Vec<T>>
    where
        T: diesel::deserialize::QueryableByName<MultiBackend> + 'static,
    {
        self.query().load(db)
    }

    /// As `load`, row by row.
    pub(super) fn load_iter<T>(self, db: &mut Db) -> QueryResult<impl Iterator<Item = QueryResult<T>>>
    where
        T: diesel::deserialize::QueryableByName<MultiBackend> + 'static,
    {
        self.query().load_iter::<T, diesel::connection::DefaultLoadingMode>(db)
    }

    pub(super) fn execute(self, db: &mut Db) -> QueryResult<usize> {
        self.query().execute(db)
    }

    fn query(self) -> BoxedSqlQuery<'static, MultiBackend, diesel::query_builder::SqlQuery> {
        self.bound.into_iter().fold(diesel::sql_query(self.text).into_boxed(), |query, value| match value {
            Value::Integer(x) => query.bind::<Nullable<BigInt>, _>(x),
            Value::Real(x) => query.bind::<Nullable<Double>, _>(x),
            Value::Text(x) => query.bind::<Nullable<Text>, _>(x),
            Value::Shared(x) => query.bind::<Text, _>(x.to_string()),
            Value::Bool(x) => query.bind::<Bool, _>(x),
        })
    }
}

fn marks(count: usize) -> String {
    let mut text = String::with_capacity(count * 2 + 2);
    text.push('(');
    for index in 0..count {
        text.push_str(if index == 0 { "?" } else { ",?" });
    }
    text.push(')');
    text
}

/// Rows of an `IN` list read at once.
pub(super) const CHUNK: usize = 500;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// The key that the last insert of this connection was given.
pub(super) fn last_id(db: &mut Db) -> QueryResult<i64> {
    let text = match db {
        Db::Sqlite(_) => "SELECT last_insert_rowid() AS id",
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => "SELECT CAST(LAST_INSERT_ID() AS SIGNED) AS id",
    };
    diesel::sql_query(text).get_result::<Id>(db).map(|row| row.id)
}

/// How a writing transaction begins. On SQLite it takes the write lock at once: one that takes it later fails
/// beside another writer, whatever the timeout.
pub(super) fn begin(db: &Db) -> &'static str {
    match db {
        Db::Sqlite(_) => "BEGIN IMMEDIATE",
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => "START TRANSACTION",
    }
}

/// A pattern that finds `text` as it stands anywhere; for `LIKE ? ESCAPE '!'`.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Writes a consistent copy of the database to `path`, where the database can.
pub(super) fn copy_to(db: &mut Db, path: &str) -> Result<(), super::Fault> {
    match db {
        Db::Sqlite(_) => {
            // Readers write nothing; a copy counts as writing.
            Sql::new("PRAGMA query_only = OFF").execute(db)?;
            let copied = Sql::new("VACUUM INTO ?").bind(path).execute(db);
            Sql::new("PRAGMA query_only = ON").execute(db)?;
            Ok(copied.map(drop)?)
        }
        #[cfg(feature = "mysql")]
        Db::Mysql(_) => Err(super::StoreError::Unusable(
            "a MySQL database is copied with its own tool: mariadb-dump --single-transaction DATABASE".to_owned(),
        )
        .into()),
    }
}
