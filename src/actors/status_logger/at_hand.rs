//! What the database has of devices that reported lately, so that it need not be read for each report. It is ahead of
//! the database by the groups that are being written, and forgotten when one of them fails.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::actors::intake::Queued;
use crate::domain::{BootId, KeyId, SeqSet};
use crate::store::{LastReports, RecordBatch, StatusRecord, Store, StoreError};

/// Devices of which what is stored is kept at hand. More than fit are read again when they are needed.
const DEVICES_AT_HAND: usize = 200_000;
const RUNS_OF_A_DEVICE: usize = 4;

/// See the module.
#[derive(Default)]
pub(super) struct AtHand {
    /// Which numbers of a run are stored: few runs of each device, nearly always one.
    runs: HashMap<KeyId, Vec<(BootId, SeqSet)>>,
    last: LastReports,
}

impl AtHand {
    pub fn forget(&mut self) {
        self.runs.clear();
        self.last.clear();
    }

    /// Whether it must be read how much of the group's runs is stored.
    pub fn lacks(&self, group: &[Queued]) -> bool {
        group.iter().any(|queued| self.is_unknown(queued))
    }

    fn is_unknown(&self, Queued { pending, .. }: &Queued) -> bool {
        pending.seq.is_some() && self.numbers(pending.record.key_id, &pending.run).is_none()
    }

    fn numbers(&self, key: KeyId, run: &BootId) -> Option<&SeqSet> {
        self.runs.get(&key)?.iter().find_map(|(name, numbers)| (name == run).then_some(numbers))
    }

    fn numbers_mut(&mut self, key: KeyId, run: &BootId) -> &mut SeqSet {
        let runs = self.runs.entry(key).or_insert_with(|| Vec::with_capacity(1));
        let place = runs.iter().position(|(name, _)| name == run).unwrap_or_else(|| {
            runs.push((run.clone(), SeqSet::default()));
            runs.len() - 1
        });
        &mut runs[place].1
    }

    /// Reads how much of the group's runs is stored, where that is not at hand.
    pub async fn load(&mut self, store: &Store, group: &[Queued]) -> Result<(), StoreError> {
        if self.runs.len() > DEVICES_AT_HAND {
            self.runs.clear();
        }
        // A device that comes back time and again has many runs, and is heard of one.
        for queued in group {
            let key = queued.pending.record.key_id;
            if self.is_unknown(queued) && self.runs.get(&key).is_some_and(|runs| runs.len() >= RUNS_OF_A_DEVICE) {
                self.runs.remove(&key);
            }
        }
        let unknown = group.iter().filter(|queued| self.is_unknown(queued));
        let mut wanted: Vec<(KeyId, BootId)> =
            unknown.map(|Queued { pending, .. }| (pending.record.key_id, pending.run.clone())).collect();
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            return Ok(());
        }
        let mut stored = store.runs(wanted.clone()).await?;
        for (key, run) in wanted {
            *self.numbers_mut(key, &run) = stored.remove(&(key, run.clone())).unwrap_or_default();
        }
        Ok(())
    }

    /// What of a group is new, and its runs as they are with it. From then on its reports are not new: when they are not
    /// written, all that is at hand must be forgotten. The group's runs have been loaded.
    pub fn batch(&mut self, group: &[Queued]) -> RecordBatch {
        let mut reports = Vec::with_capacity(group.len());
        let (mut changed, mut seen) = (Vec::with_capacity(group.len()), HashSet::with_capacity(group.len()));
        for Queued { pending, .. } in group {
            let (key, run) = (pending.record.key_id, &pending.run);
            let is_new = pending.seq.is_none_or(|seq| {
                if seen.insert((key, run)) {
                    changed.push((key, run));
                }
                self.numbers_mut(key, run).insert(seq)
            });
            if is_new {
                reports.push(pending.record.clone());
            }
        }
        let now =
            |(key, run): (KeyId, &BootId)| (key, run.clone(), self.numbers(key, run).cloned().unwrap_or_default());
        RecordBatch { reports, runs: Arc::new(changed.into_iter().map(now).collect()), ..RecordBatch::default() }
    }

    /// What the database has of the devices of these reports.
    pub fn last(&self, reports: &[StatusRecord]) -> LastReports {
        let known = |record: &StatusRecord| Some((record.key_id, self.last.get(&record.key_id)?.clone()));
        reports.iter().filter_map(known).collect()
    }

    /// What the database told of a group's devices; `None` when it did not.
    pub fn learn(&mut self, last: Option<LastReports>) {
        match last {
            Some(last) if self.last.len() <= DEVICES_AT_HAND => self.last.extend(last),
            Some(last) => self.last = last,
            None => self.last.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::actors::acks::Acks;
    use crate::actors::intake::{Intake, Pending};
    use crate::actors::post::Posts;
    use crate::domain::{DeviceAuth, DeviceId, Modules, Sha256Hex, Timestamp};
    use crate::store::{JoinOutcome, JoinRequest, StoreConfig};

    struct Bench {
        store: Store,
        key: KeyId,
        posts: Posts,
        intake: Intake,
        queue: mpsc::Receiver<Queued>,
        _dir: tempfile::TempDir,
    }

    impl Bench {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let database_url = format!("sqlite:{}", dir.path().join("fleetward.db").display());
            let store = Store::open(&StoreConfig { database_url, readers: 1 }).unwrap();
            let request = JoinRequest {
                device_id: DeviceId::new("t-1").unwrap(),
                auth: DeviceAuth::Open,
                modules: Modules::default(),
                sets: false,
                readings: false,
                new_token_hash: Sha256Hex::of(b"t-1"),
                now: Timestamp::UNIX_EPOCH,
            };
            let JoinOutcome::Joined { key_id: key, .. } = store.join(request).await.unwrap() else { panic!("refused") };
            let (intake, queue) = Intake::new(100, 1000);
            Self { store, key, posts: Posts::default(), intake, queue, _dir: dir }
        }

        /// The first report of each of these runs.
        async fn group(&mut self, runs: std::ops::Range<usize>) -> Vec<Queued> {
            for run in runs {
                let report = serde_json::from_str(r#"{"timestamp":"2026-11-22T08:48:00.000Z"}"#).unwrap();
                let pending = Pending {
                    device_id: Arc::new(DeviceId::new("t-1").unwrap()),
                    record: StatusRecord::new(self.key, &report, Timestamp::UNIX_EPOCH),
                    seq: Some(1),
                    run: BootId::new(&format!("run {run}")).unwrap(),
                    acks: Acks::by(self.posts.here()),
                    bytes: 1,
                };
                self.intake.offer(pending).unwrap();
            }
            let mut group = Vec::new();
            self.queue.recv_many(&mut group, 100).await;
            group
        }
    }

    #[actix::test]
    async fn of_a_device_with_many_runs_no_report_counts_as_new_twice() {
        let mut bench = Bench::new().await;
        let mut at_hand = AtHand::default();
        for (runs, new) in [(0..7, 7), (0..7, 0), (3..9, 2), (0..9, 0)] {
            let group = bench.group(runs.clone()).await;
            at_hand.load(&bench.store, &group).await.unwrap();
            let batch = at_hand.batch(&group);
            assert_eq!(batch.reports.len(), new, "{runs:?}");
            if new > 0 {
                at_hand.learn(Some(bench.store.record(batch).await.unwrap()));
            }
        }
    }

    #[actix::test]
    async fn what_was_not_written_is_new_again_once_all_is_forgotten() {
        let mut bench = Bench::new().await;
        let mut at_hand = AtHand::default();
        let group = bench.group(0..2).await;
        for _ in 0..2 {
            at_hand.load(&bench.store, &group).await.unwrap();
            assert_eq!(at_hand.batch(&group).reports.len(), 2);
            assert!(at_hand.batch(&group).reports.is_empty());
            at_hand.forget();
        }
    }
}
