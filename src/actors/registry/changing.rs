//! What changes while a device is connected: the versions that it tells, and the name and tags that people give it.
//!
//! What is under way for one device runs beside the actor: a context looks at all that it has spawned whenever one of
//! it moves, which a flood of hellos would make dear.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::mpsc;
use tracing::warn;

use super::present::Present;
use super::{RETRY_PAUSE, Refresh, RegistryActor, Rejoin, queued};
use crate::actors::FleetEvent;
use crate::domain::Readings;

impl Handler<Rejoin> for RegistryActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, rejoin: Rejoin, _: &mut Self::Context) -> Self::Result {
        let Rejoin { key_id, session, hello } = rejoin;
        let connected = self.connected.get(&key_id).filter(|connected| connected.present.session == session);
        let Some(present) = connected.map(|connected| Arc::clone(&connected.present)) else {
            return Box::pin(async {});
        };
        self.tell_online(key_id, &present.device_id, true, Some(hello.modules.clone()));
        let (store, updater, now) = (self.store.clone(), self.updater.clone(), self.clock.now());
        let asks_for_readings = self.watch.asks_for_readings();
        let save = {
            let (store, modules) = (store.clone(), hello.modules.clone());
            move || {
                let (store, modules) = (store.clone(), modules.clone());
                queued(async move { store.set_modules(key_id, modules, now).await })
            }
        };
        let mut saved = save();
        Box::pin(async move {
            // Saved before the updater acts on it: again and again until it is, as long as the connection is the
            // device's one, so that nothing is written over what it says on the next.
            while let Err(error) = saved.await {
                warn!(%key_id, %error, "versions could not be saved yet");
                tokio::time::sleep(RETRY_PAUSE).await;
                if present.is_gone() {
                    return;
                }
                saved = save();
            }
            present.known().told = hello;
            let mut readings = None;
            if asks_for_readings {
                // Where they can't be read, those of its last hello or report count.
                let read = store.readings(vec![key_id], true).await.ok();
                readings = read.and_then(|mut read| read.remove(&key_id)).map(Box::new);
            }
            tell(&updater, &present, readings).await;
        })
    }
}

impl Handler<Refresh> for RegistryActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, Refresh(key_id): Refresh, _: &mut Self::Context) -> Self::Result {
        let Some(present) = self.connected.get(&key_id).map(|connected| Arc::clone(&connected.present)) else {
            return Box::pin(async {});
        };
        let (store, updater) = (self.store.clone(), self.updater.clone());
        Box::pin(async move {
            match store.device_by_key(key_id).await {
                Ok(Some(device)) => {
                    let readings = device.status.map(|status| Box::new(Readings::of(&status.report)));
                    {
                        let mut known = present.known();
                        (known.name, known.tags) = (device.name, device.tags);
                    }
                    tell(&updater, &present, readings).await;
                }
                Ok(None) => {}
                Err(error) => warn!(%key_id, %error, "new tags count from the next hello on"),
            }
        })
    }
}

/// Done when the updater's queue has it.
async fn tell(updater: &mpsc::Sender<FleetEvent>, present: &Present, readings: Option<Box<Readings>>) {
    // What is told of a connection that has gone would bring it back.
    if !present.is_gone() {
        // The updater ends only with the server.
        let _ = updater.send(FleetEvent::Arrived(present.arrival(readings))).await;
    }
}
