//! `/server`: how the server itself is, for operators.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::show;
use super::shell::View;
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::error::Answer;
use crate::web::server_state::ServerState;

#[derive(Debug, Serialize)]
pub struct Server {
    pub server: ServerState,
}

impl View for Server {
    const TEMPLATE: &'static str = "server";
}

/// `GET /server`
///
/// # Errors
/// 403 for viewers.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Operator) -> Answer {
    show(&request, Server { server: ServerState::read(&state).await? })
}
