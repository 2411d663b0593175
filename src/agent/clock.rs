//! What time it is: the only place of the agent that asks.

use crate::domain::Timestamp;

/// The wall clock, UTC.
#[must_use]
pub fn now() -> Timestamp {
    chrono::Utc::now()
}
