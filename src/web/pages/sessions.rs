//! `/sessions`: who is signed in, where, for admins.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use serde_json::json;

use super::account::SignInRow;
use super::answer::{go_done, show};
use super::shell::View;
use super::users::session_of;
use crate::store::session_id;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::error::{Answer, ApiError};

#[derive(Debug, Serialize)]
pub struct Sessions {
    pub sign_ins: Vec<SignInRow>,
}

impl View for Sessions {
    const TEMPLATE: &'static str = "sessions";
}

/// `GET /sessions`
///
/// # Errors
/// 403 for others than admins.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, admin: Admin) -> Answer {
    let own = session_of(&admin).map(session_id);
    let all = state.store.sign_ins(None, state.clock.now()).await?;
    show(&request, Sessions { sign_ins: all.into_iter().map(|it| SignInRow::of_anybody(it, own)).collect() })
}

/// `POST /sessions/{id}/end`
///
/// # Errors
/// 404
pub async fn end(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let acting = state.acting(&admin, "session.end", "", &json!({ "session": *id }));
    if !acting.end_session(&id, None).await? {
        return Err(ApiError::not_found("such session"));
    }
    Ok(go_done("/sessions", "session_ended"))
}
