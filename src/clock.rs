//! What time it is: the system's, or one that a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use chrono::{TimeDelta, Utc};

use crate::domain::Timestamp;

/// A clock, cheap to clone. All clones of a moved clock move together.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Milliseconds that a test has moved it by.
    moved: Arc<AtomicI64>,
    /// Milliseconds that a test has set the time of day off by.
    set_off: Arc<AtomicI64>,
    /// A moment, by the time of day and by the machine's own count.
    origin: (Timestamp, Instant),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn system() -> Self {
        Self { moved: Arc::default(), set_off: Arc::default(), origin: (Utc::now(), Instant::now()) }
    }

    /// Now, UTC: what is written down, shown and compared with other machines' times. May be set forward or back at
    /// any moment, by its admin or by NTP.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    pub fn now(&self) -> Timestamp {
        Utc::now() + by(&self.moved) + by(&self.set_off)
    }

    /// A time that only passes: for deadlines, rates and silences within one life of the program. What the time of day
    /// is set to does not touch it.
    #[must_use]
    pub fn steady(&self) -> Timestamp {
        let (began, counted_from) = self.origin;
        began + TimeDelta::from_std(counted_from.elapsed()).unwrap_or(TimeDelta::MAX) + by(&self.moved)
    }

    /// Moves it, for tests: time passes.
    pub fn advance(&self, by: TimeDelta) {
        self.moved.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }

    /// Sets the time of day forward or back, for tests: no time passes.
    pub fn set_off(&self, by: TimeDelta) {
        self.set_off.fetch_add(by.num_milliseconds(), Ordering::Relaxed);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

fn by(millis: &AtomicI64) -> TimeDelta {
    TimeDelta::milliseconds(millis.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_time_passes_and_is_not_set() {
        let clock = Clock::system();
        let (day, steady) = (clock.now(), clock.steady());
        clock.set_off(TimeDelta::hours(-1));
        assert!(clock.now() < day - TimeDelta::minutes(59));
        assert!(clock.steady() >= steady && clock.steady() < steady + TimeDelta::minutes(1));
        clock.advance(TimeDelta::hours(2));
        assert!(clock.now() > day + TimeDelta::minutes(59));
        assert!(clock.steady() >= steady + TimeDelta::hours(2));
    }
}
