//! What is known of one device.

use std::collections::BTreeMap;

use super::{DeviceId, KeyId, ModuleName, Report, Timestamp, Version};

/// The modules of a device and the version it says it runs of each.
pub type Modules = BTreeMap<ModuleName, Version>;

/// Words an admin gave a device: `region = east`.
pub type Tags = BTreeMap<String, String>;

/// One device's row, as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    pub key_id: KeyId,
    pub device_id: DeviceId,
    /// What people call it; the `device_id` until somebody renames it.
    pub name: String,
    pub online: bool,
    /// Since when it is online or offline.
    pub since: Timestamp,
    pub created_at: Timestamp,
    pub tags: Tags,
    pub modules: Modules,
    /// An admin has allowed this `device_id` to enrol again.
    pub may_enrol_again: bool,
    /// The last report, where one has come.
    pub status: Option<Status>,
}

/// The newest report of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub report: Report,
    /// When the server had it.
    pub received_at: Timestamp,
}

/// One change of a module's version on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionChange {
    pub module: ModuleName,
    /// `None`: the module was seen for the first time.
    pub from: Option<Version>,
    /// `None`: the device no longer lists the module.
    pub to: Option<Version>,
    pub at: Timestamp,
}
