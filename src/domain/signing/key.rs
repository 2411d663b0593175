//! Ed25519 keys, and what a signature is for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Distrust;

/// What a signature is for. It is part of what is signed: a signature for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Trust,
    Manifest,
    Freshness,
}

impl Purpose {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Trust => b"fleetward trust v1\0",
            Self::Manifest => b"fleetward manifest v1\0",
            Self::Freshness => b"fleetward freshness v1\0",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        [self.prefix(), bytes].concat()
    }
}

/// What people call a key by: the first 16 hexadecimal digits of its sha256. Never what a signature is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The half of a key that everybody may know; base64 in documents.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads 32 bytes.
    ///
    /// # Errors
    /// [`Distrust::WeakKey`] for bytes that are no key, or a key of low order, under which a signature can be made
    /// for anything.
    pub fn new(bytes: &[u8]) -> Result<Self, Distrust> {
        let key = bytes.try_into().ok().and_then(|bytes| VerifyingKey::from_bytes(bytes).ok());
        key.filter(|key| !key.is_weak()).map(Self).ok_or(Distrust::WeakKey)
    }

    /// Whether `signature` is this key's, for this purpose, over exactly these bytes.
    #[must_use]
    pub fn signed(&self, purpose: Purpose, bytes: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        self.0.verify_strict(&purpose.message(bytes), &signature).is_ok()
    }

    /// What people call it by.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut digits = hex::encode(Sha256::digest(self.0.as_bytes()));
        digits.truncate(16);
        Fingerprint(digits)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl TryFrom<String> for PublicKey {
    type Error = Distrust;
    fn try_from(text: String) -> Result<Self, Distrust> {
        Self::new(&STANDARD.decode(text).map_err(|_| Distrust::WeakKey)?)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        STANDARD.encode(key.0.as_bytes())
    }
}

/// The half of a key that signs. Never printed; its text is for the file it is kept in.
pub struct SecretKey(SigningKey);

/// What the text of a secret key begins with, so that nobody takes it for a public one.
const SECRET: &str = "fleetward-secret-key-1:";

impl SecretKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&random))
    }

    /// Reads what [`text`](Self::text) wrote. `None`: it is no such text.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim().strip_prefix(SECRET)?).ok()?;
        Some(Self::new(bytes.try_into().ok()?))
    }

    /// For the file it is kept in.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{SECRET}{}\n", STANDARD.encode(self.0.to_bytes()))
    }

    /// The other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs these bytes for this purpose.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(&purpose.message(bytes)).to_bytes().to_vec()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().fingerprint())
    }
}
