//! One device's connection: carries events to the device and effects out, and comes back when it is lost.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::backoff::{Backoff, Lost};
use super::chance::Chance;
use super::device::{Effect, Event, Said, SimDevice};
use super::swarm::Shared;
use crate::protocol::close;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT: Duration = Duration::from_secs(20);
/// The server pings every 25 s; with nothing from it for this long the connection is dead.
const SILENCE: Duration = Duration::from_secs(80);
/// Small buffers: thousands of these live in one process. They grow while a package comes in.
const BUFFER: usize = 4096;

/// A device and its connection.
pub(super) struct Link {
    device: SimDevice,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
    backoff: Backoff,
    chance: Chance,
    interval: Duration,
    report_at: Instant,
    install_at: Option<Instant>,
}

/// What a wait ended with.
enum Woken {
    Stopped,
    Timer,
    Passed,
    Heard(Option<Result<Message, Error>>),
}

impl Link {
    pub fn new(device: SimDevice, shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Self {
        let mut chance = Chance::of(device.id().as_str(), shared.salt);
        let interval = shared.settings.interval.unwrap_or(Duration::from_secs(30));
        // Each device keeps its own phase, so reports stay spread.
        let report_at = Instant::now() + interval.mul_f64(chance.share());
        Self { device, shared, stop, backoff: Backoff::default(), chance, interval, report_at, install_at: None }
    }

    /// Lives until the swarm stops.
    pub async fn live(mut self, begin_after: Duration) {
        let mut wait = begin_after;
        loop {
            if self.pass(wait).await {
                return;
            }
            let begun = Instant::now();
            let lost = match self.connect().await {
                Ok(socket) => {
                    let tally = &self.shared.clone().tally;
                    tally.connects.fetch_add(1, Relaxed);
                    tally.connected.fetch_add(1, Relaxed);
                    let lost = self.talk(socket).await;
                    tally.connected.fetch_sub(1, Relaxed);
                    self.happens(Event::Closed);
                    let Some(lost) = lost else { return };
                    lost
                }
                Err(lost) => lost,
            };
            self.count(&lost);
            wait = self.backoff.wait(&lost, begun.elapsed(), &mut self.chance);
            if let Some(longest) = self.shared.settings.longest_wait {
                wait = wait.min(longest.mul_f64(self.chance.share()));
            }
        }
    }

    fn count(&self, lost: &Lost) {
        let tally = &self.shared.tally;
        let counter = match lost {
            Lost::Cut | Lost::Window(_) => &tally.lost,
            Lost::Replaced => &tally.replaced,
            Lost::Refused => &tally.refused,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Lets time pass without a connection; `true` when the swarm stops.
    async fn pass(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            let timer = self.next_timer();
            let woken = tokio::select! {
                _ = self.stop.changed() => Woken::Stopped,
                () = sleep_until(until) => Woken::Passed,
                () = sleep_until(timer) => Woken::Timer,
            };
            match woken {
                Woken::Stopped => return true,
                Woken::Timer => drop(self.timers()),
                Woken::Passed | Woken::Heard(_) => return *self.stop.borrow(),
            }
        }
    }

    async fn connect(&self) -> Result<Socket, Lost> {
        let mut request = self.shared.settings.url.as_str().into_client_request().map_err(|_| Lost::Cut)?;
        let own = self.shared.memory.of(self.device.id()).and_then(|device| device.token);
        if let Some(token) = own.as_ref().or(self.shared.settings.token.as_ref()) {
            let value = format!("Bearer {token}").parse().map_err(|_| Lost::Refused)?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
        match timeout(CONNECT, connect_async_with_config(request, Some(config), true)).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(Error::Http(answer))) => {
                let retry = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                Err(Lost::by_status(answer.status().as_u16(), retry))
            }
            Ok(Err(error)) => {
                tracing::debug!(device_id = %self.device.id(), %error, "cannot connect");
                Err(Lost::Cut)
            }
            Err(_) => Err(Lost::Cut),
        }
    }

    /// Talks until the connection ends; `None` when the swarm stops.
    async fn talk(&mut self, mut socket: Socket) -> Option<Lost> {
        let mut effects = self.happens(Event::Opened);
        let mut heard_at = Instant::now();
        loop {
            if self.carry_out(&mut socket, effects).await.is_err() {
                return Some(Lost::Cut);
            }
            let timer = self.next_timer();
            let woken = tokio::select! {
                _ = self.stop.changed() => Woken::Stopped,
                message = socket.next() => Woken::Heard(message),
                () = sleep_until(timer) => Woken::Timer,
                () = sleep_until(heard_at + SILENCE) => Woken::Passed,
            };
            effects = match woken {
                Woken::Stopped => {
                    // Polite, but not at any price.
                    let _ = timeout(Duration::from_secs(2), socket.close(None)).await;
                    return None;
                }
                Woken::Passed => return Some(Lost::Cut),
                Woken::Timer => self.timers(),
                Woken::Heard(Some(Ok(message))) => {
                    heard_at = Instant::now();
                    match message {
                        Message::Text(text) => self.happens(Event::Text(&text)),
                        Message::Binary(bytes) => self.happens(Event::Bytes(&bytes)),
                        Message::Close(frame) => return Some(self.closed(frame)),
                        _ => Vec::new(),
                    }
                }
                Woken::Heard(Some(Err(_)) | None) => return Some(Lost::Cut),
            };
        }
    }

    fn closed(&self, frame: Option<tokio_tungstenite::tungstenite::protocol::CloseFrame>) -> Lost {
        let Some(frame) = frame else { return Lost::Cut };
        let (code, reason) = (u16::from(frame.code), frame.reason.as_str());
        tracing::debug!(device_id = %self.device.id(), code, reason, "the server closed the connection");
        if code == close::RESTART {
            self.shared.tally.sent_away.fetch_add(1, Relaxed);
        }
        Lost::by_close(code, reason)
    }

    fn next_timer(&self) -> Instant {
        self.install_at.map_or(self.report_at, |at| at.min(self.report_at))
    }

    /// What the timers that are due bring about.
    fn timers(&mut self) -> Vec<Effect> {
        let instant = Instant::now();
        let mut effects = Vec::new();
        if self.install_at.is_some_and(|at| at <= instant) {
            self.install_at = None;
            effects.extend(self.happens(Event::InstallEnds));
        }
        if self.report_at <= instant {
            // A machine that slept makes one report, not all that it missed.
            while self.report_at <= instant {
                self.report_at += self.interval.max(Duration::from_millis(1));
            }
            effects.extend(self.happens(Event::ReportDue));
        }
        effects
    }

    /// Tells the device, and notes what it says of it.
    fn happens(&mut self, event: Event<'_>) -> Vec<Effect> {
        let effects = self.device.on(self.shared.clock.now(), event);
        for effect in &effects {
            self.note(effect);
        }
        effects
    }

    async fn carry_out(&mut self, socket: &mut Socket, effects: Vec<Effect>) -> Result<(), Error> {
        let mut sent = Ok(false);
        for effect in effects {
            match effect {
                // A link that breaks here takes words with it, but nothing that the device does by itself.
                Effect::Send(text) => {
                    if sent.is_ok() {
                        sent = socket.feed(Message::text(text)).await.map(|()| true);
                    }
                }
                Effect::BeginInstall => self.install_at = Some(Instant::now() + self.shared.settings.install_time),
                Effect::Interval(seconds) => self.keep_interval(seconds),
                Effect::Enrolled(token) => {
                    self.shared.memory.change(self.device.id(), |device| device.token = Some(token));
                }
                Effect::Said(_) => {}
            }
        }
        if sent? { socket.flush().await } else { Ok(()) }
    }

    /// The server's interval counts unless the swarm has one of its own.
    fn keep_interval(&mut self, seconds: u32) {
        let told = Duration::from_secs(u64::from(seconds.max(1)));
        let wanted = self.shared.settings.interval.unwrap_or(told);
        if wanted != self.interval {
            self.interval = wanted;
            self.report_at = Instant::now() + wanted.mul_f64(self.chance.share());
        }
    }

    fn note(&self, effect: &Effect) {
        let Effect::Said(said) = effect else { return };
        let tally = &self.shared.tally;
        match said {
            Said::Hello => drop(tally.hellos.fetch_add(1, Relaxed)),
            Said::Report => drop(tally.reports_sent.fetch_add(1, Relaxed)),
            Said::Acknowledged { boot_id, seq, micros } => {
                tally.acknowledged(*micros);
                if self.shared.ledger.write(self.device.id(), boot_id, *seq).is_err() {
                    tally.errors.fetch_add(1, Relaxed);
                }
            }
            Said::Received(bytes) => drop(tally.bytes.fetch_add(*bytes, Relaxed)),
            Said::Installed(modules) => {
                tally.installed.fetch_add(1, Relaxed);
                self.shared.memory.change(self.device.id(), |device| device.modules.clone_from(modules));
            }
            Said::InstallFailed => drop(tally.installs_failed.fetch_add(1, Relaxed)),
            Said::GivenUp => drop(tally.reports_given_up.fetch_add(1, Relaxed)),
            Said::Trouble(message) => {
                tally.errors.fetch_add(1, Relaxed);
                tracing::debug!(device_id = %self.device.id(), message, "the server finds fault");
            }
        }
    }
}
