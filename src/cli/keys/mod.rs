//! `fleetward keys`: who may sign what, and signing.

mod add;
mod next;
mod sign;

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::CliError;
use super::context::Context;
use super::output::text;
use crate::clock::Clock;
use crate::config::parse_duration;
use crate::domain::{Purpose, Quorum, SecretKey, Signed, Timestamp, Trust, millis_rfc3339};
use crate::store::secrets::new_key;
use crate::store::{DataDir, KeyFolder, write_key};

/// Signing keys, on the data folder; a running server sees the change at once
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the keys and the first trust document, in the folder keys of the data folder
    Init(Init),
    Make(add::Make),
    Add(add::Add),
    Sign(sign::Sign),
    Cosign(sign::Cosign),
    Rotate(next::Rotate),
    Revoke(next::Revoke),
    /// Show the newest trust document
    Show,
}

/// For how long a trust document counts.
#[derive(Debug, Args)]
struct Valid {
    /// For how long the trust document counts
    #[arg(long, default_value = "1825d", value_parser = parse_duration)]
    valid: Duration,
}

impl Valid {
    fn until(&self, now: Timestamp) -> Result<Timestamp, CliError> {
        let end = TimeDelta::from_std(self.valid).ok().and_then(|valid| now.checked_add_signed(valid));
        end.filter(|end| chrono::Datelike::year(end) <= 9999)
            .ok_or_else(|| CliError::Usage("--valid must end before the year 10000".to_owned()))
    }
}

#[derive(Debug, Args)]
struct Init {
    /// Put the root key and the release key here, and not into the data folder
    #[arg(long, value_name = "DIR")]
    offline: Option<PathBuf>,
    #[command(flatten)]
    valid: Valid,
}

impl Keys {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let config = context.config(&[])?;
        let folder = KeyFolder::new(&DataDir::keys_in(&config.data_dir));
        match self.action {
            Action::Init(init) => init.run(context, &folder),
            Action::Make(make) => make.run(context),
            Action::Add(add) => add.run(context, &folder),
            Action::Sign(sign) => sign.run(context, &folder),
            Action::Cosign(cosign) => cosign.run(context, &folder),
            Action::Rotate(rotate) => rotate.run(context, &folder),
            Action::Revoke(revoke) => revoke.run(context, &folder),
            Action::Show => show(context, &folder),
        }
    }
}

impl Init {
    fn run(self, context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
        let here = folder.path();
        if read(folder)?.trust.is_some() {
            let there = here.display();
            return Err(CliError::Failed(format!("{there} has keys already; fleetward keys rotate makes others")));
        }
        let apart = self.offline.as_deref().unwrap_or(here);
        let places = [apart.join("root.key"), apart.join("release.key"), here.join("online.key")];
        if let Some(there) = places.iter().find(|path| path.exists()) {
            return Err(CliError::Failed(format!("{} exists; a key is never written over", there.display())));
        }
        let [root, release, online] = [made()?, made()?, made()?];
        let any_of = |key: &SecretKey| Quorum::any_of(vec![key.public()]);
        let trust = Trust {
            version: 1,
            epoch: 1,
            expires_at: self.valid.until(Clock::system().now())?,
            root: any_of(&root),
            release: any_of(&release),
            online: Some(any_of(&online)),
        };
        for (path, key) in places.iter().zip([&root, &release, &online]) {
            write_key(path, key).map_err(CliError::doing("the key"))?;
        }
        let document = publish(folder, &trust, &[&root])?;
        let out = context.output();
        if out.is_json() {
            return out.value(&document_of(&trust, folder)?);
        }
        out.line(format!("root key      {}  {}", root.public().fingerprint(), places[0].display()))?;
        out.line(format!("release key   {}  {}", release.public().fingerprint(), places[1].display()))?;
        out.line(format!("online key    {}  {}", online.public().fingerprint(), places[2].display()))?;
        out.line(format!("trust document   {}", document.display()))?;
        out.line("Take the root key off this machine and keep two copies: without it no other key can be replaced.")
    }
}

/// Signs a trust document by these keys and puts it beside the others.
fn publish(folder: &KeyFolder, trust: &Trust, keys: &[&SecretKey]) -> Result<PathBuf, CliError> {
    let unsigned = Signed::new(trust).map_err(|error| CliError::Failed(error.to_string()))?;
    let signed = keys.iter().fold(unsigned, |signed, key| signed.with(Purpose::Trust, key));
    folder.add_document(trust, &signed).map_err(CliError::doing("the trust document"))
}

fn made() -> Result<SecretKey, CliError> {
    new_key().map_err(|error| CliError::Failed(error.to_string()))
}

fn read(folder: &KeyFolder) -> Result<std::sync::Arc<crate::store::Keys>, CliError> {
    folder.keys().map_err(CliError::doing("the keys"))
}

/// The newest trust document of a file, or of the data folder.
fn newest(folder: &KeyFolder, file: Option<&Path>) -> Result<Trust, CliError> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(CliError::doing(path.display()))?;
        let read = Signed::from_json(&text).and_then(|signed| Trust::first(&signed));
        return read.map_err(|error| CliError::Failed(format!("{}: {error}", path.display())));
    }
    read(folder)?.trust.clone().ok_or_else(|| {
        let there = folder.path().display();
        CliError::Failed(format!("there is no trust document in {there}; fleetward keys init makes the first"))
    })
}

fn show(context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
    let trust = newest(folder, None)?;
    let document = document_of(&trust, folder)?;
    let out = context.output();
    if out.is_json() {
        return out.value(&document);
    }
    let until = millis_rfc3339::text(trust.expires_at);
    out.line(format!("trust document {}, epoch {}, until {until}", trust.version, trust.epoch))?;
    for (role, quorum) in roles(&trust).filter(|(_, quorum)| quorum.keys.len() > 1) {
        out.line(format!("{role}: {} of {} keys have to sign", quorum.threshold, quorum.keys.len()))?;
    }
    let rows = document["keys"].as_array().cloned().unwrap_or_default();
    let row = |key: &Value| ["/role", "/fingerprint", "/here"].map(|field| text(key, field)).to_vec();
    out.table(&["ROLE", "KEY", "SECRET HERE"], &rows.iter().map(row).collect::<Vec<_>>())
}

fn document_of(trust: &Trust, folder: &KeyFolder) -> Result<Value, CliError> {
    let keys = read(folder)?;
    let (mut rows, mut thresholds) = (Vec::new(), Map::new());
    for (role, quorum) in roles(trust) {
        thresholds.insert(role.to_owned(), json!(quorum.threshold));
        for key in &quorum.keys {
            let here = keys.one_of(&Quorum::any_of(vec![key.clone()])).is_some();
            rows.push(json!({ "role": role, "fingerprint": key.fingerprint(), "public_key": key, "here": here }));
        }
    }
    let until = millis_rfc3339::text(trust.expires_at);
    let (version, epoch) = (trust.version, trust.epoch);
    Ok(json!({ "version": version, "epoch": epoch, "expires_at": until, "thresholds": thresholds, "keys": rows }))
}

fn roles(trust: &Trust) -> impl Iterator<Item = (&'static str, &Quorum)> {
    let roles = [("root", Some(&trust.root)), ("release", Some(&trust.release)), ("online", trust.online.as_ref())];
    roles.into_iter().filter_map(|(role, quorum)| Some((role, quorum?)))
}
