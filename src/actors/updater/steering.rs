//! What people do to rollouts: start, steer, try again, take back.

use std::collections::{BTreeMap, HashMap};

use actix::prelude::*;
use tokio::sync::oneshot;
use tracing::info;

use super::super::{RolloutError, prepare, way_back};
use super::UpdaterActor;
use crate::domain::{
    Assignment, Decision, Effects, KeyId, ModuleName, OpenCourse, Refusal, Rollout, RolloutId, RolloutRequest,
    RolloutState,
};
use crate::store::{Store, StoreError};

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
    /// A draft shall go out.
    Launch,
    /// A second person agrees.
    Approve,
}

/// Another try of what ended badly; of these devices, or of all. Answers how many assignments are tried again.
#[derive(Message)]
#[rtype(result = "Result<usize, RolloutError>")]
pub struct Retry {
    pub id: RolloutId,
    pub only: Option<Vec<KeyId>>,
    pub by: String,
}

/// Take a rollout back: plan and start the way to what each device ran before.
#[derive(Message)]
#[rtype(result = "Result<TakenBack, RolloutError>")]
pub struct TakeBack {
    pub id: RolloutId,
    pub by: String,
}

/// How a rollout was taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct TakenBack {
    /// The rollouts that bring devices back, one for each set of versions that they ran before.
    pub way_back: Vec<RolloutId>,
    /// Modules of devices that stay as they are, by reason.
    pub left: BTreeMap<String, u64>,
}

/// Why what is open for a device is where it is.
#[derive(Message)]
#[rtype(result = "Vec<(RolloutId, ModuleName, Decision)>")]
pub struct Explain(pub KeyId);

/// A device was freed from quarantine.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Free(pub KeyId);

/// A device was deleted.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Forget(pub KeyId);

impl Handler<Start> for UpdaterActor {
    type Result = ResponseFuture<Result<RolloutId, RolloutError>>;

    fn handle(&mut self, Start(request): Start, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        let refused = prepare::same_rollout(self.engine.rollouts(), &request)
            .or_else(|| prepare::set_beyond(self.engine.fleet_limit(), &request));
        if let Some(refused) = refused {
            let _ = answer.send(Err(refused));
        } else {
            let (store, now) = (self.store.clone(), self.clock.now());
            let approval = self.approval;
            let written = async move {
                let (answered, ready) = match prepare::write_down(&store, request, now, approval).await {
                    Ok(ready) => (Ok(ready.open.rollout.id), Some(ready)),
                    Err(error) => (Err(error), None),
                };
                // It is on disk: who asked does not wait for what it begins with. They may have gone; the rollout
                // goes on all the same.
                let _ = answer.send(answered);
                tokio::task::yield_now().await;
                ready
            };
            // Nothing else is handled until it is written down: of two admins who press at once, the second is told.
            ctx.wait(written.into_actor(self).map(|ready, updater, ctx| {
                if let Some(ready) = ready {
                    updater.begin(ready, ctx);
                }
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
            Steering::Launch => self.engine.launch(now, id, self.approval),
            Steering::Approve if self.engine.rollout(id).is_some_and(|rollout| is_own(rollout, &by)) => {
                return Box::pin(async { Err(RolloutError::SecondPerson) });
            }
            Steering::Approve => self.engine.approve(now, id, by.clone()),
        };
        let effects = match steered {
            Ok(effects) => effects,
            Err(refusal) => {
                let store = self.store.clone();
                return Box::pin(async move { Err(refused(&store, id, refusal).await) });
            }
        };
        info!(rollout_id = %id, ?how, by, "a rollout was steered");
        let saved = self.carry_out_and_tell(effects, ctx);
        Box::pin(async move { saved.await.map_err(|_| RolloutError::ending()) })
    }
}

/// Whether this is a rollout that waits for somebody else than the one who asked for it.
fn is_own(rollout: &Rollout, by: &str) -> bool {
    rollout.state == RolloutState::AwaitingApproval && rollout.created_by == by
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
        self.outbox.forget(key_id);
        self.watch.set(key_id, false);
        self.carry_out(effects, ctx);
    }
}

impl UpdaterActor {
    /// Carries out what a rollout that is on disk begins with.
    fn begin(&mut self, ready: prepare::Ready, ctx: &mut Context<Self>) -> RolloutId {
        let prepare::Ready { open, away, readings } = ready;
        let id = open.rollout.id;
        self.engine.told(readings);
        let effects = self.engine.begin(self.clock.now(), open, away);
        self.watch.add(self.engine.watched(id));
        self.look_at_rollouts();
        self.carry_out(effects, ctx);
        id
    }

    /// As `carry_out`; what is returned ends when it is on disk.
    fn carry_out_and_tell(&mut self, effects: Effects, ctx: &mut Context<Self>) -> oneshot::Receiver<()> {
        let (done, saved) = oneshot::channel();
        self.take_in(effects);
        self.outbox.tell(done);
        self.save(ctx);
        saved
    }
}

impl Handler<Retry> for UpdaterActor {
    type Result = ResponseFuture<Result<usize, RolloutError>>;

    fn handle(&mut self, Retry { id, only, by }: Retry, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        let store = self.store.clone();
        let policy = self.engine.rollout(id).map(|rollout| rollout.policy.clone());
        let read = async move {
            let open = if policy.is_some() { None } else { store.open_rollout(id).await? };
            let rows = store.failed_assignments(id, only).await?;
            let readings = match policy.as_ref().or(open.as_ref().map(|open| &open.rollout.policy)) {
                Some(policy) => prepare::readings(&store, policy, &rows, &[]).await?,
                None => HashMap::new(),
            };
            Ok::<_, StoreError>((open, rows, readings))
        };
        // Nothing else is handled meanwhile: what was read is what is.
        ctx.wait(read.into_actor(self).map(move |read, updater, ctx| {
            // Who asked may have gone.
            let _ = answer.send(read.map(|(open, rows, readings)| {
                updater.engine.told(readings);
                updater.retry(id, open, rows, &by, ctx)
            }));
        }));
        let store = self.store.clone();
        Box::pin(async move {
            match answered.await.map_err(|_| RolloutError::ending())?? {
                Ok((retried, saved)) => saved.await.map(|()| retried).map_err(|_| RolloutError::ending()),
                Err(refusal) => Err(refused(&store, id, refusal).await),
            }
        })
    }
}

impl UpdaterActor {
    fn retry(
        &mut self,
        id: RolloutId,
        open: Option<OpenCourse>,
        rows: Vec<Assignment>,
        by: &str,
        ctx: &mut Context<Self>,
    ) -> Result<(usize, oneshot::Receiver<()>), Refusal> {
        let now = self.clock.now();
        if let Some(open) = open {
            let effects = self.engine.take_up(now, open);
            self.watch.add(self.engine.watched(id));
            self.carry_out(effects, ctx);
        }
        let (effects, retried) = self.engine.retry(now, id, rows)?;
        info!(rollout_id = %id, by, retried, "a rollout's failures are tried again");
        Ok((retried, self.carry_out_and_tell(effects, ctx)))
    }
}

impl Handler<TakeBack> for UpdaterActor {
    type Result = ResponseFuture<Result<TakenBack, RolloutError>>;

    fn handle(&mut self, TakeBack { id, by }: TakeBack, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        let (store, now) = (self.store.clone(), self.clock.now());
        let asker = by.clone();
        let prepared = async move { way_back::prepare(&store, id, &asker, now).await };
        ctx.wait(prepared.into_actor(self).map(move |prepared, updater, ctx| {
            let taken_back = prepared.map(|way_back| {
                let way_back::WayBack { ready, left } = way_back;
                // The old one first: what it has under way ends, and the way back takes over.
                let effects = updater.engine.rolled_back(now, id, way_back::why(&by)).unwrap_or_default();
                updater.carry_out(effects, ctx);
                let way_back = ready.into_iter().map(|ready| updater.begin(ready, ctx)).collect();
                info!(rollout_id = %id, by, ?way_back, "a rollout is taken back");
                (TakenBack { way_back, left }, updater.carry_out_and_tell(Effects::default(), ctx))
            });
            // Who asked may have gone; the way back is taken all the same.
            let _ = answer.send(taken_back);
        }));
        Box::pin(async move {
            let (taken_back, saved) = answered.await.map_err(|_| RolloutError::ending())??;
            saved.await.map(|()| taken_back).map_err(|_| RolloutError::ending())
        })
    }
}

impl Handler<Explain> for UpdaterActor {
    type Result = MessageResult<Explain>;

    fn handle(&mut self, Explain(key_id): Explain, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.engine.explain(self.clock.now(), key_id))
    }
}

impl Handler<Free> for UpdaterActor {
    type Result = ();

    fn handle(&mut self, Free(key_id): Free, _: &mut Self::Context) {
        self.engine.free(key_id);
    }
}
