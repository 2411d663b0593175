//! What changes while a device is connected: the versions that it tells, and the name and tags that people give it.

use actix::fut::ready;
use actix::prelude::*;
use tracing::warn;

use super::{RETRY_PAUSE, Refresh, RegistryActor, Rejoin, Told, queued};
use crate::actors::FleetEvent;
use crate::domain::{KeyId, Readings, SessionNo};

impl Handler<Rejoin> for RegistryActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, rejoin: Rejoin, _: &mut Self::Context) -> Self::Result {
        let Rejoin { key_id, session, hello } = rejoin;
        if let Some(connected) = self.connected.get(&key_id).filter(|connected| connected.session == session) {
            self.tell_online(key_id, &connected.device_id, true, Some(hello.modules.clone()));
        }
        self.save_versions(key_id, session, hello)
    }
}

impl Handler<Refresh> for RegistryActor {
    type Result = ResponseActFuture<Self, ()>;

    fn handle(&mut self, Refresh(key_id): Refresh, _: &mut Self::Context) -> Self::Result {
        if !self.connected.contains_key(&key_id) {
            return Box::pin(ready(()));
        }
        let store = self.store.clone();
        let read = async move { store.device_by_key(key_id).await };
        Box::pin(read.into_actor(self).then(move |device, registry, _| match device {
            Ok(Some(device)) => {
                if let Some(connected) = registry.connected.get_mut(&key_id) {
                    (connected.name, connected.tags) = (device.name, device.tags);
                }
                let readings = device.status.map(|status| Box::new(Readings::of(&status.report)));
                registry.tell_updater(key_id, readings)
            }
            Ok(None) => Box::pin(ready(())),
            Err(error) => {
                warn!(%key_id, %error, "new tags count from the next hello on");
                Box::pin(ready(()))
            }
        }))
    }
}

impl RegistryActor {
    /// Saves what a device runs before the updater acts on it: again and again until it is saved, as long as the
    /// connection is the device's one, so that nothing is written over what it says on the next.
    fn save_versions(&self, key_id: KeyId, session: SessionNo, hello: Told) -> ResponseActFuture<Self, ()> {
        if self.connected.get(&key_id).is_none_or(|connected| connected.session != session) {
            return Box::pin(ready(()));
        }
        let (store, modules, now) = (self.store.clone(), hello.modules.clone(), self.clock.now());
        let saved = queued(async move { store.set_modules(key_id, modules, now).await });
        Box::pin(saved.into_actor(self).then(move |saved, registry, _| match saved {
            Ok(()) => {
                if let Some(connected) = registry.connected.get_mut(&key_id).filter(|now| now.session == session) {
                    connected.told = hello;
                }
                registry.read_and_tell(key_id)
            }
            Err(error) => {
                warn!(%key_id, %error, "versions could not be saved yet");
                let pause = tokio::time::sleep(RETRY_PAUSE).into_actor(registry);
                Box::pin(pause.then(move |(), registry, _| registry.save_versions(key_id, session, hello)))
            }
        }))
    }

    fn read_and_tell(&self, key_id: KeyId) -> ResponseActFuture<Self, ()> {
        if !self.watch.asks_for_readings() {
            return self.tell_updater(key_id, None);
        }
        let store = self.store.clone();
        let read = async move {
            // Where they can't be read, those of its last hello or report count.
            let read = store.readings(vec![key_id], true).await.ok();
            read.and_then(|mut read| read.remove(&key_id)).map(Box::new)
        };
        Box::pin(read.into_actor(self).then(move |readings, registry, _| registry.tell_updater(key_id, readings)))
    }

    /// Done when the updater's queue has it.
    fn tell_updater(&self, key_id: KeyId, readings: Option<Box<Readings>>) -> ResponseActFuture<Self, ()> {
        let Some(arrival) = self.arrival(key_id, readings) else { return Box::pin(ready(())) };
        let updater = self.updater.clone();
        let told = async move {
            // The updater ends only with the server.
            let _ = updater.send(FleetEvent::Arrived(arrival)).await;
        };
        Box::pin(told.into_actor(self))
    }
}
