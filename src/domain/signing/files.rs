//! The files of a package, one by one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Distrust;
use crate::domain::Sha256Hex;

/// One file of a package, as its manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedFile {
    /// Below the version's folder, with `/` between names.
    pub path: String,
    /// Bytes.
    pub size: u64,
    pub sha256: Sha256Hex,
    /// Whether it may be run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// Most files that are listed: with paths of 20 bytes they about fill a document.
pub(super) const MAX_FILES: usize = 256;
/// Longest path, bytes.
const MAX_PATH: usize = 1024;

/// Whether a list makes sense: bounded, and every path a plain one that is named once.
pub(super) fn check(files: &[ListedFile]) -> Result<(), Distrust> {
    let wrong = |what: String| Err(Distrust::BadDocument(what));
    if files.is_empty() || files.len() > MAX_FILES {
        return wrong(format!("the list has {} files, not 1 to {MAX_FILES}", files.len()));
    }
    if let Some(file) = files.iter().find(|file| !is_plain(&file.path)) {
        return wrong(format!("{:?} is no plain path", file.path));
    }
    let mut paths = BTreeSet::new();
    match files.iter().find(|file| !paths.insert(&file.path)) {
        Some(twice) => wrong(format!("{:?} is listed twice", twice.path)),
        None => Ok(()),
    }
}

fn is_plain(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..");
    path.len() <= MAX_PATH && !path.contains(['\0', '\\']) && path.split('/').all(is_name)
}
