//! `/static/DIGEST/PATH`, and the reader's choice of a theme.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse, web};

use super::answer::THEME_COOKIE;
use super::shell::theme;
use crate::web::WebState;
use crate::web::csrf::local_path;
use crate::web::error::Answer;
use crate::web::params::FormBody;
use crate::web::sign_in::go_to;

/// `GET /static/{path}`
pub async fn file(request: HttpRequest, state: web::Data<WebState>, path: web::Path<String>) -> HttpResponse {
    state.pages.assets.serve(&request, &path)
}

/// `POST /theme`: form `theme` (`light`, `dark`, `auto`) and `here`, the page to come back to.
///
/// # Errors
/// 400 when the form can't be read.
pub async fn choose_theme(form: FormBody) -> Answer {
    let FormBody(mut form) = form;
    let chosen = form.text("theme").unwrap_or_default();
    let here = form.text("here").unwrap_or_default();
    let mut cookie = Cookie::build(THEME_COOKIE, theme(&chosen).unwrap_or_default())
        .path("/")
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish();
    if theme(&chosen).is_none() {
        cookie.make_removal();
    }
    Ok(go_to(local_path(&here).unwrap_or("/"), Some(&cookie)))
}
