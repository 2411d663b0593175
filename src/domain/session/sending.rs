//! The sending half of a session: one package at a time, the next after the result of the one before.

use super::{Fault, Push, Sendable, Session, SessionEffect, is};
use chrono::TimeDelta;

use crate::domain::transfer::{Room, Transfer};
use crate::domain::{Doing, ModuleName, Modules, Release, RolloutId, Timestamp, Version};

/// How long the result of a device that tells no progress is waited for before its next package, seconds.
const NEXT_AFTER_S: i64 = 10;

/// Progress of at least this many bytes is no message too many: a download is not to wait for its own flow control.
const WORTH_A_MESSAGE: u64 = 1024;

impl Session {
    /// Whether the device is known and nothing is being sent, or waits to be: nothing runs out in the next seconds.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.device.is_some() && matches!(self.push, Push::Idle) && self.queue.is_empty()
    }

    pub(super) fn push_next(&mut self) {
        if matches!(self.push, Push::Idle)
            && let Some(package) = self.queue.pop_front()
        {
            self.push = Push::AwaitingTurn(package);
            self.out.push(SessionEffect::TakeTurn);
        }
    }

    /// It is this session's turn to send. `false`: there is nothing to send any more, and the turn is not used.
    pub fn turn(&mut self, now: Timestamp) -> bool {
        match std::mem::replace(&mut self.push, Push::Idle) {
            Push::AwaitingTurn(package) => {
                let (module, version) = (package.release.module.clone(), package.release.version.clone());
                self.out.push(SessionEffect::Did { module, version, doing: Doing::Sending });
                let (release, offset) = (package.release.clone(), package.offset);
                self.out.push(SessionEffect::Begin { release, offset });
                self.push = Push::Sending(Transfer::new(package, now));
                self.end_if_complete(now);
                true
            }
            other => {
                self.push = other;
                self.push_next();
                false
            }
        }
    }

    /// What is being sent, from which byte on, and how much of it may go out now.
    pub fn room(&mut self, now: Timestamp) -> Option<(Release, u64, Room)> {
        match &mut self.push {
            Push::Sending(transfer) => {
                let room = transfer.room(now);
                Some((transfer.package().release.clone(), transfer.position(), room))
            }
            _ => None,
        }
    }

    /// What is to be sent at once now: from which byte on, and how many.
    pub fn piece(&mut self, now: Timestamp) -> Option<(u64, u64)> {
        let Push::Sending(transfer) = &mut self.push else { return None };
        let length = match transfer.room(now) {
            Room::Bytes(allowed) | Room::OneFrame(allowed) => transfer.piece(allowed),
            Room::Wait | Room::Done => 0,
        };
        (length > 0).then(|| (transfer.position(), length))
    }

    /// The next byte to go out, while something is being sent.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        match &self.push {
            Push::Sending(transfer) => Some(transfer.position()),
            _ => None,
        }
    }

    /// These many bytes of what is being sent are with the socket.
    pub fn sent(&mut self, now: Timestamp, bytes: u64) {
        if let Push::Sending(transfer) = &mut self.push {
            transfer.sent(now, bytes);
            // Of the others their own words say how far they are.
            if !transfer.tells() {
                self.after_progress(now);
            }
        }
    }

    /// The package's bytes can't be read any more.
    pub fn unsendable(&mut self, why: String) {
        if let Push::Sending(transfer) = &self.push {
            let Release { module, version, .. } = transfer.package().release.clone();
            self.out.push(SessionEffect::Did {
                module: module.clone(),
                version: version.clone(),
                doing: Doing::Failed(why),
            });
            self.stop(&module, &version);
        }
    }

    /// The device tells how much of a package it has.
    pub fn progress(&mut self, now: Timestamp, module: ModuleName, version: Version, received: u64) {
        match &mut self.push {
            Push::Sending(transfer) if is(&transfer.package().release, &module, &version) => {
                if transfer.told(received) >= WORTH_A_MESSAGE || transfer.is_complete() {
                    self.pace.give_back();
                }
                self.after_progress(now);
            }
            // A word that crossed the last bytes, or a cancel.
            Push::AwaitingResult { release, .. } if is(release, &module, &version) => {}
            _ if self.device.is_none() => self.refuse(now, Fault::NotHello),
            _ => {}
        }
    }

    fn after_progress(&mut self, now: Timestamp) {
        let Push::Sending(transfer) = &self.push else { return };
        let release = transfer.package().release.clone();
        self.out.push(SessionEffect::Progress {
            module: release.module.clone(),
            received: transfer.received(),
            size: release.size,
        });
        self.end_if_complete(now);
    }

    fn end_if_complete(&mut self, now: Timestamp) {
        let Push::Sending(transfer) = &self.push else { return };
        if transfer.is_complete() {
            let (release, tells, set) = (transfer.package().release.clone(), transfer.tells(), set(transfer.package()));
            self.out.push(SessionEffect::EndTurn);
            let (module, version) = (release.module.clone(), release.version.clone());
            self.out.push(SessionEffect::Did { module, version, doing: Doing::Received });
            let since = (!tells).then_some(now);
            self.push = Push::AwaitingResult { release, since, set };
        }
    }

    /// The device tells how an install ended.
    pub fn result(&mut self, now: Timestamp, module: ModuleName, version: Version, doing: Doing) {
        if self.device.is_none() {
            return self.refuse(now, Fault::NotHello);
        }
        if matches!(doing, Doing::Failed(_) | Doing::RolledBack(_)) {
            self.give_up_set(&module, &version);
        }
        self.out.push(SessionEffect::Did { module: module.clone(), version: version.clone(), doing });
        self.finish(&module, &version);
    }

    /// What fails is one of several, all or nothing: the rest of them need not be sent any more.
    fn give_up_set(&mut self, module: &ModuleName, version: &Version) {
        let (current, rollout) = match &self.push {
            Push::Idle => return,
            Push::AwaitingTurn(package) => (&package.release, set(package)),
            Push::Sending(transfer) => (&transfer.package().release, set(transfer.package())),
            Push::AwaitingResult { release, set, .. } => (release, *set),
        };
        if rollout.is_some() && is(current, module, version) {
            self.queue.retain(|package| set(package) != rollout);
        }
    }

    /// A hello that lists the version is as good as a result.
    pub(super) fn seen_running(&mut self, _now: Timestamp, modules: &Modules) {
        let release = match &self.push {
            Push::AwaitingResult { release, .. } => release,
            Push::Sending(transfer) => &transfer.package().release,
            Push::Idle | Push::AwaitingTurn(_) => return,
        };
        if modules.get(&release.module) == Some(&release.version) {
            let (module, version) = (release.module.clone(), release.version.clone());
            self.finish(&module, &version);
        }
    }

    /// Stops sending, and says so to the device where it has heard of it.
    pub(super) fn stop(&mut self, module: &ModuleName, version: &Version) {
        self.out.push(SessionEffect::Cancel { module: module.clone(), version: version.clone() });
        self.queue.retain(|package| !is(&package.release, module, version));
        self.finish(module, version);
    }

    /// This package's turn is over; the next one's begins.
    fn finish(&mut self, module: &ModuleName, version: &Version) {
        let (current, has_turn) = match &self.push {
            Push::Idle => return,
            Push::AwaitingTurn(package) => (&package.release, false),
            Push::Sending(transfer) => (&transfer.package().release, true),
            Push::AwaitingResult { release, .. } => (release, false),
        };
        if !is(current, module, version) {
            return;
        }
        if has_turn {
            self.out.push(SessionEffect::EndTurn);
        }
        // One that waits for its turn is told there is nothing to send when the turn comes.
        self.push = Push::Idle;
        self.push_next();
    }

    /// The server keeps what is being sent from moving.
    pub fn held_back(&mut self, now: Timestamp) {
        if let Push::Sending(transfer) = &mut self.push {
            transfer.held_back(now);
        }
    }

    /// Ends what is being sent for its slowness: its turn goes to another device. The updater counts the try, and asks
    /// this one again later.
    pub fn too_slow(&mut self) {
        let Push::Sending(transfer) = &self.push else { return };
        let (module, version) = (transfer.package().release.module.clone(), transfer.package().release.version.clone());
        self.give_up_set(&module, &version);
        self.out.push(SessionEffect::Did { module: module.clone(), version: version.clone(), doing: Doing::TooSlow });
        self.out.push(SessionEffect::Cancel { module: module.clone(), version: version.clone() });
        self.finish(&module, &version);
    }

    pub(super) fn end_a_crawl(&mut self, now: Timestamp) {
        if let Push::Sending(transfer) = &mut self.push
            && transfer.crawls(now)
        {
            self.too_slow();
        }
    }

    /// A device that tells neither progress nor result gets its next package all the same, after a while.
    pub(super) fn wait_no_longer(&mut self, now: Timestamp) {
        if let Push::AwaitingResult { since: Some(since), .. } = &self.push
            && !self.queue.is_empty()
            && now - *since >= TimeDelta::seconds(NEXT_AFTER_S)
        {
            self.push = Push::Idle;
            self.push_next();
        }
    }
}

/// The rollout of which a package is one of several, all or nothing.
fn set(package: &Sendable) -> Option<RolloutId> {
    package.offer.all_or_nothing.then_some(package.offer.rollout)
}
