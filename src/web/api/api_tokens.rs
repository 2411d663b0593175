//! `/api/v1/tokens`: what programs show.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::enrolment_tokens::lasts;
use super::{done, found, from_path, short_list};
use crate::domain::{ApiToken, Role, Timestamp, TokenKind, check_account_name, millis_rfc3339};
use crate::store::secrets::new_token;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::error::Answer;
use crate::web::params::{JsonBody, Params};

/// `POST /api/v1/tokens`: `{"name","role","expires_in_s":n|null}`. The token is in this answer only.
///
/// # Errors
/// 422
pub async fn add(state: web::Data<WebState>, admin: Admin, mut body: JsonBody) -> Answer {
    let name: Option<String> = body.require("name");
    let role: Option<Role> = body.require("role");
    let lasts = lasts(&mut body);
    body.check("name", name.as_ref(), |name| check_account_name(name));
    body.finish()?;
    let (name, role) = (name.unwrap_or_default(), role.unwrap_or(Role::Viewer));
    let now = state.clock.now();
    let (token, hash) = new_token(TokenKind::Api)?;
    let expires_at = lasts.map(|lasts| now + lasts);
    let acting = state.acting(&admin, "token.add", &name, &token_details(role, expires_at));
    let added = acting.add_api_token(&name, role, &hash, &admin.name, expires_at, now).await?;
    tracing::info!(id = added.id, name, %role, by = admin.name, "API token made");
    let location = format!("/api/v1/tokens/{}", added.id);
    let mut shown = view(&added);
    shown["token"] = json!(token);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown))
}

/// `GET /api/v1/tokens`
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Admin, params: Params) -> Answer {
    let tokens = state.store.api_tokens().await?;
    short_list(&tokens.iter().map(view).collect::<Vec<_>>(), params)
}

/// `DELETE /api/v1/tokens/{id}`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let id: i64 = from_path(&id, "token")?;
    let acting = state.acting(&admin, "token.revoke", &id.to_string(), &json!({}));
    found(acting.revoke_api_token(id).await?, "token")?;
    tracing::info!(id, by = admin.name, "API token revoked");
    Ok(done())
}

/// What the audit log keeps of a new token.
#[must_use]
pub fn token_details(role: Role, expires_at: Option<Timestamp>) -> Value {
    json!({ "role": role, "expires_at": expires_at.map(millis_rfc3339::text) })
}

fn view(token: &ApiToken) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "created_at": millis_rfc3339::text(token.created_at),
        "created_by": token.created_by,
        "expires_at": token.expires_at.map(millis_rfc3339::text),
        "revoked": token.revoked,
    })
}
