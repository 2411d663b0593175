//! The updater: every live rollout.
//!
//! Owns the engine. Saves, then speaks: what an event changes is written in one transaction with whatever else
//! waits, and only then devices are asked, watchers are told, and admins are answered. While the database is not
//! there, changes wait here, newest state of each row only, and nothing is said.

use std::collections::HashMap;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::registry::{RegistryActor, Say};
use super::{Feed, RolloutError, prepare};
use crate::clock::Clock;
use crate::domain::{
    Answer, Arrival, Assignment, Doing, Effects, Engine, KeyId, LiveEvent, ModuleName, Refusal, Rollout, RolloutId,
    RolloutRequest, SessionNo, Speech, Version,
};
use crate::store::{OpenRollout, RolloutChanges, Store};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(500);

/// The pause after a save that failed, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// What happens to devices, in order. Comes over one bounded channel, so that nothing is lost and nothing overtakes.
#[derive(Debug, Clone)]
pub enum FleetEvent {
    Arrived(Arrival),
    Departed(KeyId, SessionNo),
    Answered { key_id: KeyId, module: ModuleName, version: Version, answer: Answer },
    Did { key_id: KeyId, module: ModuleName, version: Version, doing: Doing },
}

/// Start a rollout.
#[derive(Message)]
#[rtype(result = "Result<RolloutId, RolloutError>")]
pub struct Start(pub RolloutRequest);

/// Steer a rollout.
#[derive(Message)]
#[rtype(result = "Result<(), RolloutError>")]
pub struct Steer {
    pub id: RolloutId,
    pub how: Steering,
    pub by: String,
}

/// What an admin does to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steering {
    Pause,
    Resume,
    Cancel,
}

/// A device was deleted.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Forget(pub KeyId);

/// Rollouts that are live.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct CountLive;

/// What waits to be saved, and what is to be done after it.
#[derive(Default)]
struct Outbox {
    rollouts: HashMap<RolloutId, Rollout>,
    assignments: HashMap<(RolloutId, KeyId, ModuleName), Assignment>,
    speech: Vec<Speech>,
    waiters: Vec<oneshot::Sender<()>>,
}

impl Outbox {
    fn is_empty(&self) -> bool {
        self.rollouts.is_empty() && self.assignments.is_empty() && self.speech.is_empty() && self.waiters.is_empty()
    }

    fn add(&mut self, effects: Effects) {
        self.rollouts.extend(effects.rollouts.into_iter().map(|rollout| (rollout.id, rollout)));
        let keyed = effects.assignments.into_iter().map(|row| ((row.rollout, row.key_id, row.module.clone()), row));
        self.assignments.extend(keyed);
        self.speech.extend(effects.speech);
    }

    fn changes(&self) -> RolloutChanges {
        RolloutChanges {
            rollouts: self.rollouts.values().cloned().collect(),
            assignments: self.assignments.values().cloned().collect(),
        }
    }
}

/// See the module.
pub struct UpdaterActor {
    store: Store,
    clock: Clock,
    feed: Feed,
    registry: Addr<RegistryActor>,
    events: Option<mpsc::Receiver<FleetEvent>>,
    engine: Engine,
    outbox: Outbox,
    saving: bool,
}

impl UpdaterActor {
    /// An updater that takes up the rollouts that the last life left open.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        feed: Feed,
        registry: Addr<RegistryActor>,
        events: mpsc::Receiver<FleetEvent>,
        open: Vec<OpenRollout>,
    ) -> Self {
        let (mut engine, mut outbox) = (Engine::default(), Outbox::default());
        for open in open {
            let OpenRollout { rollout, open, tallies, members } = open;
            info!(rollout_id = %rollout.id, state = %rollout.state, open = open.len(), "a rollout is taken up");
            outbox.add(engine.take_up(clock.now(), rollout, open, tallies, members));
        }
        Self { store, clock, feed, registry, events: Some(events), engine, outbox, saving: false }
    }

    fn on_event(&mut self, event: FleetEvent, ctx: &mut Context<Self>) {
        let now = self.clock.now();
        let effects = match event {
            FleetEvent::Arrived(arrival) => self.engine.arrived(now, arrival),
            FleetEvent::Departed(key_id, session) => self.engine.departed(now, key_id, session),
            FleetEvent::Answered { key_id, module, version, answer } => {
                self.engine.answered(now, key_id, &module, &version, answer)
            }
            FleetEvent::Did { key_id, module, version, doing } => {
                self.engine.did(now, key_id, &module, &version, doing)
            }
        };
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Effects, ctx: &mut Context<Self>) {
        self.outbox.add(effects);
        self.save(ctx);
    }

    /// Saves what waits, if no save is under way; the next one takes what comes meanwhile.
    fn save(&mut self, ctx: &mut Context<Self>) {
        if self.saving || self.outbox.is_empty() {
            return;
        }
        self.saving = true;
        let outbox = std::mem::take(&mut self.outbox);
        let store = self.store.clone();
        let saved = async move {
            let changes = outbox.changes();
            if !changes.rollouts.is_empty() || !changes.assignments.is_empty() {
                save_until_done(&store, changes).await;
            }
            outbox
        };
        ctx.spawn(saved.into_actor(self).map(|outbox, updater, ctx| {
            updater.saving = false;
            updater.speak(outbox);
            updater.save(ctx);
        }));
    }

    /// What rests on a save that has been made.
    fn speak(&mut self, outbox: Outbox) {
        for speech in outbox.speech {
            if let Err(error) = self.registry.try_send(Say(speech)) {
                // The lease ends by itself, and the device is asked again.
                warn!(%error, "a device could not be told");
            }
        }
        for rollout in outbox.rollouts.into_values() {
            info!(rollout_id = %rollout.id, state = %rollout.state, why = rollout.why, stage = rollout.open_stages,
                "a rollout moved");
            let Rollout { id: rollout_id, state, why, open_stages, .. } = rollout;
            self.feed.tell(LiveEvent::Rollout { rollout_id, state, why, open_stages });
        }
        if self.feed.is_watched() {
            for row in outbox.assignments.into_values() {
                let Assignment { rollout: rollout_id, key_id, module, state, reason, to: target, .. } = row;
                self.feed.tell(LiveEvent::Assignment { rollout_id, key_id, module, state, reason, target });
            }
        }
        for waiter in outbox.waiters {
            // Who asked may have gone.
            let _ = waiter.send(());
        }
    }
}

async fn save_until_done(store: &Store, changes: RolloutChanges) {
    let mut pause = RETRY_FIRST;
    while let Err(error) = store.save_rollouts(changes.clone()).await {
        error!(%error, "rollouts could not be saved yet; nothing is said to devices meanwhile");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MOST);
    }
}

impl Actor for UpdaterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(mut events) = self.events.take() {
            ctx.add_stream(futures_util::stream::poll_fn(move |cx| events.poll_recv(cx)));
        }
        ctx.run_interval(TICK, |updater, ctx| {
            let effects = updater.engine.tick(updater.clock.now());
            updater.carry_out(effects, ctx);
        });
        self.save(ctx);
    }
}

impl StreamHandler<FleetEvent> for UpdaterActor {
    fn handle(&mut self, event: FleetEvent, ctx: &mut Self::Context) {
        self.on_event(event, ctx);
    }

    fn finished(&mut self, _: &mut Self::Context) {}
}

impl Handler<Start> for UpdaterActor {
    type Result = ResponseFuture<Result<RolloutId, RolloutError>>;

    fn handle(&mut self, Start(request): Start, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        if let Some(same) = prepare::same_rollout(self.engine.rollouts(), &request) {
            let _ = answer.send(Err(same));
        } else {
            let (store, now) = (self.store.clone(), self.clock.now());
            let written = async move { prepare::write_down(&store, request, now).await };
            // Nothing else is handled until it is written down: of two admins who press at once, the second is told.
            ctx.wait(written.into_actor(self).map(|written, updater, ctx| {
                let answered = written.map(|ready| {
                    let id = ready.rollout.id;
                    let now = updater.clock.now();
                    let prepare::Ready { rollout, rows, tallies, members, away } = ready;
                    let effects = updater.engine.begin(now, rollout, rows, tallies, members, away);
                    updater.carry_out(effects, ctx);
                    id
                });
                // Who asked may have gone; the rollout goes on all the same.
                let _ = answer.send(answered);
            }));
        }
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(RolloutError::ending())) })
    }
}

impl Handler<Steer> for UpdaterActor {
    type Result = ResponseFuture<Result<(), RolloutError>>;

    fn handle(&mut self, steer: Steer, ctx: &mut Self::Context) -> Self::Result {
        let Steer { id, how, by } = steer;
        let now = self.clock.now();
        let steered = match how {
            Steering::Pause => self.engine.pause(now, id, format!("paused by {by}")),
            Steering::Resume => self.engine.resume(now, id),
            Steering::Cancel => self.engine.cancel(now, id, format!("cancelled by {by}")),
        };
        let effects = match steered {
            Ok(effects) => effects,
            Err(refusal) => {
                let store = self.store.clone();
                return Box::pin(async move { Err(refused(&store, id, refusal).await) });
            }
        };
        info!(rollout_id = %id, ?how, by, "a rollout was steered");
        let (done, saved) = oneshot::channel();
        self.outbox.waiters.push(done);
        self.carry_out(effects, ctx);
        Box::pin(async move { saved.await.map_err(|_| RolloutError::ending()) })
    }
}

/// One that the engine has not in hand has ended, or never was.
async fn refused(store: &Store, id: RolloutId, refusal: Refusal) -> RolloutError {
    match (refusal, store.rollout(id).await) {
        (Refusal::Forbidden(_), _) => RolloutError::Conflict(refusal.to_string()),
        (Refusal::NotLive, Ok(Some(summary))) => {
            RolloutError::Conflict(Refusal::Forbidden(summary.rollout.state).to_string())
        }
        (Refusal::NotLive, Ok(None)) => RolloutError::NotFound,
        (Refusal::NotLive, Err(error)) => RolloutError::Unavailable(error.to_string()),
    }
}

impl Handler<Forget> for UpdaterActor {
    type Result = ();

    fn handle(&mut self, Forget(key_id): Forget, ctx: &mut Self::Context) {
        let effects = self.engine.forget(self.clock.now(), key_id);
        self.outbox.assignments.retain(|(_, key, _), _| *key != key_id);
        self.carry_out(effects, ctx);
    }
}

impl Handler<CountLive> for UpdaterActor {
    type Result = usize;

    fn handle(&mut self, _: CountLive, _: &mut Self::Context) -> usize {
        self.engine.rollouts().filter(|rollout| rollout.state.is_live()).count()
    }
}
