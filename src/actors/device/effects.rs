//! What the session wants done, carried out in order: said to the device, handed to the registry, the intake, the
//! updater.

use std::sync::Arc;

use actix::prelude::*;
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::{Ctx, DeviceActor, close_frame, wire};
use crate::actors::FleetEvent;
use crate::actors::counts::Count;
use crate::actors::intake::Pending;
use crate::actors::registry::{Join, Joined, NotJoined, Rejoin, Told};
use crate::domain::{
    Caller, CloseCause, ConnectionCause, DeviceAuth, DeviceId, Doing, KeyId, Modules, Report, SessionEffect,
};
use crate::protocol::{ProtocolError, ServerMessage, close};
use crate::store::{JoinRefusal, StatusRecord};

/// Bytes said without a sign that the device reads, after which it is asked for one ...
const ASK_AT: usize = 8 * 1024;
/// ... and after which it is let go, when it was asked so long ago.
const MOST_UNREAD: usize = 24 * 1024;
const ANSWER_WITHIN: TimeDelta = TimeDelta::seconds(15);
/// So much may be said to one that is read slowly, whose sign may lie behind all that it said before.
const MOST_UNHEARD: usize = 512 * 1024;

impl DeviceActor {
    /// Carries out what the session wants, in order. Effects that wait keep the socket from being read.
    pub(super) fn carry_out(&mut self, ctx: &mut Ctx) {
        while self.session.has_effects() && !self.closing {
            for effect in self.session.take_effects() {
                self.carry_out_one(effect, ctx);
            }
        }
    }

    fn carry_out_one(&mut self, effect: SessionEffect, ctx: &mut Ctx) {
        match effect {
            SessionEffect::Join { device_id, modules } => self.join(device_id, modules, ctx),
            SessionEffect::Rejoin(modules) => self.rejoin(modules, ctx),
            SessionEffect::Store(report) => self.store(*report, ctx),
            SessionEffect::Answered { module, version, answer } => {
                self.tell(|key_id| FleetEvent::Answered { key_id, module, version, answer }, ctx);
            }
            SessionEffect::Did { module, version, doing } => {
                if doing == Doing::TooSlow {
                    self.links.counts.add(Count::SlowTransfer);
                    info!(device_id = ?self.device_id, %module, %version, "a transfer was too slow");
                }
                self.tell(|key_id| FleetEvent::Did { key_id, module, version, doing }, ctx);
            }
            SessionEffect::TakeTurn => self.take_turn(ctx),
            SessionEffect::EndTurn => self.pusher.stop(&self.links.feed),
            SessionEffect::Progress { module, received, size } => {
                if let Some(key_id) = self.key_id() {
                    self.pusher.moved(&self.links, key_id, module, received, size);
                }
            }
            SessionEffect::Ping => ctx.ping(b""),
            SessionEffect::Close(cause) => {
                let (code, reason) = wire::close_of(cause);
                self.close(code, reason, ctx);
                if cause == CloseCause::Silent {
                    self.ended = ConnectionCause::Silent;
                }
            }
            SessionEffect::Begin { release, offset } => {
                self.pusher.begin(self.links.blobs.path(&release.sha256).into());
                self.say(&wire::package(release, offset), ctx);
            }
            SessionEffect::Refuse(fault) => {
                let (code, message) = wire::fault(&fault, self.device_id.as_deref());
                self.say_error(ProtocolError::new(code, message), None, ctx);
            }
            SessionEffect::Welcome { device_id, token } => {
                let now = self.links.clock.now();
                self.say(&ServerMessage::welcome(device_id, now, self.links.report_interval_s, token), ctx);
                self.say_trust(ctx);
            }
            SessionEffect::Ack { run, seq } => self.say(&ServerMessage::Ack { seq, boot_id: run }, ctx),
            SessionEffect::Ask { rollout, releases, allow_rollback, all_or_nothing } => {
                self.say_trust(ctx);
                let fresh = self.vouching.freshness(&self.links, self.device_id.as_deref(), &releases);
                self.say(&wire::update_list(rollout, &releases, (allow_rollback, all_or_nothing), fresh), ctx);
            }
            SessionEffect::Cancel { module, version } => {
                self.pusher.cancel();
                self.say(&ServerMessage::Cancel { app_name: module, version }, ctx);
            }
        }
    }

    pub(super) fn say(&mut self, message: &ServerMessage, ctx: &mut Ctx) {
        let text = message.to_json();
        self.said(text.len(), ctx);
        ctx.text(text);
    }

    /// Counts what is said, package bytes aside: a device that never shows that it reads is asked, and then let go,
    /// as all of it waits in the server's memory.
    pub(super) fn said(&mut self, bytes: usize, ctx: &mut Ctx) {
        self.unread += bytes;
        if self.unread < ASK_AT {
            return;
        }
        let now = self.links.clock.steady();
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            return ctx.ping(b"");
        };
        if self.unread >= MOST_UNREAD && now - asked >= ANSWER_WITHIN {
            self.close(close::POLICY, "what the device is told is not read, or its pings are not answered", ctx);
        }
    }

    pub(super) fn say_error(&mut self, error: ProtocolError, seq: Option<u64>, ctx: &mut Ctx) {
        debug!(device_id = ?self.device_id, code = ?error.code, error = error.message, "a message was not taken");
        self.say(&ServerMessage::Error { code: error.code, message: error.message, seq }, ctx);
    }

    pub(super) fn close(&mut self, code: u16, reason: impl Into<String>, ctx: &mut Ctx) {
        if !self.closing {
            self.closing = true;
            self.ended = wire::ended_by(code);
            let reason = reason.into();
            info!(device_id = ?self.device_id, code, reason, "a connection is closed");
            if matches!(code, 1002..=1011) {
                self.links.counts.add(Count::Fault);
            }
            ctx.close(Some(close_frame(code, reason)));
            ctx.stop();
        }
    }

    fn rejoin(&mut self, modules: Modules, ctx: &mut Ctx) {
        let Some((key_id, session)) = self.seat.as_ref().map(|seat| (seat.key_id, seat.session)) else { return };
        let told = self.links.registry.send(Rejoin { key_id, session, hello: self.told(modules) });
        ctx.wait(told.into_actor(self).map(|_, device, ctx| {
            device.session.joined(None);
            device.carry_out(ctx);
        }));
    }

    fn join(&mut self, device_id: DeviceId, modules: Modules, ctx: &mut Ctx) {
        self.device_id = Some(Arc::new(device_id.clone()));
        let caller = match &self.auth {
            DeviceAuth::Device(key_id, _) => Caller::Device(*key_id),
            DeviceAuth::Open | DeviceAuth::Enrolment(_) => Caller::Named(device_id.clone()),
        };
        let called = self.links.flapping().called(self.links.clock.steady(), caller);
        if let Err(held) = called {
            self.links.counts.add(Count::HeldOff);
            if held.begins {
                warn!(%device_id, seconds = held.seconds, "a device connects too often, and is not let in for a while");
            }
            let reason = format!("flapping: connects too often; come back in {} s", held.seconds);
            return self.close(close::TRY_AGAIN, reason, ctx);
        }
        let (door, post) = (ctx.address().recipient(), self.links.posts.here());
        let join = Join { device_id, auth: self.auth.clone(), hello: self.told(modules), door, post };
        let asked = self.links.registry.send(join);
        ctx.wait(asked.into_actor(self).map(|answer, device, ctx| match answer {
            Ok(Ok(joined)) => device.welcome(joined, ctx),
            Ok(Err(NotJoined::Refused(refusal))) => device.turn_away(refusal, ctx),
            Ok(Err(NotJoined::Trouble(error))) => {
                warn!(%error, "a device could not be let in");
                device.close(close::TRY_AGAIN, "the server cannot take devices just now; try again", ctx);
            }
            Err(_) => device.close(close::RESTART, "restart", ctx),
        }));
    }

    /// What its last hello says.
    fn told(&self, modules: Modules) -> Told {
        Told { modules, sets: self.sets, at: self.told_at }
    }

    fn key_id(&self) -> Option<KeyId> {
        self.seat.as_ref().map(|seat| seat.key_id)
    }

    fn welcome(&mut self, joined: Joined, ctx: &mut Ctx) {
        self.seat = Some(joined.seat);
        self.session.joined(joined.token);
        self.carry_out(ctx);
    }

    fn turn_away(&mut self, refusal: JoinRefusal, ctx: &mut Ctx) {
        match refusal {
            JoinRefusal::AlreadyEnrolled => {
                let reason = "this device_id is enrolled already; an admin can allow it to enrol again";
                self.close(close::ALREADY_ENROLLED, reason, ctx);
            }
            JoinRefusal::TokenNotValid => self.close(close::REVOKED, "the token is not valid any more", ctx),
            JoinRefusal::WrongDevice => {
                self.session.not_joined(self.links.clock.steady());
                self.carry_out(ctx);
                self.device_id = None;
            }
        }
    }

    fn store(&mut self, report: Report, ctx: &mut Ctx) {
        let (Some(key_id), Some(device_id)) = (self.key_id(), self.device_id.clone()) else { return };
        let record = StatusRecord::new(key_id, &report, self.links.clock.now());
        let Report { seq, boot_id: run, .. } = report;
        let pending = Pending { device_id, record, seq, run, acks: self.acks.clone(), bytes: self.message_bytes };
        if let Err(pending) = self.links.intake.offer(pending) {
            let intake = self.links.intake.clone();
            self.watcher.hold(self.links.clock.steady());
            let put = async move { intake.put(pending).await };
            // Not waited for: what is to be said to the device goes out meanwhile. Closed: the server ends, and the
            // report was not acknowledged.
            ctx.spawn(put.into_actor(self).map(|_, device, _| {
                let now = device.links.clock.steady();
                device.session.heard(now);
                device.watcher.go_on(now);
            }));
        }
    }

    /// Reads on at once, or after a pause when the device says too much or everybody does.
    pub(super) fn pace(&mut self) {
        let mut pause = self.session.pause(self.links.clock.steady());
        if pause > TimeDelta::zero() {
            self.links.counts.add(Count::Slowed);
        }
        if self.links.intake.load().reads_slowly() {
            pause = pause.max(super::SLOW_READ);
        }
        if let Ok(pause) = pause.to_std()
            && !pause.is_zero()
        {
            self.watcher.pause(pause);
            if self.unread < MOST_UNHEARD {
                // Its answer may lie behind what is not read just now.
                self.asked = self.asked.map(|_| self.links.clock.steady());
            }
        }
    }

    fn tell(&mut self, event: impl FnOnce(KeyId) -> FleetEvent, ctx: &mut Ctx) {
        let Some(key_id) = self.key_id() else { return };
        if let Err(mpsc::error::TrySendError::Full(event)) = self.links.updater.try_send(event(key_id)) {
            let updater = self.links.updater.clone();
            let told = async move { updater.send(event).await };
            ctx.wait(told.into_actor(self).map(|_, _, _| ()));
        }
    }

    fn take_turn(&mut self, ctx: &mut Ctx) {
        let turn = self.links.turns.take();
        ctx.spawn(turn.into_actor(self).map(|turn, device, ctx| {
            let Some(turn) = turn else { return };
            if device.session.turn(device.links.clock.steady()) {
                device.pusher.take(turn);
            }
            device.carry_out(ctx);
            device.pump(ctx);
            device.tick_later(ctx);
        }));
    }
}
