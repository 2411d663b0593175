//! What the registry hears, and what it has connections told.

use actix::dev::SendError;
use actix::prelude::*;
use tracing::debug;

use super::RegistryActor;
use crate::actors::asking::Asked;
use crate::actors::post::Post;
use crate::domain::{
    ConnectionCause, DeviceAuth, DeviceId, KeyId, ModuleName, Modules, OfferSpeech, SessionNo, Speech, Timestamp,
    Version,
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

/// What a hello says of a device.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub modules: Modules,
    /// Whether it takes several packages all or not at all.
    pub sets: bool,
    /// When it said so, by its own clock.
    pub at: Option<Timestamp>,
}

/// A device says hello for the first time on its connection.
#[derive(Message)]
#[rtype(result = "Result<Joined, NotJoined>")]
pub struct Join {
    pub device_id: DeviceId,
    pub auth: DeviceAuth,
    pub hello: Told,
    pub door: Recipient<ToDevice>,
    /// The way to the thread that the connection lives on.
    pub post: Post,
}

/// The device is known, and this connection is its one.
#[derive(Debug)]
pub struct Joined {
    pub seat: Seat,
    /// The device's own token, when it has just enrolled.
    pub token: Option<String>,
}

/// A connection's place in the registry. Dropped, wherever that is, it is given up: also when the connection ended
/// while its hello was being saved, and nobody is left to say goodbye.
#[derive(Debug)]
pub struct Seat {
    pub registry: Addr<RegistryActor>,
    pub key_id: KeyId,
    pub session: SessionNo,
    /// How the connection ends, as far as it is known.
    pub cause: ConnectionCause,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Self { key_id, session, cause, .. } = *self;
        let Err(SendError::Full(leave)) = self.registry.try_send(Leave { key_id, session, cause }) else { return };
        // Must arrive, however full the registry's mailbox is; without a runtime the server has ended.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let registry = self.registry.clone();
            runtime.spawn(async move {
                if let Err(error) = registry.send(leave).await {
                    debug!(%error, "a goodbye came after the registry's end");
                }
            });
        }
    }
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
    pub hello: Told,
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
pub struct Say {
    pub speech: Speech,
    /// Dropped when it has arrived, or can't.
    pub asked: Asked,
}

/// A device's tags were changed: rollouts for the new ones are for it too. Answered once the updater's queue has it:
/// who changes many waits for each, so that they don't crowd out other readers of the database.
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
