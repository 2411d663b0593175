//! What machines ask about the server: whether it lives.

use actix_web::HttpResponse;
use serde_json::json;

use super::error::Answer;

/// `GET /healthz`: the process answers.
///
/// # Errors
/// None.
pub async fn alive() -> Answer {
    Ok(HttpResponse::Ok().json(json!({"status": "alive"})))
}
