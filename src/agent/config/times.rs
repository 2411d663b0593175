//! Times as people write them.

use std::time::Duration;

use serde::{Deserialize as _, Deserializer};

/// `500ms`, `30s`, `5m`, `2h`, or seconds.
///
/// # Errors
/// A sentence that says what would be a time.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("a time must be like 500ms, 30s, 5m or 2h, not {text:?}");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" | "" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

pub(super) fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_time(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

pub(super) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    time(deserializer).map(Some)
}

pub(super) fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}
