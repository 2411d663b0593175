//! Blocks of package files that were read lately, for all devices that are sent the same: a rollout reads each block
//! from the disk once, not once a device. Files are named by what is in them, so a block never grows stale.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Read from a file at once, bytes.
const BLOCK: u64 = 256 * 1024;

/// Blocks that are kept: 32 MiB.
const KEPT: usize = 128;

type Place = (Arc<Path>, u64);

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Blocks(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    blocks: HashMap<Place, Bytes>,
    /// The oldest first.
    order: VecDeque<Place>,
}

impl Blocks {
    /// Bytes from `position` on, as far as they are at hand: at most to the end of their block.
    pub fn find(&self, path: &Arc<Path>, position: u64) -> Option<Bytes> {
        let (number, within) = (position / BLOCK, position % BLOCK);
        let block = self.kept().blocks.get(&(Arc::clone(path), number))?.clone();
        let within = usize::try_from(within).ok().filter(|within| *within < block.len())?;
        Some(block.slice(within..))
    }

    /// The same, from the disk; takes its time. `file` is opened where that was not done yet.
    pub fn read(&self, file: Option<Arc<File>>, path: &Arc<Path>, position: u64) -> io::Result<(Arc<File>, Bytes)> {
        let file = match file {
            Some(file) => file,
            None => Arc::new(File::open(path)?),
        };
        let number = position / BLOCK;
        let mut bytes = vec![0; BLOCK as usize];
        let mut length = 0;
        while length < bytes.len() {
            match file.read_at(&mut bytes[length..], number * BLOCK + length as u64)? {
                0 => break,
                more => length += more,
            }
        }
        bytes.truncate(length);
        self.keep((Arc::clone(path), number), Bytes::from(bytes));
        let found = self.find(path, position);
        Ok((file, found.ok_or(io::ErrorKind::UnexpectedEof)?))
    }

    fn keep(&self, place: Place, block: Bytes) {
        let mut kept = self.kept();
        if kept.blocks.insert(place.clone(), block).is_none() {
            kept.order.push_back(place);
        }
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.blocks.remove(&oldest);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each use is one call: a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_block_by_block_and_each_block_once() {
        let dir = tempfile::tempdir().unwrap();
        let path: Arc<Path> = dir.path().join("package").into();
        let all: Vec<u8> = (0..600_000_u32).map(|n| (n / 7) as u8).collect();
        std::fs::write(&path, &all).unwrap();
        let (blocks, mut file, mut got) = (Blocks::default(), None, Vec::new());
        while got.len() < all.len() {
            let piece = match blocks.find(&path, got.len() as u64) {
                Some(piece) => piece,
                None => {
                    let (opened, piece) = blocks.read(file.take(), &path, got.len() as u64).unwrap();
                    file = Some(opened);
                    piece
                }
            };
            got.extend_from_slice(&piece[..piece.len().min(65_536)]);
        }
        assert!(got == all);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(blocks.find(&path, 300_000).unwrap()[..9], all[300_000..300_009], "it is at hand");
        assert!(blocks.read(file, &path, 600_000).is_err(), "behind the end");
    }

    #[test]
    fn no_more_is_kept_than_fits() {
        let blocks = Blocks::default();
        let path: Arc<Path> = Path::new("package").into();
        for number in 0..200 {
            blocks.keep((Arc::clone(&path), number), Bytes::from_static(b"x"));
        }
        let kept = blocks.kept();
        assert_eq!((kept.blocks.len(), kept.order.len()), (KEPT, KEPT));
    }
}
