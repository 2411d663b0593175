//! `/api/v1/sessions`: who is signed in, where.

use actix_web::web;
use serde_json::{Value, json};

use super::{done, found, short_list};
use crate::domain::{SignIn, Timestamp, millis_rfc3339};
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::error::Answer;
use crate::web::params::Params;

/// `GET /api/v1/sessions?user=ID`
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Admin, mut params: Params) -> Answer {
    let user: Option<i64> = params.take("user");
    let sign_ins = state.store.sign_ins(user, state.clock.now()).await?;
    short_list(&sign_ins.iter().map(view).collect::<Vec<_>>(), params)
}

/// `DELETE /api/v1/sessions/{id}`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let acting = state.acting(&admin, "session.end", "", &json!({ "session": *id }));
    found(acting.end_session(&id, None).await?, "session")?;
    Ok(done())
}

fn view(sign_in: &SignIn) -> Value {
    let time = |at: Option<Timestamp>| at.map(millis_rfc3339::text);
    json!({
        "id": sign_in.id,
        "user_id": sign_in.user_id,
        "user": sign_in.user_name,
        "began_at": time(sign_in.began_at),
        "seen_at": time(sign_in.seen_at),
        "expires_at": millis_rfc3339::text(sign_in.expires_at),
        "address": sign_in.address,
        "browser": sign_in.browser,
    })
}
