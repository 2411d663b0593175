//! From a page's struct to an answer.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, ContentType, Header as _};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _, web};

use super::form::{Pairs, query};
use super::notice::ErrorPage;
use super::shell::{Page, Shell, Signed, View, done, shown, theme};
use super::sign_in::Login;
use super::users::session_of;
use crate::domain::Role;
use crate::web::access::who;
use crate::web::error::{Answer, ApiError};
use crate::web::sign_in::go_to;
use crate::web::surround::RequestId;
use crate::web::words::Language;
use crate::web::{WebState, interrupted};

/// The cookie in which a browser keeps the reader's theme.
pub const THEME_COOKIE: &str = "fleetward_theme";
/// ... and the language that the reader chose.
pub const LANGUAGE_COOKIE: &str = "fleetward_language";

/// Answers with a page.
///
/// # Errors
/// 500 when the template can't be written.
pub fn show<T: View>(request: &HttpRequest, body: T) -> Answer {
    show_as(request, StatusCode::OK, body)
}

/// Answers with a form that was refused: 422 and the form again.
///
/// # Errors
/// 500 when the template can't be written.
pub fn again<T: View>(request: &HttpRequest, body: T) -> Answer {
    show_as(request, StatusCode::UNPROCESSABLE_ENTITY, body)
}

/// Answers with a page and a status.
///
/// # Errors
/// 500 when the template can't be written.
pub fn show_as<T: View>(request: &HttpRequest, status: StatusCode, body: T) -> Answer {
    let state = request.app_data::<web::Data<WebState>>().ok_or_else(|| ApiError::internal("pages have no state"))?;
    let templates = state.pages.templates().map_err(ApiError::internal)?;
    let mut shell = shell(request);
    if let Some(here) = body.here().filter(|_| !request.method().is_safe()) {
        shell.here = here;
    }
    let page = Page { shell, body };
    let html = templates.render(page.shell.language, T::TEMPLATE, &page).map_err(ApiError::internal)?;
    Ok(HttpResponse::build(status).content_type(ContentType::html()).body(html))
}

/// An error as a page's own script is told it: in the language of the page. What programs are told stays English.
pub fn said(request: &HttpRequest, error: ApiError) -> ApiError {
    let language = language(request);
    let of_a_page = who(request).is_some_and(|who| session_of(&who).is_some());
    let state = request.app_data::<web::Data<WebState>>().filter(|_| of_a_page && language != Language::default());
    let Some(templates) = state.and_then(|state| state.pages.templates().ok()) else { return error };
    let sentence = |text: &str| templates.sentence(language, text);
    let fields: BTreeMap<String, String> =
        error.fields.iter().map(|(name, message)| (name.clone(), sentence(message))).collect();
    let message = match error.is_of_its_fields() {
        true => ApiError::of_fields(fields.clone()).message,
        false => sentence(&error.message),
    };
    ApiError { message, fields, ..error }
}

fn shell(request: &HttpRequest) -> Shell {
    let who = who(request);
    let query = Pairs::of_query(request);
    let cookie = request.cookie(THEME_COOKIE);
    let language = language(request);
    Shell {
        language,
        other_languages: Language::ALL.into_iter().filter(|other| *other != language).collect(),
        user: who.as_ref().map(|who| Signed::new(&who.name, who.role)),
        csrf: who.as_ref().map(|who| who.csrf().to_owned()).unwrap_or_default(),
        theme: cookie.and_then(|cookie| theme(cookie.value())),
        here: here(request),
        done: done(query.text("done")),
    }
}

/// What the reader chose, or else the first that the browser wants and is spoken here.
fn language(request: &HttpRequest) -> Language {
    let chosen = request.cookie(LANGUAGE_COOKIE).and_then(|cookie| Language::of_tag(cookie.value()));
    let wanted = || {
        let ranked = header::AcceptLanguage::parse(request).ok()?.ranked();
        Language::first_of(ranked.iter().filter_map(|tag| tag.item()).map(header::LanguageTag::as_str))
    };
    chosen.or_else(wanted).unwrap_or_default()
}

/// Where a reader of this page can come back to: the answer to a form stands under an address that only takes forms.
fn here(request: &HttpRequest) -> String {
    let path = request.path();
    if request.method().is_safe() {
        return request.uri().path_and_query().map_or_else(|| path.to_owned(), ToString::to_string);
    }
    let page = match path {
        "/rollouts" | "/rollouts/plan" => "/rollouts/new",
        "/enrolment-tokens" => "/enrol",
        "/users" | "/packages" | "/login" | "/rollouts/new" | "/groups" | "/account" | "/account/second-factor" => path,
        "/login/code" => "/login",
        _ if path.starts_with("/account/second-factor/") => "/account/second-factor",
        _ if path.starts_with("/users/") => "/users",
        // What is done to a terminal or an update is done on its page.
        _ if path.starts_with("/devices/") || path.starts_with("/rollouts/") => {
            return path.split('/').take(3).collect::<Vec<_>>().join("/");
        }
        _ => "/",
    };
    page.to_owned()
}

/// An error as a page, with a way on. Who has not signed in is led there, and back afterwards; a form that came when
/// its session had ended is kept for then.
pub async fn error_page(request: &HttpRequest, error: &ApiError) -> HttpResponse {
    if error.status == StatusCode::UNAUTHORIZED && who(request).is_none() && request.path() != "/login" {
        return to_sign_in(request, error);
    }
    if error.code == "bad_form_token"
        && let Some(answer) = to_resume(request)
    {
        return answer;
    }
    let page = ErrorPage {
        status: error.status.as_u16(),
        title: ErrorPage::title(error.status.as_u16()),
        messages: match error.is_of_its_fields() {
            // Without the fields' names, which no page shows.
            true => error.fields.values().cloned().collect(),
            false => vec![error.message.clone()],
        },
        retry_after_s: error.retry_after_s,
        role_lacking: error.code == "forbidden",
        admins: if error.code == "forbidden" { admins(request).await } else { Vec::new() },
        reference: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
    };
    match show_as(request, error.status, page) {
        Ok(mut response) => {
            if let Some(seconds) = error.retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response
        }
        Err(_) => error.error_response(),
    }
}

fn to_sign_in(request: &HttpRequest, error: &ApiError) -> HttpResponse {
    let next = here(request);
    if let Some(interrupted) = interrupted::kept(request) {
        let page = Login { next, ended: true, interrupted, ..Login::default() };
        return show_as(request, error.status, page).unwrap_or_else(|_| error.error_response());
    }
    let next = if next == "/" { "" } else { &next };
    go_to(&format!("/login{}", query(&[("next", next)])), None)
}

/// A form of a session before: its owner may send it again, once they have seen it.
fn to_resume(request: &HttpRequest) -> Option<HttpResponse> {
    let state = request.app_data::<web::Data<WebState>>()?;
    let who = who(request)?;
    let session = session_of(&who)?;
    state.pages.interrupted.keep(session.clone(), interrupted::kept(request)?, state.clock.now());
    Some(go_to("/resume", None))
}

/// Who can help somebody that lacks a role; at most a few, and nobody while the database does not answer.
async fn admins(request: &HttpRequest) -> Vec<String> {
    const MOST: usize = 5;
    let Some(state) = request.app_data::<web::Data<WebState>>() else { return Vec::new() };
    let users = state.store.users().await.unwrap_or_default();
    users.into_iter().filter(|user| user.role == Role::Admin).map(|user| shown(&user.name)).take(MOST).collect()
}

/// Where a form's answer leads, with what was done.
#[must_use]
pub fn go_done(path: &str, done: &str) -> HttpResponse {
    let join = if path.contains('?') { '&' } else { '?' };
    go_to(&format!("{path}{join}done={done}"), None)
}

/// Under which URL terminals reach this server, as far as it can be known.
#[must_use]
pub fn server_url(request: &HttpRequest, state: &WebState) -> String {
    let named = request.headers().contains_key(header::HOST) || request.uri().authority().is_some();
    match state.config.public_url {
        None if named => format!("http://{}", request.connection_info().host()),
        _ => state.base_url.clone(),
    }
}
