//! `/api/v1/groups`: filters saved under a name.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{done, found, short_list};
use crate::domain::{Filter, check_account_name, millis_rfc3339};
use crate::store::{Group, Saved};
use crate::web::access::{Operator, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::params::{JsonBody, Params};
use crate::web::{WebState, sign_in};

/// `POST /api/v1/groups`: `{"name","filter"}`; another filter under a name that is known takes the place of the old.
///
/// # Errors
/// 422
pub async fn add(state: web::Data<WebState>, operator: Operator, mut body: JsonBody) -> Answer {
    let name: Option<String> = body.require("name");
    let filter: Option<Filter> = body.require("filter");
    body.check("name", name.as_ref(), |name| check_group_name(name));
    body.finish()?;
    let (name, Some(filter)) = (name.unwrap_or_default(), filter) else {
        return Err(ApiError::field("filter", "is missing"));
    };
    let (group, saved) = save(&state, &operator, &name, filter).await?;
    if saved == Saved::Changed {
        return Ok(HttpResponse::Ok().json(view(&group)));
    }
    let location = format!("/api/v1/groups/{}", sign_in::query_value(&name));
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(view(&group)))
}

/// Saves a group.
///
/// # Errors
/// 422 for a name that can't be.
pub async fn save(
    state: &WebState,
    operator: &Operator,
    name: &str,
    filter: Filter,
) -> Result<(Group, Saved), ApiError> {
    check_group_name(name).map_err(|message| ApiError::field("name", message))?;
    let group =
        Group { name: name.to_owned(), filter, created_at: state.clock.now(), created_by: operator.name.clone() };
    let details = json!({ "filter": group.filter.as_str() });
    let saved = state.acting(operator, "group.save", name, &details).save_group(group.clone()).await?;
    Ok((group, saved))
}

/// What people may call a group: it stands in paths.
pub(super) fn check_group_name(name: &str) -> Result<(), String> {
    check_account_name(name)?;
    if name.contains('/') { Err("must not hold a /".to_owned()) } else { Ok(()) }
}

/// `GET /api/v1/groups`: by name.
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Viewer, params: Params) -> Answer {
    let groups = state.store.group_list().await?;
    short_list(&groups.iter().map(view).collect::<Vec<_>>(), params)
}

/// `DELETE /api/v1/groups/{name}`: rollouts that were planned for it keep its filter.
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, operator: Operator, name: web::Path<String>) -> Answer {
    delete_group(&state, &operator, &name).await?;
    Ok(done())
}

/// Deletes a group.
///
/// # Errors
/// 404
pub async fn delete_group(state: &WebState, operator: &Operator, name: &str) -> Result<(), ApiError> {
    found(state.acting(operator, "group.delete", name, &json!({})).delete_group(name).await?, "group")
}

fn view(group: &Group) -> Value {
    json!({
        "name": group.name,
        "filter": group.filter,
        "created_at": millis_rfc3339::text(group.created_at),
        "created_by": group.created_by,
    })
}
