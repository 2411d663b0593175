//! `/account`: one's own password, and where one is signed in.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::json;

use super::answer::{again, go_done, show};
use super::form::{Field, Pairs};
use super::shell::{View, shown};
use super::users::session_of;
use crate::domain::{SignIn, Timestamp};
use crate::store::session_id;
use crate::web::WebState;
use crate::web::access::{Via, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::sign_in::{change_password, go_to};

#[derive(Debug, Default, Serialize)]
pub struct Account {
    pub current: Field,
    pub password: Field,
    pub repeat: Field,
    pub second_factor: bool,
    pub sign_ins: Vec<SignInRow>,
}

impl View for Account {
    const TEMPLATE: &'static str = "account";
}

/// A browser in which somebody is signed in.
#[derive(Debug, Serialize)]
pub struct SignInRow {
    /// Where it is ended.
    pub end: String,
    /// `None` where all are of one user.
    pub user: Option<String>,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub began_at: Option<Timestamp>,
    #[serde(with = "crate::domain::millis_rfc3339::option")]
    pub seen_at: Option<Timestamp>,
    pub address: String,
    pub browser: String,
    /// This very one.
    pub here: bool,
}

impl SignInRow {
    /// One's own, as seen from the session that is called `here`.
    #[must_use]
    pub fn own(sign_in: SignIn, here: &str) -> Self {
        Self::new(sign_in, Some(here), "/account/sessions")
    }

    /// Anybody's, as an admin sees it.
    #[must_use]
    pub fn of_anybody(sign_in: SignIn, here: Option<&str>) -> Self {
        let user = shown(&sign_in.user_name);
        Self { user: Some(user), ..Self::new(sign_in, here, "/sessions") }
    }

    fn new(sign_in: SignIn, here: Option<&str>, below: &str) -> Self {
        Self {
            end: format!("{below}/{}/end", sign_in.id),
            user: None,
            began_at: sign_in.began_at,
            seen_at: sign_in.seen_at,
            address: sign_in.address,
            browser: shown(&sign_in.browser),
            here: here == Some(sign_in.id.as_str()),
        }
    }
}

/// `GET /account`
///
/// # Errors
/// 401
pub async fn get(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer) -> Answer {
    show(&request, read(&state, &viewer).await?)
}

async fn read(state: &WebState, viewer: &Viewer) -> Result<Account, ApiError> {
    let Via::Session { user_id, key_hash, .. } = &viewer.via else { return Ok(Account::default()) };
    let sign_ins = state.store.sign_ins(Some(*user_id), state.clock.now()).await?;
    Ok(Account {
        second_factor: state.store.second_factor(*user_id).await?.is_some(),
        sign_ins: sign_ins.into_iter().map(|it| SignInRow::own(it, session_id(key_hash))).collect(),
        ..Account::default()
    })
}

/// `POST /account`: form `current`, `password`, `repeat`.
///
/// # Errors
/// 429 after too many tries; what is wrong is said at its field.
pub async fn password(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let mut page = read(&state, &viewer).await?;
    if pairs.raw("password") != pairs.raw("repeat") {
        page.repeat.refuse("repeat");
        return again(&request, page);
    }
    match change_password(&state, &request, &viewer, pairs.raw("current"), pairs.raw("password")).await {
        Ok(cookie) => Ok(go_to("/account?done=password_changed", Some(&cookie))),
        Err(error) if !error.fields.is_empty() => {
            error.fields.get("old").into_iter().for_each(|_| page.current.refuse("wrong_password"));
            error.fields.get("new").into_iter().for_each(|_| page.password.refuse("password"));
            again(&request, page)
        }
        Err(error) => Err(error),
    }
}

fn own(viewer: &Viewer) -> Result<i64, ApiError> {
    match viewer.via {
        Via::Session { user_id, .. } => Ok(user_id),
        Via::Token { .. } => Err(ApiError::forbidden("no_session", "A token is revoked, not signed out.")),
    }
}

/// `POST /account/sessions/{id}/end`: one of one's own.
///
/// # Errors
/// 403 for a program, 404
pub async fn end_session(state: web::Data<WebState>, viewer: Viewer, id: web::Path<String>) -> Answer {
    let user = own(&viewer)?;
    let acting = state.acting(&viewer, "session.end", &viewer.name, &json!({ "session": *id }));
    if !acting.end_session(&id, Some(user)).await? {
        return Err(ApiError::not_found("such session"));
    }
    Ok(go_done("/account", "session_ended"))
}

/// `POST /account/sessions/end-others`: all but the one that asks.
///
/// # Errors
/// 403 for a program.
pub async fn end_others(state: web::Data<WebState>, viewer: Viewer) -> Answer {
    let user = own(&viewer)?;
    let acting = state.acting(&viewer, "session.end", &viewer.name, &json!({ "others": true }));
    acting.end_sessions(user, session_of(&viewer)).await?;
    Ok(go_done("/account", "sessions_ended"))
}
