//! Tokens: who a secret is for, told by its first letters, so that a lost one can be recognised.

use super::Sha256Hex;

/// What a token lets its bearer do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Lets new devices in.
    Enrolment,
    /// A program's, for the API.
    Api,
    /// One device's own.
    Device,
    /// Makes the first admin, once.
    Setup,
    /// A browser's session.
    Session,
}

impl TokenKind {
    /// What every token of this kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Enrolment => "fwe_",
            Self::Api => "fwa_",
            Self::Device => "fwd_",
            Self::Setup => "fwi_",
            Self::Session => "fws_",
        }
    }
}

/// The form in which a token is stored and looked up. Tokens are 256 bits of chance, so a plain hash is enough.
#[must_use]
pub fn hash_token(token: &str) -> Sha256Hex {
    Sha256Hex::of(token.as_bytes())
}
