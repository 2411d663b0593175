//! One connected device: the socket, and the session that decides.
//!
//! The only file that names `actix_web_actors`. Moves messages between the wire and [`Session`], carries its
//! effects out in order, and decides nothing. While the session waits for the registry or for room in the intake,
//! or has heard too much of the device lately, the socket is not read.

mod effects;
mod frames;
#[cfg(fuzzing)]
pub mod fuzz;
mod guard;
mod outgoing;
mod push;
mod socket;
mod ticking;
mod vouching;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::prelude::*;
use actix_http::ws::Codec;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, ResponseError as _};
use actix_web_actors::ws::{self, HandshakeError, WebsocketContext};
use bytes::Bytes;
use chrono::TimeDelta;
use futures_util::Stream;
use tokio::sync::mpsc;

use self::guard::{Guard, Watcher};
use self::outgoing::Outgoing;
use self::push::Pusher;
pub use self::socket::{CanBeTaken, LINGER, Upgraded};
use self::socket::{Incoming, Said};
use self::ticking::LATE;
use self::wire::{Fragments, Whole, close_frame};
use super::acks::Acks;
use super::blocks::Blocks;
use super::counts::Counts;
use super::intake::Intake;
use super::post::Posts;
use super::registry::{RegistryActor, Seat, ToDevice};
use super::turns::Turns;
use super::{Feed, FleetEvent, Place};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{BootId, ConnectionCause, DeviceAuth, DeviceId, Flapping, Session, SessionLimits, Timestamp};
use crate::protocol::{self, DeviceMessage};
use crate::store::{Blobs, KeyFolder};

/// Messages that may wait for one device.
const MAILBOX: usize = 32;

/// The pause after each message when the server is about to be overrun.
const SLOW_READ: TimeDelta = TimeDelta::seconds(1);

/// What every connection works with.
pub(super) struct Links {
    pub registry: Addr<RegistryActor>,
    pub updater: mpsc::Sender<FleetEvent>,
    pub intake: Intake,
    pub feed: Feed,
    pub blobs: Blobs,
    pub blocks: Blocks,
    pub keys: KeyFolder,
    pub turns: Turns,
    pub posts: Posts,
    pub flapping: Mutex<Flapping>,
    pub counts: Counts,
    pub clock: Clock,
    pub limits: SessionLimits,
    pub report_interval_s: u32,
}

impl Links {
    #[expect(clippy::too_many_arguments, reason = "each is another part of the server")]
    pub fn new(
        config: &Config,
        registry: &Addr<RegistryActor>,
        updater: mpsc::Sender<FleetEvent>,
        intake: &Intake,
        feed: &Feed,
        (blobs, keys): (Blobs, KeyFolder),
        asking: super::asking::Asking,
        counts: &Counts,
        clock: &Clock,
    ) -> Self {
        let limits = &config.limits;
        let seconds = |n: u32| TimeDelta::seconds(i64::from(n));
        Self {
            registry: registry.clone(),
            updater,
            intake: intake.clone(),
            feed: feed.clone(),
            blobs,
            blocks: Blocks::default(),
            keys,
            turns: Turns::new(limits.transfers, limits.transfer_bytes_per_s, intake.clone(), asking),
            posts: Posts::default(),
            flapping: Mutex::new(Flapping::new(limits.connects_per_min, seconds(limits.flapping_s))),
            counts: counts.clone(),
            clock: clock.clone(),
            limits: SessionLimits {
                hello: seconds(limits.hello_s),
                dead_after: seconds(limits.dead_after_s),
                ping: seconds(limits.ping_s),
                report: seconds(config.report_interval_s),
                messages_per_s: limits.messages_per_s,
                messages_burst: limits.messages_burst,
            },
            report_interval_s: config.report_interval_s,
        }
    }

    /// Who comes too often.
    pub fn flapping(&self) -> MutexGuard<'_, Flapping> {
        // Each use is one call: a panic elsewhere leaves it whole.
        self.flapping.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub struct DeviceActor {
    links: Arc<Links>,
    auth: DeviceAuth,
    session: Session,
    device_id: Option<Arc<DeviceId>>,
    /// Its place in the registry, once it is known.
    seat: Option<Seat>,
    fragments: Fragments,
    watcher: Watcher,
    pusher: Pusher,
    vouching: vouching::Vouching,
    /// Whether its last hello said that it takes several packages all or not at all.
    sets: bool,
    /// When that was, by the device's own clock.
    told_at: Option<Timestamp>,
    acks: Acks,
    /// When deadlines are looked at next.
    tick_at: Timestamp,
    ticking: Option<SpawnHandle>,
    /// Bytes said since the device last showed that it reads.
    unread: usize,
    /// When it was asked to show it.
    asked: Option<Timestamp>,
    closing: bool,
    /// How the connection ends, as far as it is known: until something says otherwise, it breaks.
    ended: ConnectionCause,
    /// Says every message back, and has no session.
    #[cfg(feature = "echo")]
    echoes: bool,
    _place: Place,
    /// Length of the message being handled, for the intake's bound.
    message_bytes: usize,
}

/// Makes a device's connection of an HTTP upgrade whose token was checked.
pub(super) fn connect(links: Arc<Links>, auth: DeviceAuth, place: Place, request: &HttpRequest) -> HttpResponse {
    let mut answer = match ws::handshake(request) {
        Ok(mut answer) if request.extensions().contains::<CanBeTaken>() => answer.finish(),
        Ok(_) => return HandshakeError::NoWebsocketUpgrade.error_response(),
        Err(error) => return error.error_response(),
    };
    let now = links.clock.steady();
    #[cfg(feature = "echo")]
    let echoes = request.path().ends_with("/echo");
    let actor = DeviceActor {
        auth,
        session: Session::new(links.limits, now),
        device_id: None,
        seat: None,
        #[cfg(not(feature = "echo"))]
        fragments: Fragments::default(),
        #[cfg(feature = "echo")]
        fragments: Fragments::of_an_echo(echoes),
        watcher: Watcher::default(),
        pusher: Pusher::default(),
        vouching: vouching::Vouching::default(),
        sets: false,
        told_at: None,
        acks: Acks::by(links.posts.here()),
        tick_at: now,
        ticking: None,
        unread: 0,
        asked: None,
        closing: false,
        ended: ConnectionCause::Lost,
        #[cfg(feature = "echo")]
        echoes,
        _place: place,
        message_bytes: 0,
        links,
    };
    let counts = actor.links.counts.clone();
    let begin = move |incoming| -> Said { Box::pin(actor.converse(incoming)) };
    answer.extensions_mut().insert(Upgraded::new(Box::new(begin), counts));
    answer
}

type Ctx = WebsocketContext<DeviceActor>;

impl Actor for DeviceActor {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        ctx.set_mailbox_capacity(MAILBOX);
        let acks = self.acks.clone();
        ctx.add_stream(futures_util::stream::poll_fn(move |cx| acks.poll(cx).map(Some)));
        self.tick_later(ctx);
    }

    fn stopped(&mut self, _: &mut Ctx) {
        self.pusher.stop(&self.links.feed);
        if let Some(mut seat) = self.seat.take() {
            seat.cause = self.ended;
        }
    }
}

impl DeviceActor {
    /// Becomes an actor that hears what arrives; what comes out is to be written.
    fn converse(self, incoming: Incoming) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
        let (tray, codec) = (self.pusher.tray(), Codec::new().max_size(protocol::MAX_TEXT));
        let guarded = Guard::new(incoming, self.links.clock.clone(), self.watcher.clone());
        #[cfg(feature = "echo")]
        let guarded = guarded.takes_binary(self.echoes);
        Outgoing::new(WebsocketContext::with_codec(self, guarded, codec), tray)
    }

    fn on_text(&mut self, text: &str, ctx: &mut Ctx) {
        #[cfg(feature = "echo")]
        if self.echoes {
            return ctx.text(text);
        }
        let now = self.links.clock.steady();
        self.message_bytes = text.len();
        self.session.spoken(now);
        match protocol::decode(text) {
            Ok(message) => self.on_message(now, message),
            Err((error, seq)) => {
                self.say_error(error, seq, ctx);
                self.session.unreadable(now);
            }
        }
        self.carry_out(ctx);
        self.pump(ctx);
        self.pace();
    }

    fn on_binary(&mut self, bytes: Bytes, ctx: &mut Ctx) {
        #[cfg(feature = "echo")]
        if self.echoes {
            return ctx.binary(bytes);
        }
        drop(bytes);
        self.session.binary();
        self.carry_out(ctx);
    }

    fn on_message(&mut self, now: Timestamp, message: DeviceMessage) {
        match message {
            DeviceMessage::Hello(hello) => {
                self.vouching.heard(hello.trust);
                (self.sets, self.told_at) = (hello.sets, hello.timestamp);
                self.session.hello(now, hello.device_id, hello.modules);
            }
            DeviceMessage::Report(message) => {
                self.session.report(now, &message.device_id, Box::new(message.report));
            }
            DeviceMessage::UpdateReply(reply) => {
                let wanted = reply.wanted.into_iter().map(|w| (w.module, w.version, w.offset)).collect();
                self.session.replied(now, wanted, reply.declined.into_iter().map(wire::declined).collect());
            }
            DeviceMessage::Progress(p) => self.session.progress(now, p.module, p.version, p.received),
            DeviceMessage::Result(r) => {
                let doing = wire::doing(r.outcome, r.error);
                self.session.result(now, r.module, r.version, doing);
            }
        }
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for DeviceActor {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Ctx) {
        if self.closing {
            return;
        }
        self.watcher.taken();
        self.session.heard(self.links.clock.steady());
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
            ws::Message::Binary(bytes) => self.on_binary(bytes, ctx),
            ws::Message::Continuation(item) => match self.fragments.join(item) {
                Ok(None) => {}
                Ok(Some(Whole::Text(text))) => self.on_text(&text, ctx),
                Ok(Some(Whole::Binary(bytes))) => self.on_binary(bytes, ctx),
                Err((code, reason)) => self.close(code, reason, ctx),
            },
            ws::Message::Ping(data) => {
                ctx.pong(&data);
                self.said(data.len(), ctx);
            }
            ws::Message::Pong(_) => (self.unread, self.asked) = (0, None),
            ws::Message::Nop => {}
            ws::Message::Close(reason) => {
                self.closing = true;
                self.ended = ConnectionCause::Closed;
                ctx.close(reason);
                ctx.stop();
            }
        }
    }
}

/// Reports that have got on disk.
impl StreamHandler<Vec<(BootId, u64)>> for DeviceActor {
    fn handle(&mut self, reports: Vec<(BootId, u64)>, ctx: &mut Ctx) {
        let now = self.links.clock.steady();
        for (run, seq) in reports {
            self.session.stored(now, run, seq);
        }
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
