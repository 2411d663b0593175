//! One device's connection: carries events to the device and effects out, and comes back when it is lost.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, RETRY_AFTER};

use super::backoff::{Backoff, Lost};
use super::chance::Chance;
use super::device::{Effect, Event, Said, SimDevice};
use super::frames::Heard;
use super::socket::Socket;
use super::swarm::Shared;
use crate::protocol::close;

const CONNECT: Duration = Duration::from_secs(20);
/// The server pings every 25 s; with nothing from it for this long the connection is dead.
const SILENCE: Duration = Duration::from_secs(80);
/// For what never comes by itself.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

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
    source: Option<IpAddr>,
    /// Whether it reports in a closed loop, and may by now.
    loops: bool,
}

/// What a wait ended with.
enum Woken {
    Stopped,
    Timer,
    Passed,
    Opened,
    Heard(bool),
}

impl Link {
    pub fn new(device: SimDevice, source: Option<IpAddr>, shared: Arc<Shared>, stop: watch::Receiver<bool>) -> Self {
        let mut chance = Chance::of(device.id().as_str(), shared.salt);
        let interval = shared.settings.interval.unwrap_or(Duration::from_secs(30));
        // Each device keeps its own phase, so reports stay spread.
        let report_at = match shared.settings.closed_loop {
            true => Instant::now() + NEVER,
            false => Instant::now() + interval.mul_f64(chance.share()),
        };
        let backoff = Backoff::default();
        let loops = shared.settings.closed_loop && *shared.open.borrow();
        Self { device, shared, stop, backoff, chance, interval, report_at, install_at: None, source, loops }
    }

    /// Lives until the swarm stops.
    pub async fn live(mut self, begin_after: Duration) {
        let mut wait = begin_after;
        loop {
            if self.pass(wait).await {
                return;
            }
            let begun = Instant::now();
            // Aside, so that a device that is connected does not carry the room for connecting.
            let lost = match Box::pin(self.connect()).await {
                Ok(socket) => {
                    let tally = &self.shared.clone().tally;
                    tally.connects.fetch_add(1, Relaxed);
                    tally.connected.fetch_add(1, Relaxed);
                    let lost = self.talk(socket).await;
                    tally.connected.fetch_sub(1, Relaxed);
                    if self.device.is_welcomed() {
                        tally.welcomed.fetch_sub(1, Relaxed);
                    }
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
                Woken::Passed | Woken::Opened | Woken::Heard(_) => return *self.stop.borrow(),
            }
        }
    }

    async fn connect(&mut self) -> Result<Socket, Lost> {
        let _turn = self.shared.connecting.acquire().await.map_err(|_| Lost::Cut)?;
        self.shared.tally.connecting_begins();
        let mut request = self.shared.settings.url.as_str().into_client_request().map_err(|_| Lost::Cut)?;
        let own = self.shared.memory.of(self.device.id()).and_then(|device| device.token);
        if let Some(token) = own.as_ref().or(self.shared.settings.token.as_ref()) {
            let value = format!("Bearer {token}").parse().map_err(|_| Lost::Refused)?;
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let mask = self.chance.number() as u32;
        match timeout(CONNECT, Socket::open(request, self.source, mask)).await {
            Ok(Ok(socket)) => Ok(socket),
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
        let mut stop = self.stop.clone();
        let mut stopped = pin!(stop.changed());
        let mut open = self.shared.open.subscribe();
        let mut opened = pin!(open.wait_for(|open| *open));
        let mut heard_at = Instant::now();
        let mut timer = pin!(sleep_until(self.next_timer().min(heard_at + SILENCE)));
        let mut effects = self.happens(Event::Opened);
        loop {
            if self.carry_out(&mut socket, effects).await.is_err() {
                return Some(Lost::Cut);
            }
            // It may go off too early, never too late: setting it anew for every message would cost more.
            if self.next_timer() < timer.deadline() {
                timer.as_mut().reset(self.next_timer());
            }
            effects = Vec::new();
            let mut lost = None;
            let woken = tokio::select! {
                biased;
                heard = poll_fn(|cx| {
                    socket.poll_hear(cx, &mut |heard| match heard {
                        Heard::Text(text) => self.hears(text, &mut effects),
                        Heard::Bytes(bytes) => effects.extend(self.happens(Event::Bytes(bytes))),
                        Heard::Close(code, reason) => lost = Some(self.closed(code, reason)),
                        Heard::Ping(_) => {}
                    })
                }) => Woken::Heard(heard.is_ok()),
                () = &mut timer => Woken::Timer,
                _ = &mut stopped => Woken::Stopped,
                _ = &mut opened, if !self.loops && self.shared.settings.closed_loop => Woken::Opened,
            };
            match woken {
                Woken::Opened => {
                    self.loops = true;
                    effects = self.next_of_loop();
                }
                Woken::Stopped => {
                    // Polite, but not at any price.
                    let _ = timeout(Duration::from_secs(2), socket.close()).await;
                    return None;
                }
                Woken::Timer if heard_at.elapsed() >= SILENCE => return Some(Lost::Cut),
                Woken::Timer | Woken::Passed => {
                    effects = self.timers();
                    timer.as_mut().reset(self.next_timer().min(heard_at + SILENCE));
                }
                Woken::Heard(true) if lost.is_none() => heard_at = Instant::now(),
                Woken::Heard(_) => {
                    // What came with the end counts: an install that it began goes on without a link.
                    effects.into_iter().for_each(|effect| self.act(effect));
                    return Some(lost.unwrap_or(Lost::Cut));
                }
            }
        }
    }

    /// Tells the device what the server says. In a closed loop its next report is due when nothing waits any more.
    fn hears(&mut self, text: &str, effects: &mut Vec<Effect>) {
        let was_welcomed = self.device.is_welcomed();
        effects.extend(self.happens(Event::Text(text)));
        if self.device.is_welcomed() && !was_welcomed {
            self.shared.welcome();
        }
        effects.extend(self.next_of_loop());
    }

    /// A report, where it is time for one in a closed loop.
    fn next_of_loop(&mut self) -> Vec<Effect> {
        match self.loops && self.device.has_told_all() {
            true => self.happens(Event::ReportDue),
            false => Vec::new(),
        }
    }

    fn closed(&self, code: u16, reason: &str) -> Lost {
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

    async fn carry_out(&mut self, socket: &mut Socket, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            match effect {
                // A link that breaks here takes words with it, but nothing that the device does by itself.
                Effect::Send(text) => socket.say(&text),
                own => self.act(own),
            }
        }
        socket.flush().await
    }

    /// What the device does by itself.
    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::BeginInstall => self.install_at = Some(Instant::now() + self.shared.settings.install_time),
            Effect::Interval(seconds) => self.keep_interval(seconds),
            Effect::Enrolled(token) => {
                self.shared.memory.change(self.device.id(), |device| device.token = Some(token));
            }
            Effect::Send(_) | Effect::Said(_) => {}
        }
    }

    /// The server's interval counts unless the swarm has one of its own.
    fn keep_interval(&mut self, seconds: u32) {
        let told = Duration::from_secs(u64::from(seconds.max(1)));
        let wanted = self.shared.settings.interval.unwrap_or(told);
        if wanted != self.interval && !self.shared.settings.closed_loop {
            self.interval = wanted;
            self.report_at = Instant::now() + wanted.mul_f64(self.chance.share());
        }
    }

    fn note(&self, effect: &Effect) {
        let Effect::Said(said) = effect else { return };
        let tally = &self.shared.tally;
        match said {
            Said::Hello => drop(tally.hellos.fetch_add(1, Relaxed)),
            Said::Asked => tally.asked(),
            Said::Report => drop(tally.reports_sent.fetch_add(1, Relaxed)),
            Said::Acknowledged { boot_id, seq, micros } => {
                tally.acknowledged(*micros);
                if self.shared.ledger.write(self.device.id(), boot_id, *seq).is_err() {
                    tally.errors.fetch_add(1, Relaxed);
                }
            }
            Said::Received(bytes) => tally.received(*bytes),
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
