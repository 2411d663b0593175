//! `/users`: people, the tokens of programs, and the tokens that let terminals in.

use serde::Serialize;

use super::form::Field;
use super::shell::{View, shown};
use crate::domain::{ApiToken, EnrolmentToken, Role, Sha256Hex, Timestamp, User};
use crate::web::access::{Via, Who};

#[derive(Debug, Serialize)]
pub struct Users {
    pub users: Vec<UserRow>,
    pub api_tokens: Vec<ApiTokenRow>,
    pub enrolment_tokens: Vec<EnrolmentRow>,
    pub add_user: AddUser,
    /// Whether its part of the page is open.
    pub add_user_open: bool,
    pub add_token: AddToken,
    pub add_token_open: bool,
    /// Something that was just made, shown once.
    pub once: Option<Once>,
    /// The last admin can't be deleted or made less.
    pub last_admin: bool,
}

impl View for Users {
    const TEMPLATE: &'static str = "users";
}

#[derive(Debug, Serialize)]
pub struct UserRow {
    pub id: i64,
    pub name: String,
    pub role: Role,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub me: bool,
    /// In how many browsers this one is signed in.
    pub sign_ins: usize,
    pub second_factor: bool,
    /// Why the password that was typed for this user was refused.
    pub refused: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct ApiTokenRow {
    pub id: i64,
    pub name: String,
    pub role: Role,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub expires_at: Option<Timestamp>,
    pub expired: bool,
    pub revoked: bool,
}

#[derive(Debug, Serialize)]
pub struct EnrolmentRow {
    pub id: i64,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
    pub uses_left: Option<u32>,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub expires_at: Option<Timestamp>,
    pub expired: bool,
    pub revoked: bool,
}

#[derive(Debug, Default, Serialize)]
pub struct AddUser {
    pub name: Field,
    pub role: Field,
    /// Its value is never sent back.
    pub password: Field,
}

#[derive(Debug, Default, Serialize)]
pub struct AddToken {
    pub name: Field,
    pub role: Field,
    pub days: Field,
}

/// A secret that is shown once, by the page to which its making leads, and by no other that the session has open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Once {
    /// That page's address.
    pub page: String,
    /// What it is called.
    pub name: String,
    pub token: String,
}

impl UserRow {
    /// A user's row; `me` is who looks.
    #[must_use]
    pub fn new(user: &User, me: &str, sign_ins: usize, second_factor: bool) -> Self {
        Self {
            id: user.id,
            me: user.name == me,
            name: shown(&user.name),
            role: user.role,
            created_at: user.created_at,
            sign_ins,
            second_factor,
            refused: None,
        }
    }
}

impl ApiTokenRow {
    /// A token's row.
    #[must_use]
    pub fn new(token: ApiToken, now: Timestamp) -> Self {
        Self {
            id: token.id,
            name: shown(&token.name),
            role: token.role,
            created_at: token.created_at,
            created_by: token.created_by,
            expires_at: token.expires_at,
            expired: token.expires_at.is_some_and(|at| at <= now),
            revoked: token.revoked,
        }
    }
}

impl EnrolmentRow {
    /// A token's row.
    #[must_use]
    pub fn new(token: EnrolmentToken, now: Timestamp) -> Self {
        Self {
            id: token.id,
            created_at: token.created_at,
            created_by: token.created_by,
            uses_left: token.uses_left,
            expires_at: token.expires_at,
            expired: token.expires_at.is_some_and(|at| at <= now),
            revoked: token.revoked,
        }
    }
}

/// The session of somebody who signed in; programs have none.
#[must_use]
pub fn session_of(who: &Who) -> Option<&Sha256Hex> {
    match &who.via {
        Via::Session { key_hash, .. } => Some(key_hash),
        Via::Token { .. } => None,
    }
}
