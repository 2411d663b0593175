//! What just happened, for pages that are open: what the live stream tells.

use serde::Serialize;

use super::{
    AssignmentState, DeviceId, KeyId, ModuleName, Modules, RolloutId, RolloutState, Sample, Timestamp, Version,
};

/// One thing that happened. Serialised as the data of a Server-Sent Event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LiveEvent {
    /// A device came, went, or told other versions.
    Device {
        key_id: KeyId,
        device_id: DeviceId,
        online: bool,
        #[serde(with = "super::millis_rfc3339")]
        since: Timestamp,
        /// Its versions; `None` when it went.
        modules: Option<Modules>,
    },
    /// A report is on disk.
    Report {
        key_id: KeyId,
        device_id: DeviceId,
        #[serde(with = "super::millis_rfc3339")]
        reported_at: Timestamp,
        sample: Sample,
    },
    /// An assignment changed.
    Assignment {
        rollout_id: RolloutId,
        key_id: KeyId,
        module: ModuleName,
        state: AssignmentState,
        reason: Option<String>,
        target: Version,
    },
    /// Bytes moved.
    Transfer { key_id: KeyId, module: ModuleName, received: u64, size: u64 },
    /// A rollout changed its state or opened a stage.
    Rollout { rollout_id: RolloutId, state: RolloutState, why: Option<String>, open_stages: u32 },
}

impl LiveEvent {
    /// The SSE event name: `device`, `report`, `assignment`, `transfer`, `rollout`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Device { .. } => "device",
            Self::Report { .. } => "report",
            Self::Assignment { .. } => "assignment",
            Self::Transfer { .. } => "transfer",
            Self::Rollout { .. } => "rollout",
        }
    }
}
