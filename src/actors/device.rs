//! One connected device: the socket, and the session that decides.
//!
//! The only file that names `actix_web_actors`. Moves messages between the wire and [`Session`], carries its
//! effects out in order, and decides nothing. While the session waits for the registry or for room in the intake,
//! the socket is not read.

#[cfg(fuzzing)]
pub mod fuzz;
mod guard;
mod push;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, WebsocketContext};
use chrono::TimeDelta;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use self::guard::{Guard, Watcher};
use self::push::Pusher;
use self::wire::Fragments;
use super::intake::{Acks, Intake, Pending};
use super::registry::{Join, Joined, Leave, NotJoined, RegistryActor, Rejoin, ToDevice};
use super::{Feed, FleetEvent, Turns};
use crate::clock::Clock;
use crate::domain::{BootId, DeviceAuth, DeviceId, KeyId, Report, Session, SessionEffect, SessionLimits, SessionNo};
use crate::protocol::{self, DeviceMessage, ErrorCode, ProtocolError, ServerMessage, close};
use crate::store::{Blobs, JoinRefusal};

/// Messages that may wait for one device.
const MAILBOX: usize = 32;

/// How often deadlines of the link are looked at.
const TICK: Duration = Duration::from_secs(1);

/// What every connection works with.
pub(super) struct Links {
    pub registry: Addr<RegistryActor>,
    pub updater: mpsc::Sender<FleetEvent>,
    pub intake: Intake,
    pub feed: Feed,
    pub blobs: Blobs,
    pub turns: Turns,
    pub clock: Clock,
    pub limits: SessionLimits,
    pub ping: TimeDelta,
    pub report_interval_s: u32,
}

/// See the module.
pub struct DeviceActor {
    links: Arc<Links>,
    auth: DeviceAuth,
    session: Session,
    device_id: Option<DeviceId>,
    joined: Option<(KeyId, SessionNo)>,
    fragments: Fragments,
    watcher: Watcher,
    pusher: Pusher,
    acks: Acks,
    acked: Option<mpsc::UnboundedReceiver<(BootId, u64)>>,
    pinged: crate::domain::Timestamp,
    closing: bool,
    /// Length of the message being handled, for the intake's bound.
    message_bytes: usize,
}

/// Makes a device's connection of an HTTP upgrade whose token was checked.
pub(super) fn connect(
    links: Arc<Links>,
    auth: DeviceAuth,
    request: &HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let now = links.clock.now();
    let (acks, acked) = mpsc::unbounded_channel();
    let watcher = Watcher::default();
    let guarded = Guard::new(payload, links.clock.clone(), watcher.clone());
    let actor = DeviceActor {
        auth,
        session: Session::new(links.limits, now),
        device_id: None,
        joined: None,
        fragments: Fragments::default(),
        watcher,
        pusher: Pusher::default(),
        acks,
        acked: Some(acked),
        pinged: now,
        closing: false,
        message_bytes: 0,
        links,
    };
    let upgraded = ws::WsResponseBuilder::new(actor, request, guarded).frame_size(protocol::MAX_TEXT).start();
    upgraded.unwrap_or_else(|error| error.as_response_error().error_response())
}

type Ctx = WebsocketContext<DeviceActor>;

impl Actor for DeviceActor {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        ctx.set_mailbox_capacity(MAILBOX);
        if let Some(mut acked) = self.acked.take() {
            ctx.add_stream(futures_util::stream::poll_fn(move |cx| acked.poll_recv(cx)));
        }
        ctx.run_interval(TICK, Self::tick);
    }

    fn stopped(&mut self, _: &mut Ctx) {
        self.pusher.stop(&self.links.feed);
        if let Some((key_id, session)) = self.joined.take() {
            let registry = self.links.registry.clone();
            // Must arrive, however full the registry's mailbox is.
            actix::spawn(async move {
                if let Err(error) = registry.send(Leave { key_id, session }).await {
                    debug!(%error, "a goodbye came after the registry's end");
                }
            });
        }
    }
}

impl DeviceActor {
    fn tick(&mut self, ctx: &mut Ctx) {
        let now = self.links.clock.now();
        if self.watcher.is_stalled(now) {
            return self.close(close::POLICY, "a frame took too long to arrive", ctx);
        }
        self.session.tick(now);
        if now - self.pinged >= self.links.ping {
            self.pinged = now;
            ctx.ping(b"");
        }
        self.carry_out(ctx);
        self.pump(ctx);
    }

    fn on_text(&mut self, text: &str, ctx: &mut Ctx) {
        let now = self.links.clock.now();
        self.message_bytes = text.len();
        match protocol::decode(text) {
            Ok(message) => self.on_message(now, message),
            Err((error, seq)) => {
                self.say_error(error, seq, ctx);
                self.session.unreadable(now);
            }
        }
        self.carry_out(ctx);
        self.pump(ctx);
    }

    fn on_message(&mut self, now: crate::domain::Timestamp, message: DeviceMessage) {
        match message {
            DeviceMessage::Hello(hello) => self.session.hello(now, hello.device_id, hello.modules),
            DeviceMessage::Report(message) => {
                self.session.report(now, &message.device_id, Box::new(message.report));
            }
            DeviceMessage::UpdateReply(reply) => {
                let wanted = reply.wanted.into_iter().map(|w| (w.module, w.version, w.offset)).collect();
                let declined = reply.declined.into_iter().map(|d| (d.module, d.version, d.reason.as_str().to_owned()));
                self.session.replied(now, wanted, declined.collect());
            }
            DeviceMessage::Progress(p) => self.session.progress(now, p.module, p.version, p.received),
            DeviceMessage::Result(r) => {
                let doing = wire::doing(r.outcome, r.error);
                self.session.result(now, r.module, r.version, doing);
            }
        }
    }

    /// Carries out what the session wants, in order. Effects that wait keep the socket from being read.
    fn carry_out(&mut self, ctx: &mut Ctx) {
        while self.session.has_effects() && !self.closing {
            for effect in self.session.take_effects() {
                self.carry_out_one(effect, ctx);
            }
        }
    }

    fn carry_out_one(&mut self, effect: SessionEffect, ctx: &mut Ctx) {
        match effect {
            SessionEffect::Join { device_id, modules } => self.join(device_id, modules, ctx),
            SessionEffect::Rejoin(modules) => {
                if let Some((key_id, session)) = self.joined {
                    let told = self.links.registry.send(Rejoin { key_id, session, modules });
                    ctx.wait(told.into_actor(self).map(|_, device, ctx| {
                        device.session.joined(None);
                        device.carry_out(ctx);
                    }));
                }
            }
            SessionEffect::Store(report) => self.store(*report, ctx),
            SessionEffect::Answered { module, version, answer } => {
                self.tell(|key_id| FleetEvent::Answered { key_id, module, version, answer }, ctx);
            }
            SessionEffect::Did { module, version, doing } => {
                self.tell(|key_id| FleetEvent::Did { key_id, module, version, doing }, ctx);
            }
            SessionEffect::TakeTurn => self.take_turn(ctx),
            SessionEffect::EndTurn => self.pusher.stop(&self.links.feed),
            SessionEffect::Progress { module, received, size } => {
                if let Some((key_id, _)) = self.joined {
                    self.pusher.moved(&self.links.feed, key_id, module, received, size);
                }
            }
            SessionEffect::Close(cause) => {
                let (code, reason) = wire::close_of(cause);
                self.close(code, reason, ctx);
            }
            SessionEffect::Begin { release, offset } => {
                self.pusher.begin(self.links.blobs.path(&release.sha256));
                self.say(&wire::package(release, offset), ctx);
            }
            SessionEffect::Refuse(fault) => {
                let (code, message) = wire::fault(&fault, self.device_id.as_ref());
                self.say_error(ProtocolError::new(code, message), None, ctx);
            }
            SessionEffect::Welcome { device_id, token } => {
                let now = self.links.clock.now();
                self.say(&ServerMessage::welcome(device_id, now, self.links.report_interval_s, token), ctx);
            }
            SessionEffect::Ack { run, seq } => self.say(&ServerMessage::Ack { seq, boot_id: run }, ctx),
            SessionEffect::Ask { rollout, releases, allow_rollback } => {
                self.say(&wire::update_list(rollout, &releases, allow_rollback), ctx);
            }
            SessionEffect::Cancel { module, version } => {
                self.say(&ServerMessage::Cancel { app_name: module, version }, ctx);
            }
        }
    }

    fn say(&mut self, message: &ServerMessage, ctx: &mut Ctx) {
        ctx.text(message.to_json());
    }

    fn say_error(&mut self, error: ProtocolError, seq: Option<u64>, ctx: &mut Ctx) {
        debug!(device_id = ?self.device_id, code = ?error.code, error = error.message, "a message was not taken");
        self.say(&ServerMessage::Error { code: error.code, message: error.message, seq }, ctx);
    }

    fn close(&mut self, code: u16, reason: impl Into<String>, ctx: &mut Ctx) {
        if !self.closing {
            self.closing = true;
            let reason = reason.into();
            info!(device_id = ?self.device_id, code, reason, "a connection is closed");
            ctx.close(Some(ws::CloseReason { code: code.into(), description: Some(reason) }));
            ctx.stop();
        }
    }

    fn join(&mut self, device_id: DeviceId, modules: crate::domain::Modules, ctx: &mut Ctx) {
        self.device_id = Some(device_id.clone());
        let door = ctx.address().recipient();
        let asked = self.links.registry.send(Join { device_id, auth: self.auth, modules, door });
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

    fn welcome(&mut self, joined: Joined, ctx: &mut Ctx) {
        self.joined = Some((joined.key_id, joined.session));
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
                self.session.not_joined(self.links.clock.now());
                self.carry_out(ctx);
                self.device_id = None;
            }
        }
    }

    fn store(&mut self, report: Report, ctx: &mut Ctx) {
        let (Some((key_id, _)), Some(device_id)) = (self.joined, self.device_id.clone()) else { return };
        let pending = Pending {
            key_id,
            device_id,
            report,
            received_at: self.links.clock.now(),
            acks: self.acks.clone(),
            bytes: self.message_bytes,
        };
        if let Err(pending) = self.links.intake.offer(pending) {
            let intake = self.links.intake.clone();
            let put = async move { intake.put(pending).await };
            // Closed: the server ends, and the report was not acknowledged.
            ctx.wait(put.into_actor(self).map(|_, _, _| ()));
        }
    }

    fn tell(&mut self, event: impl FnOnce(KeyId) -> FleetEvent, ctx: &mut Ctx) {
        let Some((key_id, _)) = self.joined else { return };
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
            if device.session.turn(device.links.clock.now()) {
                device.pusher.take(turn);
            }
            device.carry_out(ctx);
            device.pump(ctx);
        }));
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for DeviceActor {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Ctx) {
        if self.closing {
            return;
        }
        self.session.heard(self.links.clock.now());
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                let (code, reason) = match self.watcher.refused() {
                    Some((code, reason)) => (code, reason.to_owned()),
                    None => (wire::close_of_error(&error), error.to_string()),
                };
                return self.close(code, reason, ctx);
            }
        };
        match message {
            ws::Message::Text(text) => self.on_text(&text, ctx),
            ws::Message::Binary(_) => {
                self.session.binary();
                self.carry_out(ctx);
            }
            ws::Message::Continuation(item) => match self.fragments.join(item) {
                Ok(None) => {}
                Ok(Some(text)) => self.on_text(&text, ctx),
                Err((code, reason)) => self.close(code, reason, ctx),
            },
            ws::Message::Ping(data) => ctx.pong(&data),
            ws::Message::Pong(_) | ws::Message::Nop => {}
            ws::Message::Close(reason) => {
                self.closing = true;
                ctx.close(reason);
                ctx.stop();
            }
        }
    }
}

/// Reports that have got on disk.
impl StreamHandler<(BootId, u64)> for DeviceActor {
    fn handle(&mut self, (run, seq): (BootId, u64), ctx: &mut Ctx) {
        self.session.stored(run, seq);
        self.carry_out(ctx);
    }

    fn finished(&mut self, _: &mut Ctx) {}
}

impl Handler<ToDevice> for DeviceActor {
    type Result = ();

    fn handle(&mut self, message: ToDevice, ctx: &mut Ctx) {
        match message {
            ToDevice::Offer(offer) => self.session.offer(offer),
            ToDevice::Cancel { module, version } => self.session.cancel(module, version),
            ToDevice::Close { code, reason } => return self.close(code, reason, ctx),
        }
        self.carry_out(ctx);
        self.pump(ctx);
    }
}

/// What a message that could not be taken is answered with, when its words are the session's.
pub(super) type Refusal = (ErrorCode, String);
