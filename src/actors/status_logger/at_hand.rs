//! What the database has of devices that reported lately, so that it need not be read for each report. It is ahead of
//! the database by the groups that are being written, and forgotten when one of them fails.

use std::collections::HashMap;
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
            let numbers = stored.remove(&(key, run.clone())).unwrap_or_default();
            self.runs.entry(key).or_insert_with(|| Vec::with_capacity(1)).push((run, numbers));
        }
        Ok(())
    }

    /// What of a group is new, and its runs as they are with it. From then on its reports are not new: when they are not
    /// written, all that is at hand must be forgotten.
    pub fn batch(&mut self, group: &[Queued]) -> RecordBatch {
        let mut reports = Vec::with_capacity(group.len());
        let mut changed: HashMap<(KeyId, &BootId), usize> = HashMap::with_capacity(group.len());
        for Queued { pending, .. } in group {
            let key = pending.record.key_id;
            let is_new = pending.seq.is_none_or(|seq| {
                let next = changed.len();
                changed.entry((key, &pending.run)).or_insert(next);
                let runs = self.runs.entry(key).or_insert_with(|| Vec::with_capacity(1));
                match runs.iter_mut().find(|(name, _)| *name == pending.run) {
                    Some((_, numbers)) => numbers.insert(seq),
                    None => {
                        runs.push((pending.run.clone(), SeqSet::default()));
                        runs.last_mut().is_some_and(|(_, numbers)| numbers.insert(seq))
                    }
                }
            });
            if is_new {
                reports.push(pending.record.clone());
            }
        }
        let mut runs: Vec<(usize, (KeyId, BootId, SeqSet))> = Vec::with_capacity(changed.len());
        for ((key, run), place) in changed {
            let numbers = self.numbers(key, run).cloned().unwrap_or_default();
            runs.push((place, (key, run.clone(), numbers)));
        }
        runs.sort_unstable_by_key(|(place, _)| *place);
        let runs = runs.into_iter().map(|(_, run)| run).collect();
        RecordBatch { reports, runs: Arc::new(runs), ..RecordBatch::default() }
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
