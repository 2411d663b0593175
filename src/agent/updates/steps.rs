//! What the machine wants done: saved, carried out beside the agent's loop, told.

use std::io;

use tokio::time::Instant;

use super::{STAGED_EVERY, Say, Updates};
use crate::agent::clock;
use crate::agent::config::ModuleConfig;
use crate::agent::install::Installer;
use crate::agent::itself::{self, Way};
use crate::agent::machine::{Act, Effect, Event, Fault, Job};
use crate::agent::module_dir::ModuleDir;
use crate::agent::set::{self, Named};
use crate::protocol::{DeviceMessage, Outcome, Progress};

impl Updates {
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
                Effect::Do(act) => {
                    self.begin(act);
                    if act == Act::Prove && self.trial.reach_server {
                        say.push(Say::AreYouThere);
                    }
                }
                Effect::Progress(received) => say.extend(self.progress(received)),
                Effect::Staged => say.extend(self.staged()),
                Effect::Drop => {
                    self.incoming = None;
                    self.carried_over = false;
                    self.journal.entries.active = None;
                    self.journal.save()?;
                    self.forget_set();
                    self.apps.is_over();
                    say.push(Say::News { hello: std::mem::take(&mut self.declined_busy) });
                }
                Effect::Finish(outcome) => say.extend(self.finish(outcome)?),
            }
        }
        Ok(say)
    }

    fn begin(&mut self, act: Act) {
        let Some(job) = self.journal.entries.active.clone() else { return };
        let download = self.incoming.take();
        tracing::debug!(module = %job.module, version = %job.version, ?act, "a step of an install");
        match self.way(act, &job) {
            Ok(Way::Ordinary) => {}
            Ok(Way::Over(event)) => return drop(self.done.send(event)),
            Ok(Way::Leave) => return self.leaving = true,
            Err(fault) => return drop(self.done.send(Event::WentWrong(act, fault))),
        }
        let packages = job.members().into_iter().map(|Job { module, version, .. }| Named { module, version });
        let hold = (act == Act::Stop).then(|| (self.apps.clone(), packages.collect()));
        let alone = job.set.is_none() || matches!(act, Act::Check | Act::Unpack);
        let members = if alone { vec![job] } else { job.members() };
        let equipped = members.into_iter().map(|job| Ok((self.installer(&job)?, job)));
        let done = self.done.clone();
        match equipped.collect::<Result<Vec<_>, Fault>>() {
            Err(fault) => drop(done.send(Event::WentWrong(act, fault))),
            Ok(mut members) => drop(tokio::spawn(async move {
                if let Some((apps, packages)) = hold {
                    apps.clear_to_switch(packages).await;
                }
                let event = match members.pop_if(|_| alone) {
                    Some((installer, job)) => installer.carry_out(act, job, download).await,
                    None => set::carry_out(act, members).await,
                };
                let _ = done.send(event);
            })),
        }
    }

    /// How the agent's own module takes an act; all others take it as it is.
    fn way(&self, act: Act, job: &Job) -> Result<Way, Fault> {
        let Some(module) = self.modules.get(&job.module).filter(|module| module.is_agent) else {
            return Ok(Way::Ordinary);
        };
        let dir = ModuleDir::new(&module.dir);
        if act == Act::Tidy {
            itself::confirm(job, &dir).map_err(|error| Fault::passing(error.to_string()))?;
        }
        Ok(itself::way(act, job, itself::version(&module.dir).as_ref(), &dir))
    }

    fn installer(&self, job: &Job) -> Result<Installer, Fault> {
        let Some(config) = self.modules.get(&job.module).cloned() else {
            return Err(Fault::passing(format!("module {} is no longer configured", job.module)));
        };
        // A device's own health command knows it better than the package's.
        let health = config.health.clone().or_else(|| job.manifest.as_ref()?.health.clone());
        let reached = self.trial.reach_server.then(|| (self.heard.subscribe(), self.trial.reach_within));
        let old_files = job.from.as_ref().and_then(|old| self.trust.files_of(&job.module, old)).map(<[_]>::to_vec);
        let config = ModuleConfig { health, ..config };
        Ok(Installer { downloads: self.downloads.clone(), config, reached, old_files })
    }

    fn staged(&mut self) -> Option<Say> {
        let job = self.journal.entries.active.as_ref()?;
        let (module, version) = (job.module.clone(), job.version.clone());
        tracing::info!(%module, %version, "a package of a set is staged");
        self.told_staged = Instant::now();
        Some(self.result_once(&module, &version, Outcome::Staged, None))
    }

    /// Nothing more of a set will be taken.
    pub(super) fn forget_set(&mut self) {
        for name in std::mem::take(&mut self.set) {
            self.wanted.remove(&name.module);
        }
    }

    fn progress(&mut self, received: u64) -> Vec<Say> {
        let Some(job) = self.journal.entries.active.clone() else { return Vec::new() };
        let progress = Progress { module: job.module.clone(), version: job.version.clone(), received };
        let mut say = vec![Say::Message(DeviceMessage::Progress(progress))];
        if job.set.is_some() && self.told_staged.elapsed() >= STAGED_EVERY {
            self.told_staged = Instant::now();
            let staged: Vec<Job> = job.members().into_iter().filter(|member| member.module != job.module).collect();
            say.extend(staged.iter().map(|job| self.result_once(&job.module, &job.version, Outcome::Staged, None)));
        }
        say
    }

    fn finish(&mut self, outcome: Outcome) -> io::Result<Vec<Say>> {
        if let Some(job) = &self.journal.entries.active {
            let error = job.error.as_deref().unwrap_or_default();
            tracing::info!(module = %job.module, version = %job.version, ?outcome, error, "an install is over");
            if outcome == Outcome::Installed {
                for manifest in job.members().iter().filter_map(|job| job.manifest.as_ref()) {
                    self.trust.installed(manifest)?;
                }
            }
        }
        self.forget_set();
        self.apps.is_over();
        self.incoming = None;
        self.journal.finish(outcome)?;
        self.carried_over = false;
        Ok(vec![Say::News { hello: std::mem::take(&mut self.declined_busy) }])
    }
}
