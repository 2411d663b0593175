//! `/api/v1/modules`: what there is to update.

use actix_web::web;
use serde_json::{Value, json};

use super::list;
use crate::store::ModuleSummary;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;
use crate::web::params::Params;

/// `GET /api/v1/modules`
///
/// # Errors
/// 422 for any field in the query.
pub async fn all(state: web::Data<WebState>, _: Viewer, params: Params) -> Answer {
    params.finish()?;
    let modules = state.store.modules().await?;
    Ok(list(&modules.iter().map(view).collect::<Vec<_>>(), None))
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
