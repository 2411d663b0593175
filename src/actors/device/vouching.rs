//! What is said to a device that checks signatures: trust documents it lacks, and that an offer is what is wanted now.

use chrono::TimeDelta;
use tracing::error;

use super::{Ctx, DeviceActor, Links};
use crate::domain::{DeviceId, Freshness, Purpose, Release, Signed};
use crate::protocol::{ServerMessage, TrustClaim};
use crate::store::{KeyFolder, Keys};

/// So long what is wanted of a device counts as fresh, minutes: it is answered at once, or not at all.
const FRESH_MINUTES: i64 = 10;

/// Trust documents in one message.
const AT_ONCE: usize = 8;

/// What one connection's device said of signatures.
#[derive(Default)]
pub(super) struct Vouching {
    claim: Option<TrustClaim>,
}

impl Vouching {
    /// The device said hello.
    pub fn heard(&mut self, claim: Option<TrustClaim>) {
        self.claim = claim;
    }

    /// What it has to be told of trust now, once.
    pub fn documents(&mut self, folder: &KeyFolder) -> Vec<ServerMessage> {
        let Some(claim) = &mut self.claim else { return Vec::new() };
        let Some(keys) = read(folder) else { return Vec::new() };
        let unknown = keys.documents_after(claim.version);
        claim.version += unknown.len() as u64;
        let messages = unknown.chunks(AT_ONCE);
        messages.map(|documents| ServerMessage::Trust { documents: documents.to_vec() }).collect()
    }

    /// That these releases are what is wanted of it now.
    pub fn freshness(&self, links: &Links, device: Option<&DeviceId>, releases: &[Release]) -> Option<Signed> {
        let (claim, device_id) = (self.claim.as_ref()?, device?.clone());
        let (keys, now) = (read(&links.keys)?, links.clock.now());
        let key = keys.online()?;
        let manifest = |release: &Release| Some(Signed::from_json(release.signature.as_deref()?).ok()?.digest());
        let document = Freshness {
            device_id,
            nonce: claim.nonce.clone(),
            issued_at: now,
            expires_at: now + TimeDelta::minutes(FRESH_MINUTES),
            manifests: releases.iter().filter_map(manifest).collect(),
        };
        Some(Signed::new(&document).ok()?.with(Purpose::Freshness, key))
    }
}

impl DeviceActor {
    pub(super) fn say_trust(&mut self, ctx: &mut Ctx) {
        self.vouching.documents(&self.links.keys).iter().for_each(|message| self.say(message, ctx));
    }
}

fn read(folder: &KeyFolder) -> Option<std::sync::Arc<Keys>> {
    folder
        .keys()
        .inspect_err(|error| error!(%error, "the signing keys cannot be read; devices that check signatures wait"))
        .ok()
}
