//! The signature that a package is kept with: the uploader's, or this server's own.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::archive::{self, Listing};
use crate::config::SigningMode;
use crate::domain::{
    ChunkHasher, Distrust, Manifest, ModuleName, Package, Purpose, SecretKey, Sha256Hex, Signed, Timestamp, Trust,
    Version,
};
use crate::store::Keys;
use crate::web::WebState;
use crate::web::error::ApiError;

/// What was uploaded.
pub struct Uploaded<'a> {
    pub name: &'a ModuleName,
    pub version: &'a Version,
    pub size: u64,
    pub sha256: &'a Sha256Hex,
    /// What came with it.
    pub manifest: Option<&'a str>,
}

/// By whom, and the signed manifest.
pub type Signature = (Option<String>, Option<String>);

/// What a name begins with that stands for a key this server holds itself.
const HERE: &str = "server/";

/// How a package stands with the trust document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureState {
    Unsigned,
    /// By a key of this server: worth as much as the server.
    Here,
    /// By keys that are elsewhere.
    Elsewhere,
    /// By keys, or in an epoch, that are trusted no more: devices decline it.
    Outdated,
}

/// How a package stands with the trust document, as the keys are now.
#[must_use]
pub fn state_of(package: &Package, keys: &Keys) -> SignatureState {
    let (Some(by), Some(text)) = (&package.signed_by, &package.signature) else { return SignatureState::Unsigned };
    let verified = |trust: &Trust| Manifest::verified(&Signed::from_json(text)?, trust);
    match keys.trust.as_ref().map(verified) {
        Some(Ok(_)) if by.starts_with(HERE) => SignatureState::Here,
        Some(Ok(_)) => SignatureState::Elsewhere,
        _ => SignatureState::Outdated,
    }
}

/// Checks the manifest that came, or makes one, as the configuration and the keys say.
///
/// # Errors
/// 422 for `manifest`; 500 when the keys or the package's bytes can't be read.
pub async fn of(state: &WebState, uploaded: Uploaded<'_>) -> Result<Signature, ApiError> {
    let keys = state.keys.keys().map_err(ApiError::internal)?;
    let Some(trust) = &keys.trust else {
        return match uploaded.manifest {
            Some(_) => Err(refused("this server has no trust document yet; make one with fleetward keys init")),
            None => Ok((None, None)),
        };
    };
    if let Some(text) = uploaded.manifest {
        let by = check(text, &uploaded, trust, &keys).map_err(|error| refused(format!("{}: {error}", error.code())))?;
        return Ok((Some(by), Some(text.trim().to_owned())));
    }
    if state.config.signing == SigningMode::Strict {
        return Err(refused("is missing: this server takes only packages that were signed elsewhere"));
    }
    let Some(key) = keys.release() else { return Ok((None, None)) };
    let known = state.store.package(uploaded.name, uploaded.version).await?;
    if known.is_some_and(|known| state_of(&known, &keys) == SignatureState::Elsewhere) {
        return Ok((None, None));
    }
    let (path, bare) = (state.blobs.path(uploaded.sha256), bare(&uploaded, trust, state.clock.now()));
    let manifest = actix_web::web::block(move || filled(bare, &path)).await?.map_err(ApiError::internal)?;
    sign(&manifest, key).map_err(ApiError::internal)
}

fn refused(why: impl Into<String>) -> ApiError {
    ApiError::field("manifest", why)
}

/// Who signed it, where it is a good manifest for what was uploaded.
fn check(text: &str, uploaded: &Uploaded, trust: &Trust, keys: &Keys) -> Result<String, Distrust> {
    let signed = Signed::from_json(text)?;
    let manifest = Manifest::verified(&signed, trust)?;
    if manifest.module != *uploaded.name {
        return Err(Distrust::Mismatch("module"));
    }
    if manifest.version != *uploaded.version {
        return Err(Distrust::Mismatch("version"));
    }
    if manifest.size != uploaded.size || manifest.sha256 != *uploaded.sha256 {
        return Err(Distrust::Mismatch("file"));
    }
    let own = keys.release().map(|key| key.public().fingerprint());
    let name = |signer| if Some(&signer) == own.as_ref() { format!("{HERE}{signer}") } else { signer.to_string() };
    let signers = trust.release.signers(Purpose::Manifest, &signed).into_iter().map(name);
    Ok(signers.collect::<Vec<_>>().join(","))
}

/// What a manifest says before the bytes are read.
fn bare(uploaded: &Uploaded, trust: &Trust, now: Timestamp) -> Manifest {
    Manifest {
        module: uploaded.name.clone(),
        version: uploaded.version.clone(),
        // Grows by itself, and none is above what somebody signs later by the same rule.
        counter: now.timestamp_millis().unsigned_abs(),
        epoch: trust.epoch,
        size: uploaded.size,
        sha256: uploaded.sha256.clone(),
        chunks: None,
        hardware: Vec::new(),
        requires: [].into(),
        health: None,
        files: None,
    }
}

/// Adds what the bytes say: their chunks, and the files in them.
fn filled(mut manifest: Manifest, package: &Path) -> io::Result<Manifest> {
    let mut file = File::open(package)?;
    let (mut hasher, mut piece) = (ChunkHasher::for_package(manifest.size), vec![0; 256 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            n => hasher.update(&piece[..n]),
        }
    }
    manifest.chunks = hasher.chunks();
    if let Listing::None(why) = archive::list(package, &mut manifest)? {
        let (module, version) = (&manifest.module, &manifest.version);
        tracing::warn!(%module, %version, why, "the manifest of a package does not list its files");
    }
    Ok(manifest)
}

fn sign(manifest: &Manifest, key: &SecretKey) -> Result<Signature, Distrust> {
    let signed = Signed::new(manifest)?.with(Purpose::Manifest, key);
    Ok((Some(format!("{HERE}{}", key.public().fingerprint())), Some(signed.to_json())))
}
