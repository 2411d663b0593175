//! Sending package bytes: read off the actor's thread, and given to the socket a piece at a time, as the session gives
//! room and the socket takes them.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;

use super::outgoing::Tray;
use super::{Ctx, DeviceActor, Links};
use crate::actors::Feed;
use crate::actors::blocks::{Block, Blocks};
use crate::actors::turns::Turn;
use crate::domain::{KeyId, ModuleName, STEP, STRIDE, Timestamp};
use actix::prelude::*;

/// The sending end of one connection.
#[derive(Default)]
pub(super) struct Pusher {
    turn: Option<Turn>,
    path: Option<Arc<Path>>,
    /// Where the last piece was from; the next is most likely there too.
    block: Option<Block>,
    /// Counts what was begun, so that a piece of the one before is told from a piece of this.
    number: u64,
    /// The next piece is under way.
    busy: bool,
    /// It waits for its share of the bytes that all transfers may send.
    waiting: bool,
    /// Where pieces go.
    tray: Tray,
    /// What those who watch are told about.
    shown: Option<(KeyId, ModuleName)>,
}

impl Pusher {
    pub fn take(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    pub fn begin(&mut self, path: Arc<Path>) {
        self.path = Some(path);
        self.block = None;
        self.number += 1;
        self.tray.clear();
    }

    /// Nothing more of what was begun follows.
    pub fn cancel(&mut self) {
        self.tray.clear();
    }

    /// Where the connection takes pieces from.
    pub fn tray(&self) -> Tray {
        self.tray.clone()
    }

    pub fn moved(&mut self, links: &Links, key_id: KeyId, module: ModuleName, received: u64, size: u64) {
        self.shown = Some((key_id, module.clone()));
        links.feed.moved(key_id, module, received, size, links.intake.load().shows_live());
    }

    /// Gives the turn to the next device.
    pub fn stop(&mut self, feed: &Feed) {
        self.turn = None;
        self.path = None;
        self.block = None;
        if let Some((key_id, module)) = self.shown.take() {
            feed.over(key_id, &module);
        }
    }
}

/// The block in which this byte is, when the socket has taken the piece before.
async fn block(
    (tray, blocks): (Tray, Blocks),
    last: Option<Block>,
    path: Arc<Path>,
    position: u64,
) -> std::io::Result<Block> {
    poll_fn(|_| tray.poll_taken()).await;
    match last.filter(|block| block.holds(position)) {
        Some(block) => Ok(block),
        None => blocks.at(path, position).await,
    }
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
        if self.pusher.busy || self.closing {
            return;
        }
        let now = self.links.clock.steady();
        let Some((position, length)) = self.session.piece(now) else { return };
        let Some(path) = self.pusher.path.clone() else { return };
        let (turns, number) = (&self.links.turns, self.pusher.number);
        let length = if length == STRIDE && turns.piece() < STRIDE { STEP } else { length };
        let (length, wait) = turns.reserve(now, length);
        self.pusher.busy = true;
        self.pusher.waiting = !wait.is_zero();
        let block = block((self.pusher.tray(), self.links.blocks.clone()), self.pusher.block.take(), path, position);
        let next = async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            block.await
        };
        ctx.spawn(next.into_actor(self).map(move |block, device, ctx| {
            device.pusher.busy = false;
            device.pusher.waiting = false;
            // Otherwise cancelled meanwhile, or another package's turn.
            if device.pusher.number == number && device.session.position() == Some(position) {
                device.on_block(position, length, block);
            }
            device.carry_out(ctx);
            device.pump(ctx);
        }));
    }

    fn on_block(&mut self, position: u64, length: u64, block: std::io::Result<Block>) {
        match block {
            Ok(block) => {
                let (frames, sent) = block.frames(position, length);
                self.pusher.tray.put(frames);
                self.pusher.block = Some(block);
                self.session.sent(self.links.clock.steady(), sent);
            }
            Err(error) => {
                tracing::error!(path = ?self.pusher.path, %error, "a package can't be read");
                self.session.unsendable(format!("the server cannot read the package: {error}"));
            }
        }
    }
}
