//! `/static/DIGEST/PATH`, and the reader's choice of a theme and a language.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::{LANGUAGE_COOKIE, THEME_COOKIE};
use super::shell::theme;
use crate::web::WebState;
use crate::web::csrf::local_path;
use crate::web::error::Answer;
use crate::web::params::FormBody;
use crate::web::sign_in::go_to;
use crate::web::words::Language;

/// `GET /static/{path}`
pub async fn file(request: HttpRequest, state: web::Data<WebState>, path: web::Path<String>) -> HttpResponse {
    state.pages.assets.serve(&request, &path)
}

/// `POST /theme`: form `theme` (`light`, `dark`, `auto`) and `here`, the page to come back to.
///
/// # Errors
/// 400 when the form can't be read.
pub async fn choose_theme(form: FormBody) -> Answer {
    Ok(choose(form, "theme", THEME_COOKIE, theme))
}

/// `POST /language`: form `language` (`en`, `zh-CN`; anything else: as the browser wants) and `here`.
///
/// # Errors
/// 400 when the form can't be read.
pub async fn choose_language(form: FormBody) -> Answer {
    Ok(choose(form, "language", LANGUAGE_COOKIE, |tag| Language::of_tag(tag).map(Language::tag)))
}

/// Keeps what is known of the choice in a cookie for a year, forgets it otherwise, and leads back.
fn choose(form: FormBody, field: &str, cookie: &'static str, known: fn(&str) -> Option<&'static str>) -> HttpResponse {
    let FormBody(mut form) = form;
    let chosen = form.text(field).and_then(|chosen| known(&chosen));
    let here = form.text("here").unwrap_or_default();
    let mut cookie = Cookie::build(cookie, chosen.unwrap_or_default())
        .path("/")
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish();
    if chosen.is_none() {
        cookie.make_removal();
    }
    go_to(local_path(&here).unwrap_or("/"), Some(&cookie))
}
