//! The status logger: from the intake to the disk, in groups.
//!
//! Owns the status log and the order of things: lines are appended and synced, then one transaction writes the
//! newest states, the history and how far the log is committed, and only then reports are acknowledged. The log is at
//! most one group ahead of the group that is being written. When a transaction fails the lines are taken back, so that
//! log and database say the same; the group is tried again until it is in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

mod at_hand;
mod rows;
mod writer;

use self::writer::Writer;
use super::counts::Counts;
use super::intake::{Intake, Queued};
use super::watch::Watch;
use super::{Feed, FleetEvent};
use crate::clock::Clock;
use crate::store::StatusLog;
use crate::store::Store;

/// How often old log files and samples are looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// How often the fleet is counted, for the course of the last day.
const COUNT_EVERY: Duration = Duration::from_secs(FLEET_STEP_S as u64);
const FLEET_STEP_S: u32 = 300;
/// After a start devices are given a while to come back before they are counted.
const FIRST_COUNT: Duration = Duration::from_secs(30);

/// What the ops page shows of it.
#[derive(Debug, Default)]
pub struct LoggerState {
    /// Reports on disk since the start.
    pub stored: u64,
    /// Why the last try to write failed, until one succeeds.
    pub trouble: Option<String>,
}

/// Where reports come from.
pub struct Reports {
    pub queue: mpsc::Receiver<Queued>,
    /// How full it is says what is left out.
    pub intake: Intake,
    /// Whose reports the updater wants, and where they go.
    pub watch: Arc<Watch>,
    pub updater: mpsc::Sender<FleetEvent>,
    pub(super) counts: Counts,
}

/// How long the charted numbers are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    pub days: u32,
    pub thin_after_h: u32,
    pub thin_step_s: u32,
}

/// Writes what is in the intake, and ends. The answer comes when all of it is on disk.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Finish;

/// See the module.
pub struct StatusLoggerActor {
    writer: Option<Writer>,
    store: Store,
    log: Arc<Mutex<StatusLog>>,
    clock: Clock,
    keep: Keep,
    finished: Option<oneshot::Receiver<()>>,
    stop: Option<oneshot::Sender<()>>,
}

impl StatusLoggerActor {
    /// A logger that writes to `log` and `store` what comes over `queue`.
    #[must_use]
    pub fn new(
        reports: Reports,
        store: Store,
        log: StatusLog,
        feed: Feed,
        clock: Clock,
        keep: Keep,
        state: Arc<Mutex<LoggerState>>,
    ) -> Self {
        let log = Arc::new(Mutex::new(log));
        let writer = Writer::new(reports, store.clone(), Arc::clone(&log), feed, state);
        Self { writer: Some(writer), store, log, clock, keep, finished: None, stop: None }
    }

    fn keep_house(&mut self, ctx: &mut Context<Self>) {
        let (store, log, now, keep) = (self.store.clone(), Arc::clone(&self.log), self.clock.now(), self.keep);
        let done = async move {
            let pruned = blocking(move || lock(&log).prune(now)).await;
            if let Err(error) = pruned {
                warn!(%error, "old status logs could not be deleted");
            }
            let days = |n: u32| chrono::TimeDelta::days(i64::from(n));
            let thin = now - chrono::TimeDelta::hours(i64::from(keep.thin_after_h));
            match store.prune_history(now - days(keep.days), thin, keep.thin_step_s).await {
                Ok(0) => {}
                Ok(samples) => info!(samples, "history was thinned"),
                Err(error) => warn!(%error, "history could not be thinned"),
            }
            match store.prune_rollout_history(now - days(keep.days)).await {
                Ok(0) => {}
                Ok(changes) => info!(changes, "old changes of assignments were deleted"),
                Err(error) => warn!(%error, "old changes of assignments could not be deleted"),
            }
            match store.prune_connections(now - days(keep.days)).await {
                Ok(0) => {}
                Ok(rows) => info!(rows, "old connections were forgotten"),
                Err(error) => warn!(%error, "old connections could not be forgotten"),
            }
        };
        ctx.spawn(done.into_actor(self));
    }
}

impl StatusLoggerActor {
    fn count_fleet(&mut self, ctx: &mut Context<Self>) {
        let (store, now, keep) = (self.store.clone(), self.clock.now(), self.keep);
        let keep_from = now - chrono::TimeDelta::days(i64::from(keep.days));
        let counted = async move {
            if let Err(error) = store.count_fleet(now, FLEET_STEP_S, keep_from).await {
                warn!(%error, "the fleet could not be counted");
            }
        };
        ctx.spawn(counted.into_actor(self));
    }
}

impl Actor for StatusLoggerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(writer) = self.writer.take() {
            let (stop, stopped) = oneshot::channel();
            let (done, finished) = oneshot::channel();
            self.stop = Some(stop);
            self.finished = Some(finished);
            let run = async move {
                writer.run(stopped).await;
                // Nobody may be waiting for the end.
                let _ = done.send(());
            };
            ctx.spawn(run.into_actor(self));
        }
        ctx.run_interval(HOUSEKEEPING, Self::keep_house);
        ctx.run_later(FIRST_COUNT, Self::count_fleet);
        ctx.run_interval(COUNT_EVERY, Self::count_fleet);
    }
}

impl Handler<Finish> for StatusLoggerActor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Finish, _: &mut Self::Context) -> Self::Result {
        self.stop.take();
        let finished = self.finished.take();
        Box::pin(async move {
            if let Some(finished) = finished {
                // An error is an end too.
                let _ = finished.await;
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(std::io::Error::other(error)),
    }
}
