//! That this is what the server wants of this device now.

use serde::{Deserialize, Serialize};

use crate::domain::{DeviceId, Sha256Hex, Timestamp, millis_rfc3339};

/// Said by the server's online key, in answer to the number that the device made up for this connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    pub device_id: DeviceId,
    /// The device's.
    pub nonce: String,
    #[serde(with = "millis_rfc3339")]
    pub issued_at: Timestamp,
    #[serde(with = "millis_rfc3339")]
    pub expires_at: Timestamp,
    /// Digests of the manifests that are wanted, all of them: what is not listed is not.
    pub manifests: Vec<Sha256Hex>,
}
