//! How instants are written: RFC 3339, UTC, milliseconds. Finer ones are read as the millisecond they are in. For
//! `#[serde(with = "...")]`.

use chrono::{SecondsFormat, SubsecRound as _};
use serde::{Deserialize, Deserializer, Serializer};

use super::Timestamp;

/// `2026-11-22T08:48:00.123Z`
#[must_use]
pub fn text(time: Timestamp) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// For serde.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*time))
}

/// For serde.
///
/// # Errors
/// When the text is not RFC 3339.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    Timestamp::deserialize(deserializer).map(in_millis)
}

fn in_millis(time: Timestamp) -> Timestamp {
    time.trunc_subsecs(3)
}

/// The same for an instant that may be absent.
pub mod option {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::domain::Timestamp;

    /// For serde.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// For serde.
    ///
    /// # Errors
    /// When the text is not RFC 3339.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Timestamp>::deserialize(deserializer)?.map(super::in_millis))
    }
}
