//! What time it is: the only place of the agent that asks.

use crate::domain::Timestamp;

/// The wall clock, UTC.
#[expect(clippy::disallowed_methods, reason = "the one place of the agent that reads the system's clock")]
#[must_use]
pub fn now() -> Timestamp {
    chrono::Utc::now()
}
