//! The registry: every connected device, and the one door to each.
//!
//! Owns `device -> (address, session number)`. A goodbye with an old number is ignored, so that a late close can't
//! evict its successor. Keeps no history: that is the store's.

mod changing;
mod joining;
mod leaving;
mod messages;
mod present;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tracing::warn;

use super::asking::Asked;
use super::counts::Counts;
use super::post::Post;
use super::watch::Watch;
use super::{Feed, FleetEvent};
use crate::clock::Clock;
use crate::domain::{DeviceId, KeyId, LiveEvent, Modules, Recently, SessionNo, Speech};
use crate::protocol::close;
use crate::store::Store;

pub use self::messages::{
    Disconnect, Drain, Join, Joined, Leave, NotJoined, Refresh, Rejoin, Say, Seat, ToDevice, Told,
};
use self::present::Present;

/// How many hellos and goodbyes may wait here.
const MAILBOX: usize = 16 * 1024;

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
    present: Arc<Present>,
    door: Recipient<ToDevice>,
    post: Post,
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
    /// Connections that were to end while hellos were being saved, up to which session: one of those may be theirs.
    unwanted: HashMap<KeyId, (SessionNo, ToDevice)>,
    /// The server ends: whoever comes now is sent away too, to come back within so many seconds.
    draining: Option<u32>,
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
            unwanted: HashMap::new(),
            draining: None,
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

    /// Has a message handed to a session.
    fn say(&self, key_id: KeyId, session: Option<SessionNo>, message: ToDevice, asked: Option<Asked>) {
        let Some(connected) = self.connected.get(&key_id) else { return };
        if session.is_none_or(|session| session == connected.present.session) {
            connected.post.send(connected.door.clone(), message, asked);
        }
    }

    fn drain_batch(&mut self, mut left: Vec<Recipient<ToDevice>>, window_s: u32, ctx: &mut Context<Self>) {
        let batch = left.split_off(left.len().saturating_sub(DRAIN_BATCH));
        for door in batch {
            // One that is stalled is cut when the server ends.
            let _ = door.try_send(restart(window_s));
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

impl Handler<Say> for RegistryActor {
    type Result = ();

    fn handle(&mut self, Say { speech, asked }: Say, _: &mut Self::Context) {
        match speech {
            Speech::Offer(offer) => self.say(offer.key_id, Some(offer.session), ToDevice::Offer(offer), Some(asked)),
            Speech::Cancel { key_id, session, module, version } => {
                self.say(key_id, Some(session), ToDevice::Cancel { module, version }, Some(asked));
            }
        }
    }
}

impl Handler<Disconnect> for RegistryActor {
    type Result = ();

    fn handle(&mut self, disconnect: Disconnect, _: &mut Self::Context) {
        let Disconnect { key_id, code, reason } = disconnect;
        let close = ToDevice::Close { code, reason };
        if !self.joining.is_empty() {
            self.unwanted.insert(key_id, (SessionNo(self.last_session), close.clone()));
        }
        self.say(key_id, None, close, None);
    }
}

impl Handler<Drain> for RegistryActor {
    type Result = ();

    fn handle(&mut self, drain: Drain, ctx: &mut Self::Context) {
        self.draining = Some(drain.window_s);
        let doors = self.connected.values().map(|connected| connected.door.clone()).collect();
        self.drain_batch(doors, drain.window_s, ctx);
    }
}

fn restart(window_s: u32) -> ToDevice {
    ToDevice::Close { code: close::RESTART, reason: format!("restart; come back within {window_s} s") }
}

/// A write that has its place in the store's queue when this returns: what the registry writes gets on disk in the
/// order in which it says so, whatever the order in which the answers are waited for.
fn queued<T>(write: impl Future<Output = T>) -> impl Future<Output = T> {
    // Without a budget, which might be used up just now: then it would have no place yet.
    let mut write = Box::pin(tokio::task::unconstrained(write));
    let done = write.as_mut().now_or_never();
    async move {
        match done {
            Some(done) => done,
            None => write.await,
        }
    }
}
