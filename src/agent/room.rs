//! Whether there is room for packages, and what of each disk they would take.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::config::ModuleConfig;
use super::download::Downloads;
use crate::protocol::Offer;

/// Bytes that stay free on every disk an install touches.
const RESERVE: u64 = 16 * 1024 * 1024;

/// Files and folders that may still be made on every disk an install touches. How many are in a package is known
/// only when it is there.
const RESERVED_FILES: u64 = 256;

/// Whether downloads and installations fit, all of them. A disk that does not tell counts as large enough.
pub fn fits(packages: &[(&Offer, &ModuleConfig)], downloads: &Downloads) -> bool {
    let mut disks: BTreeMap<u64, (Disk, u64)> = BTreeMap::new();
    let mut need = |path: &Path, bytes: u64| {
        if let Some((number, disk)) = look(path) {
            let (_, needed) = disks.entry(number).or_insert((disk, RESERVE));
            *needed = needed.saturating_add(bytes);
        }
    };
    for (offer, config) in packages {
        need(downloads.folder(), offer.size.saturating_sub(downloads.present(&offer.sha256)));
        need(&config.dir, offer.size);
    }
    disks.values().all(|(disk, needed)| disk.bytes >= *needed && disk.files.is_none_or(|files| files >= RESERVED_FILES))
}

/// What is free of a disk.
struct Disk {
    bytes: u64,
    /// `None` where the file system has no limit of its own.
    files: Option<u64>,
}

/// The disk below a path (or below what of it is there).
fn look(path: &Path) -> Option<(u64, Disk)> {
    let there = path.ancestors().find(|ancestor| ancestor.is_dir())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    let files = (disk.f_files > 0).then_some(disk.f_favail);
    let free = Disk { bytes: disk.f_bavail.saturating_mul(disk.f_frsize), files };
    Some((there.metadata().ok()?.dev(), free))
}
