//! The files of a package, listed for its manifest.

use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{ArchiveError, Body, Caps, Take, walk};
use crate::domain::{ListedFile, Manifest, Sha256Hex};

/// What a manifest says of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// So many are listed.
    Files(usize),
    /// The package is one file: its sha256 is the package's.
    OneFile,
    /// They could not be listed, and why: devices check the package as a whole.
    None(String),
}

/// Lists the files of `package` in its manifest, by the rules by which the agent unpacks it.
///
/// # Errors
/// When the package cannot be read.
pub fn list(package: &Path, manifest: &mut Manifest) -> io::Result<Listing> {
    let mut lister = Lister(Vec::new());
    match walk(package, Caps::default(), &mut lister) {
        Ok(true) => {}
        Ok(false) => return Ok(Listing::OneFile),
        Err(ArchiveError::Refused(why)) => return Ok(Listing::None(format!("agents refuse it: {why}"))),
        Err(ArchiveError::Disk(error)) => return Err(error),
    }
    let mut files = lister.0;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let count = files.len();
    Ok(match manifest.list(files) {
        true => Listing::Files(count),
        false => Listing::None(format!("{count} files are more than a manifest has room for")),
    })
}

struct Lister(Vec<ListedFile>);

impl Take for Lister {
    fn folder(&mut self, _: &Path) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn file(&mut self, path: &Path, executable: bool, body: &mut Body) -> Result<(), ArchiveError> {
        let (mut size, mut hasher) = (0, Sha256::new());
        while let Some(bytes) = body.more()? {
            size += bytes.len() as u64;
            hasher.update(bytes);
        }
        let (path, sha256) = (path.to_string_lossy().into_owned(), Sha256Hex::from_digest(&hasher.finalize()));
        self.0.push(ListedFile { path, size, sha256, executable });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ModuleName, Version};

    fn manifest() -> Manifest {
        Manifest {
            module: ModuleName::new("app1").unwrap(),
            version: Version::new("2").unwrap(),
            counter: 1,
            epoch: 1,
            size: 0,
            sha256: Sha256Hex::of(b""),
            chunks: None,
            hardware: Vec::new(),
            requires: [].into(),
            health: None,
            files: None,
        }
    }

    fn listed(bytes: &[u8]) -> (Listing, Option<Vec<ListedFile>>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut manifest = manifest();
        (list(file.path(), &mut manifest).unwrap(), manifest.files)
    }

    fn tar(files: &[(&str, u32)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, mode) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(*mode);
            header.set_size(name.len() as u64);
            tar.append_data(&mut header, name, name.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn an_archive_is_listed_by_path_however_it_is_packed() {
        let bytes = tar(&[("etc/app.conf", 0o600), ("app", 0o700)]);
        let of = |path: &str, executable| {
            let (size, sha256) = (path.len() as u64, Sha256Hex::of(path.as_bytes()));
            ListedFile { path: path.into(), size, sha256, executable }
        };
        let expected = vec![of("app", true), of("etc/app.conf", false)];
        for packed in [bytes.clone(), zstd::encode_all(&bytes[..], 3).unwrap()] {
            assert_eq!(listed(&packed), (Listing::Files(2), Some(expected.clone())));
        }
    }

    #[test]
    fn what_cannot_be_listed_says_why() {
        assert_eq!(listed(b"\x7fELF"), (Listing::OneFile, None));
        let (listing, files) = listed(&tar(&[("README", 0o644), ("readme", 0o644)]));
        assert!(matches!(&listing, Listing::None(why) if why.contains("one name")), "{listing:?}");
        assert_eq!(files, None);
        let names: Vec<String> = (0..300).map(|n| n.to_string()).collect();
        let (listing, files) = listed(&tar(&names.iter().map(|name| (name.as_str(), 0o644)).collect::<Vec<_>>()));
        assert!(matches!(&listing, Listing::None(why) if why.starts_with("300 files")), "{listing:?}");
        assert_eq!(files, None);
    }
}
