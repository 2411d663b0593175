//! `/views`: saving and deleting what the fleet page was asked.

use actix_web::web;

use super::answer::go_done;
use super::form::Pairs;
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::api::views::{delete_view, save};
use crate::web::error::Answer;

/// `POST /views`: `name`, `query`
///
/// # Errors
/// 422 for a name or a filter that can't be.
pub async fn add(state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let (view, _) = save(&state, &operator, pairs.text("name"), pairs.raw("query")).await?;
    Ok(go_done(&format!("/devices?{}", view.query), "view_saved"))
}

/// `POST /views/{name}/delete`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, operator: Operator, name: web::Path<String>) -> Answer {
    delete_view(&state, &operator, &name).await?;
    Ok(go_done("/devices", "view_deleted"))
}
