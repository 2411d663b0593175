//! The rows of a group, whose lines are in the log already.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing::warn;

use super::{LoggerState, lock};
use crate::store::{LastReports, LogPosition, RecordBatch, Store, StoreError};

/// The pause after a group that could not be written, at first and at most.
pub(super) const RETRY_FIRST: Duration = Duration::from_millis(200);
pub(super) const RETRY_MOST: Duration = Duration::from_secs(5);

/// What the database has of a group's devices when its rows are written, if it told.
pub(super) type Landed = Result<Option<LastReports>, Failed>;

/// Why a group could not be written.
pub(super) struct Failed {
    pub why: String,
    /// It may be due to what the reports say, not to the place where they are written.
    pub may_be_theirs: bool,
}

impl Failed {
    pub fn of_the_place(why: String) -> Self {
        Self { why, may_be_theirs: false }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { may_be_theirs: error.may_be_the_data(), why: error.to_string() }
    }
}

/// Writes the rows of lines that are in the log up to `position`.
pub(super) async fn write_rows(
    store: Store,
    state: Arc<Mutex<LoggerState>>,
    batch: RecordBatch,
    position: LogPosition,
) -> Landed {
    match store.record(batch).await {
        Ok(last) => Ok(Some(last)),
        Err(_) if is_committed(&store, &state, &position).await => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a transaction whose answer was lost went through after all: the database says how far the log counts.
async fn is_committed(store: &Store, state: &Mutex<LoggerState>, position: &LogPosition) -> bool {
    let mut pause = RETRY_FIRST;
    loop {
        match store.log_position().await {
            Ok(found) => return found.as_ref() == Some(position),
            Err(error) => {
                lock(state).trouble = Some(error.to_string());
                warn!(%error, "the database can't be asked whether the last group is in");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MOST);
            }
        }
    }
}
