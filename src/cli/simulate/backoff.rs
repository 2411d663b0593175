//! When to try again: with jitter, so that a fleet that was dropped together does not come back together.

use std::time::Duration;

use super::chance::Chance;
use crate::protocol::close;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Could not connect, or the connection broke.
    Cut,
    /// The server restarts, or has no room: come back within this window.
    Window(Duration),
    /// Another connection under the same name took over.
    Replaced,
    /// The token is not, or no longer, valid for this device.
    Refused,
}

const LONGEST: Duration = Duration::from_secs(120);
/// Connected this long, a device counts as well again.
const WELL: Duration = Duration::from_secs(60);
const REFUSED_FIRST: Duration = Duration::from_secs(5 * 60);
const REFUSED_LONGEST: Duration = Duration::from_secs(6 * 3600);
/// The window of a server that names none.
const WINDOW: Duration = Duration::from_secs(30);

/// Counts the tries of one device.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    tries: u32,
    refusals: u32,
}

impl Backoff {
    /// How long to wait, after a connection that lasted `lasted`.
    pub fn wait(&mut self, lost: &Lost, lasted: Duration, chance: &mut Chance) -> Duration {
        if lasted >= WELL {
            *self = Self::default();
        }
        match lost {
            Lost::Cut => {
                let ceiling = Duration::from_secs(1 << self.tries.min(7)).min(LONGEST);
                self.tries = self.tries.saturating_add(1);
                ceiling.mul_f64(chance.share())
            }
            Lost::Window(window) => window.mul_f64(chance.share()),
            Lost::Replaced => Duration::from_secs(60).mul_f64(1.0 + chance.share()),
            Lost::Refused => {
                let wait = REFUSED_FIRST.saturating_mul(1 << self.refusals.min(8)).min(REFUSED_LONGEST);
                self.refusals = self.refusals.saturating_add(1);
                wait
            }
        }
    }
}

impl Lost {
    /// From a close frame. The reason of a restart names its window in seconds.
    #[must_use]
    pub fn by_close(code: u16, reason: &str) -> Self {
        match code {
            close::RESTART => {
                let digits: String =
                    reason.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
                Self::Window(digits.parse().ok().map_or(WINDOW, Duration::from_secs).min(LONGEST))
            }
            close::REPLACED => Self::Replaced,
            close::REVOKED | close::ALREADY_ENROLLED => Self::Refused,
            _ => Self::Cut,
        }
    }

    /// From an answer to the upgrade that is none, and its `Retry-After`.
    #[must_use]
    pub fn by_status(status: u16, retry_after: Option<&str>) -> Self {
        match status {
            401 | 403 => Self::Refused,
            429 | 503 => {
                let seconds = retry_after.and_then(|text| text.trim().parse().ok());
                Self::Window(seconds.map_or(WINDOW, Duration::from_secs).min(LONGEST))
            }
            _ => Self::Cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn tries_spread_out_and_a_minute_of_health_forgets_them() {
        let (mut backoff, mut chance) = (Backoff::default(), Chance::new(1));
        for n in 0..20 {
            let ceiling = S(1 << n.min(7)).min(LONGEST);
            assert!(backoff.wait(&Lost::Cut, S(1), &mut chance) < ceiling);
        }
        assert!(backoff.wait(&Lost::Cut, S(60), &mut chance) < S(1));
    }

    #[test]
    fn a_restart_names_its_window() {
        assert_eq!(Lost::by_close(1012, "restart; come back within 7 s"), Lost::Window(S(7)));
        assert_eq!(Lost::by_close(1012, ""), Lost::Window(WINDOW));
        assert_eq!(Lost::by_status(503, Some("3")), Lost::Window(S(3)));
    }

    #[test]
    fn who_is_refused_or_replaced_waits_long() {
        let (mut backoff, mut chance) = (Backoff::default(), Chance::new(2));
        let replaced = backoff.wait(&Lost::by_close(4001, "replaced"), S(1), &mut chance);
        assert!((S(60)..=S(120)).contains(&replaced));
        assert_eq!(backoff.wait(&Lost::by_status(401, None), S(0), &mut chance), S(300));
        assert_eq!(backoff.wait(&Lost::by_close(4003, ""), S(0), &mut chance), S(600));
    }
}
