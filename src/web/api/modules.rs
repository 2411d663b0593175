//! `/api/v1/modules`: what there is to update.

use actix_web::web;
use serde_json::{Value, json};

use super::short_list;
use crate::store::ModuleSummary;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;
use crate::web::fleet_counts;
use crate::web::params::Params;

/// `GET /api/v1/modules`
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Viewer, params: Params) -> Answer {
    let modules = fleet_counts::modules(&state).await?;
    short_list(&modules.iter().map(view).collect::<Vec<_>>(), params)
}

fn view(module: &ModuleSummary) -> Value {
    let devices: Vec<Value> =
        module.devices.iter().map(|(version, devices)| json!({"version": version, "devices": devices})).collect();
    json!({
        "name": module.name,
        "current_version": module.current_version,
        "packages": module.packages,
        "devices": module.devices.iter().map(|(_, devices)| devices).sum::<u64>(),
        "versions": devices,
    })
}
