//! Goodbyes: saved behind the hello before them, and never over the one after.

use actix::prelude::*;
use tracing::warn;

use super::{Leave, RETRY_PAUSE, RegistryActor, queued};
use crate::actors::FleetEvent;
use crate::actors::counts::Count;
use crate::domain::{ConnectionCause, DeviceId, KeyId};
use crate::store::StoreError;

impl Handler<Leave> for RegistryActor {
    type Result = ();

    fn handle(&mut self, leave: Leave, ctx: &mut Self::Context) {
        let Leave { key_id, session, cause } = leave;
        if self.connected.get(&key_id).is_none_or(|connected| connected.present.session != session) {
            return;
        }
        let Some(gone) = self.connected.remove(&key_id).map(|connected| connected.present) else { return };
        gone.leave();
        self.counts.set(Count::Connections, self.connected.len());
        self.tell_online(key_id, &gone.device_id, false, None);
        let (store, updater, now) = (self.store.clone(), self.updater.clone(), self.clock.now());
        if self.joining.contains_key(&gone.device_id) {
            // Its next hello is being saved: a goodbye written now would come behind it.
            self.leave_unless_back(key_id, gone.device_id.clone(), cause, ctx);
            let told = async move { updater.send(FleetEvent::Departed(key_id, session)).await };
            ctx.spawn(told.into_actor(self).map(|_, _, _| ()));
            return;
        }
        let left = queued(async move { store.leave(key_id, cause, now).await });
        let saved = async move { futures_util::join!(updater.send(FleetEvent::Departed(key_id, session)), left).1 };
        ctx.spawn(saved.into_actor(self).map(move |saved, registry, ctx| {
            registry.left(key_id, gone.device_id.clone(), cause, saved, ctx);
        }));
    }
}

impl RegistryActor {
    fn left(
        &mut self,
        key_id: KeyId,
        device_id: DeviceId,
        cause: ConnectionCause,
        saved: Result<(), StoreError>,
        ctx: &mut Context<Self>,
    ) {
        if let Err(error) = saved {
            warn!(%device_id, %error, "a goodbye could not be saved yet");
            self.leave_unless_back(key_id, device_id, cause, ctx);
        }
    }

    /// Saves a goodbye in a while, unless the device is back by then.
    fn leave_unless_back(
        &mut self,
        key_id: KeyId,
        device_id: DeviceId,
        cause: ConnectionCause,
        ctx: &mut Context<Self>,
    ) {
        ctx.run_later(RETRY_PAUSE, move |registry, ctx| {
            if registry.connected.contains_key(&key_id) {
                return;
            }
            if registry.joining.contains_key(&device_id) {
                return registry.leave_unless_back(key_id, device_id, cause, ctx);
            }
            let (store, now) = (registry.store.clone(), registry.clock.now());
            let saved = queued(async move { store.leave(key_id, cause, now).await });
            ctx.spawn(saved.into_actor(registry).map(move |saved, registry, ctx| {
                registry.left(key_id, device_id, cause, saved, ctx);
            }));
        });
    }
}
