//! A version's folder against the list of files that was signed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::domain::{ListedFile, Sha256Hex};

/// How a folder differs from the list.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    #[error("missing_file: {0:?} is in the signed list and not in the folder")]
    Missing(String),
    #[error("changed_file: {0:?} is not as it was signed: {1}")]
    Changed(String, String),
    #[error("extraneous_file: {0:?} is not in the signed list")]
    Extraneous(String),
    #[error("the folder cannot be read: {0}")]
    Disk(#[from] io::Error),
}

/// Looks that every file of the list is there as it was signed.
///
/// # Errors
/// The first one that is not.
pub fn holds(folder: &Path, files: &[ListedFile]) -> Result<(), TreeError> {
    files.iter().try_for_each(|file| compare(&folder.join(&file.path), file))
}

/// Looks that there is nothing but the files of the list, and folders.
///
/// # Errors
/// The first thing that is not in the list.
pub fn holds_nothing_else(folder: &Path, files: &[ListedFile]) -> Result<(), TreeError> {
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(&below)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
            if !files.iter().any(|file| file.path == name) {
                return Err(TreeError::Extraneous(name.into_owned()));
            }
        }
    }
    Ok(())
}

fn compare(path: &Path, listed: &ListedFile) -> Result<(), TreeError> {
    let changed = |what: String| Err(TreeError::Changed(listed.path.clone(), what));
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(TreeError::Missing(listed.path.clone()));
        }
        Err(error) => return Err(error.into()),
    };
    let executable = about.permissions().mode() & 0o111 != 0;
    if !about.is_file() {
        return changed("it is no regular file".to_owned());
    }
    if executable != listed.executable {
        return changed(format!("it {} be run", if executable { "can" } else { "cannot" }));
    }
    if about.len() != listed.size {
        return changed(format!("it has {} bytes, not {}", about.len(), listed.size));
    }
    let found = digest(path)?;
    if found != listed.sha256 {
        return changed(format!("its sha256 is {found}, not {}", listed.sha256));
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<Sha256Hex> {
    let (mut file, mut hasher, mut piece) = (File::open(path)?, Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Sha256Hex::from_digest(&hasher.finalize())),
            n => hasher.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str, text: &str, executable: bool) -> ListedFile {
        ListedFile { path: path.into(), size: text.len() as u64, sha256: Sha256Hex::of(text.as_bytes()), executable }
    }

    fn found(change: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("etc")).unwrap();
        fs::write(root.join("app"), "two").unwrap();
        fs::set_permissions(root.join("app"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("etc/conf"), "a=2").unwrap();
        change(root);
        let files = [listed("app", "two", true), listed("etc/conf", "a=2", false)];
        let outcome = holds(root, &files).and_then(|()| holds_nothing_else(root, &files));
        outcome.map_or_else(|error| error.to_string(), |()| "as signed".to_owned())
    }

    #[test]
    fn each_difference_has_its_word() {
        assert_eq!(found(|_| ()), "as signed");
        assert_eq!(found(|root| fs::create_dir(root.join("empty")).unwrap()), "as signed", "a folder does nothing");
        let cases: [(&str, fn(&Path)); 7] = [
            ("missing_file: \"etc/conf\"", |root| fs::remove_file(root.join("etc/conf")).unwrap()),
            ("missing_file: \"etc/conf\"", |root| {
                fs::remove_dir_all(root.join("etc")).unwrap();
                fs::write(root.join("etc"), "").unwrap();
            }),
            ("changed_file: \"app\"", |root| fs::write(root.join("app"), "tow").unwrap()),
            ("changed_file: \"app\"", |root| fs::write(root.join("app"), "twofold").unwrap()),
            ("changed_file: \"etc/conf\"", |root| {
                fs::set_permissions(root.join("etc/conf"), fs::Permissions::from_mode(0o744)).unwrap();
            }),
            ("extraneous_file: \"etc/more\"", |root| fs::write(root.join("etc/more"), "").unwrap()),
            ("extraneous_file: \"link\"", |root| std::os::unix::fs::symlink("/etc", root.join("link")).unwrap()),
        ];
        for (word, change) in cases {
            let found = found(change);
            assert!(found.starts_with(word), "{word}: {found}");
        }
        let linked = found(|root| {
            fs::rename(root.join("app"), root.join("etc/app")).unwrap();
            std::os::unix::fs::symlink("etc/app", root.join("app")).unwrap();
        });
        assert!(linked.starts_with("changed_file: \"app\""), "a link to the same bytes can be moved later: {linked}");
    }
}
