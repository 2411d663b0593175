//! Secrets: made of the operating system's randomness, kept only as hashes.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::domain::{SecretKey, Sha256Hex, TokenKind, hash_token};

/// Why a secret could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no secret can be made: {0}")]
pub struct SecretError(String);

/// A new token of 256 random bits, and what is stored of it. Shown once, never again.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_token(kind: TokenKind) -> Result<(String, Sha256Hex), SecretError> {
    let bytes: [u8; 32] = random()?;
    let token = format!("{}{}", kind.prefix(), hex::encode(bytes));
    let hash = hash_token(&token);
    Ok((token, hash))
}

/// A new signing key.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_key() -> Result<SecretKey, SecretError> {
    Ok(SecretKey::new(random()?))
}

/// A secret to share with a telephone, as long as the standard wants it.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_shared_secret() -> Result<[u8; 20], SecretError> {
    random()
}

/// A code for the day the telephone is lost, as its bearer types it, and what is stored of it: 80 random bits.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_recovery_code() -> Result<(String, Sha256Hex), SecretError> {
    let digits = hex::encode(random::<10>()?);
    let hash = hash_token(&digits);
    let parts: Vec<&str> = (0..4).map(|part| &digits[part * 5..part * 5 + 5]).collect();
    Ok((parts.join("-"), hash))
}

fn random<const N: usize>() -> Result<[u8; N], SecretError> {
    let mut bytes = [0u8; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|e| SecretError(e.to_string()))?;
    Ok(bytes)
}

/// Argon2id in PHC form, with a salt of its own. Takes tens of milliseconds and 19 MiB: not for an async thread.
///
/// # Errors
/// When the operating system gives no randomness for the salt.
pub fn hash_password(password: &str) -> Result<String, SecretError> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|e| SecretError(e.to_string()))?;
    Ok(hash.to_string())
}

/// Whether `password` is the one behind `hash`. `None`, for a user that does not exist, takes as long as a wrong
/// password, so that the time tells nobody which names exist. Not for an async thread.
#[must_use]
pub fn verify_password(password: &str, hash: Option<&str>) -> bool {
    static NOBODY: OnceLock<Option<String>> = OnceLock::new();
    let of_nobody = || NOBODY.get_or_init(|| hash_password("nobody").ok()).as_deref();
    let Some(parsed) = hash.or_else(of_nobody).and_then(|text| PasswordHash::new(text).ok()) else { return false };
    let right = Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    right && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_kind_and_never_repeat() {
        let (a, hash) = new_token(TokenKind::Api).unwrap();
        let (b, _) = new_token(TokenKind::Api).unwrap();
        assert!(a.starts_with("fwa_") && a.len() == 4 + 64);
        assert_ne!(a, b);
        assert_eq!(hash, hash_token(&a));
    }

    #[test]
    fn only_the_right_password_of_a_real_user_is_right() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify_password("correct horse", Some(&hash)));
        assert!(!verify_password("correct hors", Some(&hash)));
        assert!(!verify_password("nobody", None));
        assert!(!verify_password("x", Some("not a hash")));
    }
}
