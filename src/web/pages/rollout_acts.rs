//! What is done to an update from its page, and the questions before.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};

use super::answer::{go_done, show, show_as};
use super::notice::ConfirmPage;
use super::rollout::{missing, number, read};
use crate::actors::{RolloutError, Steering};
use crate::web::WebState;
use crate::web::access::Operator;
use crate::web::error::Answer;

/// `POST /rollouts/{id}/pause`
///
/// # Errors
/// 404; what the state forbids is said on the page.
pub async fn pause(request: HttpRequest, state: web::Data<WebState>, who: Operator, id: web::Path<String>) -> Answer {
    let outcome = state.fleet.steer(number(&id)?, Steering::Pause, &who.name).await;
    acted(&request, &state, (&who, "rollout.pause"), &id, outcome, "rollout_paused").await
}

/// `POST /rollouts/{id}/resume`
///
/// # Errors
/// 404; what the state forbids is said on the page.
pub async fn resume(request: HttpRequest, state: web::Data<WebState>, who: Operator, id: web::Path<String>) -> Answer {
    let outcome = state.fleet.steer(number(&id)?, Steering::Resume, &who.name).await;
    acted(&request, &state, (&who, "rollout.resume"), &id, outcome, "rollout_resumed").await
}

/// `POST /rollouts/{id}/launch`
///
/// # Errors
/// 404; what the state forbids is said on the page.
pub async fn launch(request: HttpRequest, state: web::Data<WebState>, who: Operator, id: web::Path<String>) -> Answer {
    let outcome = state.fleet.steer(number(&id)?, Steering::Launch, &who.name).await;
    acted(&request, &state, (&who, "rollout.launch"), &id, outcome, "rollout_launched").await
}

/// `POST /rollouts/{id}/approve`
///
/// # Errors
/// 404; what the state forbids is said on the page.
pub async fn approve(request: HttpRequest, state: web::Data<WebState>, who: Operator, id: web::Path<String>) -> Answer {
    let outcome = state.fleet.steer(number(&id)?, Steering::Approve, &who.name).await;
    acted(&request, &state, (&who, "rollout.approve"), &id, outcome, "rollout_approved").await
}

/// `POST /rollouts/{id}/retry`: all that ended badly.
///
/// # Errors
/// 404; what the state forbids is said on the page.
pub async fn retry(request: HttpRequest, state: web::Data<WebState>, who: Operator, id: web::Path<String>) -> Answer {
    let outcome = state.fleet.retry(number(&id)?, None, &who.name).await;
    let done = if matches!(outcome, Ok(0)) { "rollout_retried_none" } else { "rollout_retried" };
    acted(&request, &state, (&who, "rollout.retry"), &id, outcome, done).await
}

/// `GET /rollouts/{id}/cancel`: the question before.
///
/// # Errors
/// 404
pub async fn ask_cancel(
    request: HttpRequest,
    state: web::Data<WebState>,
    _: Operator,
    id: web::Path<String>,
) -> Answer {
    ask(&request, &state, &id, "rollout_cancel", "cancel").await
}

/// `POST /rollouts/{id}/cancel`
///
/// # Errors
/// 404; what the state forbids is said on the page.
pub async fn cancel(request: HttpRequest, state: web::Data<WebState>, who: Operator, id: web::Path<String>) -> Answer {
    let outcome = state.fleet.steer(number(&id)?, Steering::Cancel, &who.name).await;
    acted(&request, &state, (&who, "rollout.cancel"), &id, outcome, "rollout_cancelled").await
}

/// `GET /rollouts/{id}/rollback`: the question before.
///
/// # Errors
/// 404
pub async fn ask_rollback(
    request: HttpRequest,
    state: web::Data<WebState>,
    _: Operator,
    id: web::Path<String>,
) -> Answer {
    ask(&request, &state, &id, "rollout_rollback", "rollback").await
}

/// `POST /rollouts/{id}/rollback`
///
/// # Errors
/// 404; what the state forbids, and why nothing can go back, is said on the page.
pub async fn rollback(
    request: HttpRequest,
    state: web::Data<WebState>,
    who: Operator,
    id: web::Path<String>,
) -> Answer {
    let outcome = state.fleet.take_back(number(&id)?, &who.name).await;
    acted(&request, &state, (&who, "rollout.rollback"), &id, outcome, "rollout_rolled_back").await
}

async fn ask(request: &HttpRequest, state: &WebState, id: &str, what: &'static str, verb: &str) -> Answer {
    let id = number(id)?;
    state.store.rollout(id).await?.ok_or_else(missing)?;
    let page = ConfirmPage {
        what,
        name: id.to_string(),
        action: format!("/rollouts/{id}/{verb}"),
        back: format!("/rollouts/{id}"),
    };
    show(request, page)
}

async fn acted<T>(
    request: &HttpRequest,
    state: &WebState,
    (who, verb): (&Operator, &str),
    id: &str,
    outcome: Result<T, RolloutError>,
    done: &'static str,
) -> Answer {
    let (status, problem) = match outcome {
        Ok(_) => {
            state.tell(who, verb, id, &serde_json::json!({})).await;
            return Ok(go_done(&format!("/rollouts/{id}"), done));
        }
        Err(RolloutError::Conflict(reason)) => (StatusCode::CONFLICT, reason),
        Err(error @ RolloutError::SecondPerson) => (StatusCode::FORBIDDEN, error.to_string()),
        Err(RolloutError::Invalid(fields)) => {
            let messages: Vec<String> = fields.into_iter().map(|field| field.message).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, messages.join("; "))
        }
        Err(error) => return Err(error.into()),
    };
    let mut page = read(request, state, id).await?;
    page.problem = Some(problem);
    show_as(request, status, page)
}
