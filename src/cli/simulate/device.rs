//! A simulated device: what it does with what happens to it. Pure: time comes in, effects go out.
//!
//! It speaks through `crate::protocol` in both directions, keeps reports until they are acknowledged, compares
//! versions itself, goes on with a package where it was cut, and "installs" by waiting.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use super::chance::Chance;
use super::numbers::Numbers;
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
    offers: Vec<Offer>,
    arriving: Option<Box<Arriving>>,
    installing: Option<Box<Offer>>,
    fail_rate: f64,
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
            offers: Vec::new(),
            arriving: None,
            installing: None,
            fail_rate,
            chance,
            numbers,
        }
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

    fn hello(&self, now: Timestamp) -> Vec<Effect> {
        let hello = Hello { device_id: self.id.clone(), modules: self.modules.clone() };
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
                }
                effects
            }
            ServerMessage::UpdateList { update_list, .. } => vec![self.choose(update_list, now)],
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
                Vec::new()
            }
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
    fn choose(&mut self, list: Vec<Offer>, now: Timestamp) -> Effect {
        let mut reply = UpdateReply::default();
        self.offers.clear();
        for offer in list {
            let (module, version) = (offer.app_name.clone(), offer.version.clone());
            if compare(self.modules.get(&module), &version, offer.allow_rollback).is_err() {
                reply.declined.push(Declined { module, version, reason: DeclineReason::NotNewer });
                continue;
            }
            let same = |arriving: &&Box<Arriving>| arriving.offer.sha256 == offer.sha256;
            let offset = match self.installs(&offer) {
                true => offer.size,
                false => self.arriving.as_ref().filter(same).map_or(0, |arriving| arriving.received),
            };
            reply.wanted.push(Wanted { module, version, offset });
            self.offers.push(offer);
        }
        send(&DeviceMessage::UpdateReply(reply), now)
    }

    fn installs(&self, offer: &Offer) -> bool {
        self.installing.as_ref().is_some_and(|installing| installing.sha256 == offer.sha256)
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
        arriving.hash.update(bytes);
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

    fn arrived(&mut self, now: Timestamp) -> Option<Effect> {
        let arriving = self.arriving.take()?;
        let hash = hex::encode(arriving.hash.finalize());
        if arriving.received != arriving.offer.size || hash != arriving.offer.sha256.as_str() {
            return Some(failed(&arriving.offer, "the bytes are not those of the sha256", now));
        }
        self.installing = Some(Box::new(arriving.offer));
        Some(Effect::BeginInstall)
    }

    fn install_ends(&mut self, now: Timestamp) -> Vec<Effect> {
        let Some(offer) = self.installing.take() else { return Vec::new() };
        let mut effects = Vec::new();
        if self.chance.share() < self.fail_rate {
            effects.push(failed(&offer, "the simulated install failed", now));
            effects.push(Effect::Said(Said::InstallFailed));
        } else {
            self.modules.insert(offer.app_name.clone(), offer.version.clone());
            let (module, version) = (offer.app_name, offer.version);
            let result = UpdateResult { module, version, outcome: Outcome::Installed, error: None };
            effects.push(send(&DeviceMessage::Result(result), now));
            effects.push(Effect::Said(Said::Installed(self.modules.clone())));
            effects.extend(self.hello(now));
        }
        if !self.welcomed {
            // Nobody to tell: the hello of the next connection says what runs.
            effects.retain(|effect| !matches!(effect, Effect::Send(_) | Effect::Said(Said::Hello)));
        }
        effects
    }
}

fn send(message: &DeviceMessage, now: Timestamp) -> Effect {
    Effect::Send(encode(message, now))
}

fn failed(offer: &Offer, why: &str, now: Timestamp) -> Effect {
    let (module, version) = (offer.app_name.clone(), offer.version.clone());
    let result = UpdateResult { module, version, outcome: Outcome::Failed, error: Some(why.to_owned()) };
    send(&DeviceMessage::Result(result), now)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;

    fn now() -> Timestamp {
        DateTime::from_timestamp(1_763_800_000, 0).unwrap()
    }

    fn device() -> SimDevice {
        let modules = [("app1".parse().unwrap(), "1.0.0".parse().unwrap())].into_iter().collect();
        SimDevice::new(DeviceId::new("sim-1").unwrap(), modules, 0.0, 7)
    }

    fn sent(effects: &[Effect]) -> Vec<Value> {
        let text = |effect: &Effect| match effect {
            Effect::Send(text) => Some(serde_json::from_str(text).unwrap()),
            _ => None,
        };
        effects.iter().filter_map(text).collect()
    }

    fn hear(device: &mut SimDevice, message: &Value) -> Vec<Effect> {
        device.on(now(), Event::Text(&message.to_string()))
    }

    fn welcomed() -> SimDevice {
        let mut device = device();
        device.on(now(), Event::Opened);
        hear(
            &mut device,
            &json!({"type": "welcome", "device_id": "sim-1", "server_time": "2026-11-22T08:48:00Z",
            "report_interval_s": 30, "protocol": 1, "device_token": "fwd_1"}),
        );
        device
    }

    const SIZE: usize = 600 * 1024;

    fn offer(device: &mut SimDevice, version: &str) -> Vec<Value> {
        let sha256 = crate::domain::Sha256Hex::of(&[7; SIZE]);
        sent(&hear(
            device,
            &json!({"type": "update_list", "rollout_id": 1,
            "update_list": [{"app_name": "app1", "version": version, "size": SIZE, "sha256": sha256}]}),
        ))
    }

    fn package(device: &mut SimDevice, offset: usize) {
        let sha256 = crate::domain::Sha256Hex::of(&[7; SIZE]);
        hear(
            device,
            &json!({"type": "package", "app_name": "app1", "version": "1.1.0", "size": SIZE,
            "sha256": sha256, "offset": offset}),
        );
    }

    #[test]
    fn it_takes_what_is_newer_and_declines_what_is_not() {
        let mut device = welcomed();
        assert_eq!(offer(&mut device, "1.1.0")[0]["update_list"][0]["offset"], 0);
        let reply = &offer(&mut device, "0.9")[0];
        assert_eq!(reply["declined"][0]["reason"], "not_newer");
        assert_eq!(reply["update_list"], json!([]));
    }

    #[test]
    fn a_package_is_told_of_checked_installed_and_said_hello_with() {
        let mut device = welcomed();
        offer(&mut device, "1.1.0");
        package(&mut device, 0);
        let mut effects = Vec::new();
        for chunk in [7_u8; SIZE].chunks(64 * 1024) {
            effects.extend(device.on(now(), Event::Bytes(chunk)));
        }
        let told: Vec<u64> = sent(&effects).iter().filter_map(|m| m["received"].as_u64()).collect();
        assert_eq!(told, [256 * 1024, 512 * 1024, 600 * 1024]);
        assert_eq!(effects.last(), Some(&Effect::BeginInstall));
        let ended = sent(&device.on(now(), Event::InstallEnds));
        assert_eq!(ended[0]["outcome"], "installed");
        assert_eq!(ended[1]["version_list"][0]["version"], "1.1.0");
    }

    #[test]
    fn a_cut_package_goes_on_where_it_was_and_wrong_bytes_fail() {
        let mut device = welcomed();
        offer(&mut device, "1.1.0");
        package(&mut device, 0);
        device.on(now(), Event::Bytes(&[7; 1000]));
        device.on(now(), Event::Closed);
        assert_eq!(offer(&mut device, "1.1.0")[0]["update_list"][0]["offset"], 1000);
        package(&mut device, 1000);
        let effects = device.on(now(), Event::Bytes(&[8; SIZE - 1000]));
        assert_eq!(sent(&effects).last().unwrap()["outcome"], "failed");
    }

    #[test]
    fn reports_are_kept_until_acknowledged_and_sent_again_oldest_first() {
        let mut device = device();
        for _ in 0..3 {
            assert!(sent(&device.on(now(), Event::ReportDue)).is_empty(), "nobody listens yet");
        }
        device.on(now(), Event::Opened);
        let welcome = json!({"type": "welcome", "device_id": "sim-1", "server_time": "2026-11-22T08:48:00Z",
            "report_interval_s": 30, "protocol": 1});
        let again = sent(&hear(&mut device, &welcome));
        assert_eq!(again.iter().map(|m| m["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
        let boot_id = again[0]["boot_id"].clone();
        let acked = hear(&mut device, &json!({"type": "ack", "seq": 2, "boot_id": boot_id}));
        assert_eq!(acked.len(), 2);
        device.on(now(), Event::Closed);
        assert_eq!(sent(&hear(&mut device, &welcome)).len(), 1);
    }
}
