//! `/api/v1/fleet`: the fleet in figures, now and over time.

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use super::list;
use crate::domain::millis_rfc3339;
use crate::store::COUNTS;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;
use crate::web::fleet_counts::counted;
use crate::web::params::Params;

/// `GET /api/v1/fleet`: how many devices there are, how many are online, and how many are in each kind of trouble.
///
/// # Errors
/// 422
pub async fn state(state: web::Data<WebState>, _: Viewer, params: Params) -> Answer {
    params.finish()?;
    let counted = counted(&state).await?;
    let attention: Map<String, Value> =
        counted.fleet.attention.iter().map(|(what, devices)| (what.to_string(), json!(devices))).collect();
    Ok(HttpResponse::Ok().json(json!({
        "devices": counted.fleet.devices,
        "online": counted.fleet.online,
        "attention": attention,
        "counted_at": millis_rfc3339::text(counted.at),
    })))
}

/// `GET /api/v1/fleet/course?from=&limit=&after=`: devices and those online, every five minutes; of the last day when
/// nothing is said. At most 31 days back. All of them when no `limit` is given.
///
/// # Errors
/// 422
pub async fn course(state: web::Data<WebState>, _: Viewer, mut params: Params) -> Answer {
    let now = state.clock.now();
    let from = params.time("from").unwrap_or(now - TimeDelta::days(1));
    if from < now - TimeDelta::days(31) {
        params.complain("from", "must be within the last 31 days");
    }
    let (after, limit) = (params.text("after"), params.limit_or(COUNTS));
    params.finish()?;
    let page = state.store.fleet_course_page(from, after, limit).await??;
    Ok(list(&page.items, page.next.as_deref()))
}
