//! The device's side of an update: answers offers, takes bytes in, drives the [machine](super::machine), and tells
//! what became of it. Says what to send; whether there is a link is not its business.

mod offers;
mod steps;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::apps::Apps;
use super::config::{ModuleConfig, Pace, Trial};
use super::download::{Download, Downloads};
use super::journal::{Found, Journal, Untold};
use super::machine::{Act, Event, Fault, Job, Stage};
use super::module_dir::ModuleDir;
use super::set::Named;
use super::trust::Trusting;
use super::{clock, recovery};
use crate::domain::{Manifest, ModuleName, Modules, Sha256Hex, Signed, Version};
use crate::protocol::{DeviceMessage, Offer, Outcome, TrustClaim, UpdateResult};

/// Packages, installs, and what is known of them.
pub struct Updates {
    modules: BTreeMap<ModuleName, ModuleConfig>,
    journal: Journal,
    trust: Trusting,
    downloads: Downloads,
    pace: Pace,
    trial: Trial,
    apps: Apps,
    /// Counts what the server is heard to say.
    heard: watch::Sender<u64>,
    /// From when and from which byte on the pace of the active download is measured.
    paced: (Instant, u64),
    /// Asked for on this connection and not pushed yet.
    wanted: BTreeMap<ModuleName, Asked>,
    /// What of `wanted` is one set, in the order in which it comes.
    set: Vec<Named>,
    /// The download of the active job, until it is complete.
    incoming: Option<Download>,
    done: mpsc::UnboundedSender<Event>,
    /// Results that are with the link, by receipt.
    in_flight: Vec<(u64, Untold)>,
    /// When the server last heard what of a set is staged.
    told_staged: Instant,
    receipts: u64,
    /// Another version of the agent itself has to be started: this one is to end.
    leaving: bool,
    /// The active install began on an earlier connection: this server does not wait for its result.
    carried_over: bool,
    /// Something was declined as busy; a hello after the install has the server offer it again.
    declined_busy: bool,
}

/// While a set comes in, the server hears this often that what is staged still waits.
const STAGED_EVERY: Duration = Duration::from_secs(60);

/// A package that was asked for.
struct Asked {
    offer: Offer,
    manifest: Option<Manifest>,
    download: Download,
}

/// What to tell the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Say {
    Message(DeviceMessage),
    /// Any answer will do: the server has to be heard.
    AreYouThere,
    /// Once the link has it, [`Updates::told`] wants to know.
    Result(UpdateResult, u64),
    /// An install is over: [`Updates::untold`] has its result, and what the device runs may have changed.
    News {
        /// Whether a hello is due even if nothing changed.
        hello: bool,
    },
}

impl Updates {
    /// Opens journal and downloads. `done` receives what acts report; hand it to [`Updates::on_event`].
    ///
    /// # Errors
    /// When the state folder cannot be read or written.
    pub fn open(
        state_dir: &Path,
        modules: BTreeMap<ModuleName, ModuleConfig>,
        trust: Trusting,
        (pace, trial): (Pace, Trial),
        apps: Apps,
        done: mpsc::UnboundedSender<Event>,
    ) -> io::Result<Self> {
        let (mut journal, found) = Journal::open(state_dir)?;
        if let Found::Unreadable { aside, why } = found {
            tracing::error!(aside = %aside.display(), why, "the journal is not readable; going by what is on disk");
            journal.entries.active = recovery::recovered(&modules);
            journal.save()?;
        }
        let downloads = Downloads::open(state_dir)?;
        let (wanted, in_flight) = (BTreeMap::new(), Vec::new());
        let (carried_over, declined_busy) = (journal.entries.active.is_some(), false);
        let (incoming, receipts) = (None, 0);
        Ok(Self {
            modules,
            journal,
            trust,
            downloads,
            pace,
            trial,
            apps,
            heard: watch::Sender::default(),
            leaving: false,
            paced: (Instant::now(), 0),
            wanted,
            set: Vec::new(),
            incoming,
            done,
            in_flight,
            told_staged: Instant::now(),
            receipts,
            carried_over,
            declined_busy,
        })
    }

    /// Goes on with what the journal says was under way when the agent ended.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn restart(&mut self) -> io::Result<Vec<Say>> {
        if let Some(job) = &self.journal.entries.active {
            tracing::warn!(module = %job.module, version = %job.version, stage = ?job.stage, "an install was interrupted");
        }
        self.on_event(Event::Restarted)
    }

    /// What every module runs; those that are not installed are left out.
    #[must_use]
    pub fn running(&self) -> Modules {
        let version = |config: &ModuleConfig| ModuleDir::new(&config.dir).running();
        self.modules.iter().filter_map(|(name, config)| Some((name.clone(), version(config)?))).collect()
    }

    /// A connection is up.
    pub fn on_connected(&mut self) {
        self.trust.on_connected();
    }

    /// The server was heard.
    pub fn on_heard(&self) {
        self.heard.send_modify(|heard| *heard += 1);
    }

    /// Whether this process is to end, for another version of the agent to be started in its place.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// What the hello says of signatures.
    #[must_use]
    pub fn trust_claim(&self) -> Option<TrustClaim> {
        self.trust.claim()
    }

    /// The server has newer trust documents. What was asked for under the old one is not taken any more.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_trust(&mut self, documents: Vec<Signed>) -> io::Result<Vec<Say>> {
        if !self.trust.on_documents(documents) {
            return Ok(Vec::new());
        }
        self.wanted.clear();
        self.set.clear();
        match &self.journal.entries.active {
            Some(job) if job.awaits_more() => {
                let text = "another trust document came before all of the set was here";
                self.on_event(Event::Spoiled(Fault::passing(text)))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The server starts to send a package.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_package(
        &mut self,
        module: &ModuleName,
        version: &Version,
        sha256: &Sha256Hex,
        offset: u64,
    ) -> io::Result<Vec<Say>> {
        let fits = |asked: &Asked| asked.offer.version == *version && asked.offer.sha256 == *sha256;
        let asked = self.wanted.remove(module).filter(fits);
        let active = self.journal.entries.active.as_ref();
        let is_next = self.set.first().is_some_and(|next| next.module == *module && next.version == *version);
        let may_begin = active.is_none_or(|job| job.stage == Stage::Staged && is_next);
        let Some(Asked { offer, manifest, mut download }) = asked.filter(|_| may_begin) else {
            let error = Some("this package was not asked for".to_owned());
            return Ok(vec![self.result_once(module, version, Outcome::Failed, error)]);
        };
        if offset == 0 && download.received() > 0 {
            download.restart()?;
        }
        if offset != download.received() {
            let error = format!("bytes from {offset} come, those from {} were asked for", download.received());
            if is_next && self.journal.entries.active.is_some() {
                // It ends its set.
                let fault = Fault { module: Some(module.clone()), ..Fault::passing(error) };
                return self.on_event(Event::Spoiled(fault));
            }
            return Ok(vec![self.result_once(module, version, Outcome::Failed, Some(error))]);
        }
        let from = self.running().get(module).cloned();
        let mut job = Job::offered(&offer, from, clock::now());
        job.manifest = manifest;
        if is_next {
            self.set.remove(0);
            job.join(self.journal.entries.active.take(), self.set.clone());
        }
        self.journal.entries.active = Some(job);
        self.incoming = Some(download);
        self.paced = (Instant::now(), offset);
        self.on_event(Event::Pushed { offset })
    }

    /// A result that means nothing on a later connection; not kept.
    fn result_once(&mut self, module: &ModuleName, version: &Version, outcome: Outcome, error: Option<String>) -> Say {
        self.receipts += 1;
        let result = UpdateResult { module: module.clone(), version: version.clone(), outcome, error };
        Say::Result(result, self.receipts)
    }

    /// Bytes of the package that is being sent. What belongs to none is dropped.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> io::Result<Vec<Say>> {
        let receiving = self.journal.entries.active.as_ref().is_some_and(Job::is_receiving);
        let Some(download) = self.incoming.as_mut().filter(|_| receiving) else { return Ok(Vec::new()) };
        match download.write(bytes) {
            Ok(()) => {
                let received = download.received();
                self.on_event(Event::Received(received))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.on_event(Event::Spoiled(Fault::passing(error.to_string())))
            }
            Err(error) => {
                let fault = Fault::passing(format!("a package cannot be kept: {error}"));
                self.on_event(Event::WentWrong(Act::Check, fault))
            }
        }
    }

    /// When the pace of a download is to be looked at; `None` while nothing comes.
    #[must_use]
    pub fn pace_at(&self) -> Option<Instant> {
        let receiving = self.journal.entries.active.as_ref().is_some_and(Job::is_receiving);
        (receiving && self.pace.min_bytes_per_s > 0).then(|| self.paced.0 + self.pace.over)
    }

    /// Gives a download up that came too slowly since the last look; its part stays.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_pace(&mut self) -> io::Result<Vec<Say>> {
        let received = self.incoming.as_ref().map_or(0, Download::received);
        let (came, seconds) = (received.saturating_sub(self.paced.1), self.pace.over.as_secs_f64());
        self.paced = (Instant::now(), received);
        let fewest = self.pace.min_bytes_per_s as f64 * seconds;
        if came as f64 >= fewest {
            return Ok(Vec::new());
        }
        let text = format!("too_slow: {came} bytes came in {seconds} s; {fewest} are the fewest that will do");
        self.on_event(Event::Spoiled(Fault::passing(text)))
    }

    /// The server calls a package off. What was received is kept; an install that has all its bytes goes on.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_cancel(&mut self, module: &ModuleName, version: &Version) -> io::Result<Vec<Say>> {
        self.wanted.retain(|name, asked| name != module || asked.offer.version != *version);
        if self.set.iter().any(|name| name.module == *module) {
            self.forget_set();
        }
        let Some(job) = self.journal.entries.active.as_ref().filter(|job| job.is_about(module, version)) else {
            return Ok(Vec::new());
        };
        tracing::info!(%module, %version, "the server called a package off");
        if job.set.is_some() && (job.is_receiving() || job.awaits_more()) {
            // The others of its set are told to have failed with it.
            let fault = Fault { module: Some(module.clone()), ..Fault::passing("the server called it off") };
            return self.on_event(Event::Spoiled(fault));
        }
        self.on_event(Event::Interrupted)
    }

    /// The link is gone: nothing asked for will come, and results on their way may not have arrived.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_link_lost(&mut self) -> io::Result<()> {
        self.wanted.clear();
        self.set.clear();
        self.in_flight.clear();
        self.on_event(Event::Interrupted)?;
        self.carried_over = self.journal.entries.active.is_some();
        Ok(())
    }

    /// Results that were not told yet; for after a welcome.
    pub fn untold(&mut self) -> Vec<Say> {
        let waiting = self.journal.entries.untold.clone();
        let new: Vec<Untold> =
            waiting.into_iter().filter(|w| !self.in_flight.iter().any(|(_, told)| told == w)).collect();
        new.into_iter()
            .map(|untold| {
                self.receipts += 1;
                let message = untold.message();
                self.in_flight.push((self.receipts, untold));
                Say::Result(message, self.receipts)
            })
            .collect()
    }

    /// The link has sent the result with this receipt.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn told(&mut self, receipt: u64) -> io::Result<()> {
        let Some(index) = self.in_flight.iter().position(|(number, _)| *number == receipt) else { return Ok(()) };
        let (_, told) = self.in_flight.remove(index);
        if let Some(index) = self.journal.entries.untold.iter().position(|untold| *untold == told) {
            self.journal.entries.untold.remove(index);
        }
        self.journal.save()
    }
}
