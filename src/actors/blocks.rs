//! Blocks of package files that were read lately, for all devices that are sent the same: a rollout reads each block
//! from the disk once, not once a device. Files are named by what is in them, so a block never grows stale.
//!
//! A block is kept as it goes out, in binary frames (RFC 6455, section 5.2): what a server says is not masked, so the
//! frames are the same for every device, and none of them is copied for one.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::domain::{MAX_FRAME, STRIDE};

/// Read from a file at once, bytes: whole strides.
const BLOCK: u64 = 2 * STRIDE;

/// Blocks that are kept: 12 MiB. What devices are behind each other beyond that is read again.
const KEPT: usize = 48;

/// Bytes before the payload of a whole frame.
const WHOLE_HEADER: u64 = header_size(MAX_FRAME);

/// The framework keeps a write buffer of up to 128 KiB for as long as the connection lives: a stride is more.
const _: () = assert!(STRIDE / MAX_FRAME * (MAX_FRAME + WHOLE_HEADER) > 128 * 1024);

type Place = (Arc<Path>, u64);

/// See the module. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Blocks(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    /// Empty while it is read, so that whoever wants it meanwhile waits for the same read.
    blocks: HashMap<Place, Arc<OnceCell<Block>>>,
    /// The oldest first.
    order: VecDeque<Place>,
}

/// Bytes of a file, in frames. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Block {
    framed: Bytes,
    /// Where in the file it begins, and how many of the file's bytes it has.
    begin: u64,
    length: u64,
}

impl Blocks {
    /// The block in which this byte of the file is; takes its time where it must be read.
    ///
    /// # Errors
    /// When the file can't be read, or has no such byte.
    pub async fn at(&self, path: Arc<Path>, position: u64) -> io::Result<Block> {
        let number = position / BLOCK;
        let cell = self.cell((Arc::clone(&path), number));
        let read = || async move {
            let read = tokio::task::spawn_blocking(move || Block::read(&path, number)).await;
            read.unwrap_or_else(|error| Err(io::Error::other(error)))
        };
        let block = cell.get_or_try_init(read).await?;
        if block.holds(position) { Ok(block.clone()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn cell(&self, place: Place) -> Arc<OnceCell<Block>> {
        // Each use is one call: a panic elsewhere leaves it whole.
        let mut kept: MutexGuard<'_, Kept> = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = kept.blocks.get(&place) {
            return Arc::clone(cell);
        }
        let cell = Arc::default();
        kept.blocks.insert(place.clone(), Arc::clone(&cell));
        kept.order.push_back(place);
        if kept.order.len() > KEPT
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.blocks.remove(&oldest);
        }
        cell
    }
}

impl Block {
    fn read(path: &Path, number: u64) -> io::Result<Self> {
        let file = File::open(path)?;
        let begin = number * BLOCK;
        let length = file.metadata()?.len().saturating_sub(begin).min(BLOCK);
        let whole = length / MAX_FRAME * (MAX_FRAME + WHOLE_HEADER);
        let rest = Some(length % MAX_FRAME).filter(|rest| *rest > 0).map_or(0, |rest| rest + header_size(rest));
        let mut framed = Vec::with_capacity(to_usize(whole + rest));
        let mut at = 0;
        while at < length {
            let payload = (length - at).min(MAX_FRAME);
            write_header(&mut framed, payload);
            let from = framed.len();
            framed.resize(from + to_usize(payload), 0);
            file.read_exact_at(&mut framed[from..], begin + at)?;
            at += payload;
        }
        Ok(Self { framed: framed.into(), begin, length })
    }

    /// Whether this byte of the file is in it.
    pub fn holds(&self, position: u64) -> bool {
        (self.begin..self.begin + self.length).contains(&position)
    }

    /// Frames with the bytes from `position` on, and how many bytes these are: all that is asked for where that is a
    /// stride, or else as much of it as is in one frame.
    pub fn frames(&self, position: u64, length: u64) -> (Bytes, u64) {
        let within = position - self.begin;
        let (frame, offset) = (within / MAX_FRAME, within % MAX_FRAME);
        let start = frame * (MAX_FRAME + WHOLE_HEADER);
        if length == STRIDE && offset == 0 && within + STRIDE <= self.length {
            let end = start + STRIDE / MAX_FRAME * (MAX_FRAME + WHOLE_HEADER);
            return (self.framed.slice(to_usize(start)..to_usize(end)), STRIDE);
        }
        let payload = (self.length - frame * MAX_FRAME).min(MAX_FRAME);
        let length = length.min(payload - offset);
        let from = to_usize(start + header_size(payload) + offset);
        let mut framed = Vec::with_capacity(to_usize(length + header_size(length)));
        write_header(&mut framed, length);
        framed.extend_from_slice(&self.framed[from..from + to_usize(length)]);
        (framed.into(), length)
    }
}

/// Length of the header of a binary frame.
const fn header_size(payload: u64) -> u64 {
    match payload {
        ..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

fn write_header(out: &mut Vec<u8>, payload: u64) {
    // The last frame of its message, binary.
    out.push(0x82);
    match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(short @ ..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend(payload.to_be_bytes());
        }
    }
}

/// At most a block's length.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payloads of these frames.
    fn payloads(mut frames: &[u8]) -> Vec<u8> {
        let mut payloads = Vec::new();
        while let [0x82, short, rest @ ..] = frames {
            let (size, length) = match short {
                126 => (4, u64::from(u16::from_be_bytes(*rest.first_chunk().unwrap()))),
                127 => (10, u64::from_be_bytes(*rest.first_chunk().unwrap())),
                short => (2, u64::from(*short)),
            };
            assert_eq!(header_size(length), size);
            assert!(length <= MAX_FRAME);
            let end = to_usize(size + length);
            payloads.extend_from_slice(&frames[to_usize(size)..end]);
            frames = &frames[end..];
        }
        assert!(frames.is_empty(), "nothing but binary frames");
        payloads
    }

    fn package(length: u64) -> (tempfile::TempDir, Arc<Path>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path: Arc<Path> = dir.path().join("package").into();
        let all: Vec<u8> = (0..length).map(|n| (n / 7) as u8).collect();
        std::fs::write(&path, &all).unwrap();
        (dir, path, all)
    }

    #[actix::test]
    async fn a_file_goes_out_in_frames_however_it_is_cut() {
        for (length, asked) in
            [(600_001, STRIDE), (600_001, 4096), (BLOCK, STRIDE), (100, STRIDE), (STRIDE + 65_535, 99)]
        {
            let (_dir, path, all) = package(length);
            let (blocks, mut got) = (Blocks::default(), Vec::new());
            while (got.len() as u64) < length {
                let position = got.len() as u64;
                let block = blocks.at(Arc::clone(&path), position).await.unwrap();
                let (frames, payload) = block.frames(position, asked);
                assert!(payload > 0 && payload <= asked);
                let some = payloads(&frames);
                assert_eq!(some.len() as u64, payload);
                got.extend(some);
            }
            assert!(got == all, "{length} bytes, {asked} at once");
            assert!(blocks.at(path, length).await.is_err(), "behind the end");
        }
    }

    #[actix::test]
    async fn each_block_is_read_once_whoever_wants_it() {
        let (_dir, path, all) = package(BLOCK + 1);
        let blocks = Blocks::default();
        let both = futures_util::join!(blocks.at(Arc::clone(&path), 0), blocks.at(Arc::clone(&path), 9));
        std::fs::remove_file(&path).unwrap();
        let (first, second) = (both.0.unwrap(), both.1.unwrap());
        assert_eq!(first.framed.as_ptr(), second.framed.as_ptr());
        let again = blocks.at(Arc::clone(&path), 300).await.unwrap();
        assert_eq!(payloads(&again.frames(300, 9).0), all[300..309], "it is at hand");
        assert!(blocks.at(path, BLOCK).await.is_err(), "this one is not");
    }

    #[test]
    fn no_more_is_kept_than_fits() {
        let blocks = Blocks::default();
        let path: Arc<Path> = Path::new("package").into();
        for number in 0..200 {
            blocks.cell((Arc::clone(&path), number));
        }
        let kept = blocks.0.lock().unwrap();
        assert_eq!((kept.blocks.len(), kept.order.len()), (KEPT, KEPT));
    }
}
