//! A simulated device: what it does with what happens to it. Pure: time comes in, effects go out.
//!
//! It speaks through `crate::protocol` in both directions, keeps reports until they are acknowledged, compares
//! versions itself, goes on with a package where it was cut, and "installs" by waiting.

mod taking;

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
            Event::Bytes(bytes) => self.bytes(bytes),
            Event::ReportDue => self.report(now),
            Event::InstallEnds => self.install_ends(now),
        }
    }

    fn hello(&mut self, now: Timestamp) -> Vec<Effect> {
        self.said = self.modules.clone();
        let (device_id, modules) = (self.id.clone(), self.modules.clone());
        let hello = Hello { device_id, modules, timestamp: Some(now), trust: None, sets: true };
        vec![send(&DeviceMessage::Hello(hello)), Effect::Said(Said::Hello)]
    }

    fn report(&mut self, now: Timestamp) -> Vec<Effect> {
        let seq = self.next_seq;
        self.next_seq += 1;
        let report = self.numbers.report(now, &self.modules, seq, &self.boot_id);
        let message = ReportMessage { device_id: self.id.clone(), report };
        let text = encode(&DeviceMessage::Report(Box::new(message)));
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
                vec![Effect::Said(Said::Asked), self.choose(update_list, all_or_nothing)]
            }
            ServerMessage::Package { app_name, version, offset, .. } => {
                let offer = self.offers.iter().find(|o| o.app_name == app_name && o.version == version).cloned();
                match offer {
                    Some(offer) => self.package(offer, offset),
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
}

fn send(message: &DeviceMessage) -> Effect {
    Effect::Send(encode(message))
}

fn failed(offer: &Offer, why: &str) -> Effect {
    result(offer, Outcome::Failed, Some(why.to_owned()))
}

fn result(offer: &Offer, outcome: Outcome, error: Option<String>) -> Effect {
    let (module, version) = (offer.app_name.clone(), offer.version.clone());
    send(&DeviceMessage::Result(UpdateResult { module, version, outcome, error }))
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
