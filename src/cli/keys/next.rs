//! `fleetward keys rotate` and `revoke`: the next trust document.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Valid, made, newest, publish, read, show};
use crate::cli::CliError;
use crate::cli::context::Context;
use crate::clock::Clock;
use crate::domain::{PublicKey, Quorum, SecretKey, Trust};
use crate::store::{KeyFolder, read_key, write_key};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Role {
    Root,
    Release,
    Online,
}

impl Role {
    const ALL: [Self; 3] = [Self::Root, Self::Release, Self::Online];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Release => "release",
            Self::Online => "online",
        }
    }

    pub(super) fn of(self, trust: &mut Trust) -> Option<&mut Quorum> {
        match self {
            Self::Root => Some(&mut trust.root),
            Self::Release => Some(&mut trust.release),
            Self::Online => trust.online.as_mut(),
        }
    }
}

/// What every next trust document needs.
#[derive(Debug, Args)]
pub(super) struct Signers {
    /// A root key, where it is not in the data folder
    #[arg(long, value_name = "FILE")]
    root_key: Vec<PathBuf>,
    #[command(flatten)]
    valid: Valid,
}

/// Make the next trust document: a new key in place of those of ROLE; without ROLE only another end
#[derive(Debug, Args)]
pub(super) struct Rotate {
    role: Option<Role>,
    /// Where the new key goes [default: the data folder]
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    #[command(flatten)]
    signers: Signers,
}

/// Make the next trust document without a key that was stolen; everything has to be signed again
#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The key, as `keys show` names it
    fingerprint: String,
    /// Where a new key goes, where it was the last of its role [default: the data folder]
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    #[command(flatten)]
    signers: Signers,
}

impl Rotate {
    pub fn run(self, context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
        let before = newest(folder, None)?;
        let mut next = self.signers.next(&before)?;
        let fresh = match self.role {
            None if self.new_key.is_some() => return Err(CliError::Usage("--new-key needs a ROLE".to_owned())),
            None => None,
            Some(role) => Some((role, made()?)),
        };
        if let Some((role, key)) = &fresh {
            let quorum = role.of(&mut next).ok_or_else(|| without(*role))?;
            *quorum = Quorum::any_of(vec![key.public()]);
        }
        self.signers.publish(context, folder, &before, &next, fresh, self.new_key)
    }
}

impl Revoke {
    pub fn run(self, context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
        let before = newest(folder, None)?;
        let mut next = self.signers.next(&before)?;
        next.epoch += 1;
        let is_it = |key: &PublicKey| key.fingerprint().as_str() == self.fingerprint;
        let mut fresh = None;
        let mut found = false;
        for role in Role::ALL {
            let Some(quorum) = role.of(&mut next).filter(|quorum| quorum.keys.iter().any(is_it)) else { continue };
            found = true;
            quorum.keys.retain(|key| !is_it(key));
            if quorum.keys.is_empty() {
                let key = made()?;
                quorum.keys.push(key.public());
                fresh = Some((role, key));
            }
            quorum.threshold = quorum.threshold.min(quorum.keys.len());
        }
        if !found {
            return Err(CliError::Failed(format!("{} is no key of the trust document", self.fingerprint)));
        }
        self.signers.publish(context, folder, &before, &next, fresh, self.new_key)
    }
}

pub(super) fn without(role: Role) -> CliError {
    CliError::Failed(format!("the trust document has no {} keys", role.as_str()))
}

impl Signers {
    pub(super) fn next(&self, before: &Trust) -> Result<Trust, CliError> {
        let expires_at = self.valid.until(Clock::system().now())?;
        Ok(Trust { version: before.version + 1, expires_at, ..before.clone() })
    }

    /// Writes the new key, then the document: a key that no document names does no harm.
    pub(super) fn publish(
        &self,
        context: &Context,
        folder: &KeyFolder,
        before: &Trust,
        next: &Trust,
        fresh: Option<(Role, SecretKey)>,
        new_key: Option<PathBuf>,
    ) -> Result<(), CliError> {
        let keys = read(folder)?;
        let given: Vec<SecretKey> = self
            .root_key
            .iter()
            .map(|path| read_key(path))
            .collect::<Result<_, _>>()
            .map_err(CliError::doing("--root-key"))?;
        let mut signers: Vec<&SecretKey> = given.iter().chain(keys.one_of(&before.root)).collect();
        let mine = |key: &&SecretKey| before.root.keys.contains(&key.public());
        if signers.iter().filter(|key| mine(key)).count() < before.root.threshold {
            let (needed, of) = (before.root.threshold, before.root.keys.len());
            return Err(CliError::Failed(format!(
                "{needed} of {of} root keys are needed: name their files with --root-key, or put them into the data folder's keys"
            )));
        }
        if let Some((role, key)) = &fresh {
            let name = format!("{}-{}.key", role.as_str(), next.version);
            let path = new_key.unwrap_or_else(|| folder.path().join(name));
            write_key(&path, key).map_err(CliError::doing("the new key"))?;
            if !context.output().is_json() {
                let (role, fingerprint) = (role.as_str(), key.public().fingerprint());
                context.output().line(format!("new {role} key  {fingerprint}  {}", path.display()))?;
            }
            signers.push(key);
        }
        let roots: Vec<&SecretKey> = signers
            .into_iter()
            .filter(|key| before.root.keys.contains(&key.public()) || next.root.keys.contains(&key.public()))
            .collect();
        publish(folder, next, &roots)?;
        show(context, folder)
    }
}
