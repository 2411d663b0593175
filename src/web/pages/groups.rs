//! `/groups`: saving and deleting the filters that the fleet page offers.

use actix_web::web;

use super::answer::go_done;
use super::form::{Pairs, query};
use crate::domain::Filter;
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::api::groups::{delete_group, save};
use crate::web::error::{Answer, ApiError};

/// `POST /groups`: `name`, `filter`
///
/// # Errors
/// 422 for a name or a filter that can't be.
pub async fn add(state: web::Data<WebState>, operator: Operator, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let text = pairs.raw("filter");
    let filter = Filter::parse(text).map_err(|error| ApiError::field("filter", error.to_string()))?;
    save(&state, &operator, pairs.text("name"), filter).await?;
    Ok(go_done(&format!("/devices{}", query(&[("filter", text)])), "group_saved"))
}

/// `POST /groups/{name}/delete`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, operator: Operator, name: web::Path<String>) -> Answer {
    delete_group(&state, &operator, &name).await?;
    Ok(go_done("/devices", "group_deleted"))
}
