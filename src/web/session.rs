//! Sessions of people: a random key in a cookie, everything else in the database under the key's hash.
//!
//! A session lasts seven days from its last use, gets a new key at every sign-in, and ends in the database, so
//! that signing out, and deleting a user, end it at once.

use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::WebState;
use super::error::ApiError;
use crate::domain::{Sha256Hex, TokenKind, User, hash_token};
use crate::store::StoreError;
use crate::store::secrets::new_token;

/// The cookie's name.
pub const COOKIE: &str = "fleetward_session";

const LASTS: TimeDelta = TimeDelta::days(7);
/// A session in use is written anew once a day, not with every request.
const RENEW_AFTER: TimeDelta = TimeDelta::days(1);

/// What the database keeps of a session beside its user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// What a form of this session must carry.
    csrf: String,
    /// Unix milliseconds.
    renewed_at: i64,
}

/// A session of a request.
#[derive(Debug, Clone)]
pub struct Session {
    pub user: User,
    /// What a form of this session must carry.
    pub csrf: String,
    /// What the database knows it by.
    pub key_hash: Sha256Hex,
    /// The cookie to send, when the session was prolonged.
    pub renewed: Option<Cookie<'static>>,
}

/// Begins a session and gives its cookie.
///
/// # Errors
/// 503 without the database.
pub async fn begin(state: &WebState, user: &User) -> Result<Cookie<'static>, ApiError> {
    let (key, key_hash) = new_token(TokenKind::Session)?;
    let (csrf, _) = new_token(TokenKind::Session)?;
    let now = state.clock.now();
    let kept = Kept { csrf, renewed_at: now.timestamp_millis() };
    state.store.save_session(&key_hash, Some(user.id), &kept.text()?, now + LASTS).await?;
    Ok(cookie(state, key))
}

/// The session of a cookie, unless it has ended. Prolongs it when it is due.
///
/// # Errors
/// 503 without the database.
pub async fn read(state: &WebState, key: &str) -> Result<Option<Session>, ApiError> {
    let now = state.clock.now();
    let key_hash = hash_token(key);
    let Some(user) = state.store.session_user(&key_hash, now).await? else { return Ok(None) };
    let Some(mut kept) = kept(state, &key_hash).await? else { return Ok(None) };
    let mut renewed = None;
    if now.timestamp_millis() - kept.renewed_at > RENEW_AFTER.num_milliseconds() {
        kept.renewed_at = now.timestamp_millis();
        state.store.save_session(&key_hash, Some(user.id), &kept.text()?, now + LASTS).await?;
        renewed = Some(cookie(state, key.to_owned()));
    }
    Ok(Some(Session { user, csrf: kept.csrf, key_hash, renewed }))
}

/// Ends a session and gives the cookie that takes the browser's away.
///
/// # Errors
/// 503 without the database.
pub async fn end(state: &WebState, key_hash: &Sha256Hex) -> Result<Cookie<'static>, ApiError> {
    state.store.delete_session(key_hash).await?;
    let mut gone = cookie(state, String::new());
    gone.make_removal();
    Ok(gone)
}

/// What is kept of a session; one that can't be read is as good as none.
async fn kept(state: &WebState, key_hash: &Sha256Hex) -> Result<Option<Kept>, StoreError> {
    let text = state.store.session(key_hash, state.clock.now()).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

impl Kept {
    fn text(&self) -> Result<String, ApiError> {
        serde_json::to_string(self).map_err(ApiError::internal)
    }
}

fn cookie(state: &WebState, key: String) -> Cookie<'static> {
    let https = state.config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    Cookie::build(COOKIE, key)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(https)
        .max_age(CookieDuration::seconds(LASTS.num_seconds()))
        .finish()
}
