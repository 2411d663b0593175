//! What the registry hears, and what it has connections told.

use actix::prelude::*;

use crate::domain::{
    ConnectionCause, DeviceAuth, DeviceId, KeyId, ModuleName, Modules, OfferSpeech, SessionNo, Speech, Version,
};
use crate::store::{JoinRefusal, StoreError};

/// What a connection is told.
#[derive(Message, Debug, Clone)]
#[rtype(result = "()")]
pub enum ToDevice {
    Offer(OfferSpeech),
    Cancel { module: ModuleName, version: Version },
    Close { code: u16, reason: String },
}

/// A device says hello for the first time on its connection.
#[derive(Message)]
#[rtype(result = "Result<Joined, NotJoined>")]
pub struct Join {
    pub device_id: DeviceId,
    pub auth: DeviceAuth,
    pub modules: Modules,
    pub door: Recipient<ToDevice>,
}

/// The device is known, and this connection is its one.
#[derive(Debug, Clone)]
pub struct Joined {
    pub key_id: KeyId,
    pub session: SessionNo,
    /// The device's own token, when it has just enrolled.
    pub token: Option<String>,
}

/// Why a device is not let in.
#[derive(Debug, Clone)]
pub enum NotJoined {
    Refused(JoinRefusal),
    Trouble(StoreError),
}

/// A device tells other versions on the same connection. Answered once they are saved and the updater's queue has
/// them, so that nothing the device says next overtakes them.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Rejoin {
    pub key_id: KeyId,
    pub session: SessionNo,
    pub modules: Modules,
}

/// A connection has ended.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub key_id: KeyId,
    pub session: SessionNo,
    pub cause: ConnectionCause,
}

/// Something to be said to a device, if that session is still its one.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Say(pub Speech);

/// A device's tags were changed: rollouts for the new ones are for it too.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Refresh(pub KeyId);

/// Ends a device's connection, if it has one.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Disconnect {
    pub key_id: KeyId,
    pub code: u16,
    pub reason: String,
}

/// Ends every connection, in batches, for a restart.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// Devices come back within this many seconds.
    pub window_s: u32,
}

/// How many devices are connected.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct CountConnections;
