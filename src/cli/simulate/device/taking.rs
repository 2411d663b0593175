//! What a simulated device does with packages: it chooses, takes bytes, installs.

use super::*;

impl SimDevice {
    /// Answers an offer: what is higher, or different where rollback is allowed.
    pub(super) fn choose(&mut self, list: Vec<Offer>, all_or_nothing: bool) -> Effect {
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
        send(&DeviceMessage::UpdateReply(reply))
    }

    fn installs(&self, offer: &Offer) -> bool {
        self.installing.iter().any(|installing| installing.sha256 == offer.sha256)
    }

    pub(super) fn package(&mut self, offer: Offer, offset: u64) -> Vec<Effect> {
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
            None => return vec![failed(&offer, "the server began at bytes that are not there")],
        }
        self.bytes(&[])
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Vec<Effect> {
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
            effects.push(send(&DeviceMessage::Progress(progress)));
        }
        if done {
            effects.extend(self.arrived());
        }
        effects
    }

    fn arrived(&mut self) -> Vec<Effect> {
        let Some(arriving) = self.arriving.take() else { return Vec::new() };
        let hash = hex::encode(arriving.hash.finalize());
        let is_right = !self.checks || hash == arriving.offer.sha256.as_str();
        if arriving.received != arriving.offer.size || !is_right {
            let why = "the bytes are not those of the sha256";
            let mut set = self.set.drop_all();
            set.push(arriving.offer);
            return set.iter().map(|offer| failed(offer, why)).collect();
        }
        if !self.set.came(&arriving.offer) {
            self.installing = vec![arriving.offer];
            return vec![Effect::BeginInstall];
        }
        let mut effects = vec![result(&arriving.offer, Outcome::Staged, None)];
        if let Some(all) = self.set.complete() {
            self.installing = all;
            effects.push(Effect::BeginInstall);
        }
        effects
    }

    pub(super) fn install_ends(&mut self, now: Timestamp) -> Vec<Effect> {
        let set = std::mem::take(&mut self.installing);
        if set.is_empty() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        if self.chance.share() < self.fail_rate {
            effects.extend(set.iter().map(|offer| failed(offer, "the simulated install failed")));
            effects.push(Effect::Said(Said::InstallFailed));
        } else {
            for offer in set {
                effects.push(result(&offer, Outcome::Installed, None));
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
