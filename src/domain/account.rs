//! Who may do what: users, their roles, and the tokens of programs and devices.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{KeyId, Sha256Hex, Timestamp};

/// What a user or a token may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Uploads packages, starts and stops rollouts, names and tags devices.
    Operator,
    /// Users, tokens, deleting devices.
    Admin,
}

impl Role {
    /// Every role, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a role; use viewer, operator or admin"))
    }
}

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    /// Unique, whatever the case.
    pub name: String,
    /// Argon2id, in PHC form.
    pub password_hash: String,
    pub role: Role,
    pub created_at: Timestamp,
}

/// A browser in which a person is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// What it is called where it is to be ended: of no use to sign in with.
    pub id: String,
    pub user_id: i64,
    pub user_name: String,
    /// `None` for one from before this was kept.
    pub began_at: Option<Timestamp>,
    pub seen_at: Option<Timestamp>,
    /// Empty where it is not known.
    pub address: String,
    /// Such as `Firefox, Linux`; empty where it is not known.
    pub browser: String,
    pub expires_at: Timestamp,
}

/// A secret that a person's telephone shares with the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// Base32.
    pub secret: String,
    pub since: Timestamp,
    /// The time step of the code that was used last.
    pub last_step: u64,
    /// Recovery codes that were not used yet.
    pub recovery_codes: u32,
}

/// The name of a user or of a token: 1 to 64 printable characters, no space at either end.
///
/// # Errors
/// A sentence that says what would be valid.
pub fn check_account_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if (1..=64).contains(&length) && name.trim() == name && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err("must be 1 to 64 printable characters, without a space at either end".to_owned())
}

/// A password that may be set: 10 to 256 characters. Length is what counts; nothing else is asked of it.
///
/// # Errors
/// A sentence that says what would be valid.
pub fn check_password(password: &str) -> Result<(), String> {
    if (10..=256).contains(&password.chars().count()) {
        return Ok(());
    }
    Err("must be 10 to 256 characters".to_owned())
}

/// A program's token; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    pub id: i64,
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
    pub created_by: String,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
    pub revoked: bool,
}

/// A token that lets new devices in; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    pub id: i64,
    pub created_at: Timestamp,
    pub created_by: String,
    /// `None`: any number of devices.
    pub uses_left: Option<u32>,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
    pub revoked: bool,
}

/// By what right a connection asks to be a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceAuth {
    /// The server lets anybody be any device.
    Open,
    /// An enrolment token, by its row.
    Enrolment(i64),
    /// This device's own token, with its hash: it counts only as long as it is the device's.
    Device(KeyId, Sha256Hex),
}
