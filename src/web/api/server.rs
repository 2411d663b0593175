//! `/api/v1/server`: how the server itself is.

use actix_web::{HttpResponse, web};

use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::error::Answer;
use crate::web::server_state::ServerState;

/// `GET /api/v1/server`
///
/// # Errors
/// 403 for viewers.
pub async fn show(state: web::Data<WebState>, _: Operator) -> Answer {
    Ok(HttpResponse::Ok().json(ServerState::read(&state).await?))
}
