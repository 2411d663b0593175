//! `/api/v1/rollouts`: planning, starting and watching.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rollout_views::{ProgressRow, RolloutView};
use super::{from_path, list};
use crate::domain::{
    AssignmentState, Groups, ModuleName, Policy, RolloutId, RolloutRequest, RolloutState, Target, TargetRequest,
    Version,
};
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
pub(in crate::web) fn request(
    mut body: JsonBody,
    by: &str,
    health_window_s: u32,
    groups: &Groups,
) -> Result<RolloutRequest, ApiError> {
    let packages: Option<Vec<WantedPackage>> = body.require("packages");
    let allow_rollback = body.take("allow_rollback").unwrap_or(false);
    let target: Option<TargetRequest> = body.take("target");
    let target = target.map_or(Ok(Target::All), |target| target.target(groups));
    if let Err(error) = &target {
        body.complain(error.field, error.message.clone());
    }
    let names_window = body.names("policy", "health_window_s");
    let draft = body.take(RolloutState::Draft.as_str()).unwrap_or(false);
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
    let target = target.map_err(|error| ApiError::field(error.field, error.message))?;
    let packages = packages.into_iter().flatten().map(|package| (package.name, package.version)).collect();
    Ok(RolloutRequest { packages, allow_rollback, target, policy, draft, by: by.to_owned() })
}

/// `POST /api/v1/rollouts/plan`: what the same body would start.
///
/// # Errors
/// 400, 415, 422
pub async fn plan(state: web::Data<WebState>, operator: Operator, body: JsonBody) -> Answer {
    let groups = state.store.groups().await?;
    let plan = state.fleet.plan(request(body, &operator.name, state.config.health_window_s, &groups)?).await?;
    Ok(HttpResponse::Ok().json(plan))
}

/// `POST /api/v1/rollouts`
///
/// # Errors
/// 400, 409, 415, 422
pub async fn start(state: web::Data<WebState>, operator: Operator, body: JsonBody) -> Answer {
    let groups = state.store.groups().await?;
    let wanted = request(body, &operator.name, state.config.health_window_s, &groups)?;
    let details = start_details(&wanted);
    let id = state.fleet.start(wanted).await?;
    state.tell(&operator, "rollout.start", &id.to_string(), &details).await;
    tracing::info!(rollout = %id, by = operator.name, "rollout started");
    let summary = find(&state, id).await?;
    let location = format!("/api/v1/rollouts/{id}");
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(RolloutView::from(&summary)))
}

/// What the audit log keeps of a start.
#[must_use]
pub fn start_details(wanted: &RolloutRequest) -> Value {
    let packages: Vec<String> = wanted.packages.iter().map(|(name, version)| format!("{name}={version}")).collect();
    json!({ "packages": packages, "allow_rollback": wanted.allow_rollback, "target": wanted.target })
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

pub(super) async fn show(state: &WebState, id: RolloutId) -> Answer {
    Ok(HttpResponse::Ok().json(RolloutView::from(&find(state, id).await?)))
}

pub(super) async fn find(state: &WebState, id: RolloutId) -> Result<RolloutSummary, ApiError> {
    state.store.rollout(id).await?.ok_or_else(|| ApiError::not_found("such rollout"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(body: &str) -> Vec<String> {
        let read = JsonBody::read(body.as_bytes()).and_then(|body| request(body, "ann", 60, &Groups::new()));
        read.err().map(|error| error.fields.into_keys().collect()).unwrap_or_default()
    }

    #[test]
    fn a_rollout_has_defaults_for_all_but_its_packages() {
        let body = JsonBody::read(br#"{"packages":[{"name":"app1","version":"2"}]}"#).unwrap();
        let request = request(body, "ann", 7, &Groups::new()).unwrap();
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
        assert_eq!(fields_of(&format!(r#"{{{one},"target":{{"filter":"a ="}}}}"#)), ["target.filter"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"target":{{"group":"a"}}}}"#)), ["target.group"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"policy":{{"speed":1}}}}"#)), ["policy.speed"]);
        assert_eq!(fields_of(&format!(r#"{{{one},"policy":{{"attempts":0}}}}"#)), ["policy.attempts"]);
    }
}
