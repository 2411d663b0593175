//! When to connect again, so that a fleet that lost its server comes back spread over time.
//!
//! Pure: chance is an argument.

use std::time::Duration;

use serde::Deserialize;

use crate::protocol::close;

/// How a connection, or the try of one, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Refused, cut, silent, or closed without one of the reasons below.
    Lost,
    /// The server said that it is full or restarting; come back within this window.
    Restarting { window: Duration },
    /// Another connection under the same device_id took over.
    Replaced,
    /// The token is not, or no longer, valid (`401` or 4003).
    Refused,
    /// The device_id is enrolled already and the token is an enrolment token (4004).
    AlreadyEnrolled,
}

impl End {
    /// Reads a WebSocket close; the window of a 1012 is the first number of its reason, in seconds.
    #[must_use]
    pub fn of_close(code: u16, reason: &str) -> Self {
        match code {
            close::RESTART => Self::Restarting { window: window(reason) },
            close::REPLACED => Self::Replaced,
            close::REVOKED => Self::Refused,
            close::ALREADY_ENROLLED => Self::AlreadyEnrolled,
            _ => Self::Lost,
        }
    }

    /// Reads the answer to an upgrade that was refused.
    #[must_use]
    pub fn of_status(status: u16, retry_after: Option<&str>) -> Self {
        match status {
            401 => Self::Refused,
            503 => Self::Restarting { window: window(retry_after.unwrap_or_default()) },
            _ => Self::Lost,
        }
    }
}

/// The window when the server names none.
const DEFAULT_WINDOW: Duration = Duration::from_secs(30);
/// No server may send a device away for longer than this with a window.
const MAX_WINDOW: Duration = Duration::from_secs(600);

fn window(text: &str) -> Duration {
    let digits: String = text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse().map_or(DEFAULT_WINDOW, |seconds| Duration::from_secs(seconds).min(MAX_WINDOW))
}

/// The figures of the reconnect rules; only tests have a reason to change them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// The span of the first retry, milliseconds; it doubles with each.
    pub base_ms: u64,
    /// The longest span, seconds.
    pub cap_s: u64,
    /// So long connected, and the next trouble starts from the first span again; seconds.
    pub healthy_after_s: u64,
    /// The least wait after being replaced, seconds; the most is twice that.
    pub replaced_s: u64,
    /// The first wait after a refusal, seconds; it doubles with each.
    pub refused_s: u64,
    /// The longest wait after a refusal, seconds.
    pub refused_cap_s: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            base_ms: 1000,
            cap_s: 120,
            healthy_after_s: 60,
            replaced_s: 60,
            refused_s: 5 * 60,
            refused_cap_s: 6 * 3600,
        }
    }
}

/// The memory of the reconnect rules.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    rules: Rules,
    failures: u32,
    refusals: u32,
}

impl Backoff {
    /// A fresh memory.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, failures: 0, refusals: 0 }
    }

    /// How long to wait. `healthy` is how long the connection was up (zero when it never was), `chance` is from 0 to 1.
    pub fn wait(&mut self, end: &End, healthy: Duration, chance: f64) -> Duration {
        let rules = self.rules;
        if healthy >= Duration::from_secs(rules.healthy_after_s) {
            self.failures = 0;
            self.refusals = 0;
        }
        match end {
            End::Lost => {
                let span = doubled(Duration::from_millis(rules.base_ms), self.failures, rules.cap_s);
                self.failures = self.failures.saturating_add(1);
                span.mul_f64(chance)
            }
            End::Restarting { window } => window.mul_f64(chance),
            End::Replaced => Duration::from_secs(rules.replaced_s).mul_f64(1.0 + chance),
            End::Refused | End::AlreadyEnrolled => {
                let wait = doubled(Duration::from_secs(rules.refused_s), self.refusals, rules.refused_cap_s);
                self.refusals = self.refusals.saturating_add(1);
                wait
            }
        }
    }
}

fn doubled(first: Duration, times: u32, cap_s: u64) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(Duration::from_secs(cap_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::ZERO;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_span_doubles_from_one_second_to_two_minutes_and_chance_fills_it() {
        let mut backoff = Backoff::new(Rules::default());
        let spans: Vec<u64> = (0..9).map(|_| backoff.wait(&End::Lost, NEVER, 1.0).as_secs()).collect();
        assert_eq!(spans, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        assert_eq!(backoff.wait(&End::Lost, NEVER, 0.0), s(0));
        assert_eq!(backoff.wait(&End::Lost, NEVER, 0.5), s(60));
    }

    #[test]
    fn a_minute_of_health_forgives_the_past_and_less_does_not() {
        let mut backoff = Backoff::new(Rules::default());
        for _ in 0..5 {
            backoff.wait(&End::Lost, NEVER, 1.0);
        }
        assert_eq!(backoff.wait(&End::Lost, s(59), 1.0), s(32));
        assert_eq!(backoff.wait(&End::Lost, s(60), 1.0), s(1));
    }

    #[test]
    fn a_restart_names_its_window() {
        let mut backoff = Backoff::new(Rules::default());
        let end = End::of_close(1012, "restart, back within 45 s");
        assert_eq!(backoff.wait(&end, s(100), 1.0), s(45));
        assert_eq!(backoff.wait(&end, s(100), 0.1), Duration::from_millis(4500));
        assert_eq!(End::of_status(503, Some("7")), End::Restarting { window: s(7) });
        assert_eq!(End::of_status(503, None), End::Restarting { window: s(30) });
        assert_eq!(End::of_close(1012, "999999999"), End::Restarting { window: s(600) });
    }

    #[test]
    fn a_replaced_device_waits_one_to_two_minutes() {
        let mut backoff = Backoff::new(Rules::default());
        let end = End::of_close(4001, "replaced");
        assert_eq!(backoff.wait(&end, NEVER, 0.0), s(60));
        assert_eq!(backoff.wait(&end, NEVER, 1.0), s(120));
    }

    #[test]
    fn a_refused_token_is_tried_ever_more_rarely() {
        for end in [End::of_status(401, None), End::of_close(4003, "revoked"), End::of_close(4004, "")] {
            let mut backoff = Backoff::new(Rules::default());
            let waits: Vec<u64> = (0..9).map(|_| backoff.wait(&end, NEVER, 0.3).as_secs() / 60).collect();
            assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 360, 360], "{end:?}");
        }
    }

    #[test]
    fn any_other_end_is_a_lost_link() {
        assert_eq!(End::of_close(1008, "no hello"), End::Lost);
        assert_eq!(End::of_status(404, None), End::Lost);
    }
}
