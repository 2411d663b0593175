//! A simulated device: what it does with what happens to it. Pure: time comes in, effects go out.
//!
//! It speaks through `crate::protocol` in both directions, keeps reports until they are acknowledged, compares
//! versions itself, goes on with a package where it was cut, and "installs" by waiting.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use super::chance::Chance;
use super::numbers::Numbers;
use super::set::Set;
use crate::domain::{BootId, DeviceId, Modules, Timestamp, compare};
use crate::protocol::{
    DeclineReason, Declined, DeviceMessage, Hello, Offer, Outcome, PROGRESS_EVERY, Progress, ReportMessage,
    ServerMessage, UpdateReply, UpdateResult, Wanted, encode,
};

/// Unacknowledged reports kept; beyond it the oldest is given up.
const KEPT: usize = 512;

/// What happens to a device.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The connection is open.
    Opened,
    /// The connection is gone.
    Closed,
    Text(&'a str),
    Bytes(&'a [u8]),
    /// It is time for a report.
    ReportDue,
    /// The install that began some time ago is over.
    InstallEnds,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Send(String),
    /// An [`Event::InstallEnds`] is to come when the install time has passed.
    BeginInstall,
    /// The device's own token, to be kept for ever.
    Enrolled(String),
    /// The server wants a report this often.
    Interval(u32),
    Said(Said),
}

/// What a tally counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Hello,
    Report,
    /// The server asked what it needs.
    Asked,
    Acknowledged {
        boot_id: BootId,
        seq: u64,
        micros: u64,
    },
    /// Package bytes.
    Received(u64),
    Installed(Modules),
    InstallFailed,
    /// A report was given up: too many waited, or the server cannot read it.
    GivenUp,
    /// The server answered with an error, or said something that is no message.
    Trouble(String),
}

/// A report that the server has not acknowledged.
#[derive(Debug, Clone)]
struct Kept {
    seq: u64,
    text: Box<str>,
    sent_at: Timestamp,
}

/// A package that is coming in, or was when the connection was cut.
#[derive(Debug, Clone)]
struct Arriving {
    offer: Offer,
    hash: Sha256,
    received: u64,
    told: u64,
    /// Whether the server is sending it now.
    open: bool,
}

/// One simulated device.
#[derive(Debug, Clone)]
pub struct SimDevice {
    id: DeviceId,
    modules: Modules,
    boot_id: BootId,
    next_seq: u64,
    kept: VecDeque<Kept>,
    welcomed: bool,
    /// The versions that the last hello told.
    said: Modules,
    offers: Vec<Offer>,
    arriving: Option<Box<Arriving>>,
    /// More than one where they are a set.
    installing: Vec<Offer>,
    set: Set,
    fail_rate: f64,
    /// Whether package bytes are compared with their sha256.
    checks: bool,
    chance: Chance,
    numbers: Numbers,
}

impl SimDevice {
    /// A device that runs `modules`. `fail_rate` is the share of its installs that fail.
    #[must_use]
    pub fn new(id: DeviceId, modules: Modules, fail_rate: f64, salt: u64) -> Self {
        let mut chance = Chance::of(id.as_str(), salt);
        let boot_id = BootId::new(&format!("sim-{:016x}", chance.number())).unwrap_or_default();
        let numbers = Numbers::new(Chance::new(chance.number()));
        Self {
            id,
            modules,
            boot_id,
            next_seq: 1,
            kept: VecDeque::new(),
            welcomed: false,
            said: Modules::new(),
            offers: Vec::new(),
            arriving: None,
            installing: Vec::new(),
            set: Set::default(),
            fail_rate,
            checks: true,
            chance,
            numbers,
        }
    }

    /// One that takes package bytes for right without looking, where it is the server that is measured.
    #[must_use]
    pub fn without_checks(mut self) -> Self {
        self.checks = false;
        self
    }

    /// Whether it is connected and was welcomed.
    #[must_use]
    pub fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Whether every report it made is acknowledged, or given up.
    #[must_use]
    pub fn has_told_all(&self) -> bool {
        self.welcomed && self.kept.is_empty()
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &DeviceId {
        &self.id
    }

    /// What it runs.
    #[must_use]
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// Takes an event.
    pub fn on(&mut self, now: Timestamp, event: Event<'_>) -> Vec<Effect> {
        match event {
            Event::Opened => self.hello(now),
            Event::Closed => {
                self.welcomed = false;
                self.offers.clear();
                self.set.drop_all();
                if let Some(arriving) = &mut self.arriving {
                    arriving.open = false;
                }
                Vec::new()
            }
            Event::Text(text) => match ServerMessage::from_json(text) {
                Ok(message) => self.told(now, message),
                Err(error) => vec![Effect::Said(Said::Trouble(error.to_string()))],
            },
            Event::Bytes(bytes) => self.bytes(now, bytes),
            Event::ReportDue => self.report(now),
            Event::InstallEnds => self.install_ends(now),
        }
    }

    fn hello(&mut self, now: Timestamp) -> Vec<Effect> {
        self.said = self.modules.clone();
        let hello = Hello { device_id: self.id.clone(), modules: self.modules.clone(), trust: None, sets: true };
        vec![send(&DeviceMessage::Hello(hello), now), Effect::Said(Said::Hello)]
    }

    fn report(&mut self, now: Timestamp) -> Vec<Effect> {
        let seq = self.next_seq;
        self.next_seq += 1;
        let report = self.numbers.report(now, &self.modules, seq, &self.boot_id);
        let message = ReportMessage { device_id: self.id.clone(), report };
        let text = encode(&DeviceMessage::Report(Box::new(message)), now);
        self.kept.push_back(Kept { seq, text: text.clone().into(), sent_at: now });
        let mut effects = Vec::new();
        if self.kept.len() > KEPT {
            self.kept.pop_front();
            effects.push(Effect::Said(Said::GivenUp));
        }
        if self.welcomed {
            effects.extend([Effect::Send(text), Effect::Said(Said::Report)]);
        }
        effects
    }

    fn told(&mut self, now: Timestamp, message: ServerMessage) -> Vec<Effect> {
        match message {
            ServerMessage::Welcome { report_interval_s, device_token, .. } => {
                let mut effects: Vec<Effect> = device_token.map(Effect::Enrolled).into_iter().collect();
                effects.push(Effect::Interval(report_interval_s));
                if !std::mem::replace(&mut self.welcomed, true) {
                    effects.extend(self.send_again(now));
                    // An install ended between hello and welcome.
                    if self.said != self.modules {
                        effects.extend(self.hello(now));
                    }
                }
                effects
            }
            ServerMessage::UpdateList { update_list, all_or_nothing, .. } => {
                vec![Effect::Said(Said::Asked), self.choose(update_list, all_or_nothing, now)]
            }
            ServerMessage::Package { app_name, version, offset, .. } => {
                let offer = self.offers.iter().find(|o| o.app_name == app_name && o.version == version).cloned();
                match offer {
                    Some(offer) => self.package(offer, offset, now),
                    None => vec![Effect::Said(Said::Trouble(format!("{app_name} {version} was never offered")))],
                }
            }
            ServerMessage::Cancel { app_name, version } => {
                let named = |offer: &Offer| offer.app_name == app_name && offer.version == version;
                self.offers.retain(|offer| !named(offer));
                self.arriving.take_if(|arriving| named(&arriving.offer));
                if self.set.has(&app_name) {
                    self.set.drop_all();
                }
                Vec::new()
            }
            // Asked for by nobody here.
            ServerMessage::Trust { .. } => Vec::new(),
            ServerMessage::Ack { seq, boot_id } => self.acknowledged(now, seq, &boot_id),
            ServerMessage::Error { message, seq, .. } => {
                let before = self.kept.len();
                self.kept.retain(|kept| Some(kept.seq) != seq);
                let given_up = (self.kept.len() < before).then_some(Effect::Said(Said::GivenUp));
                [Effect::Said(Said::Trouble(message))].into_iter().chain(given_up).collect()
            }
        }
    }

    fn send_again(&mut self, now: Timestamp) -> Vec<Effect> {
        let again = |kept: &mut Kept| {
            kept.sent_at = now;
            [Effect::Send(kept.text.to_string()), Effect::Said(Said::Report)]
        };
        self.kept.iter_mut().flat_map(again).collect()
    }

    fn acknowledged(&mut self, now: Timestamp, seq: u64, boot_id: &BootId) -> Vec<Effect> {
        if *boot_id != self.boot_id {
            return vec![Effect::Said(Said::Trouble(format!("an ack for {boot_id:?}, a run that is not ours")))];
        }
        let mut effects = Vec::new();
        while let Some(kept) = self.kept.pop_front_if(|kept| kept.seq <= seq) {
            let micros = (now - kept.sent_at).num_microseconds().unwrap_or(0).max(0).unsigned_abs();
            let boot_id = self.boot_id.clone();
            effects.push(Effect::Said(Said::Acknowledged { boot_id, seq: kept.seq, micros }));
        }
        effects
    }

    /// Answers an offer: what is higher, or different where rollback is allowed.
    fn choose(&mut self, list: Vec<Offer>, all_or_nothing: bool, now: Timestamp) -> Effect {
        let mut reply = UpdateReply::default();
        let fits = |o: &Offer| compare(self.modules.get(&o.app_name), &o.version, o.allow_rollback).is_ok();
        let runs = |o: &Offer| self.modules.get(&o.app_name) == Some(&o.version);
        let incomplete = all_or_nothing && !list.iter().all(|offer| fits(offer) || runs(offer));
        if all_or_nothing {
            self.set.drop_all();
        }
        for offer in list {
            let (module, version) = (offer.app_name.clone(), offer.version.clone());
            self.offers.retain(|before| before.app_name != module);
            if compare(self.modules.get(&module), &version, offer.allow_rollback).is_err() {
                reply.declined.push(Declined { module, version, reason: DeclineReason::NotNewer, error: None });
                continue;
            }
            if incomplete {
                reply.declined.push(Declined { module, version, reason: DeclineReason::SetIncomplete, error: None });
                continue;
            }
            if all_or_nothing && !self.installs(&offer) {
                self.set.expect(module.clone());
            }
            let same = |arriving: &&Arriving| arriving.offer.sha256 == offer.sha256;
            let offset = match self.installs(&offer) {
                true => offer.size,
                false => self.arriving.as_deref().filter(same).map_or(0, |arriving| arriving.received),
            };
            reply.wanted.push(Wanted { module, version, offset });
            self.offers.push(offer);
        }
        send(&DeviceMessage::UpdateReply(reply), now)
    }

    fn installs(&self, offer: &Offer) -> bool {
        self.installing.iter().any(|installing| installing.sha256 == offer.sha256)
    }

    fn package(&mut self, offer: Offer, offset: u64, now: Timestamp) -> Vec<Effect> {
        if self.installs(&offer) {
            return Vec::new();
        }
        let fits = |a: &Arriving| a.offer.sha256 == offer.sha256 && a.received == offset;
        match self.arriving.as_mut().filter(|arriving| fits(arriving)) {
            Some(arriving) => {
                arriving.offer = offer;
                arriving.open = true;
            }
            None if offset == 0 => {
                let fresh = Arriving { offer, hash: Sha256::new(), received: 0, told: 0, open: true };
                self.arriving = Some(Box::new(fresh));
            }
            None => return vec![failed(&offer, "the server began at bytes that are not there", now)],
        }
        self.bytes(now, &[])
    }

    fn bytes(&mut self, now: Timestamp, bytes: &[u8]) -> Vec<Effect> {
        let Some(arriving) = self.arriving.as_mut().filter(|arriving| arriving.open) else {
            // Frames that were under way when it was cancelled.
            return Vec::new();
        };
        if self.checks {
            arriving.hash.update(bytes);
        }
        arriving.received += bytes.len() as u64;
        let mut effects = vec![Effect::Said(Said::Received(bytes.len() as u64))];
        let done = arriving.received >= arriving.offer.size;
        if done || arriving.received - arriving.told >= PROGRESS_EVERY {
            arriving.told = arriving.received;
            let (module, version) = (arriving.offer.app_name.clone(), arriving.offer.version.clone());
            let progress = Progress { module, version, received: arriving.received };
            effects.push(send(&DeviceMessage::Progress(progress), now));
        }
        if done {
            effects.extend(self.arrived(now));
        }
        effects
    }

    fn arrived(&mut self, now: Timestamp) -> Vec<Effect> {
        let Some(arriving) = self.arriving.take() else { return Vec::new() };
        let hash = hex::encode(arriving.hash.finalize());
        let is_right = !self.checks || hash == arriving.offer.sha256.as_str();
        if arriving.received != arriving.offer.size || !is_right {
            let why = "the bytes are not those of the sha256";
            let mut set = self.set.drop_all();
            set.push(arriving.offer);
            return set.iter().map(|offer| failed(offer, why, now)).collect();
        }
        if !self.set.came(&arriving.offer) {
            self.installing = vec![arriving.offer];
            return vec![Effect::BeginInstall];
        }
        let mut effects = vec![result(&arriving.offer, Outcome::Staged, None, now)];
        if let Some(all) = self.set.complete() {
            self.installing = all;
            effects.push(Effect::BeginInstall);
        }
        effects
    }

    fn install_ends(&mut self, now: Timestamp) -> Vec<Effect> {
        let set = std::mem::take(&mut self.installing);
        if set.is_empty() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if self.chance.share() < self.fail_rate {
            effects.extend(set.iter().map(|offer| failed(offer, "the simulated install failed", now)));
            effects.push(Effect::Said(Said::InstallFailed));
        } else {
            for offer in set {
                effects.push(result(&offer, Outcome::Installed, None, now));
                self.modules.insert(offer.app_name, offer.version);
            }
            effects.push(Effect::Said(Said::Installed(self.modules.clone())));
            effects.extend(self.hello(now));
        }
        if !self.welcomed {
            // Nobody to tell: a hello behind the next welcome says what runs.
            self.said.clear();
            effects.retain(|effect| !matches!(effect, Effect::Send(_) | Effect::Said(Said::Hello)));
        }
        effects
    }
}

fn send(message: &DeviceMessage, now: Timestamp) -> Effect {
    Effect::Send(encode(message, now))
}

fn failed(offer: &Offer, why: &str, now: Timestamp) -> Effect {
    result(offer, Outcome::Failed, Some(why.to_owned()), now)
}

fn result(offer: &Offer, outcome: Outcome, error: Option<String>, now: Timestamp) -> Effect {
    let (module, version) = (offer.app_name.clone(), offer.version.clone());
    send(&DeviceMessage::Result(UpdateResult { module, version, outcome, error }), now)
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
