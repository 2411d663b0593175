//! The door for `fuzz/`: the parsers behind handlers, without a server.

use super::api::{devices, rollouts};
use super::error::ApiError;
use super::pages::form::Pairs;
use super::pages::rollout_form::RolloutForm;
use super::params::{JsonBody, Params};
use crate::domain::{AssignmentState, Groups, Policy, RolloutId, RolloutRequest, Tags};

/// The query of every list.
pub fn query(text: &str) {
    let mut params = Params::read(text);
    // Taken for its complaints alone.
    let _ = devices::query(&mut params);
    params.take::<AssignmentState>("state");
    params.take::<RolloutId>("rollout");
    let (from, to) = (params.time("from"), params.time("to"));
    if from > to {
        params.complain("from", "must not be after `to`");
    }
    check(params.finish());
}

/// The longest form there is.
///
/// # Panics
/// When a request that was taken is one that the rules refuse.
pub fn form(text: &str) {
    let pairs = Pairs::of_form(text.as_bytes());
    let mut form = RolloutForm::typed(&pairs, &Policy::default());
    let request = form.request("fuzz", &Groups::default());
    assert_eq!(request.is_none(), form.has_errors(), "a form is taken, or says what is wrong with it");
    request.iter().for_each(holds);
}

/// The bodies of the API.
///
/// # Panics
/// When a request that was taken is one that the rules refuse.
pub fn json(bytes: &[u8]) {
    match JsonBody::read(bytes).and_then(|body| rollouts::request(body, "fuzz", 60, &Groups::default())) {
        Ok(request) => holds(&request),
        Err(error) => check(Err(error)),
    }
    let Ok(mut body) = JsonBody::read(bytes) else { return };
    let (name, tags) = (body.take::<String>("name"), body.take::<Tags>("tags"));
    body.check("name", name.as_ref(), |name| devices::check_name(name));
    body.check("tags", tags.as_ref(), devices::check_tags);
    check(body.finish());
}

fn holds(request: &RolloutRequest) {
    assert!(request.policy.errors().is_empty(), "{:?}", request.policy);
    assert!((1..=100).contains(&request.packages.len()), "{:?}", request.packages);
}

/// Bad input is the caller's fault, and is told as a sentence that can be printed.
fn check(finished: Result<(), ApiError>) {
    if let Err(error) = finished {
        assert!(error.status.is_client_error(), "{error:?}");
        assert!(!error.message.is_empty() && error.fields.keys().all(|name| name.chars().count() <= 200), "{error:?}");
    }
}
