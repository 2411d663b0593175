//! What time it is: the system's, or one that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{TimeDelta, Utc};

use crate::domain::Timestamp;

/// A clock, cheap to clone. All clones of a moved clock move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// Milliseconds that a test has moved it by.
    moved: Arc<AtomicI64>,
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now, UTC.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Timestamp {
        Utc::now() + TimeDelta::milliseconds(self.moved.load(Ordering::Relaxed))
    }

    /// Moves it, for tests.
    pub fn advance(&self, by: TimeDelta) {
        self.moved.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }
}
