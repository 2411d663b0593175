//! The first start: there is no default password, but a link that makes the first admin, once.

use super::WebState;
use super::error::ApiError;
use super::sign_in;
use crate::domain::{TokenKind, User, check_account_name, check_password, hash_token};
use crate::store::Store;
use crate::store::secrets::new_token;

/// Where the hash of the setup token is kept.
const SETTING: &str = "setup_token";

/// The link to print at start, while there is no user: a new one each time, the one before is void.
///
/// # Errors
/// 503 without the database.
pub async fn link(store: &Store, base_url: &str) -> Result<Option<String>, ApiError> {
    if !store.users().await?.is_empty() {
        store.set_setting(SETTING, None).await?;
        return Ok(None);
    }
    let (token, hash) = new_token(TokenKind::Setup)?;
    store.set_setting(SETTING, Some(hash.as_str())).await?;
    Ok(Some(format!("{}/setup?token={token}", base_url.trim_end_matches('/'))))
}

/// Whether a token is the one that was printed last.
///
/// # Errors
/// 503 without the database.
pub async fn is_token(store: &Store, token: &str) -> Result<bool, ApiError> {
    let wanted = store.setting(SETTING).await?;
    Ok(wanted.is_some_and(|wanted| wanted == hash_token(token).as_str()))
}

/// Makes the first admin.
///
/// # Errors
/// 403 for another token, 422 for a name or password that won't do, 409 when there is a user already.
pub async fn finish(state: &WebState, token: &str, name: &str, password: &str) -> Result<User, ApiError> {
    if !is_token(&state.store, token).await? {
        let message = "This setup link is not valid any more; the server prints a new one when it starts.";
        return Err(ApiError::forbidden("bad_setup_token", message));
    }
    let checks = [("name", check_account_name(name)), ("password", check_password(password))];
    let wrong = checks.into_iter().filter_map(|(field, checked)| Some((field.to_owned(), checked.err()?))).collect();
    if wrong != std::collections::BTreeMap::new() {
        return Err(ApiError::of_fields(wrong));
    }
    let hash = sign_in::hash(state, password).await?;
    let added = state.store.add_first_admin(name, &hash, state.clock.now()).await?;
    let user = added.ok_or_else(|| ApiError::conflict("set_up", "There is a user already; sign in instead."))?;
    state.store.set_setting(SETTING, None).await?;
    state.tell_of(Ok(&user), "user.add", &serde_json::json!({ "role": user.role, "by": "setup link" })).await;
    tracing::info!(user = user.name, "the first admin was made");
    Ok(user)
}
