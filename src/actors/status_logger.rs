//! The status logger: from the intake to the disk, in groups.
//!
//! Owns the status log and the order of things: lines are appended and synced, then one transaction writes the
//! newest states, the history and how far the log is committed, and only then reports are acknowledged. When the
//! transaction fails the lines are taken back, so that log and database say the same; the group is tried again
//! until it is in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

use super::counts::{Count, Counts};
use super::intake::{Intake, Queued};
use super::watch::Watch;
use super::{Feed, FleetEvent};
use crate::clock::Clock;
use crate::domain::{BootId, KeyId, LiveEvent, SeqSet, Vitals};
use crate::store::StatusLog;
use crate::store::{LogPosition, RecordBatch, StatusRecord, Store, StoreError};

/// A group is ripe when it has this many reports; what else waits by then goes along, so that a fleet that says much
/// at once takes few commits ...
const RIPE_REPORTS: usize = 500;
/// ... up to so many, which bounds how long the first of them waits.
const MOST_REPORTS: usize = 4000;
/// ... or is this old.
const RIPE_AFTER: Duration = Duration::from_millis(50);

/// The pause after a group that could not be written, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// Runs whose stored numbers are kept at hand. More than fit are read again when they are needed.
const RUNS_AT_HAND: usize = 200_000;

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
        let Reports { queue, intake, watch, updater, counts } = reports;
        let (store_of_writer, log_of_writer) = (store.clone(), Arc::clone(&log));
        let runs = HashMap::new();
        let writer = Writer {
            queue,
            intake,
            store: store_of_writer,
            log: log_of_writer,
            feed,
            state,
            watch,
            updater,
            counts,
            runs,
        };
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

/// The loop behind the actor.
struct Writer {
    queue: mpsc::Receiver<Queued>,
    intake: Intake,
    store: Store,
    log: Arc<Mutex<StatusLog>>,
    feed: Feed,
    state: Arc<Mutex<LoggerState>>,
    watch: Arc<Watch>,
    updater: mpsc::Sender<FleetEvent>,
    counts: Counts,
    /// Which numbers of a run are on disk.
    runs: HashMap<(KeyId, BootId), SeqSet>,
}

impl Writer {
    async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let first = tokio::select! {
                biased;
                first = self.queue.recv() => first,
                _ = &mut stop => {
                    // What is in the queue is still written; nothing more comes in.
                    self.queue.close();
                    self.queue.recv().await
                }
            };
            let Some(first) = first else { return };
            let group = self.gather(first).await;
            self.write(group).await;
        }
    }

    async fn gather(&mut self, first: Queued) -> Vec<Queued> {
        let ripe_at = Instant::now() + RIPE_AFTER;
        let mut group = vec![first];
        while group.len() < RIPE_REPORTS {
            let left = RIPE_REPORTS - group.len();
            match timeout_at(ripe_at, self.queue.recv_many(&mut group, left)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        while group.len() < MOST_REPORTS
            && let Ok(queued) = self.queue.try_recv()
        {
            group.push(queued);
        }
        group
    }

    /// Writes a group, however often it takes.
    async fn write(&mut self, group: Vec<Queued>) {
        let mut pause = RETRY_FIRST;
        while let Err(why) = self.try_write(&group).await {
            error!(why, reports = group.len(), "reports could not be written yet; none of them is acknowledged");
            lock(&self.state).trouble = Some(why);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MOST);
        }
        let mut state = lock(&self.state);
        state.stored += group.len() as u64;
        state.trouble = None;
        drop(state);
        self.acknowledge(group);
    }

    async fn try_write(&mut self, group: &[Queued]) -> Result<(), String> {
        self.load_runs(group).await.map_err(|error| error.to_string())?;
        let (batch, runs) = self.batch(group);
        if !batch.reports.is_empty() {
            self.counts.set(Count::Writing, group.len());
            let committed = self.commit(batch).await;
            self.counts.set(Count::Writing, 0);
            committed?;
        }
        self.runs.extend(runs);
        Ok(())
    }

    /// Reads how much of the group's runs is on disk, where that is not at hand.
    async fn load_runs(&mut self, group: &[Queued]) -> Result<(), StoreError> {
        if self.runs.len() > RUNS_AT_HAND {
            self.runs.clear();
        }
        let run_of = |queued: &Queued| (queued.pending.key_id, queued.pending.report.boot_id.clone());
        let mut wanted: Vec<(KeyId, BootId)> = group
            .iter()
            .filter(|queued| queued.pending.report.seq.is_some())
            .map(run_of)
            .filter(|run| !self.runs.contains_key(run))
            .collect();
        wanted.sort();
        wanted.dedup();
        if !wanted.is_empty() {
            let stored = self.store.runs(wanted.clone()).await?;
            self.runs.extend(wanted.into_iter().map(|run| {
                let set = stored.get(&run).cloned().unwrap_or_default();
                (run, set)
            }));
        }
        Ok(())
    }

    /// What of a group is new, and its runs as they are with it.
    fn batch(&self, group: &[Queued]) -> (RecordBatch, HashMap<(KeyId, BootId), SeqSet>) {
        let mut runs: HashMap<(KeyId, BootId), SeqSet> = HashMap::new();
        let mut reports = Vec::with_capacity(group.len());
        for Queued { pending, .. } in group {
            let is_new = match pending.report.seq {
                None => true,
                Some(seq) => {
                    let run = (pending.key_id, pending.report.boot_id.clone());
                    let at_hand = || self.runs.get(&run).cloned().unwrap_or_default();
                    runs.entry(run.clone()).or_insert_with(at_hand).insert(seq)
                }
            };
            if is_new {
                reports.push(StatusRecord::new(pending.key_id, &pending.report, pending.received_at));
            }
        }
        let changed = runs.iter().map(|((key, run), set)| (*key, run.clone(), set.clone())).collect();
        let without_history = !self.intake.load().keeps_history();
        (RecordBatch { reports, runs: changed, log_position: None, without_history }, runs)
    }

    /// Log, then database; both or neither.
    async fn commit(&self, mut batch: RecordBatch) -> Result<(), String> {
        let (log, records) = (Arc::clone(&self.log), batch.reports.clone());
        let appended = blocking(move || lock(&log).append(&records)).await;
        let position = appended.map_err(|error| format!("the status log: {error}"))?;
        batch.log_position = Some(position.clone());
        let Err(error) = self.store.record(batch).await else { return Ok(()) };
        if self.is_committed(&position).await? {
            return Ok(());
        }
        let log = Arc::clone(&self.log);
        if let Err(undo) = blocking(move || lock(&log).undo()).await {
            warn!(error = %undo, "the status log's last lines could not be taken back yet");
        }
        Err(error.to_string())
    }

    /// Whether a transaction whose answer was lost went through after all: the database says how far the log counts.
    async fn is_committed(&self, position: &LogPosition) -> Result<bool, String> {
        let mut pause = RETRY_FIRST;
        loop {
            match self.store.log_position().await {
                Ok(found) => return Ok(found.as_ref() == Some(position)),
                Err(error) => {
                    lock(&self.state).trouble = Some(error.to_string());
                    warn!(%error, "the database can't be asked whether the last group is in");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_MOST);
                }
            }
        }
    }

    fn acknowledge(&self, group: Vec<Queued>) {
        let watched = self.feed.is_watched() && self.intake.load().shows_live();
        for Queued { pending, .. } in group {
            let report = &pending.report;
            if self.watch.wants(pending.key_id) {
                let vitals = Vitals::of(report, pending.received_at);
                // An updater that has no room has missed a report, as if the device had not sent it.
                let _ = self.updater.try_send(FleetEvent::Reported(pending.key_id, vitals));
            }
            if watched {
                self.feed.tell(LiveEvent::Report {
                    key_id: pending.key_id,
                    device_id: pending.device_id,
                    reported_at: report.timestamp,
                    sample: report.sample(),
                });
            }
            if let Some(seq) = report.seq {
                // A device that has gone sends it again, and is told then.
                let _ = pending.acks.send((pending.report.boot_id, seq));
            }
        }
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
