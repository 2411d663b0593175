//! `fleetward keys sign`: the manifest of a package.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::newest;
use crate::archive::{self, Listing};
use crate::cli::CliError;
use crate::cli::context::Context;
use crate::clock::Clock;
use crate::domain::{
    ChunkHasher, Distrust, Manifest, ModuleName, Purpose, SecretKey, Sha256Hex, Signed, Trust, Version,
};
use crate::store::{KeyFolder, read_key};

/// Sign FILE as VERSION of the module NAME; the manifest goes beside it, for `package upload --manifest`
#[derive(Debug, Args)]
pub(super) struct Sign {
    name: ModuleName,
    version: Version,
    file: PathBuf,
    /// A release key; more than one where the trust document asks for more
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// The newest trust document, where it is not in the data folder of this machine
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Above every counter signed before for this module [default: the time, in milliseconds]
    #[arg(long)]
    counter: Option<u64>,
    /// Only for this hardware; may be given more than once
    #[arg(long, value_name = "TAG")]
    hardware: Vec<String>,
    /// A module that must run already, in this version or a higher one
    #[arg(long, value_name = "NAME=VERSION", value_parser = module_version)]
    requires: Vec<(ModuleName, Version)>,
    /// The health command, for devices whose configuration has none
    #[arg(long, value_name = "COMMAND")]
    health: Option<String>,
    /// Where to [default: FILE.manifest.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn module_version(text: &str) -> Result<(ModuleName, Version), String> {
    let (name, version) = text.split_once('=').ok_or("must be NAME=VERSION")?;
    Ok((ModuleName::new(name).map_err(|e| e.to_string())?, Version::new(version).map_err(|e| e.to_string())?))
}

impl Sign {
    pub fn run(self, context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
        let trust = newest(folder, self.trust.as_deref())?;
        let keys = release_keys(&self.key, &trust)?;
        let out = self.out.clone().unwrap_or_else(|| {
            let mut name = self.file.clone().into_os_string();
            name.push(".manifest.json");
            name.into()
        });
        let (manifest, listing) = self.manifest(&trust)?;
        let signed = sign(&manifest, &keys).map_err(|error| CliError::Failed(error.to_string()))?;
        let missing = missing(&signed, &trust)?;
        let told = out.display().to_string();
        std::fs::write(&out, format!("{}\n", signed.to_json())).map_err(CliError::doing(&told))?;
        let by: Vec<String> = keys.iter().map(|key| key.public().fingerprint().to_string()).collect();
        let Manifest { module, version, counter, .. } = manifest;
        if context.output().is_json() {
            let files = manifest.files.map(|files| files.len());
            let told = json!({ "manifest": told, "counter": counter, "signed_by": by, "missing_signatures": missing,
                "files": files });
            return context.output().value(&told);
        }
        let by = by.join(", ");
        context.output().line(format!("{told}: {module} {version}, counter {counter}, signed by {by}"))?;
        match listing {
            Listing::Files(1) => context.output().line("its one file is listed")?,
            Listing::Files(count) => context.output().line(format!("its {count} files are listed"))?,
            Listing::OneFile => {}
            Listing::None(why) => context.output().line(format!("its files are not listed: {why}"))?,
        }
        say_missing(context, missing)
    }

    fn manifest(self, trust: &Trust) -> Result<(Manifest, Listing), CliError> {
        let (size, sha256, hasher) = hash(&self.file)?;
        let now = Clock::system().now().timestamp_millis().unsigned_abs();
        let mut manifest = Manifest {
            module: self.name,
            version: self.version,
            counter: self.counter.unwrap_or(now),
            epoch: trust.epoch,
            size,
            sha256,
            chunks: hasher.chunks(),
            hardware: self.hardware,
            requires: self.requires.into_iter().collect::<BTreeMap<_, _>>(),
            health: self.health,
            files: None,
        };
        let listing = archive::list(&self.file, &mut manifest).map_err(CliError::doing(self.file.display()))?;
        Ok((manifest, listing))
    }
}

fn sign(manifest: &Manifest, keys: &[SecretKey]) -> Result<Signed, Distrust> {
    manifest.check()?;
    Ok(keys.iter().fold(Signed::new(manifest)?, |signed, key| signed.with(Purpose::Manifest, key)))
}

/// How many signatures it takes until a device finds it good, by the same look.
fn missing(signed: &Signed, trust: &Trust) -> Result<usize, CliError> {
    match Manifest::verified(signed, trust) {
        Ok(_) => Ok(0),
        Err(Distrust::TooFewSignatures { have, need }) => Ok(need - have),
        Err(error) => Err(CliError::Failed(error.to_string())),
    }
}

fn say_missing(context: &Context, missing: usize) -> Result<(), CliError> {
    if missing == 0 {
        return Ok(());
    }
    context.output().line(format!("{missing} more of the release keys must sign: fleetward keys cosign"))
}

/// Add a signature to a manifest that another release key has signed already
#[derive(Debug, Args)]
pub(super) struct Cosign {
    /// What `keys sign` wrote
    manifest: PathBuf,
    /// A release key
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// The newest trust document, where it is not in the data folder of this machine
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

impl Cosign {
    pub fn run(self, context: &Context, folder: &KeyFolder) -> Result<(), CliError> {
        let trust = newest(folder, self.trust.as_deref())?;
        let told = self.manifest.display().to_string();
        let text = std::fs::read_to_string(&self.manifest).map_err(CliError::doing(&told))?;
        let failed = |error: Distrust| CliError::Failed(format!("{told}: {error}"));
        let signed = Signed::from_json(&text).map_err(failed)?;
        let keys = release_keys(&self.key, &trust)?;
        let signed = keys.iter().fold(signed, |signed, key| signed.with(Purpose::Manifest, key));
        let missing = missing(&signed, &trust)?;
        std::fs::write(&self.manifest, format!("{}\n", signed.to_json())).map_err(CliError::doing(&told))?;
        let by = trust.release.signers(Purpose::Manifest, &signed);
        if context.output().is_json() {
            return context
                .output()
                .value(&json!({ "manifest": told, "signed_by": by, "missing_signatures": missing }));
        }
        let by: Vec<String> = by.iter().map(ToString::to_string).collect();
        context.output().line(format!("{told}: signed by {}", by.join(", ")))?;
        say_missing(context, missing)
    }
}

/// Keys of files, all of them release keys.
fn release_keys(paths: &[PathBuf], trust: &Trust) -> Result<Vec<SecretKey>, CliError> {
    let keys: Vec<SecretKey> =
        paths.iter().map(|path| read_key(path)).collect::<Result<_, _>>().map_err(CliError::doing("--key"))?;
    for (path, key) in paths.iter().zip(&keys) {
        if !trust.release.keys.contains(&key.public()) {
            let (path, version) = (path.display(), trust.version);
            return Err(CliError::Failed(format!("{path} is no release key of trust document {version}")));
        }
    }
    Ok(keys)
}

fn hash(path: &Path) -> Result<(u64, Sha256Hex, ChunkHasher), CliError> {
    let told = path.display().to_string();
    let mut file = File::open(path).map_err(CliError::doing(&told))?;
    let size = file.metadata().map_err(CliError::doing(&told))?.len();
    let (mut whole, mut hasher) = (Sha256::new(), ChunkHasher::for_package(size));
    let mut piece = vec![0; 256 * 1024];
    loop {
        match file.read(&mut piece).map_err(CliError::doing(&told))? {
            0 => return Ok((size, Sha256Hex::from_digest(&whole.finalize()), hasher)),
            n => {
                whole.update(&piece[..n]);
                hasher.update(&piece[..n]);
            }
        }
    }
}
