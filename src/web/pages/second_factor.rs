//! `/account/second-factor`: codes of a telephone beside the password, on and off.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::json;

use super::answer::{again, go_done, show};
use super::form::{Field, Pairs};
use super::shell::View;
use crate::domain::{Sha256Hex, Timestamp};
use crate::web::WebState;
use crate::web::access::{Via, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::second_factor::{Picture, address, new_recovery_codes, new_secret, picture, step_of};
use crate::web::sign_in::own_password;

const HERE: &str = "/account/second-factor";

#[derive(Debug, Default, Serialize)]
pub struct SecondFactorPage {
    pub on: Option<On>,
    /// What is offered while it is off.
    pub offered: Option<Offered>,
    pub current: Field,
    pub code: Field,
    /// The password that turns it off; `current` is that of the page's other form.
    pub current_off: Field,
    /// Recovery codes that were just made, shown once.
    pub codes: Vec<String>,
}

impl View for SecondFactorPage {
    const TEMPLATE: &'static str = "second_factor";
}

#[derive(Debug, Serialize)]
pub struct On {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub since: Timestamp,
    pub recovery_codes: u32,
}

#[derive(Debug, Serialize)]
pub struct Offered {
    /// In groups of four, as people type it.
    pub secret: String,
    pub address: String,
    pub picture: Option<Picture>,
}

impl Offered {
    /// A secret as a telephone and as a person read it.
    #[must_use]
    pub fn new(secret: &str, account: &str) -> Self {
        let letters: Vec<char> = secret.chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(|four| four.iter().collect()).collect();
        let address = address(secret, account);
        Self { secret: groups.join(" "), picture: picture(&address), address }
    }
}

/// Whose second factor it is.
struct Owner<'a> {
    user_id: i64,
    session: &'a Sha256Hex,
}

fn owner(viewer: &Viewer) -> Result<Owner<'_>, ApiError> {
    match &viewer.via {
        Via::Session { user_id, key_hash, .. } => Ok(Owner { user_id: *user_id, session: key_hash }),
        Via::Token { .. } => Err(ApiError::forbidden("no_session", "Only people have a second factor.")),
    }
}

/// `GET /account/second-factor`
///
/// # Errors
/// 403 for a program.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer) -> Answer {
    show(&request, read(&state, &viewer).await?)
}

async fn read(state: &WebState, viewer: &Viewer) -> Result<SecondFactorPage, ApiError> {
    let Owner { user_id, session } = owner(viewer)?;
    let now = state.clock.now();
    if let Some(factor) = state.store.second_factor(user_id).await? {
        let on = Some(On { since: factor.since, recovery_codes: factor.recovery_codes });
        let codes = state.pages.recovery_codes.take(session, now).unwrap_or_default();
        return Ok(SecondFactorPage { on, codes, ..SecondFactorPage::default() });
    }
    let secret = match state.pages.proposed.look(session, now) {
        Some(secret) => secret,
        None => new_secret()?,
    };
    state.pages.proposed.keep(session.clone(), secret.clone(), now);
    Ok(SecondFactorPage { offered: Some(Offered::new(&secret, &viewer.name)), ..SecondFactorPage::default() })
}

/// `POST /account/second-factor`: form `current`, `code`. Turns it on with the secret that the page offered.
///
/// # Errors
/// 403 for a program, 429 after too many tries; what is wrong is said at its field.
pub async fn turn_on(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let Owner { user_id, session } = owner(&viewer)?;
    let now = state.clock.now();
    let secret = state.pages.proposed.look(session, now);
    let step = secret.as_deref().and_then(|secret| step_of(secret, pairs.text("code"), now));
    let mut page = read(&state, &viewer).await?;
    if !is_own_password(&state, &request, &viewer, &pairs, &mut page).await? {
        return again(&request, page);
    }
    let (Some(secret), Some(step)) = (secret, step) else {
        page.code.refuse("wrong_code");
        return again(&request, page);
    };
    let (codes, hashes) = new_recovery_codes()?;
    let acting = state.acting(&viewer, "second_factor.on", &viewer.name, &json!({}));
    if acting.set_second_factor(user_id, &secret, step, &hashes, now).await? {
        let _ = state.pages.proposed.take(session, now);
        state.pages.recovery_codes.keep(session.clone(), codes, now);
        tracing::info!(user = viewer.name, "second factor turned on");
    }
    Ok(go_done(HERE, "second_factor_on"))
}

/// `POST /account/second-factor/off`: form `current`.
///
/// # Errors
/// As [`turn_on`].
pub async fn turn_off(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer, body: web::Bytes) -> Answer {
    let user_id = owner(&viewer)?.user_id;
    let mut page = read(&state, &viewer).await?;
    if !is_own_password(&state, &request, &viewer, &Pairs::of_form(&body), &mut page).await? {
        page.current_off = std::mem::take(&mut page.current);
        return again(&request, page);
    }
    state.acting(&viewer, "second_factor.off", &viewer.name, &json!({})).delete_second_factor(user_id).await?;
    tracing::info!(user = viewer.name, "second factor turned off");
    Ok(go_done("/account", "second_factor_off"))
}

/// `POST /account/second-factor/codes`: form `current`. New recovery codes; the ones before are void.
///
/// # Errors
/// As [`turn_on`].
pub async fn new_codes(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer, body: web::Bytes) -> Answer {
    let Owner { user_id, session } = owner(&viewer)?;
    let mut page = read(&state, &viewer).await?;
    if !is_own_password(&state, &request, &viewer, &Pairs::of_form(&body), &mut page).await? {
        return again(&request, page);
    }
    let (codes, hashes) = new_recovery_codes()?;
    let acting = state.acting(&viewer, "second_factor.codes", &viewer.name, &json!({}));
    if acting.set_recovery_codes(user_id, &hashes).await? {
        state.pages.recovery_codes.keep(session.clone(), codes, state.clock.now());
    }
    Ok(go_done(HERE, "recovery_codes_made"))
}

async fn is_own_password(
    state: &WebState,
    request: &HttpRequest,
    viewer: &Viewer,
    pairs: &Pairs,
    page: &mut SecondFactorPage,
) -> Result<bool, ApiError> {
    match own_password(state, request, viewer, pairs.raw("current"), "current").await {
        Ok(_) => Ok(true),
        Err(error) if !error.fields.is_empty() => {
            page.current.refuse("wrong_password");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
