//! One install, as a pure state machine: `(job, now, event) -> effects`.
//!
//! Every change of stage is saved before the act that belongs to it, and every act may be done again: after a kill
//! at any point [`Event::Restarted`] goes on from the stage that was saved, forward or back, to the old or the new
//! version.
//!
//! ```text
//! offered -> downloading -> received -> verified -> unpacked -> switching -> trial -> committed
//!                 |            |            |           '-----------+---------'
//!                 |            '------------+-> failed              v
//!                 '-> (dropped, the part kept)                 rolling back -> rolled back | failed
//! ```
//!
//! Of a [set](super::set) all but the last go from verified to staged, and on with the last one as one job.

use serde::{Deserialize, Serialize};

use super::set::{End, Set};
use crate::domain::{Manifest, ModuleName, Sha256Hex, Timestamp, Version, millis_rfc3339};
use crate::protocol::{Offer, Outcome, PROGRESS_EVERY};

/// Where an install stands. No job at all is the idle state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The device asked for it; nothing has come yet.
    Offered,
    /// Bytes come in.
    Downloading,
    /// Every byte is there, unchecked.
    Received,
    /// Size and sha256 are right and on disk.
    Verified,
    /// Unpacked under a name of its own; the rest of its set is awaited.
    Staged,
    /// The new version's folder is complete; the old one still runs.
    Unpacked,
    /// The old version is stopped; `current` is about to change.
    Switching,
    /// `current` is the new version; it has to show that it works.
    Trial,
    /// The new version works.
    Committed,
    /// The new version does not work; the old one is on its way back.
    RollingBack,
    /// The old version is back.
    RolledBack,
    /// It did not come to a trial, or there was no way back.
    Failed,
}

/// One install: all that has to survive a power cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub module: ModuleName,
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// `None` for a trial that was reconstructed from the disk.
    pub sha256: Option<Sha256Hex>,
    /// The signed word by which it is installed, where this device trusts a key.
    #[serde(default)]
    pub manifest: Option<Manifest>,
    /// The version to go back to; `None` for a first install.
    pub from: Option<Version>,
    pub stage: Stage,
    /// Starts of the agent that found this job unfinished.
    pub restarts: u32,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// Whether that speaks against the package (and not against the link or the disk).
    pub package_is_bad: bool,
    /// Of a set: which module went wrong, where it was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blamed: Option<ModuleName>,
    /// Where it is one of several, all or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Box<Set>>,
    /// When the stage was entered.
    #[serde(with = "millis_rfc3339")]
    pub since: Timestamp,
    /// The last progress that was told.
    #[serde(skip)]
    pub(super) told: u64,
}

/// Something to be done; answered with [`Event::Done`] or [`Event::WentWrong`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// fsync the file and compare its size and sha256.
    Check,
    /// Make the new version's folder.
    Unpack,
    /// Stop what runs.
    Stop,
    /// Point `current` at the new version.
    Switch,
    /// Start the new version.
    Start,
    /// Ask the new version for its health, until it has settled.
    Prove,
    /// Stop the new version.
    StopNew,
    /// Compare the old version's files with what was signed.
    Inspect,
    /// Point `current` at the old version.
    SwitchBack,
    /// Start the old version.
    StartOld,
    /// Ask the old version for its health.
    ProveOld,
    /// Remove what is no longer needed.
    Tidy,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server starts to send, from this offset.
    Pushed { offset: u64 },
    /// So many bytes are in the file, offset included.
    Received(u64),
    /// An act was done.
    Done(Act),
    /// An act failed.
    WentWrong(Act, Fault),
    /// What comes is no good; what came before it stays for the next try.
    Spoiled(Fault),
    /// Nothing more will come: the link is gone, or the server called it off.
    Interrupted,
    /// The agent was started and found the job in its journal.
    Restarted,
}

/// Why an act failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub text: String,
    /// Whether another try of the same bytes would fail the same way.
    pub package_is_bad: bool,
    /// In a set: whose act it was.
    pub module: Option<ModuleName>,
}

impl Fault {
    /// One that another try may not have: of the link, the disk, the device.
    #[must_use]
    pub fn passing(text: impl Into<String>) -> Self {
        Self { text: text.into(), package_is_bad: false, module: None }
    }

    /// One of the package's own.
    #[must_use]
    pub fn of_package(text: impl Into<String>) -> Self {
        Self { text: text.into(), package_is_bad: true, module: None }
    }
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Write the journal; nothing after it may happen before it is on disk.
    Save,
    Do(Act),
    /// Tell the server that it is staged, and the next of its set may come.
    Staged,
    /// Tell the server how many bytes are here.
    Progress(u64),
    /// The job is over: with one write of the journal it goes, its result waits to be told, and its failure counts.
    Finish(Outcome),
    /// The job is over without a result; what was received stays on disk.
    Drop,
}

/// So many restarts of the agent during one trial speak against the new version.
pub const MAX_RESTARTS: u32 = 3;

impl Job {
    /// A package that the device asked for.
    #[must_use]
    pub fn offered(offer: &Offer, from: Option<Version>, now: Timestamp) -> Self {
        let (size, sha256) = (offer.size, Some(offer.sha256.clone()));
        let job = Self::found(offer.app_name.clone(), offer.version.clone(), from, now);
        Self { size, sha256, stage: Stage::Offered, ..job }
    }

    /// The trial of a version that was found running without a journal that says how it came there.
    #[must_use]
    pub fn found(module: ModuleName, version: Version, from: Option<Version>, now: Timestamp) -> Self {
        Self {
            module,
            version,
            size: 0,
            sha256: None,
            manifest: None,
            from,
            stage: Stage::Trial,
            restarts: 0,
            error: None,
            package_is_bad: false,
            blamed: None,
            set: None,
            since: now,
            told: 0,
        }
    }

    /// Whether only bytes are awaited, so that the end of the link ends the job.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        matches!(self.stage, Stage::Offered | Stage::Downloading)
    }

    /// Takes one event. What does not fit the stage (a late answer, a repeated message) changes nothing.
    pub fn on(&mut self, now: Timestamp, event: Event) -> Vec<Effect> {
        match (self.stage, event) {
            (Stage::Offered, Event::Pushed { offset }) => {
                self.told = offset;
                let mut effects = self.enter(Stage::Downloading, now);
                effects.extend(self.received(now, offset));
                effects
            }
            (Stage::Downloading, Event::Received(bytes)) => self.received(now, bytes),
            (stage, Event::Interrupted) => self.interrupted(stage),
            (Stage::Offered | Stage::Downloading | Stage::Staged, Event::Spoiled(fault)) => {
                self.blame(fault);
                vec![Effect::Finish(Outcome::Failed)]
            }
            (Stage::Received | Stage::Verified, Event::Spoiled(fault)) => self.ending(End::Failed(fault)),
            (_, Event::Restarted) => self.restarted(now),
            (_, Event::Done(act)) => self.done(now, act),
            (_, Event::WentWrong(act, fault)) => self.went_wrong(now, act, fault),
            _ => Vec::new(),
        }
    }

    fn received(&mut self, now: Timestamp, bytes: u64) -> Vec<Effect> {
        if bytes > self.size {
            let text = format!("too_long: {bytes} bytes came, {} were announced", self.size);
            return self.fail(now, Fault::passing(text));
        }
        let mut effects = Vec::new();
        if bytes == self.size || bytes >= self.told + PROGRESS_EVERY {
            self.told = bytes;
            effects.push(Effect::Progress(bytes));
        }
        if bytes == self.size {
            effects.extend(self.enter_and(Stage::Received, now, Act::Check));
        }
        effects
    }

    fn interrupted(&mut self, stage: Stage) -> Vec<Effect> {
        match stage {
            Stage::Offered | Stage::Downloading | Stage::Staged => vec![Effect::Drop],
            Stage::Received | Stage::Verified => self.ending(End::Cut),
            _ => Vec::new(),
        }
    }

    /// An act is under way: its set ends after that.
    fn ending(&mut self, end: End) -> Vec<Effect> {
        self.end_set(end);
        Vec::new()
    }

    fn unpacked(&mut self, now: Timestamp) -> Vec<Effect> {
        match &self.set {
            None => self.enter_and(Stage::Unpacked, now, Act::Stop),
            Some(set) if !set.to_come.is_empty() => {
                let saved = self.enter(Stage::Staged, now);
                saved.into_iter().chain([Effect::Staged]).collect()
            }
            Some(_) => {
                let saved = self.enter(Stage::Unpacked, now);
                saved.into_iter().chain([Effect::Staged, Effect::Do(Act::Stop)]).collect()
            }
        }
    }

    fn done(&mut self, now: Timestamp, act: Act) -> Vec<Effect> {
        if let (Stage::Received, Act::Check) | (Stage::Verified, Act::Unpack) = (self.stage, act)
            && let Some(effect) = self.early_end()
        {
            return vec![effect];
        }
        match (self.stage, act) {
            (Stage::Received, Act::Check) => self.enter_and(Stage::Verified, now, Act::Unpack),
            (Stage::Verified, Act::Unpack) => self.unpacked(now),
            (Stage::Unpacked, Act::Stop) => self.enter_and(Stage::Switching, now, Act::Switch),
            (Stage::Switching, Act::Switch) => self.enter_and(Stage::Trial, now, Act::Start),
            (Stage::Trial, Act::Start) => vec![Effect::Do(Act::Prove)],
            (Stage::Trial, Act::Prove) => self.enter_and(Stage::Committed, now, Act::Tidy),
            (Stage::Committed, Act::Tidy) => vec![Effect::Finish(Outcome::Installed)],
            (Stage::RollingBack, Act::StopNew) => vec![Effect::Do(Act::Inspect)],
            (Stage::RollingBack, Act::Inspect) => vec![Effect::Do(Act::SwitchBack)],
            // Without an old version there is nothing to start, and nothing that runs again.
            (Stage::RollingBack, Act::SwitchBack) if self.has_no_way_back() => {
                self.enter_and(Stage::Failed, now, Act::Tidy)
            }
            (Stage::RollingBack, Act::SwitchBack) => vec![Effect::Do(Act::StartOld)],
            (Stage::RollingBack, Act::StartOld) => vec![Effect::Do(Act::ProveOld)],
            (Stage::RollingBack, Act::ProveOld) => self.enter_and(Stage::RolledBack, now, Act::Tidy),
            (Stage::RolledBack, Act::Tidy) => vec![Effect::Finish(Outcome::RolledBack)],
            (Stage::Failed, Act::Tidy) => vec![Effect::Finish(Outcome::Failed)],
            _ => Vec::new(),
        }
    }

    fn went_wrong(&mut self, now: Timestamp, act: Act, fault: Fault) -> Vec<Effect> {
        match (self.stage, act) {
            (Stage::Received, Act::Check) | (Stage::Downloading, _) => self.fail(now, fault),
            (Stage::Verified, Act::Unpack) => self.fail(now, fault),
            // What is not running cannot be stopped, and what was left over must not keep the terminal.
            (Stage::Unpacked, Act::Stop) | (Stage::RollingBack, Act::StopNew) => self.done(now, act),
            (Stage::Committed | Stage::RolledBack | Stage::Failed, Act::Tidy) => self.done(now, act),
            (Stage::Switching, Act::Switch) | (Stage::Trial, Act::Start | Act::Prove) => self.roll_back(now, fault),
            // There is no other version to go back to: it is told, and its health decides.
            (Stage::RollingBack, Act::Inspect) => {
                self.add_error("the old version is not what was signed", &fault);
                self.done(now, act)
            }
            (Stage::RollingBack, Act::ProveOld) => {
                self.add_error("the old version is not well either", &fault);
                self.done(now, act)
            }
            (Stage::RollingBack, Act::SwitchBack | Act::StartOld) => {
                self.add_error("the old version could not be brought back", &fault);
                self.enter_and(Stage::Failed, now, Act::Tidy)
            }
            _ => Vec::new(),
        }
    }

    fn restarted(&mut self, now: Timestamp) -> Vec<Effect> {
        self.restarts += 1;
        let too_often = self.restarts > MAX_RESTARTS;
        let text = format!("the agent was restarted {} times before it was done", self.restarts);
        let fault = Fault::of_package(text);
        match self.stage {
            Stage::Offered | Stage::Downloading | Stage::Staged => vec![Effect::Drop],
            // Nobody sends the rest.
            Stage::Received | Stage::Verified if self.awaits_more() => vec![Effect::Drop],
            Stage::Received | Stage::Verified if too_often => self.fail(now, fault),
            Stage::Unpacked | Stage::Switching | Stage::Trial if too_often => self.roll_back(now, fault),
            Stage::Received => vec![Effect::Save, Effect::Do(Act::Check)],
            Stage::Verified => vec![Effect::Save, Effect::Do(Act::Unpack)],
            // The restart may have started the old version again.
            Stage::Unpacked | Stage::Switching => self.enter_and(Stage::Unpacked, now, Act::Stop),
            Stage::Trial => vec![Effect::Save, Effect::Do(Act::Start)],
            Stage::RollingBack => vec![Effect::Save, Effect::Do(Act::StopNew)],
            Stage::Committed | Stage::RolledBack | Stage::Failed => vec![Effect::Save, Effect::Do(Act::Tidy)],
        }
    }

    fn fail(&mut self, now: Timestamp, fault: Fault) -> Vec<Effect> {
        self.blame(fault);
        self.enter_and(Stage::Failed, now, Act::Tidy)
    }

    fn roll_back(&mut self, now: Timestamp, fault: Fault) -> Vec<Effect> {
        self.blame(fault);
        self.enter_and(Stage::RollingBack, now, Act::StopNew)
    }

    pub(super) fn blame(&mut self, fault: Fault) {
        self.error = Some(fault.text);
        self.package_is_bad = fault.package_is_bad;
        self.blamed = fault.module;
    }

    fn add_error(&mut self, what: &str, fault: &Fault) {
        let first = self.error.take().unwrap_or_default();
        self.error = Some(format!("{first}; and {what}: {}", fault.text));
    }

    fn enter(&mut self, stage: Stage, now: Timestamp) -> Vec<Effect> {
        self.stage = stage;
        self.since = now;
        vec![Effect::Save]
    }

    fn enter_and(&mut self, stage: Stage, now: Timestamp, act: Act) -> Vec<Effect> {
        self.stage = stage;
        self.since = now;
        vec![Effect::Save, Effect::Do(act)]
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
