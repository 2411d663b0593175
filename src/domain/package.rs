//! A package: one file, one version of one module.

use serde::{Deserialize, Serialize};

use super::{ModuleName, PackageId, Requirements, Sha256Hex, Timestamp, Version};

/// A package in the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    #[serde(skip_serializing)]
    pub id: PackageId,
    /// The module it is a version of.
    pub name: ModuleName,
    pub version: Version,
    /// Bytes.
    pub size: u64,
    pub sha256: Sha256Hex,
    /// The name the file was uploaded under; shown, and given to a download. Never used as a path.
    pub file_name: String,
    /// What the uploader wants others to know.
    pub notes: String,
    #[serde(with = "super::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
    /// The keys that signed its manifest, with commas between; `server/` before one that this server holds.
    pub signed_by: Option<String>,
    /// Its manifest with the signatures over it: the JSON of a [`Signed`](super::Signed).
    #[serde(skip_serializing)]
    pub signature: Option<String>,
    /// What it asks of the device it goes to.
    pub requires: Requirements,
}

impl Package {
    /// What a rollout and the wire need of it.
    #[must_use]
    pub fn release(&self) -> Release {
        Release {
            module: self.name.clone(),
            version: self.version.clone(),
            size: self.size,
            sha256: self.sha256.clone(),
            signature: self.signature.clone(),
            requires: self.requires.clone(),
        }
    }
}

/// One module's target in a rollout: which bytes, as which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    pub module: ModuleName,
    pub version: Version,
    /// Bytes.
    pub size: u64,
    pub sha256: Sha256Hex,
    /// As in [`Package`]; devices that trust a key check it.
    pub signature: Option<String>,
    /// What it asks of the device; the server sees to it.
    #[serde(default)]
    pub requires: Requirements,
}
