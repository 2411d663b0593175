//! `fleetward keys make` and `add`: more keys of a role, and how many of them have to sign.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::next::{Role, Signers, without};
use super::{made, newest};
use crate::cli::CliError;
use crate::cli::context::Context;
use crate::domain::PublicKey;
use crate::store::{KeyFolder, write_key};

/// Make a key in FILE and print its public half, for `keys add` on the machine with the root key
#[derive(Debug, Args)]
pub(super) struct Make {
    file: PathBuf,
}

/// Make the next trust document: one more key of ROLE, and how many of them have to sign
#[derive(Debug, Args)]
pub(super) struct Add {
    role: Role,
    /// The public half of a key that somebody made with `keys make`
    #[arg(long, value_name = "KEY", conflicts_with = "new_key")]
    public_key: Option<String>,
    /// Where a new key goes
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    /// How many keys of ROLE have to sign from now on [default: as before]
    #[arg(long, value_name = "N")]
    threshold: Option<usize>,
    #[command(flatten)]
    signers: Signers,
}

impl Make {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let key = made()?;
        write_key(&self.file, &key).map_err(CliError::doing("the key"))?;
        let (public, fingerprint) = (String::from(key.public()), key.public().fingerprint());
        match context.output().is_json() {
            true => context.output().value(&json!({ "public_key": public, "fingerprint": fingerprint })),
            false => context.output().line(public),
        }
    }
}

impl Add {
    pub fn run(self, context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
        if self.role == Role::Online && self.threshold.is_some_and(|threshold| threshold > 1) {
            let message = "the server says what it wants with one online key; a threshold above 1 would stop it";
            return Err(CliError::Usage(message.to_owned()));
        }
        let before = newest(folder, None)?;
        let mut next = self.signers.next(&before)?;
        let quorum = self.role.of(&mut next).ok_or_else(|| without(self.role))?;
        let fresh = match (&self.public_key, &self.new_key) {
            (Some(text), _) => {
                let key = PublicKey::try_from(text.trim().to_owned());
                quorum.keys.push(key.map_err(|error| CliError::Usage(format!("--public-key: {error}")))?);
                None
            }
            (None, Some(_)) => {
                let key = made()?;
                quorum.keys.push(key.public());
                Some((self.role, key))
            }
            (None, None) if self.threshold.is_some() => None,
            (None, None) => {
                return Err(CliError::Usage("one of --public-key, --new-key and --threshold is needed".to_owned()));
            }
        };
        quorum.threshold = self.threshold.unwrap_or(quorum.threshold);
        if !(1..=quorum.keys.len()).contains(&quorum.threshold) {
            let (keys, role) = (quorum.keys.len(), self.role.as_str());
            return Err(CliError::Usage(format!("--threshold must be from 1 to {keys}, the number of {role} keys")));
        }
        self.signers.publish(context, folder, &before, &next, fresh, self.new_key)
    }
}
