//! Names and keys, parsed at the edge and trusted inside.
//!
//! Owns what a valid name is. Refuses everything else with a sentence that says what would be valid.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and not a mere dot or two, not {found:?}")]
pub struct NameError {
    what: &'static str,
    found: String,
}

const MAX_NAME: usize = 64;

fn check_name(what: &'static str, text: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
    // A single or double dot cannot be addressed: every client takes them for steps of a path.
    let is_step = matches!(text, "." | "..");
    if !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed) && !is_step {
        return Ok(());
    }
    Err(NameError { what, found: text.chars().take(80).collect() })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a name; 1 to 64 of `A-Z a-z 0-9 . _ : -`.
            ///
            /// # Errors
            /// [`NameError`] when the text is empty, too long, or has another character.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name($what, text)?;
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name!(
    /// The name of one device in the fleet, chosen by whoever sets the device up.
    DeviceId,
    "a device_id"
);
name!(
    /// The name of an independently versioned part of a device: `app1`, `app2`.
    ModuleName,
    "a module name"
);

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

key!(
    /// The integer primary key of a device's row; it never changes and is never used again.
    KeyId
);
key!(
    /// The number of a rollout.
    RolloutId
);
key!(
    /// The number of a package's row.
    PackageId
);
key!(
    /// The number of a connection: grows with every connection the server ever accepted in this run, so that a
    /// late goodbye is told apart from its successor's.
    SessionNo
);

/// Names the run of numbers that a report's `seq` counts in; up to 36 characters, empty when the device names none.
/// Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(Arc<str>);

impl BootId {
    /// Longest accepted, in characters: room for a UUID.
    pub const MAX: usize = 36;

    /// Parses a run's name.
    ///
    /// # Errors
    /// A sentence when the text is longer than 36 characters or holds a control character.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.chars().count() > Self::MAX || text.chars().any(char::is_control) {
            return Err(format!("boot_id must be text of up to {} characters", Self::MAX));
        }
        Ok(Self(text.into()))
    }

    /// The run's name; empty for the run of a device that names none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sha256 of some bytes, as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Hex(Arc<str>);

impl Sha256Hex {
    /// Parses 64 hexadecimal digits, in either case.
    ///
    /// # Errors
    /// A sentence when the text is anything else.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        Err(format!("a sha256 must be 64 hexadecimal digits, not {text:?}"))
    }

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self::from_digest(&sha2::Sha256::digest(bytes))
    }

    /// From a finished digest.
    #[must_use]
    pub fn from_digest(digest: &[u8]) -> Self {
        Self(hex::encode(digest).into())
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sha256Hex {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<Sha256Hex> for String {
    fn from(hash: Sha256Hex) -> String {
        hash.0.as_ref().to_owned()
    }
}

impl fmt::Display for Sha256Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_plain() {
        assert!(DeviceId::new("t-001.A_b:9").is_ok());
        for bad in ["", "with space", "ümlaut", "a/b", &"x".repeat(65), "<script>", ".", ".."] {
            assert!(DeviceId::new(bad).is_err(), "{bad:?} must be refused");
        }
        assert!(ModuleName::new(&"x".repeat(64)).is_ok());
    }

    #[test]
    fn a_refused_name_says_what_a_name_is() {
        let error = ModuleName::new("my app").unwrap_err().to_string();
        assert!(error.contains("a module name") && error.contains("my app"), "{error}");
    }

    #[test]
    fn a_boot_id_has_room_for_a_uuid_and_no_more() {
        assert!(BootId::new(&"é".repeat(36)).is_ok());
        assert!(BootId::new(&"x".repeat(37)).is_err());
        assert!(BootId::new("a\nb").is_err());
    }
}
