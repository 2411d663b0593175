//! Bytes a second that all transfers share.
//!
//! Each piece reserves its share of time in the order in which pieces are asked for, so every transfer gets as much
//! as the others.

use chrono::TimeDelta;

use super::{STRIDE, Timestamp};

/// Smallest piece that is sent while there is more, bytes.
const SMALLEST: u64 = 1024;

/// See the module.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes_per_second: u64,
    /// When all that was reserved is sent.
    free: Timestamp,
}

impl Budget {
    /// A budget of so many bytes a second.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), free: Timestamp::UNIX_EPOCH }
    }

    /// How much to send at once: a stride where that takes no longer than a quarter of a second, or else so little
    /// that a small budget is shared in small pieces.
    #[must_use]
    pub fn piece(&self) -> u64 {
        match self.bytes_per_second / 4 {
            STRIDE.. => STRIDE,
            _ => (self.bytes_per_second / 8).max(SMALLEST),
        }
    }

    /// Reserves this many bytes; how long to wait before they are sent.
    pub fn reserve(&mut self, now: Timestamp, bytes: u64) -> TimeDelta {
        let begin = self.free.max(now);
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.bytes_per_second);
        self.free = begin + TimeDelta::microseconds(i64::try_from(micros).unwrap_or(i64::MAX / 4));
        begin - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_together_they_send_no_more_than_the_budget_in_turn() {
        let mut budget = Budget::new(80_000);
        assert_eq!(budget.piece(), 10_000);
        let now = Timestamp::UNIX_EPOCH + TimeDelta::days(1);
        let waits: Vec<i64> = (0..17).map(|_| budget.reserve(now, 10_000).num_milliseconds()).collect();
        let wanted: Vec<i64> = (0..17).map(|piece| piece * 125).collect();
        assert_eq!(waits, wanted, "8 pieces a second");
        let later = now + TimeDelta::seconds(60);
        assert_eq!(budget.reserve(later, 10_000), TimeDelta::zero(), "time that nobody used is not saved up");
        assert_eq!(budget.reserve(later, 10_000), TimeDelta::milliseconds(125));
    }

    #[test]
    fn pieces_are_never_too_small_and_never_longer_than_a_stride() {
        assert_eq!(Budget::new(1).piece(), SMALLEST);
        assert_eq!(Budget::new(4 * STRIDE - 1).piece(), STRIDE / 2 - 1);
        assert_eq!(Budget::new(4 * STRIDE).piece(), STRIDE);
        assert_eq!(Budget::new(1 << 40).piece(), STRIDE);
    }
}
