//! What went wrong: the store's errors for callers, and the fault that verbs use among themselves.

use std::fmt;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What went wrong at the database's door. Each arm has its own remedy.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It did not answer, is locked, is full, or went away: try again later. Nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It can't be used as it is (cannot be opened, a newer schema, a broken client library): tell the admin.
    #[error("{0}")]
    Unusable(String),
    /// What is stored can't be read back: tell the admin.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether it may come from what was to be written. Not so where the place has a remedy: then the same can be
    /// written later.
    #[must_use]
    pub fn may_be_the_data(&self) -> bool {
        !matches!(self, Self::Unavailable(why) if remedy(why).is_some())
    }
}

pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a verb ended early: the database's own error, which the writer may answer with another try, or ours.
#[derive(Debug)]
pub(super) enum Fault {
    Database(DieselError),
    Store(StoreError),
}

pub(super) type Outcome<T> = std::result::Result<T, Fault>;

impl Fault {
    /// A stored text that is not what its column holds.
    pub(super) fn corrupt(what: impl fmt::Display) -> Self {
        Self::Store(StoreError::Corrupt(what.to_string()))
    }

    /// Whether the database undid the whole transaction for the sake of another one: the same again may pass.
    pub(super) fn is_deadlock(&self) -> bool {
        matches!(self, Self::Database(DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _)))
    }
}

impl From<DieselError> for Fault {
    fn from(error: DieselError) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Store(error) => error,
            Fault::Database(error) => from_diesel(&error),
        }
    }
}

fn from_diesel(error: &DieselError) -> StoreError {
    use DatabaseErrorKind as Kind;
    match error {
        DieselError::DeserializationError(why) => StoreError::Corrupt(why.to_string()),
        DieselError::DatabaseError(
            Kind::UniqueViolation | Kind::ForeignKeyViolation | Kind::NotNullViolation | Kind::CheckViolation,
            why,
        ) => StoreError::Unusable(format!("the database refused a row: {}", why.message())),
        DieselError::DatabaseError(_, why) => from_message(why.message()),
        other => StoreError::Unavailable(other.to_string()),
    }
}

fn from_message(message: &str) -> StoreError {
    if message.contains("malformed") || message.contains("not a database") {
        return StoreError::Corrupt(message.to_owned());
    }
    StoreError::Unavailable(format!("{message}{}", remedy(message).unwrap_or_default()))
}

/// What to do where a disk, a lock or the rights to a file stand in the way.
fn remedy(message: &str) -> Option<&'static str> {
    match message {
        m if m.contains("disk is full") || m.contains("is full") => Some("; free some disk space"),
        m if m.contains("locked") => Some("; another program holds it"),
        m if m.contains("readonly") => Some("; check who may write to the data folder"),
        m if m.contains("I/O error") => Some("; check the disk"),
        _ => None,
    }
}
