//! A device's first hello on a connection: saved, taken in, told to the updater.

use std::sync::Arc;

use actix::prelude::*;
use tracing::{info, warn};

use super::present::{Known, Present};
use super::{CLONE_ALARM, Connected, Join, Joined, NotJoined, RegistryActor, Seat, ToDevice, Told, queued, restart};
use crate::actors::FleetEvent;
use crate::actors::counts::Count;
use crate::actors::post::Post;
use crate::domain::{
    Arrival, ConnectionCause, DeviceAuth, DeviceId, KeyId, Readings, SessionNo, Sha256Hex, Tags, TokenKind,
};
use crate::protocol::close;
use crate::store::secrets::new_token;
use crate::store::{JoinOutcome, JoinRequest, StoreError};

/// A device that the store has taken in.
struct Taken {
    key_id: KeyId,
    session: SessionNo,
    name: String,
    tags: Tags,
    readings: Option<Box<Readings>>,
    device_id: DeviceId,
    hello: Told,
    door: Recipient<ToDevice>,
    post: Post,
}

impl Handler<Join> for RegistryActor {
    type Result = ResponseActFuture<Self, Result<Joined, NotJoined>>;

    fn handle(&mut self, join: Join, ctx: &mut Self::Context) -> Self::Result {
        let (token, hash) = match join.auth {
            DeviceAuth::Enrolment(_) => match new_token(TokenKind::Device) {
                Ok((token, hash)) => (Some(token), hash),
                Err(error) => {
                    let trouble = NotJoined::Trouble(StoreError::Unavailable(error.to_string()));
                    return Box::pin(actix::fut::ready(Err(trouble)));
                }
            },
            DeviceAuth::Open | DeviceAuth::Device(..) => (None, Sha256Hex::of(b"")),
        };
        // By the order in which they came, whatever the order in which they are saved.
        self.last_session += 1;
        let (session, registry_address) = (SessionNo(self.last_session), ctx.address());
        let (store, now) = (self.store.clone(), self.clock.now());
        let request = JoinRequest {
            device_id: join.device_id.clone(),
            auth: join.auth.clone(),
            modules: join.hello.modules.clone(),
            sets: join.hello.sets,
            readings: self.watch.asks_for_readings(),
            new_token_hash: hash,
            now,
        };
        *self.joining.entry(join.device_id.clone()).or_default() += 1;
        let saved = queued(async move { store.join(request).await });
        let taken = saved.into_actor(self).map(move |outcome, registry, _| {
            let named = join.device_id.clone();
            let outcome = match outcome {
                Ok(JoinOutcome::Joined { key_id, name, tags, readings, enrolled }) => {
                    let token = token.filter(|_| enrolled);
                    let Join { device_id, hello, door, post, .. } = join;
                    let taken = Taken { key_id, session, name, tags, readings, device_id, hello, door, post };
                    let arrival = registry.take_in(taken);
                    let seat = Seat { registry: registry_address, key_id, session, cause: ConnectionCause::Lost };
                    Ok((Joined { seat, token }, arrival, registry.updater.clone()))
                }
                Ok(JoinOutcome::Refused(refusal)) => Err(NotJoined::Refused(refusal)),
                Err(error) => Err(NotJoined::Trouble(error)),
            };
            registry.no_longer_joining(&named);
            outcome
        });
        let told = taken.then(|outcome, registry, _| {
            async move {
                let (joined, arrival, updater) = outcome?;
                if let Some(arrival) = arrival {
                    // The updater ends only with the server.
                    let _ = updater.send(FleetEvent::Arrived(arrival)).await;
                }
                Ok(joined)
            }
            .into_actor(registry)
        });
        Box::pin(told)
    }
}

impl RegistryActor {
    /// The device is on disk: this connection is its one from now on, unless it said hello on a later one meanwhile.
    fn take_in(&mut self, taken: Taken) -> Option<Arrival> {
        let Taken { key_id, session, name, tags, readings, device_id, hello: told, door, post } = taken;
        if self.connected.get(&key_id).is_some_and(|connected| connected.present.session > session) {
            post.send(door, replaced(), None);
            return None;
        }
        let modules = told.modules.clone();
        let present = Arc::new(Present::new(key_id, device_id, session, Known { name, tags, told }));
        let connected = Connected { present: Arc::clone(&present), door, post };
        if let Some(before) = self.connected.insert(key_id, connected) {
            before.present.leave();
            info!(device_id = %present.device_id, "another connection took over");
            if self.takeovers.count(self.clock.steady(), key_id) == CLONE_ALARM {
                self.counts.add(Count::Clones);
                warn!(device_id = %present.device_id, "two devices seem to have the same device_id: connections under it \
                    take over from each other again and again");
                self.raise_clone_alarm(key_id);
            }
            before.post.send(before.door, replaced(), None);
        }
        self.counts.set(Count::Connections, self.connected.len());
        self.tell_online(key_id, &present.device_id, true, Some(modules));
        self.send_away_again(key_id, session);
        Some(present.arrival(readings))
    }

    /// What was said to all, or to this device's connection, while its hello was being saved, is for it too.
    fn send_away_again(&self, key_id: KeyId, session: SessionNo) {
        let unwanted = self.unwanted.get(&key_id).filter(|(up_to, _)| session <= *up_to);
        let close = unwanted.map(|(_, close)| close.clone()).or(self.draining.map(restart));
        if let Some(close) = close {
            self.say(key_id, Some(session), close, None);
        }
    }

    /// A hello has been saved, or not.
    fn no_longer_joining(&mut self, device_id: &DeviceId) {
        if let Some(count) = self.joining.get_mut(device_id) {
            *count -= 1;
            if *count == 0 {
                self.joining.remove(device_id);
            }
        }
        if self.joining.is_empty() {
            self.unwanted.clear();
        }
    }
}

/// Another connection took over.
fn replaced() -> ToDevice {
    ToDevice::Close { code: close::REPLACED, reason: "replaced".to_owned() }
}
