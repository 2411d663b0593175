//! `/enrol`: how to add a terminal, and the enrolment tokens that let them in.

use actix_web::{HttpRequest, web};
use chrono::TimeDelta;

use super::answer::{again, go_done, server_url, show};
use super::form::{Field, Pairs};
use super::users::{NewDevice, Once, session_of};
use crate::config::DeviceAuthMode;
use crate::domain::TokenKind;
use crate::store::secrets::new_token;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::api::enrolment_tokens::enrolment_details;
use crate::web::error::{Answer, ApiError};
use crate::web::sign_in::go_to;

/// Most devices one token may be limited to; without a limit it is any number.
const MOST_USES: u32 = 1_000_000;
/// Ten years.
const MOST_HOURS: i64 = 87_600;

/// `GET /enrol`
///
/// # Errors
/// 403 for others than admins.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, admin: Admin) -> Answer {
    let once = session_of(&admin).and_then(|session| state.pages.once.take(session, state.clock.now()));
    let page = NewDevice { once: once.filter(|once| !once.api), ..blank(&request, &state) };
    show(&request, page)
}

fn blank(request: &HttpRequest, state: &WebState) -> NewDevice {
    NewDevice {
        uses: Field::default(),
        hours: Field::new(24),
        once: None,
        server_url: server_url(request, state),
        open: state.config.device_auth == DeviceAuthMode::Open,
    }
}

/// `POST /enrolment-tokens`: form `uses`, `hours`.
///
/// # Errors
/// 403; what is wrong is said at its field.
pub async fn add(request: HttpRequest, state: web::Data<WebState>, admin: Admin, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let (mut uses, mut hours) = (Field::typed(&pairs, "uses"), Field::typed(&pairs, "hours"));
    let limit: Option<u32> = uses.optional_number();
    let lasts: Option<i64> = hours.optional_number();
    if limit.is_some_and(|uses| !(1..=MOST_USES).contains(&uses)) {
        uses.refuse("range");
    }
    if lasts.is_some_and(|hours| !(1..=MOST_HOURS).contains(&hours)) {
        hours.refuse("range");
    }
    if uses.error.is_some() || hours.error.is_some() {
        return again(&request, NewDevice { uses, hours, ..blank(&request, &state) });
    }
    let session = session_of(&admin).ok_or_else(|| ApiError::forbidden("no_session", "Programs use the API."))?;
    let now = state.clock.now();
    let (token, hash) = new_token(TokenKind::Enrolment)?;
    let expires_at = lasts.map(|hours| now + TimeDelta::hours(hours));
    let acting = state.acting(&admin, "enrolment_token.add", "", &enrolment_details(limit, expires_at));
    let added = acting.add_enrolment_token(&hash, limit, expires_at, &admin.name, now).await?;
    tracing::info!(id = added.id, by = admin.name, "enrolment token made");
    state.pages.once.keep(session.clone(), Once { api: false, name: added.id.to_string(), token }, now);
    Ok(go_to("/enrol", None))
}

/// `POST /enrolment-tokens/{id}/revoke`
///
/// # Errors
/// 404
pub async fn revoke(state: web::Data<WebState>, admin: Admin, id: web::Path<i64>) -> Answer {
    let acting = state.acting(&admin, "enrolment_token.revoke", &id.to_string(), &serde_json::json!({}));
    if !acting.revoke_enrolment_token(*id).await? {
        return Err(ApiError::not_found("such token"));
    }
    tracing::info!(id = *id, by = admin.name, "enrolment token revoked");
    Ok(go_done("/users", "token_revoked"))
}
