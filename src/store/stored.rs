//! What columns hold and what it means: instants as milliseconds, names as text, choices by their one spelling.

use std::fmt::Display;
use std::str::FromStr;

use chrono::DateTime;

use super::fault::{Fault, Outcome};
use crate::domain::{Sha256Hex, Timestamp};

/// As stored: Unix milliseconds.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.timestamp_millis()
}

pub(super) fn instant(millis: i64) -> Outcome<Timestamp> {
    DateTime::from_timestamp_millis(millis).ok_or_else(|| Fault::corrupt(format!("{millis} is not an instant")))
}

pub(super) fn optional_instant(millis: Option<i64>) -> Outcome<Option<Timestamp>> {
    millis.map(instant).transpose()
}

pub(super) fn parsed<T>(text: &str) -> Outcome<T>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(Fault::corrupt)
}

pub(super) fn optional<T>(text: Option<&str>) -> Outcome<Option<T>>
where
    T: FromStr,
    T::Err: Display,
{
    text.map(parsed).transpose()
}

pub(super) fn sha256(text: &str) -> Outcome<Sha256Hex> {
    Sha256Hex::new(text).map_err(Fault::corrupt)
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Outcome<T> {
    serde_json::from_str(text).map_err(Fault::corrupt)
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Outcome<String> {
    serde_json::to_string(value).map_err(Fault::corrupt)
}

/// A count or a number that fits its type by construction.
pub(super) fn whole<T: TryFrom<i64>>(number: i64) -> Outcome<T> {
    T::try_from(number).map_err(|_| Fault::corrupt(format!("{number} is out of range")))
}

/// A size as stored; nothing that exists has more than 2^63 bytes.
pub(super) fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Free text cut to what its column takes, so that no database refuses the row.
pub(super) fn fit(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}

/// Characters that a column of names takes.
pub(super) const NAME: usize = 190;
