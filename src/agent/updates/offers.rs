//! Answers to offers: what is wanted, and why the rest is not.

use super::{Asked, Say, Updates};
use crate::agent::compare::{self, Knowledge};
use crate::agent::config::ModuleConfig;
use crate::agent::module_dir::ModuleDir;
use crate::agent::room;
use crate::domain::{Distrust, Freshness, Manifest, Sha256Hex, Signed};
use crate::protocol::{DeclineReason, Declined, DeviceMessage, Offer, UpdateReply, Wanted};

/// Why a package is not wanted, as the wire says it and in words.
type Decline = (DeclineReason, Option<String>);

impl Updates {
    /// Answers an update request, in its order. `said`: what it says of its freshness.
    pub fn on_offers(&mut self, offers: Vec<Offer>, said: Option<&Signed>) -> Vec<Say> {
        let fresh = self.trust.hear(said, &self.running());
        let mut reply = UpdateReply::default();
        for offer in offers {
            let (module, version) = (offer.app_name.clone(), offer.version.clone());
            match self.weigh(offer, &fresh) {
                Ok(offset) => {
                    tracing::info!(%module, %version, offset, "asking for a package");
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

    fn weigh(&mut self, offer: Offer, fresh: &Result<Option<Freshness>, Distrust>) -> Result<u64, Decline> {
        self.judge(&offer).map_err(|reason| (reason, None))?;
        let checked = match fresh {
            Ok(fresh) => self.trust.check(&offer, fresh.as_ref(), &self.running()),
            Err(distrust) => Err(distrust.clone()),
        };
        let manifest = checked.map_err(|distrust| {
            let (module, version, code) = (&offer.app_name, &offer.version, distrust.code());
            tracing::warn!(%module, %version, code, %distrust, "a package is not trusted");
            (DeclineReason::BadSignature, Some(format!("{code}: {distrust}")))
        })?;
        self.want(offer, manifest).map_err(|reason| (reason, None))
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
        compare::judge(offer, Knowledge { has_room: config.is_none_or(|c| self.has_room(offer, c)), ..known })
    }

    /// Whether download and installation fit; old parts of other packages make room.
    fn has_room(&self, offer: &Offer, config: &ModuleConfig) -> bool {
        room::fits(offer, &self.downloads, config) || {
            let mut keep: Vec<&Sha256Hex> = self.wanted.values().map(|asked| &asked.offer.sha256).collect();
            keep.push(&offer.sha256);
            keep.extend(self.journal.entries.active.as_ref().and_then(|job| job.sha256.as_ref()));
            self.downloads.discard_others(&keep);
            room::fits(offer, &self.downloads, config)
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
