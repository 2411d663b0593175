//! `/account`: one's own password.

use actix_web::{HttpRequest, web};

use super::answer::{again, show};
use super::form::{Field, Pairs};
use super::users::Account;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;
use crate::web::sign_in::{change_password, go_to};

/// `GET /account`
///
/// # Errors
/// 401
pub async fn get(request: HttpRequest, _: Viewer) -> Answer {
    show(&request, Account::default())
}

/// `POST /account`: form `current`, `password`, `repeat`.
///
/// # Errors
/// 429 after too many tries; what is wrong is said at its field.
pub async fn password(request: HttpRequest, state: web::Data<WebState>, viewer: Viewer, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let mut page = Account::default();
    if pairs.raw("password") != pairs.raw("repeat") {
        page.repeat.refuse("repeat");
        return again(&request, page);
    }
    match change_password(&state, &request, &viewer, pairs.raw("current"), pairs.raw("password")).await {
        Ok(cookie) => Ok(go_to("/account?done=password_changed", Some(&cookie))),
        Err(error) if !error.fields.is_empty() => {
            let wrong = |field: &str, place: &mut Field| {
                error.fields.get(field).into_iter().for_each(|message| place.refuse(message));
            };
            wrong("old", &mut page.current);
            wrong("new", &mut page.password);
            again(&request, page)
        }
        Err(error) => Err(error),
    }
}
