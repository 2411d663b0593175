//! The signing keys and trust documents of the data folder: `keys/*.key` and `keys/trust-N.json`.
//!
//! A key's file may have any name; what it may sign is what the newest trust document says. Commands change the
//! folder while a server runs on it, so it is looked at again whenever it changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::domain::{Quorum, SecretKey, Signed, Trust};

/// The folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KeyFolder {
    dir: PathBuf,
    read: Arc<Mutex<Option<(SystemTime, Arc<Keys>)>>>,
}

/// What is in it.
#[derive(Debug, Default)]
pub struct Keys {
    /// Every trust document, oldest first.
    pub documents: Vec<Signed>,
    /// The newest one.
    pub trust: Option<Trust>,
    secrets: Vec<(PathBuf, SecretKey)>,
}

impl Keys {
    /// A secret key of this folder that is one of these.
    #[must_use]
    pub fn one_of(&self, quorum: &Quorum) -> Option<&SecretKey> {
        self.secrets.iter().map(|(_, key)| key).find(|key| quorum.keys.contains(&key.public()))
    }

    /// The key by which this server signs manifests itself, where it has one.
    #[must_use]
    pub fn release(&self) -> Option<&SecretKey> {
        self.one_of(&self.trust.as_ref()?.release)
    }

    /// The key by which this server says what it wants of devices.
    #[must_use]
    pub fn online(&self) -> Option<&SecretKey> {
        self.one_of(self.trust.as_ref()?.online.as_ref()?)
    }

    /// Trust documents that somebody who has this version has not got.
    #[must_use]
    pub fn documents_after(&self, version: u64) -> &[Signed] {
        let known = usize::try_from(version).unwrap_or(usize::MAX).min(self.documents.len());
        &self.documents[known..]
    }
}

impl KeyFolder {
    /// The folder, which need not be there.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), read: Arc::default() }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// What is in it now; nothing where it is not there. Looks at the disk.
    ///
    /// # Errors
    /// When something in it can't be read, with its name.
    pub fn keys(&self) -> io::Result<Arc<Keys>> {
        let changed = match fs::metadata(&self.dir) {
            Ok(about) => about.modified()?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(error),
        };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, keys)) = read.as_ref().filter(|(when, _)| *when == changed) {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(self.read_all()?);
        *read = Some((changed, Arc::clone(&keys)));
        Ok(keys)
    }

    fn read_all(&self) -> io::Result<Keys> {
        let mut keys = Keys::default();
        for number in 1.. {
            let path = self.document(number);
            let text = match fs::read_to_string(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                text => text?,
            };
            let wrong = |error| io::Error::other(format!("{}: {error}", path.display()));
            let signed = Signed::from_json(&text).map_err(wrong)?;
            let next = keys.trust.as_ref().map_or_else(|| Trust::first(&signed), |trust| trust.next(&signed));
            keys.trust = Some(next.map_err(wrong)?);
            keys.documents.push(signed);
        }
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "key") {
                keys.secrets.push((path.clone(), read_key(&path)?));
            }
        }
        keys.secrets.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(keys)
    }

    /// Adds a trust document, durably.
    ///
    /// # Errors
    /// When it can't be written, or there is one of this version.
    pub fn add_document(&self, trust: &Trust, signed: &Signed) -> io::Result<PathBuf> {
        make(&self.dir)?;
        let path = self.document(trust.version);
        write_new(&path, &format!("{}\n", signed.to_json()), 0o644)?;
        Ok(path)
    }

    fn document(&self, version: u64) -> PathBuf {
        self.dir.join(format!("trust-{version}.json"))
    }
}

/// Reads a secret key.
///
/// # Errors
/// When there is none, with the file's name.
pub fn read_key(path: &Path) -> io::Result<SecretKey> {
    let named = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| named(&error))?;
    SecretKey::from_text(&text).ok_or_else(|| named(&"it holds no signing key"))
}

/// Writes a secret key into a new file, for its owner alone.
///
/// # Errors
/// When there is a file already, or it can't be written.
pub fn write_key(path: &Path, key: &SecretKey) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make(parent)?;
    }
    write_new(path, &key.text(), 0o600)
}

fn make(dir: &Path) -> io::Result<()> {
    super::DataDir::make(dir)
        .map_err(|error| io::Error::new(error.kind(), format!("{} can't be made: {error}", dir.display())))
}

fn write_new(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let named = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists => io::Error::new(
            error.kind(),
            format!("{} exists; it is not written over, as what it holds could not be had again", path.display()),
        ),
        kind => io::Error::new(kind, format!("{}: {error}", path.display())),
    };
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.write(true).create_new(true).open(path).map_err(named)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(named)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Purpose;

    fn document(version: u64, root: &SecretKey) -> (Trust, Signed) {
        let any_of = |key: &SecretKey| Quorum::any_of(vec![key.public()]);
        let trust = Trust {
            version,
            epoch: 1,
            expires_at: "2030-01-01T00:00:00Z".parse().unwrap(),
            root: any_of(root),
            release: any_of(&SecretKey::new([2; 32])),
            online: None,
        };
        let signed = Signed::new(&trust).unwrap().with(Purpose::Trust, root);
        (trust, signed)
    }

    #[test]
    fn a_key_is_its_owners_alone_and_never_written_over() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/release.key");
        write_key(&path, &SecretKey::new([2; 32])).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let refused = write_key(&path, &SecretKey::new([3; 32])).unwrap_err();
        assert!(refused.to_string().contains("release.key exists"), "{refused}");
        assert_eq!(read_key(&path).unwrap().public(), SecretKey::new([2; 32]).public());
    }

    #[test]
    fn what_a_command_adds_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(&dir.path().join("keys"));
        assert!(folder.keys().unwrap().trust.is_none());
        let root = SecretKey::new([1; 32]);
        for version in 1..=2 {
            let (trust, signed) = document(version, &root);
            KeyFolder::new(folder.path()).add_document(&trust, &signed).unwrap();
            assert_eq!(folder.keys().unwrap().trust.as_ref().map(|trust| trust.version), Some(version));
        }
        assert!(folder.keys().unwrap().release().is_none());
        write_key(&folder.path().join("any name.key"), &SecretKey::new([2; 32])).unwrap();
        let keys = folder.keys().unwrap();
        assert!(keys.release().is_some() && keys.online().is_none());
        assert_eq!((keys.documents_after(0).len(), keys.documents_after(1).len()), (2, 1));
        assert!(keys.documents_after(9).is_empty());
    }

    #[test]
    fn a_document_that_does_not_follow_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = KeyFolder::new(dir.path());
        for (version, seed) in [(1, 1), (2, 7)] {
            let (trust, signed) = document(version, &SecretKey::new([seed; 32]));
            folder.add_document(&trust, &signed).unwrap();
        }
        assert!(folder.keys().unwrap_err().to_string().contains("trust-2.json"));
    }
}
