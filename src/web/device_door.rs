//! `GET /ws`: where devices come in. Checks rate, room and token before the upgrade; all else is the fleet's.

use actix_web::{HttpRequest, web};

use super::WebState;
use super::access::bearer;
use super::error::{Answer, ApiError};
use super::gates;
use crate::actors::Place;
use crate::config::DeviceAuthMode;
use crate::domain::{DeviceAuth, hash_token};

/// Devices that are turned away come back spread over this many seconds.
const LONGEST_WAIT_S: u32 = 30;

/// `GET /ws`
///
/// # Errors
/// 401 without a good token; 429 for a device that connects too often; 503 when too many devices come at once, too
/// many are there, or the server is overrun.
pub async fn open(request: HttpRequest, state: web::Data<WebState>) -> Answer {
    let place = let_in(&request, &state)?;
    let auth = authenticate(&request, &state).await?;
    if let Some(seconds) = state.fleet.held_off(&auth) {
        let why = "This device connects too often, and is not let in for a while.";
        return Err(ApiError { code: "flapping", ..ApiError::too_many(why, seconds) });
    }
    Ok(state.fleet.connect(auth, place, &request))
}

/// What costs nothing is asked first.
fn let_in(request: &HttpRequest, state: &WebState) -> Result<Place, ApiError> {
    let later = |code, why: String| {
        let wait = rand::random_range(1..=LONGEST_WAIT_S);
        ApiError::unavailable(code, why, wait)
    };
    if !state.fleet.load().lets_in() {
        return Err(later("overrun", "Reports come faster than they can be written; come again.".to_owned()));
    }
    if !state.gates.upgrade() {
        return Err(later("too_many_upgrades", "Too many devices come at once; come again.".to_owned()));
    }
    let address = gates::address(request);
    state.gates.device(address).map_err(|full| {
        tracing::warn!(%address, %full, "a device found no place");
        later("too_many_connections", format!("There is no place: {full}; come again."))
    })
}

async fn authenticate(request: &HttpRequest, state: &WebState) -> Result<DeviceAuth, ApiError> {
    if state.config.device_auth == DeviceAuthMode::Open {
        return Ok(DeviceAuth::Open);
    }
    let token = bearer(request)?.ok_or_else(ApiError::bad_token)?;
    let auth = state.store.device_auth(&hash_token(token), state.clock.now()).await?;
    auth.ok_or_else(ApiError::bad_token)
}
