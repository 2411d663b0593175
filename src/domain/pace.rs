//! How often something may happen: a rate with a burst, kept as one moment in time (the generic cell rate
//! algorithm).

use chrono::TimeDelta;

use super::Timestamp;

/// So many a second, so many at once.
#[derive(Debug, Clone)]
pub struct Pace {
    /// What one costs.
    step: TimeDelta,
    /// What may be owed.
    burst: TimeDelta,
    /// When all that was spent is paid back.
    paid: Timestamp,
}

impl Pace {
    /// A pace that has spent nothing. `burst` is how many may come at once, at least one.
    #[must_use]
    pub fn new(per_second: u32, burst: u32, now: Timestamp) -> Self {
        let step = TimeDelta::microseconds(1_000_000 / i64::from(per_second.max(1)));
        let burst = step * i32::try_from(burst.max(1)).unwrap_or(i32::MAX);
        Self { step, burst, paid: now }
    }

    /// One came.
    pub fn spend(&mut self, now: Timestamp) {
        self.paid = self.paid.max(now) + self.step;
    }

    /// The last one costs nothing after all.
    pub fn give_back(&mut self) {
        self.paid -= self.step;
    }

    /// How long to wait before the next.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> TimeDelta {
        (self.paid + self.step - self.burst - now).max(TimeDelta::zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_is_kept() {
        let mut pace = Pace::new(10, 60, at(0));
        for _ in 0..60 {
            assert_eq!(pace.pause(at(0)), TimeDelta::zero());
            pace.spend(at(0));
        }
        assert_eq!(pace.pause(at(0)), TimeDelta::milliseconds(100));
        let mut now = at(0);
        for _ in 0..50 {
            now += pace.pause(now);
            pace.spend(now);
        }
        assert_eq!(now, at(5000), "50 more take 5 s");
    }

    #[test]
    fn quiet_time_gives_the_burst_back_and_no_more() {
        let mut pace = Pace::new(10, 3, at(0));
        let now = at(1_000_000);
        for _ in 0..3 {
            assert_eq!(pace.pause(now), TimeDelta::zero());
            pace.spend(now);
        }
        assert_eq!(pace.pause(now), TimeDelta::milliseconds(100));
    }

    #[test]
    fn what_is_given_back_was_never_spent() {
        let mut pace = Pace::new(10, 1, at(0));
        for _ in 0..1000 {
            pace.spend(at(0));
            pace.give_back();
        }
        assert_eq!(pace.pause(at(0)), TimeDelta::zero());
    }
}
