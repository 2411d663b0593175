//! The registry: every connected device, and the one door to each.
//!
//! Owns `device -> (address, session number)`. A goodbye with an old number is ignored, so that a late close can't
//! evict its successor. Keeps no history: that is the store's.

mod joining;
mod leaving;
mod messages;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::SendError;
use actix::prelude::*;
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::warn;

use super::counts::Counts;
use super::watch::Watch;
use super::{Feed, FleetEvent};
use crate::clock::Clock;
use crate::domain::{Arrival, DeviceId, KeyId, LiveEvent, Modules, Readings, Recently, SessionNo, Speech, Tags};
use crate::protocol::close;
use crate::store::Store;

pub use self::messages::{Disconnect, Drain, Join, Joined, Leave, NotJoined, Refresh, Rejoin, Say, Seat, ToDevice};

/// How many hellos and goodbyes may wait here.
const MAILBOX: usize = 16 * 1024;

/// How long a message waits for a device whose mailbox is full before it is tried again.
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// How long a write that failed waits before it is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Connections closed at once while draining, and the pause between.
const DRAIN_BATCH: usize = 200;
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

/// So many connections of one device that were taken over by another ...
const CLONE_ALARM: usize = 3;
/// ... within this many minutes look as if two devices had one name.
const CLONE_ALARM_WITHIN_MIN: i64 = 10;

struct Connected {
    device_id: DeviceId,
    name: String,
    tags: Tags,
    session: SessionNo,
    /// Whether it takes several packages all or not at all.
    sets: bool,
    door: Recipient<ToDevice>,
}

/// See the module.
pub struct RegistryActor {
    store: Store,
    clock: Clock,
    feed: Feed,
    updater: mpsc::Sender<FleetEvent>,
    connected: HashMap<KeyId, Connected>,
    /// Hellos that are being saved: a goodbye that comes meanwhile must not be saved after them.
    joining: HashMap<DeviceId, u32>,
    last_session: i64,
    counts: Counts,
    takeovers: Recently<KeyId>,
    watch: Arc<Watch>,
}

impl RegistryActor {
    /// A registry of nobody yet.
    #[must_use]
    pub(super) fn new(
        store: Store,
        clock: Clock,
        feed: Feed,
        updater: mpsc::Sender<FleetEvent>,
        counts: Counts,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            store,
            clock,
            feed,
            updater,
            connected: HashMap::new(),
            joining: HashMap::new(),
            last_session: 0,
            counts,
            takeovers: Recently::new(TimeDelta::minutes(CLONE_ALARM_WITHIN_MIN)),
            watch,
        }
    }

    fn raise_clone_alarm(&self, key_id: KeyId) {
        let (store, now) = (self.store.clone(), self.clock.now());
        actix::spawn(async move {
            if let Err(error) = store.raise_clone_alarm(key_id, now).await {
                warn!(%key_id, %error, "the alarm could not be saved");
            }
        });
    }

    fn tell_online(&self, key_id: KeyId, device_id: &DeviceId, online: bool, modules: Option<Modules>) {
        let since = self.clock.now();
        self.feed.tell(LiveEvent::Device { key_id, device_id: device_id.clone(), online, since, modules });
    }

    fn arrival(&self, key_id: KeyId, modules: Modules, readings: Option<Box<Readings>>) -> Option<Arrival> {
        let connected = self.connected.get(&key_id)?;
        Some(Arrival {
            key_id,
            device_id: connected.device_id.clone(),
            name: connected.name.clone(),
            tags: connected.tags.clone(),
            session: connected.session,
            modules,
            readings,
            sets: connected.sets,
        })
    }

    /// Hands a message to a session, later again while its mailbox is full.
    fn say(&mut self, key_id: KeyId, session: Option<SessionNo>, message: ToDevice, ctx: &mut Context<Self>) {
        let Some(connected) = self.connected.get(&key_id) else { return };
        if session.is_some_and(|session| session != connected.session) {
            return;
        }
        let session = connected.session;
        match connected.door.try_send(message) {
            Ok(()) | Err(SendError::Closed(_)) => {}
            Err(SendError::Full(message)) => {
                ctx.run_later(BUSY_PAUSE, move |registry, ctx| registry.say(key_id, Some(session), message, ctx));
            }
        }
    }

    fn drain_batch(&mut self, mut left: Vec<Recipient<ToDevice>>, window_s: u32, ctx: &mut Context<Self>) {
        let batch = left.split_off(left.len().saturating_sub(DRAIN_BATCH));
        for door in batch {
            let reason = format!("restart; come back within {window_s} s");
            // One that is stalled is cut when the server ends.
            let _ = door.try_send(ToDevice::Close { code: close::RESTART, reason });
        }
        if !left.is_empty() {
            ctx.run_later(DRAIN_PAUSE, move |registry, ctx| registry.drain_batch(left, window_s, ctx));
        }
    }
}

impl Actor for RegistryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Handler<Rejoin> for RegistryActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, rejoin: Rejoin, _: &mut Self::Context) -> Self::Result {
        let Rejoin { key_id, session, modules, sets } = rejoin;
        let Some(connected) = self.connected.get_mut(&key_id).filter(|connected| connected.session == session) else {
            return Box::pin(async {});
        };
        connected.sets = sets;
        let device_id = connected.device_id.clone();
        self.tell_online(key_id, &device_id, true, Some(modules.clone()));
        let Some(mut arrival) = self.arrival(key_id, modules.clone(), None) else { return Box::pin(async {}) };
        let (store, updater, now) = (self.store.clone(), self.updater.clone(), self.clock.now());
        let asks_for_readings = self.watch.asks_for_readings();
        Box::pin(async move {
            // Saved before the updater acts on it; tried until it is.
            while let Err(error) = store.set_modules(key_id, modules.clone(), now).await {
                warn!(%key_id, %error, "versions could not be saved yet");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            if asks_for_readings {
                // Where they can't be read, those of its last hello or report count.
                let read = store.readings(vec![key_id], true).await.ok();
                arrival.readings = read.and_then(|mut read| read.remove(&key_id)).map(Box::new);
            }
            // The updater ends only with the server.
            let _ = updater.send(FleetEvent::Arrived(arrival)).await;
        })
    }
}

impl Handler<Say> for RegistryActor {
    type Result = ();

    fn handle(&mut self, Say(speech): Say, ctx: &mut Self::Context) {
        match speech {
            Speech::Offer(offer) => self.say(offer.key_id, Some(offer.session), ToDevice::Offer(offer), ctx),
            Speech::Cancel { key_id, session, module, version } => {
                self.say(key_id, Some(session), ToDevice::Cancel { module, version }, ctx);
            }
        }
    }
}

impl Handler<Disconnect> for RegistryActor {
    type Result = ();

    fn handle(&mut self, disconnect: Disconnect, ctx: &mut Self::Context) {
        let Disconnect { key_id, code, reason } = disconnect;
        self.say(key_id, None, ToDevice::Close { code, reason }, ctx);
    }
}

impl Handler<Refresh> for RegistryActor {
    type Result = ();

    fn handle(&mut self, Refresh(key_id): Refresh, ctx: &mut Self::Context) {
        let store = self.store.clone();
        let read = async move { store.device_by_key(key_id).await };
        ctx.spawn(read.into_actor(self).map(move |device, registry, ctx| match device {
            Ok(Some(device)) => {
                if let Some(connected) = registry.connected.get_mut(&key_id) {
                    connected.name = device.name;
                    connected.tags = device.tags;
                }
                let readings = device.status.map(|status| Box::new(Readings::of(&status.report)));
                if let Some(arrival) = registry.arrival(key_id, device.modules, readings) {
                    let updater = registry.updater.clone();
                    // The updater ends only with the server.
                    let told = async move { updater.send(FleetEvent::Arrived(arrival)).await };
                    ctx.spawn(told.into_actor(registry).map(|_, _, _| ()));
                }
            }
            Ok(None) => {}
            Err(error) => warn!(%key_id, %error, "new tags count from the next hello on"),
        }));
    }
}

impl Handler<Drain> for RegistryActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        let doors = self.connected.values().map(|connected| connected.door.clone()).collect();
        self.drain_batch(doors, drain.window_s, ctx);
    }
}
