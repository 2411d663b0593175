//! What machines ask about the server: whether it lives, and whether it can do its work.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::WebState;
use super::error::{Answer, ApiError};

/// The contract is an answer within five seconds, on a busy machine too.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// `GET /healthz`: the process answers.
///
/// # Errors
/// None.
pub async fn alive() -> Answer {
    Ok(HttpResponse::Ok().json(json!({"status": "alive"})))
}

/// `GET /readyz`: every part of the server lives, the database takes writes, reports get on disk, and the disk has
/// room. What the database's settings put at risk is said as `warnings`, and is no reason to send nobody here.
///
/// # Errors
/// 503 that says what is missing.
pub async fn ready(state: web::Data<WebState>) -> Answer {
    let mut wrong = Vec::new();
    match tokio::time::timeout(DATABASE_ANSWERS_WITHIN, state.store.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => wrong.push(("database", error.to_string())),
        Err(_) => wrong.push(("database", format!("no answer in {} s", DATABASE_ANSWERS_WITHIN.as_secs()))),
    }
    if let Some(ended) = state.fleet.ended_part() {
        wrong.push(("server", ended));
    }
    if let Some(trouble) = state.fleet.trouble() {
        wrong.push(("reports", trouble));
    }
    match free_bytes(&state).await {
        Ok(free) if free < state.config.limits.disk_reserve_bytes => {
            wrong.push(("disk", format!("{free} bytes free, {} wanted", state.config.limits.disk_reserve_bytes)));
        }
        Ok(_) => {}
        Err(error) => wrong.push(("disk", error.message)),
    }
    if wrong.is_empty() {
        return Ok(HttpResponse::Ok().json(json!({"status": "ready", "warnings": state.fleet.warnings()})));
    }
    let sentences: Vec<String> = wrong.iter().map(|(what, why)| format!("{what}: {why}")).collect();
    let error = ApiError::unavailable("not_ready", sentences.join("; "), 5);
    Err(wrong.into_iter().fold(error, |error, (what, why)| error.with_field(what, why)))
}

/// Room on the disk of the packages.
///
/// # Errors
/// 500 when the disk does not say.
pub async fn free_bytes(state: &WebState) -> Result<u64, ApiError> {
    let blobs = state.blobs.clone();
    web::block(move || blobs.free_bytes()).await?.map_err(ApiError::internal)
}
