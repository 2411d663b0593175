//! `GET /ws`: where devices come in. Checks the token before the upgrade; all else is the fleet's.

use actix_web::{HttpRequest, HttpResponse, web};

use super::WebState;
use super::access::bearer;
use super::error::{Answer, ApiError};
use crate::config::DeviceAuthMode;
use crate::domain::{DeviceAuth, hash_token};

/// Devices that are turned away come back spread over this many seconds.
const LONGEST_WAIT_S: u32 = 30;

/// `GET /ws`
///
/// # Errors
/// 401 without a good token, 503 when too many devices come at once.
pub async fn open(request: HttpRequest, payload: web::Payload, state: web::Data<WebState>) -> Answer {
    if !state.gates.upgrade() {
        let wait = rand::random_range(1..=LONGEST_WAIT_S);
        return Err(ApiError::unavailable("too_many_upgrades", "Too many devices come at once; come again.", wait));
    }
    let auth = authenticate(&request, &state).await?;
    let answer: HttpResponse = state.fleet.connect(auth, &request, payload);
    Ok(answer)
}

async fn authenticate(request: &HttpRequest, state: &WebState) -> Result<DeviceAuth, ApiError> {
    if state.config.device_auth == DeviceAuthMode::Open {
        return Ok(DeviceAuth::Open);
    }
    let token = bearer(request)?.ok_or_else(ApiError::bad_token)?;
    let auth = state.store.device_auth(&hash_token(token), state.clock.now()).await?;
    auth.ok_or_else(ApiError::bad_token)
}
