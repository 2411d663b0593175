//! `/api/v1/rollouts/{id}/...`: what is done to a rollout, and how it went.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use super::devices::find as find_device;
use super::rollout_views::RolloutView;
use super::rollouts::{find, show};
use super::{done, from_path, list, short_list};
use crate::actors::{Steering, TakenBack};
use crate::domain::{AssignmentState, DeviceId, KeyId, ModuleName, RolloutId, Strike, Timestamp, Transition, Version};
use crate::store::{CHANGES, CoursePoint};
use crate::web::WebState;
use crate::web::access::{Operator, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::params::{JsonBody, Params};

/// Points of a course at most.
const POINTS: i64 = 500;

/// `POST /api/v1/rollouts/{id}/pause`
///
/// # Errors
/// 404, 409
pub async fn pause(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    steer(&state, &operator, &id, Steering::Pause, "rollout.pause").await
}

/// `POST /api/v1/rollouts/{id}/resume`
///
/// # Errors
/// 404, 409
pub async fn resume(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    steer(&state, &operator, &id, Steering::Resume, "rollout.resume").await
}

/// `POST /api/v1/rollouts/{id}/cancel`
///
/// # Errors
/// 404, 409
pub async fn cancel(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    steer(&state, &operator, &id, Steering::Cancel, "rollout.cancel").await
}

/// `POST /api/v1/rollouts/{id}/launch`: a draft goes out, or asks for a second person.
///
/// # Errors
/// 404, 409
pub async fn launch(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    steer(&state, &operator, &id, Steering::Launch, "rollout.launch").await
}

/// `POST /api/v1/rollouts/{id}/approve`
///
/// # Errors
/// 403 for the one who asked for it, 404, 409
pub async fn approve(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    steer(&state, &operator, &id, Steering::Approve, "rollout.approve").await
}

async fn steer(state: &WebState, operator: &Operator, id: &str, how: Steering, verb: &str) -> Answer {
    let id: RolloutId = from_path(id, "rollout")?;
    state.fleet.steer(id, how, &operator.name).await?;
    state.tell(operator, verb, &id.to_string(), &json!({})).await;
    show(state, id).await
}

/// `POST /api/v1/rollouts/{id}/retry`: `{"device_ids":[...]}`, or `{}` for all that ended badly.
///
/// # Errors
/// 404, 409, 422
pub async fn retry(
    state: web::Data<WebState>,
    operator: Operator,
    id: web::Path<String>,
    mut body: JsonBody,
) -> Answer {
    let id: RolloutId = from_path(&id, "rollout")?;
    let named: Option<Vec<DeviceId>> = body.take("device_ids");
    body.finish()?;
    let only = match named {
        None => None,
        Some(names) => Some(keys_of(&state, &names).await?),
    };
    let retried = state.fleet.retry(id, only, &operator.name).await?;
    state.tell(&operator, "rollout.retry", &id.to_string(), &json!({ "retried": retried })).await;
    let summary = find(&state, id).await?;
    Ok(HttpResponse::Ok().json(Acted { rollout: RolloutView::from(&summary), outcome: json!({ "retried": retried }) }))
}

/// The rollout as it is now, and what was done.
#[derive(Serialize)]
struct Acted<'a, T> {
    #[serde(flatten)]
    rollout: RolloutView<'a>,
    #[serde(flatten)]
    outcome: T,
}

async fn keys_of(state: &WebState, names: &[DeviceId]) -> Result<Vec<KeyId>, ApiError> {
    let mut keys = Vec::with_capacity(names.len());
    for name in names {
        let device = state.store.device(name).await?;
        keys.push(device.ok_or_else(|| ApiError::field("device_ids", format!("there is no device {name}")))?.key_id);
    }
    Ok(keys)
}

/// `POST /api/v1/rollouts/{id}/rollback`: the way back to what each device ran before.
///
/// # Errors
/// 404, 409, 422 where nothing can go back
pub async fn rollback(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    let id: RolloutId = from_path(&id, "rollout")?;
    let taken_back: TakenBack = state.fleet.take_back(id, &operator.name).await?;
    state.tell(&operator, "rollout.rollback", &id.to_string(), &json!({ "way_back": taken_back.way_back })).await;
    let summary = find(&state, id).await?;
    Ok(HttpResponse::Ok().json(Acted { rollout: RolloutView::from(&summary), outcome: taken_back }))
}

/// `GET /api/v1/rollouts/{id}/course?step=`: verified and failed assignments over time.
///
/// # Errors
/// 404, 422
pub async fn course(state: web::Data<WebState>, _: Viewer, id: web::Path<String>, mut params: Params) -> Answer {
    let id: RolloutId = from_path(&id, "rollout")?;
    let step: Option<u32> = params.take("step");
    params.finish()?;
    let summary = find(&state, id).await?;
    let items: Vec<CoursePoint> = match step {
        Some(step) => state.store.rollout_course(id, step).await?,
        None => {
            let lasted = summary.rollout.ended_at.unwrap_or_else(|| state.clock.now()) - summary.rollout.created_at;
            let step = u32::try_from(lasted.num_seconds() / POINTS).unwrap_or(u32::MAX);
            state.store.rollout_course(id, step.max(1)).await?
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next": null })))
}

/// A change of an assignment's state.
#[derive(Debug, Serialize)]
pub struct TransitionView<'a> {
    rollout_id: RolloutId,
    module: &'a ModuleName,
    state: AssignmentState,
    reason: Option<&'a str>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    at: Timestamp,
}

impl<'a> From<&'a Transition> for TransitionView<'a> {
    fn from(moved: &'a Transition) -> Self {
        Self {
            rollout_id: moved.rollout,
            module: &moved.module,
            state: moved.to,
            reason: moved.reason.as_deref(),
            at: moved.at,
        }
    }
}

/// `GET /api/v1/devices/{device_id}/assignments?rollout=&limit=&after=`: every change of its assignments, oldest
/// first; 1,000 when no `limit` is given.
///
/// # Errors
/// 404, 422
pub async fn history(state: web::Data<WebState>, _: Viewer, id: web::Path<String>, mut params: Params) -> Answer {
    let rollout: Option<RolloutId> = params.take("rollout");
    let (after, limit) = (params.text("after"), params.limit_or(CHANGES));
    params.finish()?;
    let device = find_device(&state, &id).await?;
    let page = state.store.assignment_changes(device.key_id, rollout, after, limit).await??;
    let items: Vec<TransitionView<'_>> = page.items.iter().map(TransitionView::from).collect();
    Ok(list(&items, page.next.as_deref()))
}

/// What failed on a device for good.
#[derive(Debug, Serialize)]
struct StrikeView<'a> {
    key_id: KeyId,
    module: &'a ModuleName,
    version: &'a Version,
    failures: u32,
    /// Whether the device is kept from this package.
    quarantined: bool,
    rollout_id: RolloutId,
    reason: Option<&'a str>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    at: Timestamp,
}

impl<'a> From<&'a Strike> for StrikeView<'a> {
    fn from(strike: &'a Strike) -> Self {
        Self {
            key_id: strike.key_id,
            module: &strike.module,
            version: &strike.version,
            failures: strike.failures,
            quarantined: strike.failures >= crate::domain::QUARANTINE_AFTER,
            rollout_id: strike.rollout,
            reason: strike.reason.as_deref(),
            at: strike.at,
        }
    }
}

/// `GET /api/v1/quarantine`: packages that failed on devices for good, and whether the devices are kept from them.
///
/// # Errors
/// 422
pub async fn quarantine(state: web::Data<WebState>, _: Viewer, params: Params) -> Answer {
    let strikes = state.store.strikes().await?;
    short_list(&strikes.iter().map(StrikeView::from).collect::<Vec<_>>(), params)
}

/// `DELETE /api/v1/devices/{device_id}/quarantine`: nothing that failed on it before counts any more.
///
/// # Errors
/// 404
pub async fn free(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    let device = find_device(&state, &id).await?;
    let freed = state.fleet.free(device.key_id).await?;
    state.tell(&operator, "device.free", device.device_id.as_str(), &json!({ "packages": freed })).await;
    Ok(done())
}
