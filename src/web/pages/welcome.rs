//! `/welcome`: what to do next, after the first admin was made.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{server_url, show};
use super::shell::View;
use crate::store::DeviceQuery;
use crate::web::WebState;
use crate::web::access::{Admin, Via};
use crate::web::error::Answer;

#[derive(Debug, Serialize)]
pub struct Welcome {
    pub steps: Vec<Step>,
    /// What else is worth doing, in no order.
    pub more: Vec<Step>,
    /// Under which address terminals reach this server.
    pub server_url: String,
    /// Whether somebody has set that address, rather than that it was read off this request.
    pub server_url_set: bool,
}

impl View for Welcome {
    const TEMPLATE: &'static str = "welcome";
}

/// Something to do.
#[derive(Debug, Serialize)]
pub struct Step {
    /// `terminal`, `package`, `update`, `people`, `second_factor`: the languages have the words.
    pub code: &'static str,
    pub href: &'static str,
    pub done: bool,
}

/// `GET /welcome`
///
/// # Errors
/// 403 for others than admins.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, admin: Admin) -> Answer {
    let devices = state.store.device_count(DeviceQuery { limit: 1, ..DeviceQuery::default() }).await?;
    let packages = !state.store.package_hashes().await?.is_empty();
    let rollouts = !state.store.rollouts(None, 1).await??.items.is_empty();
    let people = state.store.users().await?.len() > 1;
    let factor = match &admin.via {
        Via::Session { user_id, .. } => state.store.second_factor(*user_id).await?.is_some(),
        Via::Token { .. } => false,
    };
    let step = |code, href, done| Step { code, href, done };
    let page = Welcome {
        steps: vec![
            step("terminal", "/enrol", devices > 0),
            step("package", "/packages", packages),
            step("update", "/rollouts/new", rollouts),
        ],
        more: vec![step("people", "/users", people), step("second_factor", "/account/second-factor", factor)],
        server_url: server_url(&request, &state),
        server_url_set: state.config.public_url.is_some(),
    };
    show(&request, page)
}
