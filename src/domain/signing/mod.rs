//! What a device may believe: documents that are signed over their exact bytes.
//!
//! In reading order:
//! - [`key`]: Ed25519 keys, and what a signature is for.
//! - [`signed`]: a document as it is kept and sent: bytes, and signatures over exactly these.
//! - [`trust`]: which keys may say what, and how one version of that follows another.
//! - [`manifest`]: what one package is; [`files`]: what is in it.
//! - [`freshness`]: that this is what the server wants of this device now.
//! - [`judge`]: the device's verdict over an offer.
//! - [`distrust`]: every reason against one, each with its code.
//!
//! No document is ever written again from what was read of it: what was signed is what is compared, kept and sent.

mod distrust;
mod files;
mod freshness;
mod judge;
mod key;
mod manifest;
mod signed;
mod trust;

pub use distrust::Distrust;
pub use files::ListedFile;
pub use freshness::Freshness;
pub use judge::{Floor, Surroundings, check_freshness, check_release};
pub use key::{Fingerprint, PublicKey, Purpose, SecretKey};
pub use manifest::{ChunkHasher, Chunks, Manifest};
pub use signed::Signed;
pub use trust::{Quorum, Trust};

#[cfg(test)]
mod tests;
