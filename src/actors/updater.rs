//! The updater: every live rollout.
//!
//! Owns the engine. Saves, then speaks: what an event changes is written in one transaction with whatever else
//! waits, and only then devices are asked, watchers are told, and admins are answered. While the database is not
//! there, changes wait here, newest state of each row only, and nothing is said.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::dev::SendError;
use actix::prelude::*;
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::{error, info};

mod outbox;
mod steering;

use self::outbox::{Batch, Outbox};
pub use self::steering::{Explain, Forget, Free, Retry, Start, Steer, Steering, TakeBack, TakenBack};
use super::Feed;
use super::asking::Asking;
use super::counts::{Count, Counts};
use super::registry::{RegistryActor, Say};
use super::watch::Watch;
use crate::clock::Clock;
use crate::domain::{
    Answer, Arrival, Assignment, Doing, Effects, Engine, KeyId, LiveEvent, ModuleName, OpenCourse, Rollout, SessionNo,
    Strike, Timestamp, Version, Vitals,
};
use crate::store::{RolloutChanges, Store};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(500);

/// The pause after a save that failed, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// How long what is to be said waits while the registry's mailbox is full.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// A save that takes so long says that the database is in trouble: nothing more is begun meanwhile.
const STUCK: TimeDelta = TimeDelta::seconds(3);

/// What happens to devices, in order. Comes over one bounded channel, so that nothing is lost and nothing overtakes.
#[derive(Debug, Clone)]
pub enum FleetEvent {
    Arrived(Arrival),
    Departed(KeyId, SessionNo),
    Answered {
        key_id: KeyId,
        module: ModuleName,
        version: Version,
        answer: Answer,
    },
    Did {
        key_id: KeyId,
        module: ModuleName,
        version: Version,
        doing: Doing,
    },
    /// A report of a device that is watched was stored.
    Reported(KeyId, Vitals),
}

/// See the module.
pub struct UpdaterActor {
    store: Store,
    clock: Clock,
    feed: Feed,
    registry: Addr<RegistryActor>,
    asking: Asking,
    events: Option<mpsc::Receiver<FleetEvent>>,
    engine: Engine,
    outbox: Outbox,
    /// Saved, and not said yet: the registry's mailbox was full.
    unsaid: VecDeque<Say>,
    /// Since when a save is under way, by the steady clock.
    saving: Option<Timestamp>,
    watch: Arc<Watch>,
    counts: Counts,
    approval: bool,
}

/// What the updater is made of.
pub struct UpdaterParts {
    pub store: Store,
    pub clock: Clock,
    pub feed: Feed,
    pub registry: Addr<RegistryActor>,
    /// Counts the offers that are on their way.
    pub(super) asking: Asking,
    pub events: mpsc::Receiver<FleetEvent>,
    /// The rollouts that the last life left open, and what failed for good before.
    pub open: Vec<OpenCourse>,
    pub strikes: Vec<Strike>,
    /// Whose reports the updater wants.
    pub watch: Arc<Watch>,
    pub(super) counts: Counts,
    /// Assignments of all rollouts that may be under way at once.
    pub fleet_limit: Option<u32>,
    /// Whether a second person must agree to a rollout.
    pub approval: bool,
}

impl UpdaterActor {
    /// An updater that takes up what the last life left open.
    #[must_use]
    pub fn new(parts: UpdaterParts) -> Self {
        let UpdaterParts {
            store,
            clock,
            feed,
            registry,
            asking,
            events,
            open,
            strikes,
            watch,
            counts,
            fleet_limit,
            approval,
        } = parts;
        let (mut engine, mut outbox) = (Engine::new(fleet_limit, strikes), Outbox::default());
        for open in open {
            let id = open.rollout.id;
            info!(rollout_id = %id, state = %open.rollout.state, open = open.rows.len(), "a rollout is taken up");
            outbox.add(engine.take_up(clock.now(), open), &asking);
            watch.add(engine.watched(id));
        }
        let events = Some(events);
        let updater = Self {
            store,
            clock,
            feed,
            registry,
            asking,
            events,
            engine,
            outbox,
            unsaid: VecDeque::new(),
            saving: None,
            watch,
            counts,
            approval,
        };
        updater.look_at_rollouts();
        updater
    }

    /// A rollout began, or is another.
    fn look_at_rollouts(&self) {
        self.watch.ask_for_readings(self.engine.asks_for_readings());
        let live = self.engine.rollouts().filter(|rollout| rollout.state.is_live()).count();
        self.counts.set(Count::RolloutsLive, live);
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
            FleetEvent::Reported(key_id, vitals) => self.engine.reported(now, key_id, vitals),
        };
        self.carry_out(effects, ctx);
    }

    fn carry_out(&mut self, effects: Effects, ctx: &mut Context<Self>) {
        self.take_in(effects);
        self.save(ctx);
    }

    fn take_in(&mut self, effects: Effects) {
        for key in effects.assignments.iter().map(|row| row.key_id) {
            self.watch.set(key, self.engine.watches(key));
        }
        if !effects.rollouts.is_empty() {
            self.look_at_rollouts();
        }
        self.outbox.add(effects, &self.asking);
    }

    /// Saves what waits, if no save is under way; the next one takes what comes meanwhile.
    fn save(&mut self, ctx: &mut Context<Self>) {
        if self.saving.is_some() || self.outbox.is_empty() {
            return;
        }
        self.saving = Some(self.clock.steady());
        let batch = self.outbox.take();
        let store = self.store.clone();
        let saved = async move {
            let changes = batch.changes();
            if !changes.is_empty() {
                save_until_done(&store, changes).await;
            }
            batch
        };
        ctx.spawn(saved.into_actor(self).map(|batch, updater, ctx| {
            updater.saving = None;
            let effects = updater.engine.let_go(updater.clock.now());
            updater.speak(batch, ctx);
            updater.carry_out(effects, ctx);
        }));
    }

    /// What rests on a save that has been made.
    fn speak(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        self.unsaid.extend(batch.speech);
        self.say_on(ctx);
        for rollout in batch.rollouts.into_values() {
            info!(rollout_id = %rollout.id, state = %rollout.state, why = rollout.why, stage = rollout.open_stages,
                "a rollout moved");
            let Rollout { id: rollout_id, state, why, open_stages, .. } = rollout;
            self.feed.tell(LiveEvent::Rollout { rollout_id, state, why, open_stages });
        }
        if self.feed.is_watched() {
            for row in batch.assignments.into_values() {
                let Assignment { rollout: rollout_id, key_id, module, state, reason, to: target, .. } = row;
                self.feed.tell(LiveEvent::Assignment { rollout_id, key_id, module, state, reason, target });
            }
        }
        for waiter in batch.waiters {
            // Who asked may have gone.
            let _ = waiter.send(());
        }
    }
}

impl UpdaterActor {
    /// Says what is to be said, in order, however full the registry's mailbox is: what is dropped, such as a cancel,
    /// would not be said again.
    fn say_on(&mut self, ctx: &mut Context<Self>) {
        while let Some(say) = self.unsaid.pop_front() {
            // The registry ends only with the server.
            if let Err(SendError::Full(say)) = self.registry.try_send(say) {
                self.unsaid.push_front(say);
                ctx.run_later(FULL_PAUSE, Self::say_on);
                return;
            }
        }
    }
}

async fn save_until_done(store: &Store, changes: RolloutChanges) {
    let changes = Arc::new(changes);
    let mut pause = RETRY_FIRST;
    while let Err(error) = store.save_rollouts(Arc::clone(&changes)).await {
        error!(%error, "rollouts could not be saved yet; nothing is said to devices meanwhile");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MOST);
    }
}

impl Actor for UpdaterActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(events) = self.events.take() {
            // What the first devices answer is dealt with once the last have been asked.
            ctx.add_stream(self.asking.after(events));
        }
        ctx.run_interval(TICK, |updater, ctx| {
            let now = updater.clock.steady();
            if updater.saving.is_some_and(|since| now - since >= STUCK) {
                return updater.engine.hold();
            }
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
