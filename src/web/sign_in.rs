//! Coming and going: signing in and out, and one's own password.

use actix_web::cookie::Cookie;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::WebState;
use super::access::{Via, Viewer, Who};
use super::error::{Answer, ApiError};
use super::gates;
use super::second_factor;
use super::session::{self, Begun};
use crate::domain::{SecondFactor, User, check_password};
use crate::store::secrets;

/// Where a name and a password led.
pub enum Entered {
    In(Begun),
    /// The user has a second factor: with this cookie, a code is asked for.
    CodeNeeded(Cookie<'static>),
}

/// Checks a name and a password, with patience for so many tries only, and begins a session. Who has a second factor
/// gives a code with them, or afterwards.
///
/// # Errors
/// 401 `wrong_credentials` or `wrong_code`, 429 after too many tries.
pub async fn sign_in(
    state: &WebState,
    request: &HttpRequest,
    (name, password): (&str, &str),
    code: &str,
) -> Result<Entered, ApiError> {
    let user = check(state, request, name, password).await?;
    let Some(factor) = state.store.second_factor(user.id).await? else {
        return Ok(Entered::In(enter(state, request, &user, &json!({})).await?));
    };
    if code.is_empty() {
        return Ok(Entered::CodeNeeded(session::begin_half(state, &user).await?));
    }
    check_code(state, request, &user, &factor, code).await?;
    Ok(Entered::In(enter(state, request, &user, &json!({ "code": true })).await?))
}

/// The code behind a password that was right: begins the session, and ends the half one, whose cookie goes.
///
/// # Errors
/// 401 `half_ended` when it came too late, `wrong_code`, 429 after too many tries.
pub async fn sign_in_by_code(
    state: &WebState,
    request: &HttpRequest,
    code: &str,
) -> Result<(Begun, Cookie<'static>), ApiError> {
    let ended = || ApiError::new(StatusCode::UNAUTHORIZED, "half_ended", "That took too long; sign in anew.");
    let user = session::read_half(state, request).await?.ok_or_else(ended)?;
    let factor = state.store.second_factor(user.id).await?.ok_or_else(ended)?;
    check_code(state, request, &user, &factor, code).await?;
    let half = session::end_half(state, request).await?;
    Ok((enter(state, request, &user, &json!({ "code": true })).await?, half))
}

async fn enter(state: &WebState, request: &HttpRequest, user: &User, details: &Value) -> Result<Begun, ApiError> {
    tracing::info!(user = user.name, "signed in");
    let begun = session::begin(state, request, user).await?;
    let mut details = details.clone();
    details["address"] = gates::address(request).to_string().into();
    state.tell_of(Ok(user), "sign_in", &details).await;
    Ok(begun)
}

async fn check_code(
    state: &WebState,
    request: &HttpRequest,
    user: &User,
    factor: &SecondFactor,
    code: &str,
) -> Result<(), ApiError> {
    if second_factor::spend(state, user, factor, code).await? {
        return Ok(());
    }
    let address = gates::address(request).to_string();
    tracing::warn!(user = user.name, address, "a try to sign in failed at the code");
    state.tell_of(Ok(user), "sign_in.failed", &json!({ "address": address, "code": true })).await;
    let message = "The code is wrong, or was used already; wait for the next one.";
    Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_code", message))
}

/// Whether this is the password of who asks, with the same patience as at the door.
///
/// # Errors
/// 403 for a program, 422 about `field`, 429 after too many tries.
pub async fn own_password(
    state: &WebState,
    request: &HttpRequest,
    who: &Who,
    password: &str,
    field: &str,
) -> Result<User, ApiError> {
    if let Via::Token { .. } = who.via {
        return Err(ApiError::forbidden("no_session", "Only people have passwords."));
    }
    check(state, request, &who.name, password).await.map_err(|error| match error.code {
        "wrong_credentials" => ApiError::field(field, "is not your password"),
        _ => error,
    })
}

async fn check(state: &WebState, request: &HttpRequest, name: &str, password: &str) -> Result<User, ApiError> {
    let address = gates::address(request);
    let now = state.clock.now();
    state
        .gates
        .throttle(|throttle| throttle.attempt(now, name, address))
        .map_err(|seconds| ApiError::too_many("Too many tries to sign in; wait a while.", seconds))?;
    let user = state.store.user_by_name(name).await?;
    if !verify(state, password, user.as_ref()).await? {
        tracing::warn!(user = shown(name), %address, "a try to sign in failed");
        let details = json!({ "address": address.to_string() });
        state.tell_of(Err(&shown(name)), "sign_in.failed", &details).await;
        let message = "The name or the password is wrong.";
        return Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_credentials", message));
    }
    state.gates.throttle(|throttle| throttle.succeeded(name, address));
    user.ok_or_else(ApiError::not_signed_in)
}

/// A stranger's text as the log may show it.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Hashes a password where it keeps nobody waiting.
///
/// # Errors
/// 500 without randomness.
pub async fn hash(state: &WebState, password: &str) -> Result<String, ApiError> {
    let _slot = state.gates.passwords.acquire().await.map_err(ApiError::internal)?;
    let password = password.to_owned();
    Ok(web::block(move || secrets::hash_password(&password)).await??)
}

async fn verify(state: &WebState, password: &str, user: Option<&User>) -> Result<bool, ApiError> {
    let _slot = state.gates.passwords.acquire().await.map_err(ApiError::internal)?;
    let password = password.to_owned();
    let hash = user.map(|user| user.password_hash.clone());
    Ok(web::block(move || secrets::verify_password(&password, hash.as_deref())).await?)
}

/// `POST /logout`
///
/// # Errors
/// 401, 403
pub async fn logout(state: web::Data<WebState>, viewer: Viewer) -> Answer {
    let Via::Session { key_hash, .. } = &viewer.via else {
        return Err(ApiError::forbidden("no_session", "A token is revoked, not signed out."));
    };
    let cookie = session::end(&state, key_hash).await?;
    state.tell(&viewer, "sign_out", &viewer.name, &json!({})).await;
    Ok(go_to("/login", Some(&cookie)))
}

/// Changes one's own password. Every session ends; a new one, whose cookie this is, takes the place of this one.
///
/// # Errors
/// 403 for a program, 422 with `old` or `new`, 429 after too many tries.
pub async fn change_password(
    state: &WebState,
    request: &HttpRequest,
    viewer: &Viewer,
    old: &str,
    new: &str,
) -> Result<Cookie<'static>, ApiError> {
    check_password(new).map_err(|message| ApiError::field("new", message))?;
    let user = own_password(state, request, viewer, old, "old").await?;
    let hash = hash(state, new).await?;
    state.acting(viewer, "user.set_password", &viewer.name, &json!({})).set_password(user.id, &hash).await?;
    Ok(session::begin(state, request, &user).await?.cookie)
}

/// Each sign-in has a new key; the one before is void.
///
/// # Errors
/// 503 without the database.
pub async fn end_session_before(state: &WebState, who: Option<&Who>) -> Result<(), ApiError> {
    if let Some(Via::Session { key_hash, .. }) = who.map(|who| &who.via) {
        state.store.delete_session(key_hash).await?;
    }
    Ok(())
}

/// See other: what a form's answer is after it was carried out.
#[must_use]
pub fn go_to(path: &str, cookie: Option<&Cookie<'_>>) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((header::LOCATION, path));
    if let Some(cookie) = cookie {
        answer.cookie(cookie.clone());
    }
    answer.finish()
}

/// A text as the value of a query's field.
#[must_use]
pub fn query_value(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_query_it_is_carried_in() {
        let path = "/devices?q=a b&tag=x%20=é";
        let query = format!("next={}", query_value(path));
        assert_eq!(crate::web::params::pairs(&query), [("next".to_owned(), path.to_owned())]);
    }
}
