//! Whether there is room for a package, and what of the disk it would take.

use std::path::Path;

use super::config::ModuleConfig;
use super::download::Downloads;
use crate::protocol::Offer;

/// Bytes that stay free on every disk an install touches.
const RESERVE: u64 = 16 * 1024 * 1024;

/// Whether download and installation fit. A disk that does not tell counts as large enough.
pub fn fits(offer: &Offer, downloads: &Downloads, config: &ModuleConfig) -> bool {
    let missing = offer.size.saturating_sub(downloads.present(&offer.sha256));
    let (here, there) = (free(downloads.folder()), free(&config.dir));
    let same_disk = here.zip(there).is_none_or(|(here, there)| here.0 == there.0);
    let here_needs = missing.saturating_add(RESERVE).saturating_add(if same_disk { offer.size } else { 0 });
    here.is_none_or(|(_, bytes)| bytes >= here_needs)
        && there.is_none_or(|(_, bytes)| bytes >= offer.size.saturating_add(RESERVE))
}

/// The disk below a path (or below what of it is there), and its free bytes.
fn free(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let there = path.ancestors().find(|ancestor| ancestor.is_dir())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some((there.metadata().ok()?.dev(), disk.f_bavail.saturating_mul(disk.f_frsize)))
}
