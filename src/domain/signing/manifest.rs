//! What one package is: its bytes, and what they are for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::trust::MAX_NUMBER;
use super::{Distrust, ListedFile, Purpose, Signed, Trust, files};
use crate::domain::{ModuleName, Sha256Hex, Version};

/// The release manifest of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub module: ModuleName,
    pub version: Version,
    /// Grows with every manifest of a module. A device takes none below the highest it has installed, so that going
    /// back takes a signature too.
    pub counter: u64,
    /// The epoch of the trust document it was signed under.
    pub epoch: u64,
    /// Bytes.
    pub size: u64,
    pub sha256: Sha256Hex,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Chunks>,
    /// The hardware it is for; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hardware: Vec<String>,
    /// Modules that must run already, and in which version at least.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requires: BTreeMap<ModuleName, Version>,
    /// The health command, for a device whose configuration has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The files of an archive; `None` for a package that is one file, and where they are too many to list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<ListedFile>>,
}

/// Digests of the parts of a package, so that a wrong byte shows before the end of the download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunks {
    /// Bytes of each; the last one may be shorter.
    pub size: u64,
    pub sha256: Vec<Sha256Hex>,
}

/// Smallest chunk that is made, bytes.
const CHUNK: u64 = 4 * 1024 * 1024;
/// Most chunks of a package; larger packages have larger chunks.
const MAX_CHUNKS: u64 = 256;
/// Longest health command and name of hardware, bytes.
const MAX_TEXT: usize = 1024;

impl Manifest {
    /// Reads a manifest that enough release keys have signed.
    ///
    /// # Errors
    /// See [`Distrust`].
    pub fn verified(signed: &Signed, trust: &Trust) -> Result<Self, Distrust> {
        trust.release.verify(Purpose::Manifest, signed)?;
        let manifest: Self = signed.read()?;
        manifest.check()?;
        if manifest.epoch != trust.epoch {
            return Err(Distrust::WrongEpoch { found: manifest.epoch, trusted: trust.epoch });
        }
        Ok(manifest)
    }

    /// Lists the files of the package where they have room in one document, and says whether they had.
    pub fn list(&mut self, files: Vec<ListedFile>) -> bool {
        let listed = Self { files: Some(files), ..self.clone() };
        let fits = listed.check().and_then(|()| Signed::new(&listed)).is_ok();
        if fits {
            *self = listed;
        }
        fits
    }

    /// Whether it makes sense; also for what is about to be signed.
    ///
    /// # Errors
    /// [`Distrust::BadDocument`]
    pub fn check(&self) -> Result<(), Distrust> {
        let wrong = |what: &str| Err(Distrust::BadDocument(what.to_owned()));
        if self.counter > MAX_NUMBER {
            return wrong("the counter must be a number up to 2^53");
        }
        let texts = self.hardware.iter().chain(&self.health);
        if self.hardware.len() > 64 || texts.into_iter().any(|text| text.len() > MAX_TEXT) {
            return wrong("too many names of hardware, or a text of more than 1024 bytes");
        }
        if let Some(listed) = &self.files {
            files::check(listed)?;
        }
        match &self.chunks {
            Some(chunks) if chunks.size == 0 || self.size.div_ceil(chunks.size) != chunks.sha256.len() as u64 => {
                wrong("the chunks do not cover the package")
            }
            _ => Ok(()),
        }
    }
}

/// Takes a package's bytes in and knows its digest, and those of its chunks, at the end.
#[derive(Debug, Clone)]
pub struct ChunkHasher {
    size: u64,
    filled: u64,
    chunk: Sha256,
    done: Vec<Sha256Hex>,
}

impl ChunkHasher {
    /// For chunks of `size` bytes.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size: size.max(1), filled: 0, chunk: Sha256::new(), done: Vec::new() }
    }

    /// For a package of so many bytes: chunks of 4 MiB, or larger ones, so that there are never more than 256.
    #[must_use]
    pub fn for_package(size: u64) -> Self {
        let mut chunk = CHUNK;
        while size.div_ceil(chunk) > MAX_CHUNKS {
            chunk *= 2;
        }
        Self::new(chunk)
    }

    /// More bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(self.size - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.update(now);
            self.filled += now.len() as u64;
            if self.filled == self.size {
                self.end_chunk();
            }
            bytes = later;
        }
    }

    /// Digests of the chunks that are complete so far.
    #[must_use]
    pub fn done(&self) -> &[Sha256Hex] {
        &self.done
    }

    /// No more bytes come: the last chunk is complete too.
    pub fn finish(&mut self) {
        if self.filled > 0 {
            self.end_chunk();
        }
    }

    /// For the manifest; `None` for a package of a single chunk, whose digest says as much.
    #[must_use]
    pub fn chunks(mut self) -> Option<Chunks> {
        self.finish();
        (self.done.len() > 1).then_some(Chunks { size: self.size, sha256: self.done })
    }

    fn end_chunk(&mut self) {
        self.done.push(Sha256Hex::from_digest(&std::mem::take(&mut self.chunk).finalize()));
        self.filled = 0;
    }
}
