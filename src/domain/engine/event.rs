//! What devices say and do, as the engine hears it.

use crate::domain::{DeviceId, KeyId, Modules, Readings, SessionNo, Tags, Timestamp};

/// A device that says hello, as the engine sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub name: String,
    pub tags: Tags,
    pub session: SessionNo,
    pub modules: Modules,
    /// What its last report says, where one has come and was asked for; `None` leaves what is known of this connection.
    pub readings: Option<Box<Readings>>,
    /// Whether its program can install several modules as one.
    pub sets: bool,
    /// When it said hello, by its own clock.
    pub told_at: Option<Timestamp>,
}

/// What a device answered to an `update_list`, for one package of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Wanted,
    /// With the reason's word.
    Declined(String),
}

/// What a device did with a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// Its bytes begin to go out.
    Sending,
    /// It has every byte.
    Received,
    /// It has unpacked it, and waits for the others of its set before it switches to any.
    Staged,
    Installed,
    /// It took its bytes too slowly, and others had their turn.
    TooSlow,
    Failed(String),
    RolledBack(String),
}
