//! Versions and their order.
//!
//! Semantic Versioning where both sides parse as it; otherwise segment by segment at `.`, `-`, `_` and `+`:
//! numeric segments as numbers, a number above a word, longer above shorter.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A module's version: text of 1 to 64 printable characters without spaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(Arc<str>);

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a version must be 1 to 64 of the characters A-Z a-z 0-9 . _ : + ~ -, not {0:?}")]
pub struct VersionError(String);

impl Version {
    /// Parses a version; 1 to 64 of `A-Z a-z 0-9 . _ : + ~ -`.
    ///
    /// # Errors
    /// [`VersionError`] when the text is anything else.
    pub fn new(text: &str) -> Result<Self, VersionError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'+' | b'~' | b'-');
        if !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed) && !matches!(text, "." | "..") {
            return Ok(Self(text.into()));
        }
        Err(VersionError(text.chars().take(80).collect()))
    }

    /// The version as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of two versions is newer. Total for the segment rule and for Semantic Versioning each;
    /// two texts that compare equal here may still differ (`1.0` and `1.00`).
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        match (semver::Version::parse(&self.0), semver::Version::parse(&other.0)) {
            (Ok(a), Ok(b)) => a.cmp_precedence(&b),
            _ => compare_segments(&self.0, &other.0),
        }
    }

    /// Whether this version is higher than `other`.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Greater
    }
}

fn compare_segments(a: &str, b: &str) -> Ordering {
    let split = |text: &str| -> Vec<String> { text.split(['.', '-', '_', '+']).map(str::to_owned).collect() };
    let (a, b) = (split(a), split(b));
    for (x, y) in a.iter().zip(&b) {
        let order = compare_segment(x, y);
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

fn compare_segment(a: &str, b: &str) -> Ordering {
    let number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    match (number(a), number(b)) {
        // By length without leading zeros first: any number of digits compares without overflow.
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.cmp(b),
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;
    fn try_from(text: String) -> Result<Self, VersionError> {
        Self::new(&text)
    }
}

impl FromStr for Version {
    type Err = VersionError;
    fn from_str(text: &str) -> Result<Self, VersionError> {
        Self::new(text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.0.as_ref().to_owned()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    #[test]
    fn order_follows_semver_where_both_are_semver_and_segments_otherwise() {
        let ascending = [
            ("1.2.0", "1.10.0"),
            ("1.0.0-rc.1", "1.0.0"),
            ("1.9", "1.10"),
            ("1.2", "1.2.0"),
            ("7", "8"),
            ("1.beta", "1.1"),
            ("2024_01_02", "2024_01_10"),
            ("99999999999999999999998", "99999999999999999999999"),
            ("1.a", "1.b"),
        ];
        for (low, high) in ascending {
            assert!(v(high).is_newer_than(&v(low)), "{high} > {low}");
            assert!(!v(low).is_newer_than(&v(high)), "not {low} > {high}");
        }
        assert_eq!(v("1.01").compare(&v("1.1")), Ordering::Equal);
        assert_eq!(v("1.0.0+a").compare(&v("1.0.0+b")), Ordering::Equal);
    }

    #[test]
    fn what_is_not_a_version_is_refused() {
        for bad in ["", "1 2", "v\u{e9}", "../x", ".", "..", &"1".repeat(65)] {
            assert!(Version::new(bad).is_err(), "{bad:?}");
        }
    }
}
