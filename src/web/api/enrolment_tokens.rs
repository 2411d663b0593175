//! `/api/v1/enrolment-tokens`: what lets new devices in.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{done, found, from_path, short_list};
use crate::domain::{EnrolmentToken, Timestamp, TokenKind, millis_rfc3339};
use crate::store::secrets::new_token;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::error::Answer;
use crate::web::params::{JsonBody, Params};

/// `POST /api/v1/enrolment-tokens`: `{"uses":n|null,"expires_in_s":n|null}`. The token is in this answer only.
///
/// # Errors
/// 422
pub async fn add(state: web::Data<WebState>, admin: Admin, mut body: JsonBody) -> Answer {
    let uses: Option<u32> = body.take("uses");
    let lasts = lasts(&mut body);
    body.check("uses", uses.as_ref(), |uses| match uses {
        1..=1_000_000 => Ok(()),
        _ => Err("must be 1 to 1000000, or null for any number".to_owned()),
    });
    body.finish()?;
    let now = state.clock.now();
    let (token, hash) = new_token(TokenKind::Enrolment)?;
    let expires_at = lasts.map(|lasts| now + lasts);
    let acting = state.acting(&admin, "enrolment_token.add", "", &enrolment_details(uses, expires_at));
    let added = acting.add_enrolment_token(&hash, uses, expires_at, &admin.name, now).await?;
    tracing::info!(id = added.id, by = admin.name, "enrolment token made");
    let location = format!("/api/v1/enrolment-tokens/{}", added.id);
    let mut shown = view(&added);
    shown["token"] = json!(token);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown))
}

/// `expires_in_s`: up to ten years.
pub fn lasts(body: &mut JsonBody) -> Option<TimeDelta> {
    let seconds: Option<i64> = body.take("expires_in_s");
    body.check("expires_in_s", seconds.as_ref(), |seconds| match seconds {
        1..=315_360_000 => Ok(()),
        _ => Err("must be 1 to 315360000 seconds, or null for ever".to_owned()),
    });
    seconds.and_then(TimeDelta::try_seconds)
}

/// `GET /api/v1/enrolment-tokens`
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Admin, params: Params) -> Answer {
    let tokens = state.store.enrolment_tokens().await?;
    short_list(&tokens.iter().map(view).collect::<Vec<_>>(), params)
}

/// `DELETE /api/v1/enrolment-tokens/{id}`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let id: i64 = from_path(&id, "token")?;
    let acting = state.acting(&admin, "enrolment_token.revoke", &id.to_string(), &json!({}));
    found(acting.revoke_enrolment_token(id).await?, "token")?;
    tracing::info!(id, by = admin.name, "enrolment token revoked");
    Ok(done())
}

/// What the audit log keeps of a new token.
#[must_use]
pub fn enrolment_details(uses: Option<u32>, expires_at: Option<Timestamp>) -> Value {
    json!({ "uses": uses, "expires_at": expires_at.map(millis_rfc3339::text) })
}

fn view(token: &EnrolmentToken) -> Value {
    json!({
        "id": token.id,
        "created_at": millis_rfc3339::text(token.created_at),
        "created_by": token.created_by,
        "uses_left": token.uses_left,
        "expires_at": token.expires_at.map(millis_rfc3339::text),
        "revoked": token.revoked,
    })
}
