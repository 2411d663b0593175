//! One connection of one device, from the upgrade to the close.
//!
//! Owns what was said so far: who the device is, what it was asked, which package is on its way. Decides what each
//! message means; whoever owns the socket carries the [`SessionEffect`]s out in order.

mod pings;
mod sending;

use std::collections::VecDeque;

use chrono::TimeDelta;

use self::pings::Pings;
use super::transfer::{Sendable, Transfer};
use super::{
    Answer, BootId, DeviceId, Doing, ModuleName, Modules, OfferSpeech, Pace, Release, Report, RolloutId, Timestamp,
    Version,
};

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEffect {
    /// Have the registry know the device; [`Session::joined`] or a close follows. Nothing is read until then.
    Join { device_id: DeviceId, modules: Modules },
    /// The device runs other versions now.
    Rejoin(Modules),
    /// Welcome the device.
    Welcome { device_id: DeviceId, token: Option<String> },
    /// Put the report where it gets on disk.
    Store(Box<Report>),
    /// Reports up to here are on disk.
    Ack { run: BootId, seq: u64 },
    /// Ask which of these the device needs.
    Ask { rollout: RolloutId, releases: Vec<Release>, allow_rollback: bool, all_or_nothing: bool },
    /// Wait for a turn to send; [`Session::turn`] follows.
    TakeTurn,
    /// Say that bytes from `offset` of this package follow; then send as [`Session::room`] says.
    Begin { release: Release, offset: u64 },
    /// The turn is over.
    EndTurn,
    /// Stop receiving this.
    Cancel { module: ModuleName, version: Version },
    /// Tell the updater.
    Answered { module: ModuleName, version: Version, answer: Answer },
    /// Tell the updater.
    Did { module: ModuleName, version: Version, doing: Doing },
    /// For those who watch.
    Progress { module: ModuleName, received: u64, size: u64 },
    /// The message was not taken.
    Refuse(Fault),
    /// Ask for a sign of life.
    Ping,
    /// End the connection.
    Close(CloseCause),
}

/// Why a message was not taken, where it could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    NotHello,
    WrongDevice,
    UnknownPackage(ModuleName, Version),
}

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCause {
    /// No hello in time.
    NoHello,
    /// Nothing was heard for too long.
    Silent,
    /// Too many messages that could not be taken.
    BadMessages,
    /// Hellos without end.
    Hellos,
    /// A binary frame from a device.
    Binary,
}

/// The times a session goes by.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    pub hello: TimeDelta,
    pub dead_after: TimeDelta,
    /// Between two pings.
    pub ping: TimeDelta,
    /// Between two reports.
    pub report: TimeDelta,
    /// Messages of a device a second, and at once.
    pub messages_per_s: u32,
    pub messages_burst: u32,
}

/// Most messages that could not be taken ...
const BAD_MESSAGES: usize = 10;
/// ... within this many seconds.
const BAD_MESSAGES_WITHIN_S: i64 = 60;

/// Most hellos ...
const HELLOS: u32 = 120;
/// ... within this many seconds: one after each of many modules, and not those of a program that has lost its way.
const HELLOS_WITHIN_S: i64 = 60;

#[derive(Debug)]
enum Push {
    Idle,
    AwaitingTurn(Sendable),
    Sending(Transfer),
    /// The device has the bytes. `since`: it is one that tells no progress, and may tell no result either.
    AwaitingResult {
        release: Release,
        since: Option<Timestamp>,
        /// The rollout of which it is one of several, all or nothing.
        set: Option<RolloutId>,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    limits: SessionLimits,
    opened: Timestamp,
    heard: Timestamp,
    pings: Pings,
    device: Option<DeviceId>,
    bad: VecDeque<Timestamp>,
    /// Hellos, and since when they are counted.
    hellos: (u32, Timestamp),
    pace: Pace,
    /// The `update_list` that waits for its reply.
    asked: Option<OfferSpeech>,
    to_ask: VecDeque<OfferSpeech>,
    /// Wanted, in the order of the device's reply.
    queue: VecDeque<Sendable>,
    push: Push,
    out: Vec<SessionEffect>,
}

impl Session {
    /// A connection that was just upgraded.
    #[must_use]
    pub fn new(limits: SessionLimits, now: Timestamp) -> Self {
        Self {
            limits,
            opened: now,
            heard: now,
            pings: Pings::new(limits, now),
            device: None,
            bad: VecDeque::new(),
            hellos: (0, now),
            pace: Pace::new(limits.messages_per_s, limits.messages_burst, now),
            asked: None,
            to_ask: VecDeque::new(),
            queue: VecDeque::new(),
            push: Push::Idle,
            out: Vec::new(),
        }
    }

    /// What the calls since the last one want done.
    pub fn take_effects(&mut self) -> Vec<SessionEffect> {
        std::mem::take(&mut self.out)
    }

    /// Whether there is anything to take.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        !self.out.is_empty()
    }

    /// Bytes of any kind came.
    pub fn heard(&mut self, now: Timestamp) {
        self.heard = now;
    }

    /// When the link is to be looked at next, if nothing comes until then: the device is pinged, or taken for gone.
    #[must_use]
    pub fn next_look(&self) -> Timestamp {
        self.pings.next().min(self.heard + self.limits.dead_after)
    }

    /// A message came, whatever it says.
    pub fn spoken(&mut self, now: Timestamp) {
        self.heard = now;
        self.pace.spend(now);
    }

    /// How long nothing more is to be read of this device. It loses nothing by it: what it says next waits with it.
    #[must_use]
    pub fn pause(&self, now: Timestamp) -> TimeDelta {
        self.pace.pause(now)
    }

    /// The device says who it is and what it runs.
    pub fn hello(&mut self, now: Timestamp, device_id: DeviceId, modules: Modules) {
        let (hellos, since) = self.hellos;
        self.hellos = match now - since < TimeDelta::seconds(HELLOS_WITHIN_S) {
            true => (hellos + 1, since),
            false => (1, now),
        };
        if self.hellos.0 > HELLOS {
            return self.out.push(SessionEffect::Close(CloseCause::Hellos));
        }
        match &self.device {
            None => {
                self.device = Some(device_id.clone());
                self.out.push(SessionEffect::Join { device_id, modules });
            }
            Some(known) if *known == device_id => {
                self.seen_running(now, &modules);
                self.out.push(SessionEffect::Rejoin(modules));
            }
            Some(_) => self.refuse(now, Fault::WrongDevice),
        }
    }

    /// The registry knows the device. `token`: its own, told once.
    pub fn joined(&mut self, token: Option<String>) {
        if let Some(device_id) = self.device.clone() {
            self.out.push(SessionEffect::Welcome { device_id, token });
        }
    }

    /// The registry does not take the device under this name; it may say hello under another.
    pub fn not_joined(&mut self, now: Timestamp) {
        self.device = None;
        self.refuse(now, Fault::WrongDevice);
    }

    /// A status message.
    pub fn report(&mut self, now: Timestamp, device_id: &DeviceId, report: Box<Report>) {
        match &self.device {
            None => self.refuse(now, Fault::NotHello),
            Some(known) if known == device_id => self.out.push(SessionEffect::Store(report)),
            Some(_) => self.refuse(now, Fault::WrongDevice),
        }
    }

    /// Reports of this run up to here are on disk.
    pub fn stored(&mut self, now: Timestamp, run: BootId, seq: u64) {
        self.pings.acknowledged(now);
        self.out.push(SessionEffect::Ack { run, seq });
    }

    /// A message that could not be read.
    pub fn unreadable(&mut self, now: Timestamp) {
        let oldest = now - TimeDelta::seconds(BAD_MESSAGES_WITHIN_S);
        self.bad.push_back(now);
        while self.bad.front().is_some_and(|at| *at < oldest) {
            self.bad.pop_front();
        }
        if self.bad.len() >= BAD_MESSAGES {
            self.out.push(SessionEffect::Close(CloseCause::BadMessages));
        }
    }

    /// A binary frame, which only the server sends.
    pub fn binary(&mut self) {
        self.out.push(SessionEffect::Close(CloseCause::Binary));
    }

    fn refuse(&mut self, now: Timestamp, fault: Fault) {
        self.out.push(SessionEffect::Refuse(fault));
        self.unreadable(now);
    }

    /// Time passed.
    pub fn tick(&mut self, now: Timestamp) {
        if self.device.is_none() && now - self.opened >= self.limits.hello {
            self.out.push(SessionEffect::Close(CloseCause::NoHello));
        } else if now - self.heard >= self.limits.dead_after {
            self.out.push(SessionEffect::Close(CloseCause::Silent));
        } else if self.pings.is_due(now) {
            self.out.push(SessionEffect::Ping);
        }
        self.wait_no_longer(now);
        self.end_a_crawl(now);
    }

    /// The updater offers packages. One `update_list` waits for its reply at a time.
    pub fn offer(&mut self, offer: OfferSpeech) {
        self.to_ask.push_back(offer);
        self.ask_next();
    }

    fn ask_next(&mut self) {
        while self.asked.as_ref().is_none_or(|asked| asked.releases.is_empty()) {
            self.asked = None;
            let Some(next) = self.to_ask.pop_front() else { return };
            if !next.releases.is_empty() {
                let OfferSpeech { rollout, allow_rollback, all_or_nothing, .. } = next;
                let releases = next.releases.clone();
                self.out.push(SessionEffect::Ask { rollout, releases, allow_rollback, all_or_nothing });
                self.asked = Some(next);
                return;
            }
        }
    }

    /// The device says what it needs of what it was asked, in its order; `(module, version, offset)`, and what it
    /// does not want, with reasons. What it leaves out counts as not newer.
    pub fn replied(
        &mut self,
        now: Timestamp,
        wanted: Vec<(ModuleName, Version, u64)>,
        declined: Vec<(ModuleName, Version, String)>,
    ) {
        if self.device.is_none() {
            return self.refuse(now, Fault::NotHello);
        }
        for (module, version, offset) in wanted {
            let Some((release, offer)) = self.take_asked(&module, &version) else {
                self.refuse(now, Fault::UnknownPackage(module, version));
                continue;
            };
            let offset = if offset <= release.size { offset } else { 0 };
            self.out.push(SessionEffect::Answered { module, version, answer: Answer::Wanted });
            self.queue.push_back(Sendable { release, offset, bytes_per_second: offer.bytes_per_second, offer });
        }
        for (module, version, reason) in declined {
            if self.take_asked(&module, &version).is_some() {
                self.out.push(SessionEffect::Answered { module, version, answer: Answer::Declined(reason) });
            }
        }
        for release in self.asked.take().map(|asked| asked.releases).unwrap_or_default() {
            let answer = Answer::Declined("not_newer".to_owned());
            self.out.push(SessionEffect::Answered { module: release.module, version: release.version, answer });
        }
        self.ask_next();
        self.push_next();
    }

    /// One of the releases that were asked about, and the offer of it alone.
    fn take_asked(&mut self, module: &ModuleName, version: &Version) -> Option<(Release, OfferSpeech)> {
        let asked = self.asked.as_mut()?;
        let at = asked.releases.iter().position(|r| r.module == *module && r.version == *version)?;
        let release = asked.releases.remove(at);
        let OfferSpeech { key_id, session, rollout, allow_rollback, all_or_nothing, bytes_per_second, .. } = *asked;
        let releases = vec![release.clone()];
        let alone =
            OfferSpeech { key_id, session, rollout, releases, allow_rollback, all_or_nothing, bytes_per_second };
        Some((release, alone))
    }

    /// The updater takes an offer back, or gives up on it.
    pub fn cancel(&mut self, module: ModuleName, version: Version) {
        for offer in self.to_ask.iter_mut().chain(self.asked.as_mut()) {
            offer.releases.retain(|r| !is(r, &module, &version));
        }
        self.stop(&module, &version);
        self.ask_next();
    }
}

fn is(release: &Release, module: &ModuleName, version: &Version) -> bool {
    release.module == *module && release.version == *version
}

#[cfg(test)]
mod tests;
