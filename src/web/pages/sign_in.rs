//! `/setup` and `/login`: the way in.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{again, show, show_as};
use super::form::{Field, Pairs};
use super::shell::View;
use crate::web::WebState;
use crate::web::access::Visitor;
use crate::web::csrf::local_path;
use crate::web::error::{Answer, wants_json};
use crate::web::sign_in::{self, go_to};
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
}

impl View for Login {
    const TEMPLATE: &'static str = "login";
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
        Ok(user) => Ok(go_to("/", Some(&session::begin(&state, &user).await?))),
        Err(error) if wants_json(&request) => Err(error),
        Err(error) if matches!(error.code, "bad_setup_token" | "set_up") => {
            show_as(&request, error.status, Setup { refused: true, ..page })
        }
        Err(error) if !error.fields.is_empty() => {
            error.fields.get("name").into_iter().for_each(|message| page.name.refuse(message));
            error.fields.get("password").into_iter().for_each(|message| page.password.refuse(message));
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
    show(&request, Login { next, empty, ..Login::default() })
}

/// `POST /login`: form `name`, `password`, `next`.
///
/// # Errors
/// 429 after too many tries; a wrong password is said at its field.
pub async fn post_login(
    request: HttpRequest,
    state: web::Data<WebState>,
    visitor: Visitor,
    body: web::Bytes,
) -> Answer {
    let pairs = Pairs::of_form(&body);
    let mut page =
        Login { next: pairs.text("next").to_owned(), name: Field::typed(&pairs, "name"), ..Login::default() };
    match sign_in::sign_in(&state, &request, page.name.value.trim(), pairs.raw("password")).await {
        Ok(cookie) => {
            sign_in::end_session_before(&state, visitor.0.as_deref()).await?;
            Ok(go_to(local_path(&page.next).unwrap_or("/"), Some(&cookie)))
        }
        Err(error) if error.code == "wrong_credentials" && !wants_json(&request) => {
            page.password.refuse("wrong_login");
            show_as(&request, error.status, page)
        }
        Err(error) => Err(error),
    }
}
