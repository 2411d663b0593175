//! What the server says to a device.

use serde::{Deserialize, Serialize};

use super::{ErrorCode, PROTOCOL_VERSION, ProtocolError};
use crate::domain::{
    BootId, DeviceId, ModuleName, Release, Requirements, RolloutId, Sha256Hex, Signed, Timestamp, Version,
};

/// One text message from server to device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to a hello.
    Welcome {
        device_id: DeviceId,
        #[serde(with = "crate::domain::millis_rfc3339")]
        server_time: Timestamp,
        report_interval_s: u32,
        protocol: u32,
        /// After enrolment, once: the device's own token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_token: Option<String>,
    },
    /// Asks the device which of these it needs.
    UpdateList {
        rollout_id: RolloutId,
        update_list: Vec<Offer>,
        /// All of them or none: to a device that supports sets.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all_or_nothing: bool,
        /// To a device that checks signatures: that this is what is wanted of it now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        freshness: Option<Signed>,
    },
    /// Trust documents that a device which checks signatures has not got yet, oldest first.
    Trust { documents: Vec<Signed> },
    /// Binary frames with bytes `offset` to `size` of this package follow.
    Package { app_name: ModuleName, version: Version, size: u64, sha256: Sha256Hex, offset: u64 },
    /// Stop receiving it; nothing more of it follows.
    Cancel { app_name: ModuleName, version: Version },
    /// Every report up to `seq` of this run that the server received is on disk.
    Ack {
        seq: u64,
        #[serde(default, skip_serializing_if = "unnamed")]
        boot_id: BootId,
    },
    /// A message was not taken. `seq` is that of the report, where it was one and could be read so far: sending it
    /// again will not help.
    Error {
        code: ErrorCode,
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    },
}

fn unnamed(run: &BootId) -> bool {
    run.as_str().is_empty()
}

/// One package of an `update_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub app_name: ModuleName,
    pub version: Version,
    pub size: u64,
    pub sha256: Sha256Hex,
    /// Signatures over the manifest, base64, with spaces between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The manifest's exact bytes, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Whether a version that is not higher than the device's own is to be taken too.
    #[serde(default)]
    pub allow_rollback: bool,
}

impl Offer {
    /// The offer of a release.
    #[must_use]
    pub fn of(release: &Release, allow_rollback: bool) -> Self {
        let signed = release.signature.as_deref().and_then(|text| Signed::from_json(text).ok());
        let (manifest, signature) = signed.map(|signed| signed.parts()).unzip();
        Self {
            app_name: release.module.clone(),
            version: release.version.clone(),
            size: release.size,
            sha256: release.sha256.clone(),
            signature,
            manifest,
            allow_rollback,
        }
    }

    /// The release that is offered.
    #[must_use]
    pub fn release(&self) -> Release {
        let parts = self.manifest.as_deref().zip(self.signature.as_deref());
        let signed = parts.and_then(|(manifest, signature)| Signed::from_parts(manifest, signature).ok());
        Release {
            module: self.app_name.clone(),
            version: self.version.clone(),
            size: self.size,
            sha256: self.sha256.clone(),
            signature: signed.map(|signed| signed.to_json()),
            requires: Requirements::default(),
        }
    }
}

impl ServerMessage {
    /// A welcome of this protocol version.
    #[must_use]
    pub fn welcome(device_id: DeviceId, now: Timestamp, report_interval_s: u32, device_token: Option<String>) -> Self {
        Self::Welcome { device_id, server_time: now, report_interval_s, protocol: PROTOCOL_VERSION, device_token }
    }

    /// As sent.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| {
            // Only maps with keys that are no text fail, and there are none.
            format!(r#"{{"type":"error","code":"bad_json","message":"{error}"}}"#)
        })
    }

    /// For the device's end. Fields that a later server adds are ignored.
    ///
    /// # Errors
    /// When it is no message of this protocol.
    pub fn from_json(text: &str) -> Result<Self, ProtocolError> {
        serde_json::from_str(text).map_err(|error| ProtocolError::new(ErrorCode::BadMessage, error.to_string()))
    }
}
