//! What surrounds every answer: a request's name, its line in the log, its count, and the headers that keep
//! browsers from doing more than they should.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, web};
use tracing::Instrument as _;

use super::WebState;
use crate::config::Config;

/// Everything from us, nothing inline; pictures also from where the map's tiles are.
#[must_use]
pub fn policy(config: &Config) -> HeaderValue {
    let tiles = config.map.tile_origin().map(|origin| format!(" {origin}")).unwrap_or_default();
    let text = format!(
        "default-src 'self'; img-src 'self' data:{tiles}; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self'"
    );
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'self'"))
}

/// What a request is called in the log and in the header of its answer; a page about a fault shows it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware, outermost.
///
/// # Errors
/// Those of the framework itself, which never come from a handler.
pub async fn surround(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let path = request.path().to_owned();
    let state = request.app_data::<web::Data<WebState>>().cloned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", %id);
    let mut response = next.call(request).instrument(span).await?.map_into_boxed_body();
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    let mut policy = None;
    if let Some(state) = state {
        state.metrics.count_request(&method, status, seconds);
        policy = Some(state.policy.clone());
    }
    log(&id, &method, &path, status, seconds);
    insert_headers(response.headers_mut(), &id);
    let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'self'"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// The caller's own name for the request where it is a plain one, or a new one.
fn request_id(request: &ServiceRequest) -> String {
    let plain = |text: &&str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(plain);
    given.map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned)
}

/// One line; without the query, which may hold a setup token.
fn log(id: &str, method: &Method, path: &str, status: u16, seconds: f64) {
    let ms = (seconds * 1000.0).round();
    // Every device of a fleet that is told to come later would be a line.
    let comes_later = status == 503 && path == "/ws";
    if status >= 500 && !comes_later {
        tracing::error!(id, %method, path, status, ms, "request failed");
    } else if method.is_safe() {
        tracing::debug!(id, %method, path, status, ms, "request");
    } else {
        tracing::info!(id, %method, path, status, ms, "request");
    }
}

fn insert_headers(headers: &mut HeaderMap, id: &str) {
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
}
