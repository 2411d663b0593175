//! `/setup`, `/login` and `/resume`: the way in, and back to where one was.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::answer::{again, show, show_as};
use super::form::{Field, Pairs};
use super::shell::{View, shown};
use super::users::session_of;
use crate::web::WebState;
use crate::web::access::{Viewer, Visitor};
use crate::web::csrf::local_path;
use crate::web::error::{Answer, ApiError, wants_json};
use crate::web::interrupted::Interrupted;
use crate::web::session::Begun;
use crate::web::sign_in::{self, Entered, go_to};
use crate::web::{session, setup};

/// The first admin.
#[derive(Debug, Default, Serialize)]
pub struct Setup {
    pub token: String,
    pub name: Field,
    pub password: Field,
    pub repeat: Field,
    /// The link is not the one that was printed, or an admin exists.
    pub refused: bool,
}

impl View for Setup {
    const TEMPLATE: &'static str = "setup";
}

#[derive(Debug, Default, Serialize)]
pub struct Login {
    pub next: String,
    pub name: Field,
    pub password: Field,
    /// Nobody can sign in yet: the printed link makes the first admin.
    pub empty: bool,
    /// A session ended while its owner was at work.
    pub ended: bool,
    pub interrupted: Interrupted,
}

impl View for Login {
    const TEMPLATE: &'static str = "login";
}

/// The code behind the password.
#[derive(Debug, Default, Serialize)]
pub struct LoginCode {
    pub next: String,
    pub code: Field,
    pub interrupted: Interrupted,
}

impl View for LoginCode {
    const TEMPLATE: &'static str = "login_code";
}

/// A form that was not lost.
#[derive(Debug, Default, Serialize)]
pub struct Resume {
    pub action: String,
    pub fields: Vec<Carried>,
}

impl View for Resume {
    const TEMPLATE: &'static str = "resume";
}

/// A field of it.
#[derive(Debug, Serialize)]
pub struct Carried {
    pub name: String,
    pub value: String,
    pub shown: String,
}

impl From<(String, String)> for Carried {
    fn from((name, value): (String, String)) -> Self {
        Self { name, shown: shown(&value), value }
    }
}

/// What the sign-in pages hand on to each other.
struct Onward {
    next: String,
    interrupted: Option<Interrupted>,
}

impl Onward {
    fn of(pairs: &Pairs) -> Self {
        let interrupted = Interrupted::carried(pairs.text("again_at"), pairs.raw("again"));
        Self { next: pairs.text("next").to_owned(), interrupted }
    }

    /// To where its owner was.
    fn go(self, state: &WebState, begun: &Begun) -> HttpResponse {
        match self.interrupted {
            Some(interrupted) => {
                state.pages.interrupted.keep(begun.key_hash.clone(), interrupted, state.clock.now());
                go_to("/resume", Some(&begun.cookie))
            }
            None => go_to(local_path(&self.next).unwrap_or("/"), Some(&begun.cookie)),
        }
    }
}

/// `GET /setup?token=`
///
/// # Errors
/// 503 without the database.
pub async fn get_setup(request: HttpRequest, state: web::Data<WebState>) -> Answer {
    let token = Pairs::of_query(&request).text("token").to_owned();
    let refused = !setup::is_token(&state.store, &token).await?;
    show(&request, Setup { token, refused, ..Setup::default() })
}

/// `POST /setup`: form `token`, `name`, `password`, `repeat`. Makes the first admin and signs in.
///
/// # Errors
/// 403, 409; what is wrong is said at its field.
pub async fn post_setup(request: HttpRequest, state: web::Data<WebState>, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let token = pairs.text("token").to_owned();
    let mut page = Setup { name: Field::typed(&pairs, "name"), token, ..Setup::default() };
    let password = pairs.raw("password");
    if pairs.has("repeat") && pairs.raw("repeat") != password {
        page.repeat.refuse("repeat");
        return again(&request, page);
    }
    match setup::finish(&state, &page.token, page.name.value.trim(), password).await {
        Ok(user) => Ok(go_to("/welcome", Some(&session::begin(&state, &request, &user).await?.cookie))),
        Err(error) if wants_json(&request) => Err(error),
        Err(error) if matches!(error.code, "bad_setup_token" | "set_up") => {
            show_as(&request, error.status, Setup { refused: true, ..page })
        }
        Err(error) if !error.fields.is_empty() => {
            error.fields.get("name").into_iter().for_each(|_| page.name.refuse("name"));
            error.fields.get("password").into_iter().for_each(|_| page.password.refuse("password"));
            again(&request, page)
        }
        Err(error) => Err(error),
    }
}

/// `GET /login?next=`
///
/// # Errors
/// 503 without the database.
pub async fn get_login(request: HttpRequest, state: web::Data<WebState>, visitor: Visitor) -> Answer {
    let next = Pairs::of_query(&request).text("next").to_owned();
    if visitor.0.is_some() {
        return Ok(go_to(local_path(&next).unwrap_or("/"), None));
    }
    let empty = state.store.users().await?.is_empty();
    let ended = request.cookie(session::COOKIE).is_some();
    show(&request, Login { next, empty, ended, ..Login::default() })
}

/// `POST /login`: form `name`, `password`, `next`, and `code` where a program signs in.
///
/// # Errors
/// 429 after too many tries; a wrong password is said at its field. 401 `code_needed` for a program without a code.
pub async fn post_login(
    request: HttpRequest,
    state: web::Data<WebState>,
    visitor: Visitor,
    body: web::Bytes,
) -> Answer {
    let pairs = Pairs::of_form(&body);
    let (onward, name) = (Onward::of(&pairs), Field::typed(&pairs, "name"));
    let credentials = (name.value.trim(), pairs.raw("password"));
    match sign_in::sign_in(&state, &request, credentials, pairs.text("code")).await {
        Ok(Entered::In(begun)) => {
            sign_in::end_session_before(&state, visitor.0.as_deref()).await?;
            Ok(onward.go(&state, &begun))
        }
        Ok(Entered::CodeNeeded(_)) if wants_json(&request) => Err(code_needed()),
        Ok(Entered::CodeNeeded(half)) => {
            let interrupted = onward.interrupted.unwrap_or_default();
            let mut answer = show(&request, LoginCode { next: onward.next, interrupted, ..LoginCode::default() })?;
            answer.add_cookie(&half).map_err(ApiError::internal)?;
            Ok(answer)
        }
        Err(error) if wants_json(&request) => Err(error),
        Err(error) if error.code == "wrong_credentials" || error.retry_after_s.is_some() => {
            let mut password = Field::default();
            let wrong = error.code == "wrong_credentials";
            password.refuse(if wrong { "wrong_login" } else { &error.message });
            let interrupted = onward.interrupted.unwrap_or_default();
            refused(&request, &error, Login { next: onward.next, name, password, interrupted, ..Login::default() })
        }
        Err(error) => Err(error),
    }
}

/// The page again, with what was typed and what it carries; after too many tries it says when to come again.
fn refused<T: View>(request: &HttpRequest, error: &ApiError, page: T) -> Answer {
    let mut answer = show_as(request, error.status, page)?;
    if let Some(seconds) = error.retry_after_s {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    Ok(answer)
}

fn code_needed() -> ApiError {
    let message = "This user has a second factor: send a code with the name and the password.";
    ApiError::new(actix_web::http::StatusCode::UNAUTHORIZED, "code_needed", message)
}

/// `POST /login/code`: form `code`, `next`.
///
/// # Errors
/// 429 after too many tries; a wrong code is said at its field.
pub async fn post_code(request: HttpRequest, state: web::Data<WebState>, visitor: Visitor, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let onward = Onward::of(&pairs);
    match sign_in::sign_in_by_code(&state, &request, pairs.text("code")).await {
        Ok((begun, half)) => {
            sign_in::end_session_before(&state, visitor.0.as_deref()).await?;
            let mut answer = onward.go(&state, &begun);
            answer.add_cookie(&half).map_err(ApiError::internal)?;
            Ok(answer)
        }
        Err(error) if wants_json(&request) => Err(error),
        Err(error) if error.code == "wrong_code" || error.retry_after_s.is_some() => {
            let mut code = Field::default();
            code.refuse(if error.code == "wrong_code" { "wrong_code" } else { &error.message });
            let interrupted = onward.interrupted.unwrap_or_default();
            refused(&request, &error, LoginCode { next: onward.next, code, interrupted })
        }
        Err(error) if error.code == "half_ended" => {
            let interrupted = onward.interrupted.unwrap_or_default();
            let page = Login { next: onward.next, ended: true, interrupted, ..Login::default() };
            show_as(&request, error.status, page)
        }
        Err(error) => Err(error),
    }
}

/// `GET /login/code`: where somebody comes who went back, or was told of the address: to the beginning.
///
/// # Errors
/// None.
pub async fn get_code() -> Answer {
    Ok(go_to("/login", None))
}

/// `GET /resume`: the form that came when the session before had ended, to be sent again.
///
/// # Errors
/// 401
pub async fn resume(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer) -> Answer {
    let session = session_of(&viewer);
    let kept = session.and_then(|session| state.pages.interrupted.look(session, state.clock.now()));
    let Some(kept) = kept else { return Ok(go_to("/", None)) };
    let fields = kept.fields().into_iter().map(Carried::from).collect();
    show(&request, Resume { action: kept.action, fields })
}
