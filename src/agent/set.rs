//! Several installs that are one: all of them, or none.
//!
//! Packages of an all-or-nothing offer come one after the other. Each is unpacked beside what runs and then staged;
//! the last one takes the staged ones along, so that from the first switch to the end there is one job, one entry in
//! the journal, and one way forward or back for all of them.

use std::future::Future;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::install::Installer;
use super::journal::Untold;
use super::machine::{Act, Effect, Event, Fault, Job};
use crate::domain::{ModuleName, Version};
use crate::protocol::Outcome;

/// The rest of the set that an install belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Set {
    /// Those that are staged, in the order in which they came.
    pub staged: Vec<Job>,
    /// Those whose bytes are still to come.
    pub to_come: Vec<Named>,
    /// What is still to come will not come: the set ends when the look at the package that is here has ended.
    #[serde(skip)]
    pub end: Option<End>,
}

/// How a set ends before all of it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The link was lost: it will be offered again, so nothing is told.
    Cut,
    /// It was called off, or one of it is no good: each of it is told to have failed.
    Failed(Fault),
}

/// One package by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub module: ModuleName,
    pub version: Version,
}

impl Job {
    /// It is the next one of a set: `before` was staged, and `to_come` is what comes after it.
    pub fn join(&mut self, before: Option<Self>, to_come: Vec<Named>) {
        let mut staged = Vec::new();
        if let Some(mut before) = before {
            staged = before.set.replace(Box::default()).map(|set| set.staged).unwrap_or_default();
            staged.push(before);
        }
        self.set = Some(Box::new(Set { staged, to_come, end: None }));
    }

    /// Every install that it stands for, in the order in which they came: itself, and those that are staged.
    #[must_use]
    pub fn members(&self) -> Vec<Self> {
        let staged = self.set.iter().flat_map(|set| &set.staged);
        let mut members: Vec<Self> = staged.cloned().collect();
        members.push(Self { set: self.set.as_ref().map(|_| Box::default()), ..self.clone() });
        for member in &mut members {
            member.stage = self.stage;
        }
        members
    }

    /// Whether packages of its set are still to come.
    #[must_use]
    pub fn awaits_more(&self) -> bool {
        self.set.as_ref().is_some_and(|set| !set.to_come.is_empty())
    }

    /// Has its set end early, where packages of it are still to come. What has to be told outlives a cut.
    pub fn end_set(&mut self, end: End) {
        let Some(set) = self.set.as_mut().filter(|set| !set.to_come.is_empty()) else { return };
        if !matches!(set.end, Some(End::Failed(_))) {
            set.end = Some(end);
        }
    }

    /// What becomes of a set that was to end early, now that nothing is under way.
    pub fn early_end(&mut self) -> Option<Effect> {
        match self.set.as_mut()?.end.take()? {
            End::Cut => Some(Effect::Drop),
            End::Failed(fault) => {
                self.blame(fault);
                Some(Effect::Finish(Outcome::Failed))
            }
        }
    }

    /// Whether nothing of it was there before.
    #[must_use]
    pub fn has_no_way_back(&self) -> bool {
        self.from.is_none() && self.set.iter().flat_map(|set| &set.staged).all(|job| job.from.is_none())
    }

    /// Whether a package is one of its set, or it itself.
    #[must_use]
    pub fn is_about(&self, module: &ModuleName, version: &Version) -> bool {
        let named = |name: &Named| name.module == *module && name.version == *version;
        let staged = |job: &Self| job.module == *module && job.version == *version;
        staged(self) || self.set.iter().any(|set| set.staged.iter().any(staged) || set.to_come.iter().any(named))
    }

    /// The install that is to blame for what went wrong.
    #[must_use]
    pub fn culprit(&self) -> &Self {
        let staged = self.set.iter().flat_map(|set| &set.staged);
        staged.into_iter().find(|job| Some(&job.module) == self.blamed.as_ref()).unwrap_or(self)
    }

    /// What is to be told of each package when it is over; first of the one that it failed for, so that nobody takes
    /// another for the cause.
    #[must_use]
    pub fn results(&self, outcome: Outcome) -> Vec<Untold> {
        let culprit = self.culprit();
        let of_another = || Some(format!("{} {}: {}", culprit.module, culprit.version, self.error.as_ref()?));
        let told = |module: &ModuleName, version: &Version, outcome| {
            let error = if *module == culprit.module { self.error.clone() } else { of_another() };
            Untold { module: module.clone(), version: version.clone(), outcome, error }
        };
        let members = self.members();
        let done = members.iter().map(|job| match outcome {
            // Nothing runs again where nothing ran before.
            Outcome::RolledBack if job.from.is_none() => told(&job.module, &job.version, Outcome::Failed),
            outcome => told(&job.module, &job.version, outcome),
        });
        let to_come = self.set.iter().flat_map(|set| &set.to_come);
        let mut all: Vec<Untold> =
            done.chain(to_come.map(|name| told(&name.module, &name.version, Outcome::Failed))).collect();
        all.sort_by_key(|told| told.module != culprit.module);
        all
    }
}

/// Carries out one act on each install of a set. What brings the old versions back goes on with the next one where
/// one fails; what brings the new ones stops there.
pub async fn carry_out(act: Act, members: Vec<(Installer, Job)>) -> Event {
    let one = |(installer, job): (Installer, Job)| async move {
        let module = job.module.clone();
        let done = installer.outcome(act, job, None).await;
        done.map_err(|fault| Fault { module: Some(module), ..fault })
    };
    let outcome = match act {
        // All of them have to be well at the same time.
        Act::Prove => {
            join_all(members.into_iter().map(one)).await.into_iter().collect::<Result<Vec<()>, _>>().map(drop)
        }
        Act::Stop | Act::StopNew | Act::Inspect | Act::SwitchBack | Act::StartOld | Act::ProveOld | Act::Tidy => {
            each(members, one, true).await
        }
        Act::Check | Act::Unpack | Act::Switch | Act::Start => each(members, one, false).await,
    };
    match outcome {
        Ok(()) => Event::Done(act),
        Err(fault) => Event::WentWrong(act, fault),
    }
}

async fn each<T, F: Future<Output = Result<(), Fault>>>(
    members: Vec<T>,
    one: impl Fn(T) -> F,
    goes_on: bool,
) -> Result<(), Fault> {
    let mut first = Ok(());
    for member in members {
        first = first.and(one(member).await);
        if first.is_err() && !goes_on {
            break;
        }
    }
    first
}
