//! Every reason not to believe a document, or not to take what it speaks for.

use crate::domain::{ModuleName, Version};

/// Why something is not believed. [`code`](Self::code) is for programs, the sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("there is no signed manifest with it")]
    Unsigned,
    #[error("no signature over it is of a key that is trusted for this")]
    BadSignature,
    #[error("{have} keys of {need} that are needed have signed it")]
    TooFewSignatures { have: usize, need: usize },
    #[error("the document cannot be read: {0}")]
    BadDocument(String),
    #[error("a key is no Ed25519 key, or a weak one")]
    WeakKey,
    #[error("the manifest is for another {0}")]
    Mismatch(&'static str),
    #[error("its counter {counter} is below {floor}, which was installed before")]
    Rollback { counter: u64, floor: u64 },
    #[error("it was signed in epoch {found}; epoch {trusted} is trusted")]
    WrongEpoch { found: u64, trusted: u64 },
    #[error("it is for other hardware: {0}")]
    WrongHardware(String),
    #[error("it needs {0} in {1} or higher")]
    Requires(ModuleName, Version),
    #[error("the server did not say that this is what it wants now")]
    NotFresh,
    #[error("what the server wants now was said in answer to something else")]
    Replayed,
    #[error("what the server wants now was said to another device")]
    WrongDevice,
    #[error("the server does not want this package here now")]
    NotListed,
    #[error("what the server wants now is no longer true")]
    Stale,
    #[error("the trust document has expired; the owner of the root key has to sign the next one")]
    TrustExpired,
    #[error("version {found} of the trust document follows version {trusted}, not the one before")]
    TrustOutOfOrder { found: u64, trusted: u64 },
    #[error("the state of trust on this device cannot be read")]
    TrustUnreadable,
}

impl Distrust {
    /// One word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::BadSignature => "bad_signature",
            Self::TooFewSignatures { .. } => "too_few_signatures",
            Self::BadDocument(_) => "bad_document",
            Self::WeakKey => "weak_key",
            Self::Mismatch(_) => "mismatch",
            Self::Rollback { .. } => "rollback",
            Self::WrongEpoch { .. } => "wrong_epoch",
            Self::WrongHardware(_) => "wrong_hardware",
            Self::Requires(..) => "requires",
            Self::NotFresh => "not_fresh",
            Self::Replayed => "replayed",
            Self::WrongDevice => "wrong_device",
            Self::NotListed => "not_listed",
            Self::Stale => "stale",
            Self::TrustExpired => "trust_expired",
            Self::TrustOutOfOrder { .. } => "trust_out_of_order",
            Self::TrustUnreadable => "trust_unreadable",
        }
    }
}
