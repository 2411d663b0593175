//! `/api/v1/views`: what the fleet page was asked (filter, order, columns), saved under a name.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::groups::check_group_name;
use super::{done, found, short_list};
use crate::domain::millis_rfc3339;
use crate::store::{Saved, SavedView};
use crate::web::access::{Operator, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::pages::fleet_query::Asked;
use crate::web::pages::form::Pairs;
use crate::web::params::{JsonBody, Params};
use crate::web::{WebState, sign_in};

/// `POST /api/v1/views`: `{"name","query"}`, the query as it stands in the address of the fleet page.
///
/// # Errors
/// 422
pub async fn add(state: web::Data<WebState>, operator: Operator, mut body: JsonBody) -> Answer {
    let name: Option<String> = body.require("name");
    let query: Option<String> = body.require("query");
    body.finish()?;
    let (view, saved) =
        save(&state, &operator, &name.unwrap_or_default(), query.as_deref().unwrap_or_default()).await?;
    if saved == Saved::Changed {
        return Ok(HttpResponse::Ok().json(shown(&view)));
    }
    let location = format!("/api/v1/views/{}", sign_in::query_value(&view.name));
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown(&view)))
}

/// Saves a view: what of the query the page knows.
///
/// # Errors
/// 422 for a name that can't be, or a filter that can't be read.
pub async fn save(
    state: &WebState,
    operator: &Operator,
    name: &str,
    query: &str,
) -> Result<(SavedView, Saved), ApiError> {
    check_group_name(name).map_err(|message| ApiError::field("name", message))?;
    let asked = Asked::of(&Pairs::of_text(query));
    if let Some(fault) = &asked.filter.fault {
        return Err(ApiError::field("query", format!("filter: {}", fault.message)));
    }
    let view = SavedView {
        name: name.to_owned(),
        query: asked.query_text(),
        created_at: state.clock.now(),
        created_by: operator.name.clone(),
    };
    let details = json!({ "query": view.query });
    let saved = state.acting(operator, "view.save", name, &details).save_view(view.clone()).await?;
    Ok((view, saved))
}

/// `GET /api/v1/views`: by name.
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Viewer, params: Params) -> Answer {
    let views = state.store.views().await?;
    short_list(&views.iter().map(shown).collect::<Vec<_>>(), params)
}

/// `DELETE /api/v1/views/{name}`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, operator: Operator, name: web::Path<String>) -> Answer {
    delete_view(&state, &operator, &name).await?;
    Ok(done())
}

/// Deletes a view.
///
/// # Errors
/// 404
pub async fn delete_view(state: &WebState, operator: &Operator, name: &str) -> Result<(), ApiError> {
    found(state.acting(operator, "view.delete", name, &json!({})).delete_view(name).await?, "view")
}

fn shown(view: &SavedView) -> Value {
    json!({
        "name": view.name,
        "query": view.query,
        "created_at": millis_rfc3339::text(view.created_at),
        "created_by": view.created_by,
    })
}
