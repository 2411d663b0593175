//! Answers to offers: what is wanted, and why the rest is not.

use super::{Asked, Say, Updates};
use crate::agent::compare::{self, Knowledge};
use crate::agent::config::ModuleConfig;
use crate::agent::module_dir::ModuleDir;
use crate::agent::room;
use crate::agent::set::Named;
use crate::domain::{Distrust, Freshness, Manifest, Modules, Sha256Hex, Signed};
use crate::protocol::{DeclineReason, Declined, DeviceMessage, Offer, UpdateReply, Wanted};

/// Why a package is not wanted, as the wire says it and in words.
type Decline = (DeclineReason, Option<String>);

/// What an offer is worth: the manifest to install it by, where this device trusts a key.
type Verdict = Result<Option<Manifest>, Decline>;

impl Updates {
    /// Answers an update request, in its order. `said`: what it says of its freshness.
    pub fn on_offers(&mut self, offers: Vec<Offer>, all_or_nothing: bool, said: Option<&Signed>) -> Vec<Say> {
        let mut running = self.running();
        let fresh = self.trust.hear(said, &running);
        if all_or_nothing {
            // What one of a set requires, another one of it may bring.
            running.extend(offers.iter().map(|offer| (offer.app_name.clone(), offer.version.clone())));
            self.forget_set();
        }
        let hindered = self.is_hindered(all_or_nothing);
        let with_others = all_or_nothing && offers.len() > 1;
        let verdicts = offers.iter().map(|offer| {
            if hindered {
                Err((DeclineReason::Busy, None))
            } else if with_others && self.modules.get(&offer.app_name).is_some_and(|module| module.is_agent) {
                Err((DeclineReason::Incompatible, Some("the agent itself is moved alone".to_owned())))
            } else {
                self.weigh(offer, &fresh, &running)
            }
        });
        let mut verdicts: Vec<Verdict> = verdicts.collect();
        if all_or_nothing {
            self.bind(&offers, &mut verdicts);
        }
        let mut reply = UpdateReply::default();
        for (offer, verdict) in offers.into_iter().zip(verdicts) {
            let (module, version) = (offer.app_name.clone(), offer.version.clone());
            let wanted = verdict.and_then(|manifest| self.want(offer, manifest).map_err(|reason| (reason, None)));
            match wanted {
                Ok(offset) => {
                    tracing::info!(%module, %version, offset, "asking for a package");
                    if all_or_nothing {
                        self.set.push(Named { module: module.clone(), version: version.clone() });
                    }
                    reply.wanted.push(Wanted { module, version, offset });
                }
                Err((reason, error)) => {
                    tracing::info!(%module, %version, reason = reason.as_str(), error, "declining a package");
                    self.declined_busy |= reason == DeclineReason::Busy;
                    reply.declined.push(Declined { module, version, reason, error });
                }
            }
        }
        vec![Say::Message(DeviceMessage::UpdateReply(reply))]
    }

    /// A set shares the device with nothing else.
    fn is_hindered(&self, all_or_nothing: bool) -> bool {
        let active = self.journal.entries.active.as_ref();
        let by_set = !self.set.is_empty() || active.is_some_and(|job| job.set.is_some());
        by_set || (all_or_nothing && (active.is_some() || !self.wanted.is_empty()))
    }

    fn weigh(&self, offer: &Offer, fresh: &Result<Option<Freshness>, Distrust>, running: &Modules) -> Verdict {
        self.judge(offer).map_err(|reason| (reason, None))?;
        let checked = match fresh {
            Ok(fresh) => self.trust.check(offer, fresh.as_ref(), running),
            Err(distrust) => Err(distrust.clone()),
        };
        checked.map_err(|distrust| {
            let (module, version, code) = (&offer.app_name, &offer.version, distrust.code());
            tracing::warn!(%module, %version, code, %distrust, "a package is not trusted");
            (DeclineReason::BadSignature, Some(format!("{code}: {distrust}")))
        })
    }

    /// All or none: where one cannot be had, none is. What runs already is had.
    fn bind(&self, offers: &[Offer], verdicts: &mut [Verdict]) {
        let running = self.running();
        let is_cause = |(offer, verdict): (&Offer, &Verdict)| {
            verdict.is_err() && running.get(&offer.app_name) != Some(&offer.version)
        };
        let together: Vec<(&Offer, &ModuleConfig)> = offers
            .iter()
            .zip(&*verdicts)
            .filter(|(_, verdict)| verdict.is_ok())
            .filter_map(|(offer, _)| self.place(offer))
            .collect();
        let reason = if offers.iter().zip(&*verdicts).any(is_cause) {
            DeclineReason::SetIncomplete
        } else if self.has_room(&together) {
            return;
        } else {
            DeclineReason::NoSpace
        };
        for verdict in verdicts.iter_mut().filter(|verdict| verdict.is_ok()) {
            *verdict = Err((reason, None));
        }
    }

    fn place<'a>(&'a self, offer: &'a Offer) -> Option<(&'a Offer, &'a ModuleConfig)> {
        Some((offer, self.modules.get(&offer.app_name)?))
    }

    fn judge(&self, offer: &Offer) -> Result<(), DeclineReason> {
        let config = self.modules.get(&offer.app_name);
        let running = config.and_then(|config| ModuleDir::new(&config.dir).running());
        let active = self.journal.entries.active.as_ref().map(|job| &job.module);
        let known = Knowledge {
            running: running.as_ref(),
            has_module: config.is_some(),
            busy: active.map(|module| if self.carried_over { &offer.app_name } else { module }),
            known_bad: self.journal.is_known_bad(&offer.sha256),
            has_room: true,
        };
        compare::judge(offer, known)?;
        let place: Vec<_> = self.place(offer).into_iter().collect();
        compare::judge(offer, Knowledge { has_room: self.has_room(&place), ..known })
    }

    /// Whether downloads and installations fit together; old parts of other packages make room.
    fn has_room(&self, packages: &[(&Offer, &ModuleConfig)]) -> bool {
        room::fits(packages, &self.downloads) || {
            let mut keep: Vec<&Sha256Hex> = self.wanted.values().map(|asked| &asked.offer.sha256).collect();
            keep.extend(packages.iter().map(|(offer, _)| &offer.sha256));
            keep.extend(self.journal.entries.active.as_ref().and_then(|job| job.sha256.as_ref()));
            self.downloads.discard_others(&keep);
            room::fits(packages, &self.downloads)
        }
    }

    fn want(&mut self, offer: Offer, manifest: Option<Manifest>) -> Result<u64, DeclineReason> {
        // One offer a module at a time; the first in the list is the one.
        self.wanted.retain(|module, _| *module != offer.app_name);
        let chunks = manifest.as_ref().and_then(|manifest| manifest.chunks.as_ref());
        let download = self.downloads.resume(&offer.sha256, offer.size, chunks).map_err(|error| {
            tracing::error!(%error, "a package cannot be received");
            DeclineReason::NoSpace
        })?;
        let offset = download.received();
        self.wanted.insert(offer.app_name.clone(), Asked { offer, manifest, download });
        Ok(offset)
    }
}
