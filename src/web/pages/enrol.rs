//! `/enrol`: how to add a terminal, and the enrolment tokens that let them in.

use actix_web::{HttpRequest, web};
use chrono::{DateTime, TimeDelta};
use serde::Serialize;

use super::answer::{again, go_done, server_url, show};
use super::form::{Field, Pairs};
use super::shell::{View, shown};
use super::users::{Once, session_of};
use crate::config::DeviceAuthMode;
use crate::domain::{Device, DeviceId, Timestamp, TokenKind};
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

/// Terminals that came in while the page is open, at most.
const ARRIVALS: u32 = 20;

/// How to add a terminal, and those that come in.
#[derive(Debug, Serialize)]
pub struct NewDevice {
    pub uses: Field,
    pub hours: Field,
    pub once: Option<Once>,
    pub server_url: String,
    /// The server lets anybody in, so that no token is needed.
    pub open: bool,
    /// Since when the reader waits.
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub since: Timestamp,
    /// Newest first.
    pub arrivals: Vec<Arrived>,
}

impl View for NewDevice {
    const TEMPLATE: &'static str = "device_new";
}

/// A terminal that came in for the first time.
#[derive(Debug, Serialize)]
pub struct Arrived {
    pub device_id: DeviceId,
    pub name: String,
    pub online: bool,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    /// What it runs: `app1 1.2.0`.
    pub modules: Vec<String>,
}

impl From<Device> for Arrived {
    fn from(device: Device) -> Self {
        Self {
            name: shown(&device.name),
            online: device.online,
            created_at: device.created_at,
            modules: device.modules.iter().map(|(module, version)| format!("{module} {version}")).collect(),
            device_id: device.device_id,
        }
    }
}

/// `GET /enrol?since=`: milliseconds; those that came in since then are shown. Without it the page begins now, under
/// an address that says so, where it can be looked at again.
///
/// # Errors
/// 403 for others than admins.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, admin: Admin) -> Answer {
    let since = Pairs::of_query(&request).text("since").parse().ok().and_then(DateTime::from_timestamp_millis);
    let now = state.clock.now();
    let Some(since) = since else { return Ok(go_to(&address(now), None)) };
    let once = session_of(&admin)
        .and_then(|session| state.pages.once.take_if(session, now, |once| once.page == address(since)));
    let newest = state.store.newest_devices(ARRIVALS).await?;
    let arrivals = newest.into_iter().filter(|device| device.created_at >= since).map(Arrived::from).collect();
    let page = NewDevice { once, since, arrivals, ..blank(&request, &state) };
    show(&request, page)
}

/// Of the page that begins then.
fn address(since: Timestamp) -> String {
    format!("/enrol?since={}", since.timestamp_millis())
}

fn blank(request: &HttpRequest, state: &WebState) -> NewDevice {
    NewDevice {
        since: state.clock.now(),
        arrivals: Vec::new(),
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
    // A page that is open reads itself again, and must not take what this one is to show.
    let page = address(state.clock.now());
    state.pages.once.keep(session.clone(), Once { page: page.clone(), name: added.id.to_string(), token }, now);
    Ok(go_to(&page, None))
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
