//! The second factor: codes that a telephone makes every 30 seconds of a secret it shares with the server
//! (TOTP, RFC 6238: SHA-1, six digits), and recovery codes for the day it is lost.
//!
//! A code counts once, and one step to either side of the time is forgiven. The secret lies in the database as it is,
//! since codes are made of it; who can read the database needs no code.

use qrcode::{Color, QrCode};
use serde::Serialize;
use totp_rs::{Builder, Secret, Totp};

use super::WebState;
use super::error::ApiError;
use crate::domain::{SecondFactor, Sha256Hex, Timestamp, User, hash_token};
use crate::store::secrets::{SecretError, new_recovery_code, new_shared_secret};

/// Recovery codes given at once.
const RECOVERY_CODES: usize = 10;
const DIGITS: usize = 6;

/// A new secret, in base32.
///
/// # Errors
/// 500 without randomness.
pub fn new_secret() -> Result<String, SecretError> {
    Ok(Secret::new(Box::new(new_shared_secret()?)).to_base32())
}

/// New recovery codes, and what is stored of them.
///
/// # Errors
/// 500 without randomness.
pub fn new_recovery_codes() -> Result<(Vec<String>, Vec<Sha256Hex>), SecretError> {
    let codes: Vec<(String, Sha256Hex)> = (0..RECOVERY_CODES).map(|_| new_recovery_code()).collect::<Result<_, _>>()?;
    Ok(codes.into_iter().unzip())
}

/// The time step whose code this is, if it is one of about now.
#[must_use]
pub fn step_of(secret: &str, code: &str, now: Timestamp) -> Option<u64> {
    totp(secret)?.check(&plain(code), u64::try_from(now.timestamp()).ok()?)
}

fn totp(secret: &str) -> Option<Totp> {
    let secret = Secret::try_from_base32(secret).ok()?;
    Builder::new().with_secret(secret).build().ok()
}

/// What was typed, without the spaces and dashes that help reading.
fn plain(code: &str) -> String {
    let kept = code.chars().filter(|c| !c.is_whitespace() && *c != '-');
    kept.flat_map(char::to_lowercase).take(64).collect()
}

/// Uses a code up: one of the telephone's, or a recovery code. `false`: it is wrong, or was used before.
///
/// # Errors
/// 429 after too many wrong ones, 503 without the database.
pub async fn spend(state: &WebState, user: &User, factor: &SecondFactor, code: &str) -> Result<bool, ApiError> {
    let now = state.clock.now();
    state
        .gates
        .throttle(|throttle| throttle.attempt_code(now, &user.name))
        .map_err(|seconds| ApiError::too_many("Too many wrong codes; wait a while.", seconds))?;
    let code = plain(code);
    let right = if code.len() == DIGITS {
        match step_of(&factor.secret, &code, now) {
            Some(step) => state.store.use_step(user.id, step).await?,
            None => false,
        }
    } else {
        state.store.use_recovery_code(user.id, &hash_token(&code)).await?
    };
    if right {
        state.gates.throttle(|throttle| throttle.code_succeeded(&user.name));
    }
    Ok(right)
}

/// What a telephone reads to share a secret.
#[must_use]
pub fn address(secret: &str, account: &str) -> String {
    let account = super::sign_in::query_value(account).replace('/', "%2F");
    format!("otpauth://totp/Fleetward:{account}?secret={secret}&issuer=Fleetward")
}

/// A picture that a telephone reads: squares of one by one, as the path of an SVG.
#[derive(Debug, Clone, Serialize)]
pub struct Picture {
    /// Of each side, with the quiet margin that readers need.
    pub side: usize,
    pub path: String,
}

/// `None` when the text is too long to be drawn.
#[must_use]
pub fn picture(text: &str) -> Option<Picture> {
    const MARGIN: usize = 4;
    let code = QrCode::new(text).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        path.push_str(&format!("M{} {}h1v1h-1z", at % width + MARGIN, at / width + MARGIN));
    }
    Some(Picture { side: width + 2 * MARGIN, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of RFC 6238, appendix B, and its codes by SHA-1, of which six digits are used here.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924")] {
            assert_eq!(step_of(SECRET, code, at(seconds)), Some(seconds as u64 / 30), "{code}");
        }
        assert_eq!(step_of(SECRET, " 287 082 ", at(59)), Some(1), "as people type it");
    }

    #[test]
    fn one_step_to_either_side_is_forgiven_and_no_more() {
        assert_eq!(step_of(SECRET, "287082", at(59 + 30)), Some(1));
        assert_eq!(step_of(SECRET, "287082", at(59 - 30)), Some(1));
        assert_eq!(step_of(SECRET, "287082", at(59 + 61)), None);
        for nonsense in ["", "28708", "2870822", "+87082", "abcdef"] {
            assert_eq!(step_of(SECRET, nonsense, at(59)), None, "{nonsense}");
        }
    }

    #[test]
    fn a_new_secret_makes_codes_and_fits_into_a_picture() {
        let secret = new_secret().unwrap();
        assert_eq!(secret.trim_end_matches('=').len(), 32);
        assert!(totp(&secret).is_some());
        let address = address(&secret, "ann b:c/d");
        assert!(address.starts_with("otpauth://totp/Fleetward:ann%20b%3Ac%2Fd?secret="), "{address}");
        let picture = picture(&address).unwrap();
        assert!(picture.side > 29 && picture.path.starts_with("M4 4h1v1h-1z"), "{}", picture.side);
    }

    #[test]
    fn recovery_codes_are_known_by_their_hash_however_they_are_typed() {
        let (codes, hashes) = new_recovery_codes().unwrap();
        assert_eq!((codes.len(), codes[0].len()), (10, 23));
        assert_eq!(hash_token(&plain(&codes[0].to_uppercase().replace('-', " "))), hashes[0]);
    }
}
