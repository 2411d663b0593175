//! The loop behind the status logger: gathers what waits into groups, and writes each until it is in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tracing::{error, warn};

use super::{LoggerState, Reports, blocking, lock};
use crate::actors::acks::Stored;
use crate::actors::counts::Count;
use crate::actors::intake::{Pending, Queued};
use crate::actors::{Feed, FleetEvent};
use crate::domain::{BootId, KeyId, LiveEvent, SeqSet, Vitals};
use crate::store::{LastReports, LogPosition, RecordBatch, StatusLog, StatusRecord, Store, StoreError};

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

/// The pause after a group that could not be written, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// Times that a group fails, and the database takes another write, until it is divided; and a part of it.
const TRIES_OF_A_GROUP: u32 = 5;
const TRIES_OF_A_PART: u32 = 2;

/// Devices of which what is stored is kept at hand. More than fit are read again when they are needed.
const DEVICES_AT_HAND: usize = 200_000;
const RUNS_OF_A_DEVICE: usize = 4;

/// See the module.
pub(super) struct Writer {
    reports: Reports,
    store: Store,
    log: Arc<Mutex<StatusLog>>,
    feed: Feed,
    state: Arc<Mutex<LoggerState>>,
    /// Which numbers of a run are on disk.
    runs: Runs,
    /// What the database has of devices that reported lately.
    last: LastReports,
}

/// Runs of devices: few of each, nearly always one.
type Runs = HashMap<KeyId, Vec<(BootId, SeqSet)>>;

fn find<'a>(runs: &'a Runs, key: KeyId, run: &BootId) -> Option<&'a SeqSet> {
    runs.get(&key)?.iter().find_map(|(name, set)| (name == run).then_some(set))
}

fn put(runs: &mut Runs, key: KeyId, run: BootId, set: SeqSet) {
    let runs = runs.entry(key).or_insert_with(|| Vec::with_capacity(1));
    match runs.iter_mut().find(|(name, _)| *name == run) {
        Some((_, known)) => *known = set,
        None => runs.push((run, set)),
    }
}

/// Why a group could not be written.
struct Failed {
    why: String,
    /// It may be due to what the reports say, not to the place where they are written.
    may_be_theirs: bool,
}

impl Failed {
    fn of_the_place(why: String) -> Self {
        Self { why, may_be_theirs: false }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { may_be_theirs: error.may_be_the_data(), why: error.to_string() }
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
        Self { reports, store, log, feed, state, runs: HashMap::new(), last: HashMap::new() }
    }

    /// Writes until `stop`, and then what is in the queue.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let first = tokio::select! {
                biased;
                first = self.reports.queue.recv() => first,
                _ = &mut stop => {
                    // What is in the queue is still written; nothing more comes in.
                    self.reports.queue.close();
                    self.reports.queue.recv().await
                }
            };
            let Some(first) = first else { return };
            let group = self.gather(first).await;
            self.write(group).await;
        }
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
                true if ripens && Instant::now() < ripe_at => sleep_until(ripe_at.min(Instant::now() + NAP)).await,
                true => break,
            }
        }
        group
    }

    /// Writes a group, however often it takes. One that fails again and again while the database takes other writes
    /// is divided, so that a report that can't be stored keeps nobody else's from it.
    async fn write(&mut self, group: Vec<Queued>) {
        let (mut parts, mut tries) = (vec![group], TRIES_OF_A_GROUP);
        while let Some(mut part) = parts.pop() {
            match self.write_part(&part, tries).await {
                Ok(()) => self.acknowledge(part),
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
        while let Err(Failed { why, may_be_theirs }) = self.try_write(part).await {
            error!(why, reports = part.len(), "reports could not be written yet; none of them is acknowledged");
            lock(&self.state).trouble = Some(why.clone());
            failed = if may_be_theirs && self.store.ping().await.is_ok() { failed + 1 } else { 0 };
            if failed == tries {
                return Err(why);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MOST);
        }
        lock(&self.state).stored += part.len() as u64;
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

    async fn try_write(&mut self, group: &[Queued]) -> Result<(), Failed> {
        let tried = self.write_by_what_is_at_hand(group).await;
        match tried {
            // A device of it may have been deleted, and be left out once that is seen.
            Err(failed) if failed.may_be_theirs && !self.last.is_empty() => {
                self.last.clear();
                self.write_by_what_is_at_hand(group).await
            }
            tried => tried,
        }
    }

    async fn write_by_what_is_at_hand(&mut self, group: &[Queued]) -> Result<(), Failed> {
        self.load_runs(group).await?;
        let batch = self.batch(group);
        let runs = Arc::clone(&batch.runs);
        if !batch.reports.is_empty() {
            self.reports.counts.set(Count::Writing, group.len());
            let committed = self.commit(batch).await;
            self.reports.counts.set(Count::Writing, 0);
            match committed? {
                Some(last) => self.last.extend(last),
                None => self.last.clear(),
            }
        }
        for (key, run, set) in Arc::unwrap_or_clone(runs) {
            put(&mut self.runs, key, run, set);
        }
        Ok(())
    }

    /// Reads how much of the group's runs is on disk, where that is not at hand.
    async fn load_runs(&mut self, group: &[Queued]) -> Result<(), StoreError> {
        if self.runs.len() > DEVICES_AT_HAND {
            self.runs.clear();
        }
        if self.last.len() > DEVICES_AT_HAND {
            self.last.clear();
        }
        let run_of = |Queued { pending, .. }: &Queued| (pending.record.key_id, pending.run.clone());
        let unknown = |Queued { pending, .. }: &&Queued| {
            pending.seq.is_some() && find(&self.runs, pending.record.key_id, &pending.run).is_none()
        };
        let mut wanted: Vec<(KeyId, BootId)> = group.iter().filter(unknown).map(run_of).collect();
        wanted.sort();
        wanted.dedup();
        if !wanted.is_empty() {
            let mut stored = self.store.runs(wanted.clone()).await?;
            for (key, run) in wanted {
                // A device that comes back time and again has many runs, and is heard of one.
                if self.runs.get(&key).is_some_and(|runs| runs.len() >= RUNS_OF_A_DEVICE) {
                    self.runs.remove(&key);
                }
                let set = stored.remove(&(key, run.clone())).unwrap_or_default();
                put(&mut self.runs, key, run, set);
            }
        }
        Ok(())
    }

    /// What of a group is new, and its runs as they are with it.
    fn batch(&self, group: &[Queued]) -> RecordBatch {
        let mut runs: Vec<(KeyId, BootId, SeqSet)> = Vec::with_capacity(group.len());
        let mut places = HashMap::with_capacity(group.len());
        let mut last = LastReports::with_capacity(group.len());
        let mut reports = Vec::with_capacity(group.len());
        for Queued { pending, .. } in group {
            let key = pending.record.key_id;
            let is_new = pending.seq.is_none_or(|seq| {
                let place = *places.entry((key, &pending.run)).or_insert_with(|| {
                    let at_hand = find(&self.runs, key, &pending.run).cloned().unwrap_or_default();
                    runs.push((key, pending.run.clone(), at_hand));
                    runs.len() - 1
                });
                runs[place].2.insert(seq)
            });
            if is_new {
                reports.push(pending.record.clone());
                last.extend(self.last.get(&key).map(|known| (key, known.clone())));
            }
        }
        let without_history = !self.reports.intake.load().keeps_history();
        RecordBatch { reports, runs: Arc::new(runs), log_position: None, without_history, last }
    }

    /// Log, then database; both or neither. What the database has of the group's devices then, if it told.
    async fn commit(&self, mut batch: RecordBatch) -> Result<Option<LastReports>, Failed> {
        let (log, records) = (Arc::clone(&self.log), batch.reports.clone());
        let appended = blocking(move || lock(&log).append(&records)).await;
        let position = appended.map_err(|error| Failed::of_the_place(format!("the status log: {error}")))?;
        batch.log_position = Some(position.clone());
        let error = match self.store.record(batch).await {
            Ok(last) => return Ok(Some(last)),
            Err(error) => error,
        };
        if self.is_committed(&position).await {
            return Ok(None);
        }
        let log = Arc::clone(&self.log);
        if let Err(undo) = blocking(move || lock(&log).undo()).await {
            warn!(error = %undo, "the status log's last lines could not be taken back yet");
        }
        Err(error.into())
    }

    /// Whether a transaction whose answer was lost went through after all: the database says how far the log counts.
    async fn is_committed(&self, position: &LogPosition) -> bool {
        let mut pause = RETRY_FIRST;
        loop {
            match self.store.log_position().await {
                Ok(found) => return found.as_ref() == Some(position),
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
