//! Which keys may say what, and how one version of that follows another.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Distrust, Fingerprint, PublicKey, Purpose, Signed};
use crate::domain::{Timestamp, millis_rfc3339};

/// Some keys, and how many of them have to sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    pub keys: Vec<PublicKey>,
    pub threshold: usize,
}

/// Most keys of one role.
const MAX_KEYS: usize = 16;

impl Quorum {
    /// Keys of which one is enough.
    #[must_use]
    pub fn any_of(keys: Vec<PublicKey>) -> Self {
        Self { keys, threshold: 1 }
    }

    fn check(&self, name: &str) -> Result<(), Distrust> {
        let wrong = |what: &str| Err(Distrust::BadDocument(format!("the role {name} {what}")));
        let different: BTreeSet<Fingerprint> = self.keys.iter().map(PublicKey::fingerprint).collect();
        match self.keys.len() {
            0 => wrong("has no key"),
            n if n > MAX_KEYS => wrong("has more than 16 keys"),
            n if different.len() < n => wrong("names a key twice"),
            n if !(1..=n).contains(&self.threshold) => wrong("has a threshold that its keys cannot meet"),
            _ => Ok(()),
        }
    }

    /// The keys that signed the document: each counts once, however often it did.
    #[must_use]
    pub fn signers(&self, purpose: Purpose, signed: &Signed) -> Vec<Fingerprint> {
        let has_signed =
            |key: &&PublicKey| signed.signatures().any(|signature| key.signed(purpose, signed.bytes(), signature));
        self.keys.iter().filter(has_signed).map(PublicKey::fingerprint).collect()
    }

    /// Whether enough of these keys signed; says who did.
    ///
    /// # Errors
    /// [`Distrust::BadSignature`] or [`Distrust::TooFewSignatures`].
    pub fn verify(&self, purpose: Purpose, signed: &Signed) -> Result<Vec<Fingerprint>, Distrust> {
        let signers = self.signers(purpose, signed);
        match signers.len() {
            0 => Err(Distrust::BadSignature),
            have if have < self.threshold => Err(Distrust::TooFewSignatures { have, need: self.threshold }),
            _ => Ok(signers),
        }
    }
}

/// The trust document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// From 1; each follows the one before it.
    pub version: u64,
    /// Manifests count only in the epoch they were signed in. A new one begins when a key was stolen: it makes
    /// counters start over that a thief may have driven up.
    pub epoch: u64,
    #[serde(with = "millis_rfc3339")]
    pub expires_at: Timestamp,
    /// Signs trust documents; kept offline.
    pub root: Quorum,
    /// Signs manifests.
    pub release: Quorum,
    /// Signs freshness, on the server. Without it devices do not ask for freshness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<Quorum>,
}

impl Trust {
    /// A trust document to begin with: sound, and signed by its own root keys.
    ///
    /// # Errors
    /// See [`Distrust`].
    pub fn first(signed: &Signed) -> Result<Self, Distrust> {
        let trust: Self = signed.read()?;
        trust.check()?;
        trust.root.verify(Purpose::Trust, signed)?;
        Ok(trust)
    }

    /// The document that follows this one: the next version, signed by enough root keys of this one and of its own.
    ///
    /// # Errors
    /// See [`Distrust`].
    pub fn next(&self, signed: &Signed) -> Result<Self, Distrust> {
        self.root.verify(Purpose::Trust, signed)?;
        let next = Self::first(signed)?;
        if next.version != self.version + 1 {
            return Err(Distrust::TrustOutOfOrder { found: next.version, trusted: self.version });
        }
        if next.epoch < self.epoch {
            return Err(Distrust::BadDocument("the epoch goes back".to_owned()));
        }
        Ok(next)
    }

    fn check(&self) -> Result<(), Distrust> {
        // Beyond this some readers of JSON lose digits.
        if self.version == 0 || self.version > MAX_NUMBER || self.epoch > MAX_NUMBER {
            return Err(Distrust::BadDocument("version and epoch must be numbers up to 2^53".to_owned()));
        }
        self.root.check("root")?;
        self.release.check("release")?;
        self.online.as_ref().map_or(Ok(()), |role| role.check("online"))
    }
}

/// Largest number that every reader of JSON reads exactly.
pub(super) const MAX_NUMBER: u64 = 1 << 53;
