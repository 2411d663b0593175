//! `/api/v1/rollouts`: planning, starting, watching and steering.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;

use super::rollout_views::{ProgressRow, RolloutView};
use super::{from_path, list};
use crate::actors::RolloutError;
use crate::domain::{AssignmentState, ModuleName, Policy, RolloutId, RolloutRequest, Target, Version};
use crate::store::RolloutSummary;
use crate::web::WebState;
use crate::web::access::{Operator, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::params::{JsonBody, Params};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedPackage {
    name: ModuleName,
    version: Version,
}

/// The body of a rollout, read. `health_window_s` is for a policy that names none.
pub(in crate::web) fn request(mut body: JsonBody, by: &str, health_window_s: u32) -> Result<RolloutRequest, ApiError> {
    let packages: Option<Vec<WantedPackage>> = body.require("packages");
    let allow_rollback = body.take("allow_rollback").unwrap_or(false);
    let target = body.take("target").unwrap_or(Target::All);
    let names_window = body.names("policy", "health_window_s");
    let mut policy: Policy = body.take("policy").unwrap_or_default();
    if !names_window {
        policy.health_window_s = health_window_s;
    }
    body.check("packages", packages.as_ref(), |packages| match packages.len() {
        1..=100 => Ok(()),
        _ => Err("must name 1 to 100 packages".to_owned()),
    });
    for error in policy.errors() {
        body.complain(&error.field, error.message);
    }
    body.finish()?;
    let packages = packages.into_iter().flatten().map(|package| (package.name, package.version)).collect();
    Ok(RolloutRequest { packages, allow_rollback, target, policy, by: by.to_owned() })
}

/// `POST /api/v1/rollouts/plan`: what the same body would start.
///
/// # Errors
/// 400, 415, 422
pub async fn plan(state: web::Data<WebState>, operator: Operator, body: JsonBody) -> Answer {
    let plan = state.fleet.plan(request(body, &operator.name, state.config.health_window_s)?).await?;
    Ok(HttpResponse::Ok().json(plan))
}

/// `POST /api/v1/rollouts`
///
/// # Errors
/// 400, 409, 415, 422
pub async fn start(state: web::Data<WebState>, operator: Operator, body: JsonBody) -> Answer {
    let id = state.fleet.start(request(body, &operator.name, state.config.health_window_s)?).await?;
    tracing::info!(rollout = %id, by = operator.name, "rollout started");
    let summary = find(&state, id).await?;
    let location = format!("/api/v1/rollouts/{id}");
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(RolloutView::from(&summary)))
}

/// `GET /api/v1/rollouts?limit=&after=`: newest first.
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Viewer, mut params: Params) -> Answer {
    let (after, limit) = (params.text("after"), params.limit());
    params.finish()?;
    let page = state.store.rollouts(after, limit).await??;
    Ok(list(&page.items.iter().map(RolloutView::from).collect::<Vec<_>>(), page.next.as_deref()))
}

/// `GET /api/v1/rollouts/{id}`
///
/// # Errors
/// 404
pub async fn one(state: web::Data<WebState>, _: Viewer, id: web::Path<String>) -> Answer {
    show(&state, from_path(&id, "rollout")?).await
}

/// `GET /api/v1/rollouts/{id}/devices?state=&limit=&after=`: the progress table.
///
/// # Errors
/// 404, 422
pub async fn devices(state: web::Data<WebState>, _: Viewer, id: web::Path<String>, mut params: Params) -> Answer {
    let id: RolloutId = from_path(&id, "rollout")?;
    let only: Option<AssignmentState> = params.take("state");
    let (after, limit) = (params.text("after"), params.limit());
    params.finish()?;
    let summary = find(&state, id).await?;
    let page = state.store.rollout_devices(id, only, after, limit).await??;
    let rows = page.items.iter().map(|row| ProgressRow::new(row, &summary.rollout, &state.fleet));
    Ok(list(&rows.collect::<Vec<_>>(), page.next.as_deref()))
}

/// `POST /api/v1/rollouts/{id}/pause`
///
/// # Errors
/// 404, 409
pub async fn pause(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    let id = from_path(&id, "rollout")?;
    steered(&state, &operator, id, "pause", state.fleet.pause(id, &operator.name).await).await
}

/// `POST /api/v1/rollouts/{id}/resume`
///
/// # Errors
/// 404, 409
pub async fn resume(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    let id = from_path(&id, "rollout")?;
    steered(&state, &operator, id, "resume", state.fleet.resume(id, &operator.name).await).await
}

/// `POST /api/v1/rollouts/{id}/cancel`
///
/// # Errors
/// 404, 409
pub async fn cancel(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    let id = from_path(&id, "rollout")?;
    steered(&state, &operator, id, "cancel", state.fleet.cancel(id, &operator.name).await).await
}

async fn steered(
    state: &WebState,
    operator: &Operator,
    id: RolloutId,
    verb: &str,
    outcome: Result<(), RolloutError>,
) -> Answer {
    outcome?;
    tracing::info!(rollout = %id, by = operator.name, verb, "rollout steered");
    show(state, id).await
}

async fn show(state: &WebState, id: RolloutId) -> Answer {
    Ok(HttpResponse::Ok().json(RolloutView::from(&find(state, id).await?)))
}

async fn find(state: &WebState, id: RolloutId) -> Result<RolloutSummary, ApiError> {
    state.store.rollout(id).await?.ok_or_else(|| ApiError::not_found("such rollout"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(body: &str) -> Vec<String> {
        let read = JsonBody::read(body.as_bytes()).and_then(|body| request(body, "ann", 60));
        read.err().map(|error| error.fields.into_keys().collect()).unwrap_or_default()
    }

    #[test]
    fn a_rollout_has_defaults_for_all_but_its_packages() {
        let body = JsonBody::read(br#"{"packages":[{"name":"app1","version":"2"}]}"#).unwrap();
        let request = request(body, "ann", 7).unwrap();
        assert_eq!((request.target, request.policy), (Target::All, Policy { health_window_s: 7, ..Policy::default() }));
        assert!(!request.allow_rollback && request.by == "ann");
    }

    #[test]
    fn what_is_wrong_with_a_rollout_is_named() {
        let one = r#""packages":[{"name":"app1","version":"2"}]"#;
        assert_eq!(fields_of("{}"), ["packages"]);
        assert_eq!(fields_of(r#"{"packages":[]}"#), ["packages"]);
        assert_eq!(fields_of(r#"{"packages":[{"name":"a/b","version":"2"}]}"#), ["packages"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"colour":1}}"#)), ["colour"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"target":{{"all":false}}}}"#)), ["target"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"policy":{{"speed":1}}}}"#)), ["policy.speed"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"policy":{{"attempts":0}}}}"#)), ["policy.attempts"]);
    }
}
