//! Sessions of people: a random key in a cookie, everything else in the database under the key's hash.
//!
//! A session lasts seven days from its last use, gets a new key at every sign-in, and ends in the database, so
//! that signing out, and deleting a user, end it at once. Who has a second factor holds a half session between the
//! password and the code: one without a user, which opens nothing.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::{WebState, browser, gates};
use crate::domain::{Sha256Hex, TokenKind, User, hash_token};
use crate::store::SeenFrom;
use crate::store::secrets::new_token;

/// The cookie's name.
pub const COOKIE: &str = "fleetward_session";
/// The half session's.
pub const HALF_COOKIE: &str = "fleetward_half";

const LASTS: TimeDelta = TimeDelta::days(7);
/// A session in use is written anew once a day, not with every request.
const RENEW_AFTER: TimeDelta = TimeDelta::days(1);
/// When it was used last is noted once a minute.
const NOTE_AFTER: TimeDelta = TimeDelta::minutes(1);
/// So long a code may follow the password.
const HALF_LASTS: TimeDelta = TimeDelta::minutes(5);

/// What the database keeps of a session beside its user.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// What a form of this session must carry.
    csrf: String,
    /// Unix milliseconds.
    renewed_at: i64,
}

/// What it keeps of a half session.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Half {
    half: i64,
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

/// A session that has just begun.
#[derive(Debug, Clone)]
pub struct Begun {
    pub cookie: Cookie<'static>,
    pub key_hash: Sha256Hex,
}

/// Begins a session and gives its cookie.
///
/// # Errors
/// 503 without the database.
pub async fn begin(state: &WebState, request: &HttpRequest, user: &User) -> Result<Begun, ApiError> {
    let (key, key_hash) = new_token(TokenKind::Session)?;
    let (csrf, _) = new_token(TokenKind::Session)?;
    let now = state.clock.now();
    let kept = Kept { csrf, renewed_at: now.timestamp_millis() };
    state.store.prune_sessions(now).await?;
    state.store.save_session(&key_hash, Some(user.id), &text(&kept)?, now + LASTS).await?;
    state.store.session_seen(&key_hash, now, &seen_from(request)).await?;
    Ok(Begun { cookie: cookie(state, COOKIE, key, LASTS), key_hash })
}

/// The session of a cookie, unless it has ended. Prolongs it when it is due.
///
/// # Errors
/// 503 without the database.
pub async fn read(state: &WebState, request: &HttpRequest, key: &str) -> Result<Option<Session>, ApiError> {
    let now = state.clock.now();
    let key_hash = hash_token(key);
    let Some(found) = state.store.session_in_use(&key_hash, now).await? else { return Ok(None) };
    // One that can't be read is as good as none.
    let Ok(mut kept) = serde_json::from_str::<Kept>(&found.state) else { return Ok(None) };
    let user = found.user;
    let mut renewed = None;
    if now.timestamp_millis() - kept.renewed_at > RENEW_AFTER.num_milliseconds() {
        kept.renewed_at = now.timestamp_millis();
        if !state.store.prolong_session(&key_hash, &text(&kept)?, now + LASTS).await? {
            return Ok(None);
        }
        renewed = Some(cookie(state, COOKIE, key.to_owned(), LASTS));
    }
    if found.seen_at.is_none_or(|seen| now - seen > NOTE_AFTER) {
        state.store.session_seen(&key_hash, now, &seen_from(request)).await?;
    }
    Ok(Some(Session { user, csrf: kept.csrf, key_hash, renewed }))
}

/// Ends a session and gives the cookie that takes the browser's away.
///
/// # Errors
/// 503 without the database.
pub async fn end(state: &WebState, key_hash: &Sha256Hex) -> Result<Cookie<'static>, ApiError> {
    state.store.delete_session(key_hash).await?;
    Ok(gone(state, COOKIE))
}

/// The password of a user was right, and a code is to follow. Gives the half session's cookie.
///
/// # Errors
/// 503 without the database.
pub async fn begin_half(state: &WebState, user: &User) -> Result<Cookie<'static>, ApiError> {
    let (key, key_hash) = new_token(TokenKind::Session)?;
    let now = state.clock.now();
    state.store.save_session(&key_hash, None, &text(&Half { half: user.id })?, now + HALF_LASTS).await?;
    Ok(cookie(state, HALF_COOKIE, key, HALF_LASTS))
}

/// Whose half session a request brings, unless it has ended.
///
/// # Errors
/// 503 without the database.
pub async fn read_half(state: &WebState, request: &HttpRequest) -> Result<Option<User>, ApiError> {
    let Some(key) = request.cookie(HALF_COOKIE) else { return Ok(None) };
    let kept = state.store.session(&hash_token(key.value()), state.clock.now()).await?;
    let Some(half) = kept.and_then(|text| serde_json::from_str::<Half>(&text).ok()) else { return Ok(None) };
    Ok(state.store.user(half.half).await?)
}

/// Ends the half session of a request and gives the cookie that takes the browser's away.
///
/// # Errors
/// 503 without the database.
pub async fn end_half(state: &WebState, request: &HttpRequest) -> Result<Cookie<'static>, ApiError> {
    if let Some(key) = request.cookie(HALF_COOKIE) {
        state.store.delete_session(&hash_token(key.value())).await?;
    }
    Ok(gone(state, HALF_COOKIE))
}

fn seen_from(request: &HttpRequest) -> SeenFrom {
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    SeenFrom { address: gates::address(request).to_string(), browser: browser::name(agent.unwrap_or_default()) }
}

fn text<T: Serialize>(kept: &T) -> Result<String, ApiError> {
    serde_json::to_string(kept).map_err(ApiError::internal)
}

fn cookie(state: &WebState, name: &'static str, key: String, lasts: TimeDelta) -> Cookie<'static> {
    let https = state.config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    Cookie::build(name, key)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(https)
        .max_age(CookieDuration::seconds(lasts.num_seconds()))
        .finish()
}

fn gone(state: &WebState, name: &'static str) -> Cookie<'static> {
    let mut gone = cookie(state, name, String::new(), LASTS);
    gone.make_removal();
    gone
}
