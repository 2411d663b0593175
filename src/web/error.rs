//! What is said when something can't be done: one shape for every error, in JSON for programs, as a page for people.

use std::collections::BTreeMap;
use std::fmt;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::json;

use crate::actors::RolloutError;
use crate::store::secrets::SecretError;
use crate::store::{BadCursor, StoreError};

/// What a handler answers.
pub type Answer = Result<HttpResponse, ApiError>;

/// An error as its caller sees it: `{"error":{"code","message","fields"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    pub status: StatusCode,
    /// One word for programs, `snake_case`.
    pub code: &'static str,
    /// A sentence for people: what is wrong, and what to do.
    pub message: String,
    /// What is wrong with which field.
    pub fields: BTreeMap<String, String>,
    /// Seconds after which another try makes sense.
    pub retry_after_s: Option<u32>,
    /// What the resource answers to, for 405.
    pub allow: Option<String>,
}

impl ApiError {
    /// Any error; the ones below are the usual ones.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: BTreeMap::new(), retry_after_s: None, allow: None }
    }

    /// 400: the request can't be read.
    #[must_use]
    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable", message)
    }

    /// 401: nobody has signed in.
    #[must_use]
    pub fn not_signed_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not_signed_in",
            "Sign in, or send a token as `Authorization: Bearer TOKEN`.",
        )
    }

    /// 401: a token that is unknown, revoked or has run out.
    #[must_use]
    pub fn bad_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "bad_token", "The token is unknown, revoked, or has run out.")
    }

    /// 403
    #[must_use]
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404: `what` as in "There is no WHAT."
    #[must_use]
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no {what}."))
    }

    /// 409
    #[must_use]
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 413
    #[must_use]
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 415: `wanted` is the content type to send.
    #[must_use]
    pub fn wrong_type(wanted: &str) -> Self {
        let message = format!("Send the body as {wanted}.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    }

    /// 422: readable, but wrong; say what with [`ApiError::with_field`].
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message)
    }

    /// 422 about one field.
    #[must_use]
    pub fn field(name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::invalid(format!("{name}: {message}")).with_field(name, message)
    }

    /// 422 about all of these fields.
    #[must_use]
    pub fn of_fields(fields: BTreeMap<String, String>) -> Self {
        let sentences: Vec<String> = fields.iter().map(|(name, message)| format!("{name}: {message}")).collect();
        Self { fields, ..Self::invalid(sentences.join("; ")) }
    }

    /// Whether its message says no more than those of its fields.
    #[must_use]
    pub fn is_of_its_fields(&self) -> bool {
        !self.fields.is_empty() && Self::of_fields(self.fields.clone()).message == self.message
    }

    /// 429
    #[must_use]
    pub fn too_many(message: impl Into<String>, retry_after_s: u32) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message);
        Self { retry_after_s: Some(retry_after_s.max(1)), ..error }
    }

    /// 503
    #[must_use]
    pub fn unavailable(code: &'static str, message: impl Into<String>, retry_after_s: u32) -> Self {
        let error = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
        Self { retry_after_s: Some(retry_after_s.max(1)), ..error }
    }

    /// 500: a fault of ours; the reason goes to the log, not to the caller.
    #[must_use]
    pub fn internal(reason: impl fmt::Display) -> Self {
        tracing::error!(%reason, "a request failed by a fault of the server");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The server has a fault; its log says more.")
    }

    /// The same, saying what is wrong with a field.
    #[must_use]
    pub fn with_field(mut self, name: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.insert(name.into(), message.into());
        self
    }

    /// What is known of an error that the framework made.
    fn of_framework(error: &actix_web::Error) -> Self {
        if let Some(own) = error.as_error::<Self>() {
            return own.clone();
        }
        let status = error.as_response_error().status_code();
        let message = error.to_string();
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large("The body is too large."),
            StatusCode::NOT_FOUND => Self::not_found("such page"),
            status if status.is_client_error() => Self { status, ..Self::unreadable(message) },
            _ => Self::internal(message),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut answer = HttpResponse::build(self.status);
        self.insert_headers(&mut answer);
        answer.json(json!({"error": {"code": self.code, "message": self.message, "fields": self.fields}}))
    }
}

impl ApiError {
    /// The headers that go with the error, whether it is JSON or a page.
    pub fn insert_headers(&self, answer: &mut actix_web::HttpResponseBuilder) {
        if let Some(seconds) = self.retry_after_s {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = &self.allow {
            answer.insert_header((header::ALLOW, allow.as_str()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                tracing::warn!(reason, "a request could not be answered: the database is not available");
                Self::unavailable("database_unavailable", "The database is not available; try again in a moment.", 2)
            }
            StoreError::Unusable(_) | StoreError::Corrupt(_) => Self::internal(error),
        }
    }
}

impl From<BadCursor> for ApiError {
    fn from(_: BadCursor) -> Self {
        Self::field("after", "this list has no such place; start again without it")
    }
}

impl From<SecretError> for ApiError {
    fn from(error: SecretError) -> Self {
        Self::internal(error)
    }
}

impl From<actix_web::error::BlockingError> for ApiError {
    fn from(error: actix_web::error::BlockingError) -> Self {
        Self::internal(error)
    }
}

impl From<RolloutError> for ApiError {
    fn from(error: RolloutError) -> Self {
        match error {
            RolloutError::Invalid(fields) => {
                Self::of_fields(fields.into_iter().map(|f| (f.field, f.message)).collect())
            }
            RolloutError::NotFound => Self::not_found("such rollout"),
            RolloutError::SecondPerson => Self::forbidden("second_person", error.to_string()),
            RolloutError::Conflict(message) => Self::conflict("conflict", message),
            RolloutError::Unavailable(message) => Self::unavailable("unavailable", message, 2),
        }
    }
}

/// Whether the caller is a program rather than a person at a browser.
#[must_use]
pub fn wants_json(request: &HttpRequest) -> bool {
    let path = request.path();
    let accepts_json = || {
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        accept.is_some_and(|text| text.contains("application/json"))
    };
    path.starts_with("/api/") || matches!(path, "/api" | "/ws" | "/metrics" | "/healthz" | "/readyz") || accepts_json()
}

/// Middleware: gives every error its shape, those of the framework too: JSON for programs, a page for people.
///
/// # Errors
/// Those of the framework itself, which never come from a handler.
pub async fn shape(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let response = next.call(request).await?;
    let Some(error) = response.response().error().map(ApiError::of_framework) else {
        return Ok(response.map_into_boxed_body());
    };
    let cookies: Vec<Cookie<'static>> = response.response().cookies().map(Cookie::into_owned).collect();
    let request = response.request();
    let mut answer = if wants_json(request) {
        super::pages::said(request, error).error_response()
    } else {
        super::pages::error_page(request, &error).await
    };
    for cookie in cookies {
        if let Err(reason) = answer.add_cookie(&cookie) {
            tracing::error!(%reason, "a cookie could not be set");
        }
    }
    Ok(response.into_response(answer))
}

/// The answer where no route matches.
///
/// # Errors
/// Always 404.
pub async fn no_such_page() -> Answer {
    Err(ApiError::not_found("such page"))
}
