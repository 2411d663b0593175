//! The API, one file a resource. `/api/v1/...`, JSON.

pub mod api_tokens;
pub mod audit;
pub mod device_csv;
pub mod device_tags;
pub mod device_views;
pub mod devices;
pub mod enrolment_tokens;
pub mod fleet;
pub mod groups;
pub mod modules;
pub mod openapi;
pub mod package_file;
pub mod packages;
pub mod rollout_acts;
pub mod rollout_views;
pub mod rollouts;
pub mod server;
pub mod sessions;
pub mod signature;
pub mod upload;
pub mod users;
pub mod views;

use std::str::FromStr;

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::json;

use super::error::{Answer, ApiError};
use super::params::Params;

/// A list as the contract has it.
fn list<T: Serialize>(items: &[T], next: Option<&str>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"items": items, "next": next}))
}

/// A short list that is at hand as a whole, as pages: `after` is how many were shown before.
fn short_list<T: Serialize>(items: &[T], mut params: Params) -> Answer {
    let (after, limit) = (params.take::<usize>("after").unwrap_or(0), params.limit());
    params.finish()?;
    let begin = after.min(items.len());
    let end = items.len().min(begin + limit as usize);
    let next = (end < items.len()).then(|| end.to_string());
    Ok(list(&items[begin..end], next.as_deref()))
}

/// A part of the path as a name or number; what can't be one can't exist.
fn from_path<T: FromStr>(text: &str, what: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| ApiError::not_found(format!("such {what}")))
}

/// 204
fn done() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// 404 where a verb of the store found nothing.
fn found(found: bool, what: &str) -> Result<(), ApiError> {
    if found { Ok(()) } else { Err(ApiError::not_found(format!("such {what}"))) }
}
