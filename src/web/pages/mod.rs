//! What people see.

use actix_web::{HttpRequest, HttpResponse, ResponseError as _};

use super::error::ApiError;

/// An error as a page.
#[must_use]
pub fn error_page(_request: &HttpRequest, error: &ApiError) -> HttpResponse {
    error.error_response()
}
