//! `/views`: saving and deleting what the fleet page was asked.

use actix_web::{HttpRequest, web};

use super::answer::{again, go_done};
use super::devices;
use super::fleet_query::Asked;
use super::form::{Field, Pairs};
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::api::views::{delete_view, save};
use crate::web::error::Answer;

/// `POST /views`: `name`, `query`, `after`
///
/// # Errors
/// 503 without the database; what is wrong with the name or the filter is said at its field of the list.
pub async fn add(request: HttpRequest, state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let error = match save(&state, &operator, pairs.text("name"), pairs.raw("query")).await {
        Ok((view, _)) => return Ok(go_done(&format!("/devices?{}", view.query), "view_saved")),
        Err(error) if error.fields.is_empty() => return Err(error),
        Err(error) => error,
    };
    let asked = Asked::of(&Pairs::of_text(pairs.raw("query")));
    let mut page = devices::read(&state, asked, pairs.text("after")).await?;
    page.view_name = Field::typed(&pairs, "name");
    error.fields.get("name").into_iter().for_each(|message| page.view_name.refuse(message));
    again(&request, page)
}

/// `POST /views/{name}/delete`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, operator: Operator, name: web::Path<String>) -> Answer {
    delete_view(&state, &operator, &name).await?;
    Ok(go_done("/devices", "view_deleted"))
}
