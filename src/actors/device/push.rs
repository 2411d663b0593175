//! Sending package bytes: files are read off the actor's thread, a few frames at a time, as the session gives room.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::{Ctx, DeviceActor, Links};
use crate::actors::Feed;
use crate::actors::blocks::Blocks;
use crate::actors::turns::Turn;
use crate::domain::{KeyId, MAX_FRAME, ModuleName, Room, Timestamp};
use actix::prelude::*;
use bytes::Bytes;

/// Read from the file and given to the socket at once, bytes. No more than a frame waits in the program for a peer
/// that takes nothing, and what else is to be said goes between frames.
const READ: u64 = MAX_FRAME;

/// The sending end of one connection.
#[derive(Default)]
pub(super) struct Pusher {
    turn: Option<Turn>,
    path: Option<Arc<Path>>,
    file: Option<Arc<File>>,
    /// A read is under way.
    reading: bool,
    /// The read waits for its share of the bytes that all transfers may send.
    waiting: bool,
    /// What those who watch are told about.
    shown: Option<(KeyId, ModuleName)>,
}

impl Pusher {
    pub fn take(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    pub fn begin(&mut self, path: Arc<Path>) {
        self.path = Some(path);
        self.file = None;
    }

    pub fn moved(&mut self, links: &Links, key_id: KeyId, module: ModuleName, received: u64, size: u64) {
        self.shown = Some((key_id, module.clone()));
        links.feed.moved(key_id, module, received, size, links.intake.load().shows_live());
    }

    /// Gives the turn to the next device.
    pub fn stop(&mut self, feed: &Feed) {
        self.turn = None;
        self.file = None;
        if let Some((key_id, module)) = self.shown.take() {
            feed.over(key_id, &module);
        }
    }
}

/// A piece of a package, and the open file for the next where it had to be read.
type Piece = std::io::Result<(Option<Arc<File>>, Bytes)>;

/// What is at hand, or else from the disk; as long as is asked for at most.
async fn piece(blocks: Blocks, file: Option<Arc<File>>, path: Arc<Path>, position: u64, length: u64) -> Piece {
    let (file, mut bytes) = match blocks.find(&path, position) {
        Some(bytes) => {
            // The socket takes the frame before when it asks for more.
            tokio::task::yield_now().await;
            (file, bytes)
        }
        None => {
            let read = tokio::task::spawn_blocking(move || blocks.read(file, &path, position)).await;
            let (file, bytes) = read.unwrap_or_else(|error| Err(std::io::Error::other(error)))?;
            (Some(file), bytes)
        }
    };
    bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    Ok((file, bytes))
}

impl DeviceActor {
    /// Gives a transfer up whose turn was given away while its peer took nothing; what the server holds back is not
    /// held against the device.
    pub(super) fn watch_turn(&mut self, now: Timestamp) {
        if self.pusher.waiting {
            self.session.held_back(now);
        }
        if self.pusher.turn.as_ref().is_some_and(|turn| !turn.seen()) {
            self.pusher.turn = None;
            self.session.too_slow();
        }
    }

    /// Sends what may be sent now.
    pub(super) fn pump(&mut self, ctx: &mut Ctx) {
        if self.pusher.reading || self.closing {
            return;
        }
        let now = self.links.clock.steady();
        let Some((release, position, room)) = self.session.room(now) else { return };
        let (length, one_frame) = match room {
            Room::Bytes(n) => (n.min(READ), false),
            Room::OneFrame(n) => (n, true),
            Room::Wait | Room::Done => return,
        };
        let Some(path) = self.pusher.path.clone() else { return };
        let (length, wait) = self.links.turns.reserve(now, length);
        self.pusher.reading = true;
        self.pusher.waiting = !wait.is_zero();
        let (file, blocks) = (self.pusher.file.clone(), self.links.blocks.clone());
        let next = async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let piece = piece(blocks, file, path, position, length).await;
            if one_frame {
                tokio::task::yield_now().await;
            }
            piece
        };
        ctx.spawn(next.into_actor(self).map(move |piece, device, ctx| {
            device.pusher.reading = false;
            device.pusher.waiting = false;
            device.on_piece(&release, position, piece, ctx);
        }));
    }

    fn on_piece(&mut self, release: &crate::domain::Release, position: u64, piece: Piece, ctx: &mut Ctx) {
        let now = self.links.clock.steady();
        // Cancelled meanwhile, or another package's turn.
        let current =
            self.session.room(now).is_some_and(|(now_sending, at, _)| now_sending == *release && at == position);
        match piece {
            Ok((file, bytes)) if current => {
                self.pusher.file = file;
                let sent = bytes.len() as u64;
                let mut rest = bytes;
                while !rest.is_empty() {
                    let frame = rest.split_to(rest.len().min(crate::protocol::MAX_FRAME));
                    ctx.binary(frame);
                }
                self.session.sent(now, sent);
            }
            Err(error) if current => {
                tracing::error!(module = %release.module, version = %release.version, %error, "a package can't be read");
                self.session.unsendable(format!("the server cannot read the package: {error}"));
            }
            Ok(_) | Err(_) => {}
        }
        self.carry_out(ctx);
        self.pump(ctx);
    }
}
