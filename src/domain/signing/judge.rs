//! The device's verdict over an offer. What the device knows is handed in; nothing here has a clock or a disk.

use serde::{Deserialize, Serialize};

use super::{Distrust, Freshness, Manifest, Purpose, Signed, Trust};
use crate::domain::{DeviceId, ModuleName, Modules, Release, Timestamp, Version};

/// The highest manifest of a module that a device has installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    pub epoch: u64,
    pub counter: u64,
}

/// What the device knows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    pub device_id: &'a DeviceId,
    /// The number that it made up for this connection.
    pub nonce: &'a str,
    pub hardware: Option<&'a str>,
    pub running: &'a Modules,
    /// The time by what the server said first on this connection; a device's own clock is not relied on.
    pub now: Option<Timestamp>,
}

/// What the server wants of this device now; `None` where the trust document asks for no such thing.
///
/// # Errors
/// See [`Distrust`].
pub fn check_freshness(
    trust: &Trust,
    said: Option<&Signed>,
    here: Surroundings,
) -> Result<Option<Freshness>, Distrust> {
    let Some(role) = &trust.online else { return Ok(None) };
    let said = said.ok_or(Distrust::NotFresh)?;
    role.verify(Purpose::Freshness, said)?;
    let fresh: Freshness = said.read()?;
    if fresh.device_id != *here.device_id {
        return Err(Distrust::WrongDevice);
    }
    if fresh.nonce != here.nonce {
        return Err(Distrust::Replayed);
    }
    let now = here.now.unwrap_or(fresh.issued_at);
    if fresh.expires_at <= now.max(fresh.issued_at) {
        return Err(Distrust::Stale);
    }
    if trust.expires_at <= now.max(fresh.issued_at) {
        return Err(Distrust::TrustExpired);
    }
    Ok(Some(fresh))
}

/// The manifest of a release that may be installed here. `fresh` as [`check_freshness`] found it.
///
/// # Errors
/// See [`Distrust`].
pub fn check_release(
    trust: &Trust,
    floor: Option<Floor>,
    fresh: Option<&Freshness>,
    release: &Release,
    here: Surroundings,
) -> Result<Manifest, Distrust> {
    let text = release.signature.as_deref().ok_or(Distrust::Unsigned)?;
    let signed = Signed::from_json(text)?;
    let manifest = Manifest::verified(&signed, trust)?;
    if manifest.module != release.module {
        return Err(Distrust::Mismatch("module"));
    }
    if manifest.version != release.version {
        return Err(Distrust::Mismatch("version"));
    }
    if manifest.size != release.size || manifest.sha256 != release.sha256 {
        return Err(Distrust::Mismatch("file"));
    }
    if fresh.is_some_and(|fresh| !fresh.manifests.contains(&signed.digest())) {
        return Err(Distrust::NotListed);
    }
    // Counters of another epoch say nothing: a thief may have driven them up.
    if let Some(floor) = floor.filter(|floor| floor.epoch == manifest.epoch && manifest.counter < floor.counter) {
        return Err(Distrust::Rollback { counter: manifest.counter, floor: floor.counter });
    }
    if !manifest.hardware.is_empty() && !manifest.hardware.iter().any(|tag| here.hardware == Some(tag)) {
        return Err(Distrust::WrongHardware(manifest.hardware.join(", ")));
    }
    let runs = |module: &ModuleName, version: &Version| {
        here.running.get(module).is_some_and(|runs| !version.is_newer_than(runs))
    };
    match manifest.requires.iter().find(|(module, version)| !runs(module, version)) {
        Some((module, version)) => Err(Distrust::Requires(module.clone(), version.clone())),
        None => Ok(manifest),
    }
}
