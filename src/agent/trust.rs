//! Whom this device believes: the newest trust document, and of each module the highest counter that was installed and
//! the files of what is installed.
//!
//! All of it is in one small file of the state folder, replaced as a whole before they count. A device that cannot read
//! it installs nothing: forgetting whom to believe must not be a way to be believed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::config::TrustConfig;
use super::durable;
use crate::domain::{
    DeviceId, Distrust, Floor, Freshness, ListedFile, Manifest, ModuleName, Modules, Signed, Surroundings, Timestamp,
    Trust, Version, check_freshness, check_release,
};
use crate::protocol::{Offer, TrustClaim};

/// See the module.
pub struct Trusting {
    path: PathBuf,
    device_id: DeviceId,
    hardware: Option<String>,
    held: Held,
    /// Made up for the connection that is up, or the next one.
    nonce: String,
    /// The time by the server's first word on this connection, and when that came.
    anchor: Option<(Timestamp, Instant)>,
}

/// What is in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entries {
    trust: Signed,
    floors: BTreeMap<ModuleName, Floor>,
    /// The files of what is installed, where its manifest lists them.
    #[serde(default)]
    sealed: BTreeMap<ModuleName, Sealed>,
}

/// What a version's folder was when it was installed.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sealed {
    version: Version,
    files: Vec<ListedFile>,
}

enum Held {
    /// Nobody asked for signatures.
    Nothing,
    /// The first trust document that comes is taken.
    Awaiting,
    Trust {
        document: Box<Trust>,
        entries: Entries,
    },
    Unreadable,
}

impl Trusting {
    /// Reads `trust.json` of the state folder, or begins with what the configuration names.
    ///
    /// # Errors
    /// When the state folder cannot be read or written, or the configured document is not one.
    pub fn open(state_dir: &Path, device_id: DeviceId, config: &TrustConfig) -> io::Result<Self> {
        let path = state_dir.join("trust.json");
        let held = match fs::read_to_string(&path) {
            Ok(text) => read(&text).unwrap_or_else(|error| {
                tracing::error!(path = %path.display(), %error, "whom to trust cannot be read; nothing is installed");
                Held::Unreadable
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && config.first_use => Held::Awaiting,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Held::Nothing,
            Err(error) => return Err(error),
        };
        let (hardware, nonce) = (config.hardware.clone(), fresh_nonce());
        let mut trusting = Self { path, device_id, hardware, held, nonce, anchor: None };
        if let Some(file) = &config.file {
            trusting.take_file(file)?;
        }
        Ok(trusting)
    }

    /// Begins with the document of a file; where there is one already, the file's may follow it.
    fn take_file(&mut self, file: &Path) -> io::Result<()> {
        let named = |error: &dyn std::fmt::Display| io::Error::other(format!("--trust {}: {error}", file.display()));
        let signed = Signed::from_json(&fs::read_to_string(file).map_err(|error| named(&error))?);
        let signed = signed.map_err(|error| named(&error))?;
        let trust = Trust::first(&signed).map_err(|error| named(&error))?;
        match &self.held {
            Held::Nothing | Held::Awaiting => self.hold(trust, signed),
            Held::Trust { document, .. } if trust.version > document.version => {
                self.on_documents(vec![signed]);
                Ok(())
            }
            Held::Trust { .. } | Held::Unreadable => Ok(()),
        }
    }

    /// A connection is up: what is said on it must answer a number that was never used before.
    pub fn on_connected(&mut self) {
        self.nonce = fresh_nonce();
        self.anchor = None;
    }

    /// What the hello says of it.
    #[must_use]
    pub fn claim(&self) -> Option<TrustClaim> {
        let version = match &self.held {
            Held::Nothing => return None,
            Held::Awaiting | Held::Unreadable => 0,
            Held::Trust { document, .. } => document.version,
        };
        Some(TrustClaim { version, nonce: self.nonce.clone() })
    }

    /// Takes the trust documents that follow the one it has, in order, each on disk before the next. Says whether
    /// any was taken.
    pub fn on_documents(&mut self, documents: Vec<Signed>) -> bool {
        let mut taken = false;
        for signed in documents {
            let next = match &self.held {
                Held::Nothing | Held::Unreadable => return taken,
                Held::Awaiting => Trust::first(&signed),
                Held::Trust { document, .. } => document.next(&signed),
            };
            let kept = next.map(|next| (next.version, next.epoch, self.hold(next, signed)));
            match kept {
                Ok((version, epoch, Ok(()))) => {
                    tracing::info!(version, epoch, "another trust document counts from now on");
                    taken = true;
                }
                Ok((.., Err(error))) => {
                    tracing::error!(%error, "a trust document cannot be stored; the one before goes on");
                    return taken;
                }
                Err(distrust) => {
                    let code = distrust.code();
                    tracing::error!(code, %distrust, "a trust document is refused; the one before goes on");
                    return taken;
                }
            }
        }
        taken
    }

    fn hold(&mut self, document: Trust, trust: Signed) -> io::Result<()> {
        let (floors, sealed) = match &self.held {
            Held::Trust { entries, .. } => (entries.floors.clone(), entries.sealed.clone()),
            _ => Default::default(),
        };
        let entries = Entries { trust, floors, sealed };
        self.save(&entries)?;
        self.held = Held::Trust { document: Box::new(document), entries };
        Ok(())
    }

    fn save(&self, entries: &Entries) -> io::Result<()> {
        durable::replace_file(&self.path, &serde_json::to_vec_pretty(entries)?, 0o600)
    }

    /// What an update request says that the server wants now; for [`check`](Self::check) of each offer in it.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn hear(&mut self, said: Option<&Signed>, running: &Modules) -> Result<Option<Freshness>, Distrust> {
        let document = match &self.held {
            Held::Nothing | Held::Awaiting => return Ok(None),
            Held::Unreadable => return Err(Distrust::TrustUnreadable),
            Held::Trust { document, .. } => document,
        };
        let fresh = check_freshness(document, said, self.surroundings(running))?;
        if let (None, Some(fresh)) = (self.anchor, &fresh) {
            self.anchor = Some((fresh.issued_at, Instant::now()));
        }
        Ok(fresh)
    }

    /// The manifest by which an offer may be installed; `None` where this device trusts no key.
    ///
    /// # Errors
    /// Why the offer is not believed.
    pub fn check(
        &self,
        offer: &Offer,
        fresh: Option<&Freshness>,
        running: &Modules,
    ) -> Result<Option<Manifest>, Distrust> {
        let (document, entries) = match &self.held {
            Held::Nothing | Held::Awaiting => return Ok(None),
            Held::Unreadable => return Err(Distrust::TrustUnreadable),
            Held::Trust { document, entries } => (document, entries),
        };
        let floor = entries.floors.get(&offer.app_name).copied();
        check_release(document, floor, fresh, &offer.release(), self.surroundings(running)).map(Some)
    }

    /// A manifest's package is installed: what is older stays out from now on, and its files are remembered.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn installed(&mut self, manifest: &Manifest) -> io::Result<()> {
        let Held::Trust { entries, .. } = &self.held else { return Ok(()) };
        let floor = Floor { epoch: manifest.epoch, counter: manifest.counter };
        let mut raised = entries.clone();
        raised.floors.insert(manifest.module.clone(), floor);
        raised.sealed.remove(&manifest.module);
        if let Some(files) = manifest.files.clone() {
            let sealed = Sealed { version: manifest.version.clone(), files };
            raised.sealed.insert(manifest.module.clone(), sealed);
        }
        self.save(&raised)?;
        if let Held::Trust { entries, .. } = &mut self.held {
            *entries = raised;
        }
        Ok(())
    }

    /// The signed list of the files of a version that is installed.
    #[must_use]
    pub fn files_of(&self, module: &ModuleName, version: &Version) -> Option<&[ListedFile]> {
        let Held::Trust { entries, .. } = &self.held else { return None };
        entries.sealed.get(module).filter(|sealed| sealed.version == *version).map(|sealed| sealed.files.as_slice())
    }

    fn surroundings<'a>(&'a self, running: &'a Modules) -> Surroundings<'a> {
        let since = |(said, at): (Timestamp, Instant)| said + TimeDelta::from_std(at.elapsed()).unwrap_or_default();
        Surroundings {
            device_id: &self.device_id,
            nonce: &self.nonce,
            hardware: self.hardware.as_deref(),
            running,
            now: self.anchor.map(since),
        }
    }
}

fn read(text: &str) -> Result<Held, String> {
    let entries: Entries = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let document = Trust::first(&entries.trust).map_err(|error| error.to_string())?;
    Ok(Held::Trust { document: Box::new(document), entries })
}

fn fresh_nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}
