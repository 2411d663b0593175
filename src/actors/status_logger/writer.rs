//! The loop behind the status logger: gathers what waits into groups, and writes each until it is in.
//!
//! While the rows of a group are written the lines of the next are appended. When anything fails, what is ahead is
//! taken back, and each group is written by itself until it is in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use super::at_hand::AtHand;
use super::rows::{Failed, Landed, RETRY_FIRST, RETRY_MOST, write_rows};
use super::{LoggerState, Reports, blocking, lock};
use crate::actors::acks::Stored;
use crate::actors::counts::Count;
use crate::actors::intake::{Pending, Queued};
use crate::actors::{Feed, FleetEvent};
use crate::domain::{LiveEvent, Vitals};
use crate::store::{Appended, LogPosition, Mark, RecordBatch, StatusLog, StatusRecord, Store};

/// A group is ripe when it has this many reports; what else waits by then goes along, so that a fleet that says much
/// at once takes few commits ...
const RIPE_REPORTS: usize = 500;
/// ... up to so many, which bounds how long the first of them waits ...
const MOST_REPORTS: usize = 8000;
/// ... and to so many bytes as they came: written out they are at most four times as long (`1E9` becomes
/// `1000000000.0`), and the log looks that far back for the end of a group.
const MOST_BYTES: usize = 4 << 20;
/// ... or is this old.
const RIPE_AFTER: Duration = Duration::from_millis(50);
/// How long the queue is left alone while a group ripens.
const NAP: Duration = Duration::from_millis(10);
/// Reports taken from the queue at once: with the longest messages 2 MiB.
const TAKE: usize = 32;

/// Times that a group fails, and the database takes another write, until it is divided; and a part of it.
const TRIES_OF_A_GROUP: u32 = 5;
const TRIES_OF_A_PART: u32 = 2;

/// See the module.
pub(super) struct Writer {
    reports: Reports,
    store: Store,
    log: Arc<Mutex<StatusLog>>,
    feed: Feed,
    state: Arc<Mutex<LoggerState>>,
    at_hand: AtHand,
    flight: Option<Flight>,
}

/// A group whose lines are in the log, and whose rows are being written.
struct Flight {
    group: Vec<Queued>,
    /// Where the log was before its lines.
    before: Mark,
    rows: JoinHandle<Landed>,
}

/// Without a flight there is no end of it.
async fn landing(flight: &mut Option<Flight>) -> Landed {
    match flight {
        Some(flight) => (&mut flight.rows).await.unwrap_or_else(|error| Err(Failed::of_the_place(error.to_string()))),
        None => std::future::pending().await,
    }
}

impl Writer {
    /// A loop that writes to `log` and `store` what comes with `reports`.
    pub fn new(
        reports: Reports,
        store: Store,
        log: Arc<Mutex<StatusLog>>,
        feed: Feed,
        state: Arc<Mutex<LoggerState>>,
    ) -> Self {
        Self { reports, store, log, feed, state, at_hand: AtHand::default(), flight: None }
    }

    /// Writes until `stop`, and then what is in the queue.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut stopped = false;
        loop {
            let first = tokio::select! {
                biased;
                landed = landing(&mut self.flight) => {
                    self.land(landed).await;
                    continue;
                }
                first = self.reports.queue.recv() => first,
                _ = &mut stop, if !stopped => {
                    // What is in the queue is still written; nothing more comes in.
                    self.reports.queue.close();
                    stopped = true;
                    continue;
                }
            };
            let Some(first) = first else { break };
            let group = self.gather(first).await;
            self.send_off(group).await;
        }
        self.land_now().await;
    }

    /// Looks into the queue now and then until what came is ripe, and is not woken by each report meanwhile.
    async fn gather(&mut self, first: Queued) -> Vec<Queued> {
        let ripe_at = Instant::now() + RIPE_AFTER;
        let (mut group, mut bytes, mut counted) = (vec![first], 0, 0);
        while group.len() < MOST_REPORTS {
            bytes += group[counted..].iter().map(|queued| queued.pending.bytes).sum::<usize>();
            counted = group.len();
            if bytes >= MOST_BYTES {
                break;
            }
            let ripens = counted < RIPE_REPORTS && !self.reports.queue.is_closed();
            match self.reports.queue.is_empty() {
                // What is there goes along, ripe or not.
                false => _ = self.reports.queue.recv_many(&mut group, TAKE).await,
                true if ripens && Instant::now() < ripe_at => self.nap(ripe_at.min(Instant::now() + NAP)).await,
                true => break,
            }
        }
        group
    }

    async fn nap(&mut self, until: Instant) {
        tokio::select! {
            landed = landing(&mut self.flight) => {
                self.land(landed).await;
            }
            () = sleep_until(until) => {}
        }
    }

    /// Appends a group's lines while the rows of the one before are written, and has its rows written then.
    async fn send_off(&mut self, group: Vec<Queued>) {
        if self.at_hand.lacks(&group) {
            // What is read must have what is being written.
            self.land_now().await;
            if self.at_hand.load(&self.store, &group).await.is_err() {
                return self.write(group).await;
            }
        }
        let batch = self.at_hand.batch(&group);
        if batch.reports.is_empty() {
            // Its reports are on disk, or will be with the group before.
            return if self.land_now().await { self.done(group) } else { self.write(group).await };
        }
        match self.append_meanwhile(&batch).await {
            Some(appended) => self.begin_rows(group, batch, appended),
            None => self.write(group).await,
        }
    }

    /// Appends lines. `None`: that failed, or the group before did; then the log has none of both.
    async fn append_meanwhile(&mut self, batch: &RecordBatch) -> Option<Appended> {
        let (log, records) = (Arc::clone(&self.log), batch.reports.clone());
        let mut append = std::pin::pin!(blocking(move || lock(&log).append(&records)));
        let mut failed = None;
        let appended = loop {
            tokio::select! {
                biased;
                landed = landing(&mut self.flight), if failed.is_none() => match landed {
                    Ok(last) => _ = self.land(Ok(last)).await,
                    // The log is in use.
                    Err(why) => failed = Some(why),
                },
                appended = &mut append => break appended,
            }
        };
        let landed_well = match failed {
            Some(why) => self.land(Err(why)).await,
            None => self.land_now().await,
        };
        appended.ok().filter(|_| landed_well)
    }

    fn begin_rows(&mut self, group: Vec<Queued>, mut batch: RecordBatch, appended: Appended) {
        let Appended { before, position } = appended;
        self.complete(&mut batch, &position);
        self.reports.counts.set(Count::Writing, group.len());
        let rows = actix::spawn(write_rows(self.store.clone(), Arc::clone(&self.state), batch, position));
        self.flight = Some(Flight { group, before, rows });
    }

    /// What is only known when the group before is in.
    fn complete(&self, batch: &mut RecordBatch, position: &LogPosition) {
        batch.last = self.at_hand.last(&batch.reports);
        batch.without_history = !self.reports.intake.load().keeps_history();
        batch.log_position = Some(position.clone());
    }

    /// Waits for the end of the flight, if there is one. Whether it was a good one.
    async fn land_now(&mut self) -> bool {
        if self.flight.is_none() {
            return true;
        }
        let landed = landing(&mut self.flight).await;
        self.land(landed).await
    }

    /// A flight has ended: its group is in, or is taken back and written by itself. Whether it was a good end.
    async fn land(&mut self, landed: Landed) -> bool {
        let Some(Flight { group, before, .. }) = self.flight.take() else { return true };
        match landed {
            Ok(last) => {
                self.at_hand.learn(last);
                self.done(group);
                true
            }
            Err(_) => {
                self.take_back(before).await;
                self.write(group).await;
                false
            }
        }
    }

    /// Nothing since then was committed.
    async fn take_back(&self, mark: Mark) {
        let log = Arc::clone(&self.log);
        if let Err(error) = blocking(move || lock(&log).take_back(mark)).await {
            warn!(%error, "the status log's last lines could not be taken back yet");
        }
    }

    /// Writes a group, however often it takes. One that fails again and again while the database takes other writes
    /// is divided, so that a report that can't be stored keeps nobody else's from it.
    async fn write(&mut self, group: Vec<Queued>) {
        // A batch may have been made of it that is not written, or a device of it have been deleted.
        self.at_hand.forget();
        self.reports.counts.set(Count::Writing, group.len());
        let (mut parts, mut tries) = (vec![group], TRIES_OF_A_GROUP);
        while let Some(mut part) = parts.pop() {
            match self.write_part(&part, tries).await {
                Ok(()) => self.done(part),
                Err(_) if part.len() > 1 => {
                    parts.push(part.split_off(part.len() / 2));
                    parts.push(part);
                }
                Err(why) => self.leave_out(&part, &why),
            }
            tries = TRIES_OF_A_PART;
        }
        lock(&self.state).trouble = None;
    }

    /// The error: why it failed so many times in a row in which the database took another write.
    async fn write_part(&mut self, part: &[Queued], tries: u32) -> Result<(), String> {
        let (mut pause, mut failed) = (RETRY_FIRST, 0);
        while let Err(Failed { why, may_be_theirs }) = self.try_once(part).await {
            error!(why, reports = part.len(), "reports could not be written yet; none of them is acknowledged");
            lock(&self.state).trouble = Some(why.clone());
            failed = if may_be_theirs && self.store.ping().await.is_ok() { failed + 1 } else { 0 };
            if failed == tries {
                return Err(why);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MOST);
        }
        Ok(())
    }

    /// It is not acknowledged: its device keeps it, and sends it again.
    fn leave_out(&self, part: &[Queued], why: &str) {
        for Queued { pending, .. } in part {
            self.reports.counts.add(Count::Unstorable);
            error!(device_id = %pending.device_id, boot_id = pending.run.as_str(), seq = pending.seq, why,
                "a report can't be stored and is left out, and is not acknowledged; all others go on");
        }
    }

    /// Log, then database; both or neither.
    async fn try_once(&mut self, group: &[Queued]) -> Result<(), Failed> {
        self.at_hand.load(&self.store, group).await?;
        let batch = self.at_hand.batch(group);
        if batch.reports.is_empty() {
            return Ok(());
        }
        match self.write_once(batch).await {
            Ok(last) => {
                self.at_hand.learn(last);
                Ok(())
            }
            Err(failed) => {
                self.at_hand.forget();
                Err(failed)
            }
        }
    }

    async fn write_once(&self, mut batch: RecordBatch) -> Landed {
        let (log, records) = (Arc::clone(&self.log), batch.reports.clone());
        let appended = blocking(move || lock(&log).append(&records)).await;
        let appended = appended.map_err(|error| Failed::of_the_place(format!("the status log: {error}")))?;
        self.complete(&mut batch, &appended.position);
        let rows = write_rows(self.store.clone(), Arc::clone(&self.state), batch, appended.position).await;
        if rows.is_err() {
            self.take_back(appended.before).await;
        }
        rows
    }

    /// A group is on disk.
    fn done(&self, group: Vec<Queued>) {
        let mut state = lock(&self.state);
        state.stored += group.len() as u64;
        state.trouble = None;
        drop(state);
        self.reports.counts.set(Count::Writing, 0);
        self.acknowledge(group);
    }

    fn acknowledge(&self, group: Vec<Queued>) {
        let watched = self.feed.is_watched() && self.reports.intake.load().shows_live();
        let mut stored = Stored::default();
        for Queued { pending: Pending { device_id, record, seq, run, acks, .. }, .. } in group {
            let key_id = record.key_id;
            if self.reports.watch.wants(key_id) {
                self.tell_updater(&record);
            }
            if watched {
                let (device_id, StatusRecord { reported_at, sample, .. }) = (device_id.as_ref().clone(), record);
                self.feed.tell(LiveEvent::Report { key_id, device_id, reported_at, sample });
            }
            if let Some(seq) = seq {
                stored.add(acks, run, seq);
            }
        }
        stored.tell();
    }

    fn tell_updater(&self, record: &StatusRecord) {
        match serde_json::from_str(record.body()) {
            Ok(report) => {
                let vitals = Vitals::of(&report, record.received_at);
                // An updater that has no room has missed a report, as if the device had not sent it.
                let _ = self.reports.updater.try_send(FleetEvent::Reported(record.key_id, vitals));
            }
            Err(error) => error!(key_id = %record.key_id, %error, "a stored report can't be read"),
        }
    }
}
