//! The device's side of an update: answers offers, takes bytes in, drives the [machine](super::machine), and tells
//! what became of it. Says what to send; whether there is a link is not its business.

mod offers;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::config::{ModuleConfig, Pace};
use super::download::{Download, Downloads};
use super::install::Installer;
use super::journal::{Found, Journal, Untold};
use super::machine::{Act, Effect, Event, Fault, Job};
use super::module_dir::ModuleDir;
use super::trust::Trusting;
use super::{clock, recovery};
use crate::domain::{Manifest, ModuleName, Modules, Sha256Hex, Signed, Version};
use crate::protocol::{DeviceMessage, Offer, Outcome, Progress, TrustClaim, UpdateResult};

/// Packages, installs, and what is known of them.
pub struct Updates {
    modules: BTreeMap<ModuleName, ModuleConfig>,
    journal: Journal,
    trust: Trusting,
    downloads: Downloads,
    pace: Pace,
    /// From when and from which byte on the pace of the active download is measured.
    paced: (Instant, u64),
    /// Asked for on this connection and not pushed yet.
    wanted: BTreeMap<ModuleName, Asked>,
    /// The download of the active job, until it is complete.
    incoming: Option<Download>,
    done: mpsc::UnboundedSender<Event>,
    /// Results that are with the link, by receipt.
    in_flight: Vec<(u64, Untold)>,
    receipts: u64,
    /// The active install began on an earlier connection: this server does not wait for its result.
    carried_over: bool,
    /// Something was declined as busy; a hello after the install has the server offer it again.
    declined_busy: bool,
}

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
        pace: Pace,
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
            paced: (Instant::now(), 0),
            wanted,
            incoming,
            done,
            in_flight,
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

    /// What the hello says of signatures.
    #[must_use]
    pub fn trust_claim(&self) -> Option<TrustClaim> {
        self.trust.claim()
    }

    /// The server has newer trust documents. What was asked for under the old one is not taken any more.
    pub fn on_trust(&mut self, documents: Vec<Signed>) {
        if self.trust.on_documents(documents) {
            self.wanted.clear();
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
        let Some(Asked { offer, manifest, mut download }) = asked.filter(|_| self.journal.entries.active.is_none())
        else {
            let error = Some("this package was not asked for".to_owned());
            return Ok(vec![self.result_once(module, version, error)]);
        };
        if offset == 0 && download.received() > 0 {
            download.restart()?;
        }
        if offset != download.received() {
            let error = format!("bytes from {offset} come, those from {} were asked for", download.received());
            return Ok(vec![self.result_once(module, version, Some(error))]);
        }
        let from = self.running().get(module).cloned();
        let mut job = Job::offered(&offer, from, clock::now());
        job.manifest = manifest;
        self.journal.entries.active = Some(job);
        self.incoming = Some(download);
        self.paced = (Instant::now(), offset);
        self.on_event(Event::Pushed { offset })
    }

    /// A failure that concerns no job; not kept for later.
    fn result_once(&mut self, module: &ModuleName, version: &Version, error: Option<String>) -> Say {
        self.receipts += 1;
        let result = UpdateResult { module: module.clone(), version: version.clone(), outcome: Outcome::Failed, error };
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
                self.on_event(Event::Spoiled(Fault { text: error.to_string(), package_is_bad: false }))
            }
            Err(error) => {
                let fault = Fault { text: format!("a package cannot be kept: {error}"), package_is_bad: false };
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
        self.on_event(Event::Spoiled(Fault { text, package_is_bad: false }))
    }

    /// The server calls a package off. What was received is kept; an install that has all its bytes goes on.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_cancel(&mut self, module: &ModuleName, version: &Version) -> io::Result<Vec<Say>> {
        self.wanted.retain(|name, asked| name != module || asked.offer.version != *version);
        let is_it = |job: &Job| job.module == *module && job.version == *version;
        if self.journal.entries.active.as_ref().is_some_and(is_it) {
            tracing::info!(%module, %version, "the server called a package off");
            return self.on_event(Event::Interrupted);
        }
        Ok(Vec::new())
    }

    /// The link is gone: nothing asked for will come, and results on their way may not have arrived.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn on_link_lost(&mut self) -> io::Result<()> {
        self.wanted.clear();
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

    /// Gives the machine an event and carries out what it says.
    ///
    /// # Errors
    /// When the journal cannot be written: nothing after that may be done.
    pub fn on_event(&mut self, event: Event) -> io::Result<Vec<Say>> {
        let Some(job) = &mut self.journal.entries.active else { return Ok(Vec::new()) };
        if let Event::WentWrong(act, fault) = &event {
            tracing::warn!(module = %job.module, version = %job.version, ?act, error = %fault.text, "a step of an install failed");
        }
        let mut say = Vec::new();
        for effect in job.on(clock::now(), event) {
            match effect {
                Effect::Save => self.journal.save()?,
                Effect::Do(act) => self.begin(act),
                Effect::Progress(received) => say.extend(self.progress(received)),
                Effect::Drop => {
                    self.incoming = None;
                    self.carried_over = false;
                    self.journal.entries.active = None;
                    self.journal.save()?;
                }
                Effect::Finish(outcome) => say.extend(self.finish(outcome)?),
            }
        }
        Ok(say)
    }

    fn begin(&mut self, act: Act) {
        let Some(job) = self.journal.entries.active.clone() else { return };
        let download = self.incoming.take();
        let Some(config) = self.modules.get(&job.module).cloned() else {
            let text = format!("module {} is no longer configured", job.module);
            let _ = self.done.send(Event::WentWrong(act, Fault { text, package_is_bad: false }));
            return;
        };
        tracing::debug!(module = %job.module, version = %job.version, ?act, "a step of an install");
        // A device's own health command knows it better than the package's.
        let health = config.health.clone().or_else(|| job.manifest.as_ref()?.health.clone());
        let config = ModuleConfig { health, ..config };
        let (installer, done) = (Installer { downloads: self.downloads.clone(), config }, self.done.clone());
        tokio::spawn(async move {
            let event = installer.carry_out(act, job, download).await;
            let _ = done.send(event);
        });
    }

    fn progress(&self, received: u64) -> Option<Say> {
        let job = self.journal.entries.active.as_ref()?;
        let progress = Progress { module: job.module.clone(), version: job.version.clone(), received };
        Some(Say::Message(DeviceMessage::Progress(progress)))
    }

    fn finish(&mut self, outcome: Outcome) -> io::Result<Vec<Say>> {
        if let Some(job) = &self.journal.entries.active {
            let error = job.error.as_deref().unwrap_or_default();
            tracing::info!(module = %job.module, version = %job.version, ?outcome, error, "an install is over");
            if let (Outcome::Installed, Some(manifest)) = (outcome, &job.manifest) {
                self.trust.installed(manifest)?;
            }
        }
        self.incoming = None;
        self.journal.finish(outcome)?;
        self.carried_over = false;
        Ok(vec![Say::News { hello: std::mem::take(&mut self.declined_busy) }])
    }
}
