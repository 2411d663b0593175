//! The agent's loop: one task owns outbox, updates and the conversation; link and telemetry run beside it.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::apps::{Apps, door};
use super::config::Config;
use super::gauges::Machine;
use super::link::{Link, LinkEvent, Outgoing};
use super::machine::Event;
use super::outbox::Outbox;
use super::phase::tell_time;
use super::supervisor::Supervisor;
use super::telemetry::{self, Telemetry};
use super::token::Tokens;
use super::trust::Trusting;
use super::updates::{Say, Updates};
use super::{clock, link, lock};
use crate::domain::{BootId, DeviceId, Modules, Report};
use crate::protocol::{self, DeviceMessage, Hello, ServerMessage};

/// Between two reports where nobody says otherwise.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
/// Reports of so long a time are kept for a server that is away.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// Between two stored reports: at most 8 a second.
const RESEND_EVERY: Duration = Duration::from_millis(125);

/// Why the agent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// It is to be started again: another version of it is current.
    StartAgain,
}

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
/// When the state folder cannot be used, or another agent uses it.
pub fn run(config: Config) -> anyhow::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            tracing::info!("stopping");
            let _ = stop.send(true);
        });
        run_until(config, stopped).await
    });
    // A command of a module that is still running must not hold the end; the journal knows where it was.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// Runs the agent until `stop` becomes true.
///
/// # Errors
/// When the state folder cannot be used, or another agent uses it.
pub async fn run_until(config: Config, stop: watch::Receiver<bool>) -> anyhow::Result<Ended> {
    let state_dir = config.state_dir.clone();
    let place = || format!("the state folder {}", state_dir.display());
    fs::create_dir_all(&state_dir).with_context(place)?;
    let _lock = lock::take(&state_dir)?;
    let tls = link::tls(config.ca.as_deref()).map_err(|error| anyhow!(error))?;
    let tokens = Tokens::open(&state_dir, config.token.clone()).with_context(place)?;
    let interval = config.interval.unwrap_or(DEFAULT_INTERVAL);
    let outbox = Outbox::open(&state_dir.join("outbox"), &host_start(), fresh_run(), capacity(interval));
    let outbox = outbox.with_context(place)?;
    let (acts, mut act_events) = mpsc::unbounded_channel();
    let trust = Trusting::open(&state_dir, config.device_id.clone(), &config.trust).with_context(place)?;
    let apps = Apps::new(config.apps.max_delay);
    open_door(config.apps.socket.as_deref(), &apps);
    let pace = (config.pace, config.trial);
    let updates = Updates::open(&state_dir, config.modules.clone(), trust, pace, apps.clone(), acts);
    let updates = updates.with_context(place)?;

    let (interval_sender, interval_receiver) = watch::channel(interval);
    let (report_sender, mut reports) = mpsc::channel(4);
    let machine = Box::new(Machine::new(config.telemetry.disks.clone()));
    let sources =
        Telemetry::new(config.device_id.clone(), machine, config.telemetry.clone(), apps, config.modules.keys());
    tokio::spawn(tell_time(sources, config.device_id.clone(), interval_receiver, report_sender));
    let (link_sender, mut link_events) = mpsc::channel(16);
    let link = Link { url: config.url.clone(), tokens: tokens.clone(), rules: config.reconnect, tls: Some(tls) };
    let link = tokio::spawn(link.run(link_sender, stop.clone()));

    let mut agent = Agent {
        device_id: config.device_id,
        fixed_interval: config.interval,
        interval: interval_sender,
        tokens,
        outbox,
        updates,
        peer: None,
        welcomed: false,
        said: None,
        next_send: Instant::now(),
        dropped: 0,
        supervisor: Supervisor::new(&config.supervisor),
    };
    let outcome = agent.go(&mut link_events, &mut act_events, &mut reports, stop).await;
    // Unread events must not hold the link while it says goodbye.
    drop(link_events);
    agent.peer = None;
    // One that is to be started again has been told to stop by nobody, and would connect again.
    let patience = if matches!(outcome, Ok(Ended::StartAgain)) { 1 } else { 5 };
    let _ = tokio::time::timeout(Duration::from_secs(patience), link).await;
    agent.outbox.close().context("the unsent reports")?;
    outcome
}

/// Everything one task owns.
struct Agent {
    device_id: DeviceId,
    /// From the configuration; outranks the server's.
    fixed_interval: Option<Duration>,
    interval: watch::Sender<Duration>,
    tokens: Tokens,
    outbox: Outbox,
    updates: Updates,
    /// The connection, while there is one.
    peer: Option<mpsc::UnboundedSender<Outgoing>>,
    /// Whether the server has answered the hello: before it, nothing else is said.
    welcomed: bool,
    /// The versions that the last hello of this connection told.
    said: Option<Modules>,
    next_send: Instant,
    /// Reports that had to go unsent.
    dropped: u64,
    supervisor: Supervisor,
}

impl Agent {
    async fn go(
        &mut self,
        link: &mut mpsc::Receiver<LinkEvent>,
        acts: &mut mpsc::UnboundedReceiver<Event>,
        reports: &mut mpsc::Receiver<Report>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Ended> {
        let journal = || "the journal cannot be written";
        self.updates.restart().with_context(journal)?;
        self.supervisor.ready();
        loop {
            if self.updates.is_leaving() {
                tracing::info!("ending, for another version of the agent to be started");
                return Ok(Ended::StartAgain);
            }
            let may_send = self.welcomed && self.outbox.has_unsent();
            let (pace_at, alive_at) = (self.updates.pace_at(), self.supervisor.due());
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Stopped),
                () = sleep_until(alive_at.unwrap_or_else(Instant::now)), if alive_at.is_some() => self.supervisor.alive(),
                Some(event) = acts.recv() => {
                    let say = self.updates.on_event(event).with_context(journal)?;
                    self.say(say);
                }
                Some(report) = reports.recv() => self.keep(report),
                () = sleep_until(self.next_send), if may_send => self.send_report(),
                () = sleep_until(pace_at.unwrap_or_else(Instant::now)), if pace_at.is_some() => {
                    let say = self.updates.on_pace().with_context(journal)?;
                    self.say(say);
                }
                // Last, as a download keeps it busy and must not starve the others.
                Some(event) = link.recv() => self.on_link(event).with_context(journal)?,
                else => return Err(anyhow!("a part of the agent ended by itself")),
            }
        }
    }

    fn on_link(&mut self, event: LinkEvent) -> io::Result<()> {
        match event {
            LinkEvent::Up(peer) => {
                self.peer = Some(peer);
                self.welcomed = false;
                self.said = None;
                self.outbox.rewind();
                self.updates.on_connected();
                self.hello();
            }
            LinkEvent::Text(text) => match ServerMessage::from_json(&text) {
                Ok(message) => self.on_message(message)?,
                Err(error) => tracing::warn!(%error, "the server said something this agent does not know; ignored"),
            },
            LinkEvent::Binary(bytes) => {
                let say = self.updates.on_bytes(&bytes)?;
                self.say(say);
            }
            LinkEvent::Alive if self.welcomed => self.updates.on_heard(),
            LinkEvent::Alive => {}
            LinkEvent::Sent(receipt) => self.updates.told(receipt)?,
            LinkEvent::Down => {
                self.peer = None;
                self.welcomed = false;
                self.updates.on_link_lost()?;
            }
        }
        Ok(())
    }

    fn on_message(&mut self, message: ServerMessage) -> io::Result<()> {
        if self.welcomed {
            self.updates.on_heard();
        }
        let say = match message {
            ServerMessage::Welcome { report_interval_s, device_token, .. } => {
                if let Some(token) = device_token {
                    self.keep_token(&token);
                }
                self.set_interval(Duration::from_secs(u64::from(report_interval_s)));
                self.welcomed = true;
                self.updates.on_heard();
                self.updates.untold()
            }
            ServerMessage::UpdateList { update_list, rollout_id, all_or_nothing, freshness } => {
                tracing::info!(%rollout_id, packages = update_list.len(), all_or_nothing, "packages are offered");
                self.updates.on_offers(update_list, all_or_nothing, freshness.as_ref())
            }
            ServerMessage::Trust { documents } => self.updates.on_trust(documents)?,
            ServerMessage::Package { app_name, version, sha256, offset, .. } => {
                self.updates.on_package(&app_name, &version, &sha256, offset)?
            }
            ServerMessage::Cancel { app_name, version } => self.updates.on_cancel(&app_name, &version)?,
            ServerMessage::Ack { seq, boot_id } => {
                self.outbox.acknowledge(&boot_id, seq)?;
                Vec::new()
            }
            ServerMessage::Error { code, message, seq } => {
                let report_dropped = seq.map_or(Ok(false), |seq| self.outbox.refuse(seq))?;
                tracing::warn!(?code, message, ?seq, report_dropped, "the server did not take a message");
                Vec::new()
            }
        };
        self.say(say);
        Ok(())
    }

    fn keep_token(&self, token: &str) {
        match self.tokens.keep(token) {
            Ok(()) => tracing::info!("enrolled; this device has a token of its own now"),
            Err(error) => {
                tracing::error!(%error, "the device's token cannot be stored; trying again with every report");
            }
        }
    }

    fn set_interval(&mut self, of_server: Duration) {
        let interval = self.fixed_interval.unwrap_or(of_server).max(Duration::from_secs(1));
        self.outbox.set_capacity(capacity(interval));
        self.interval.send_if_modified(|now| std::mem::replace(now, interval) != interval);
    }

    /// Gives a report its number and puts it on disk; it is sent when its turn comes.
    fn keep(&mut self, mut report: Report) {
        let _ = self.tokens.save_again();
        let (run, seq) = self.outbox.next();
        report.boot_id = run;
        report.seq = Some(seq);
        match self.outbox.push(&telemetry::encode(&self.device_id, report)) {
            Ok(kept) if kept.dropped > 0 => {
                if self.dropped.is_multiple_of(100) {
                    tracing::warn!(
                        before = self.dropped,
                        "the store of unsent reports is full; the oldest are dropped"
                    );
                }
                self.dropped += kept.dropped as u64;
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "a report cannot be stored and is lost"),
        }
    }

    fn send_report(&mut self) {
        self.next_send = Instant::now() + RESEND_EVERY;
        if let Some(text) = self.outbox.next_unsent() {
            self.send(text, None);
        }
    }

    fn say(&mut self, say: Vec<Say>) {
        if !self.welcomed {
            return;
        }
        for say in say {
            match say {
                Say::AreYouThere => drop(self.peer.as_ref().map(|peer| peer.send(Outgoing::Ping))),
                Say::Message(message) => self.send(protocol::encode(&message), None),
                Say::Result(result, receipt) => {
                    let text = protocol::encode(&DeviceMessage::Result(result));
                    self.send(text, Some(receipt));
                }
                Say::News { hello } => {
                    let results = self.updates.untold();
                    self.say(results);
                    if hello || self.said.as_ref() != Some(&self.updates.running()) {
                        self.hello();
                    }
                }
            }
        }
    }

    fn hello(&mut self) {
        let modules = self.updates.running();
        self.said = Some(modules.clone());
        let trust = self.updates.trust_claim();
        let (now, device_id) = (clock::now(), self.device_id.clone());
        let hello = DeviceMessage::Hello(Hello { device_id, modules, timestamp: Some(now), trust, sets: true });
        self.send(protocol::encode(&hello), None);
    }

    /// Without a connection, or with one that just died, it is not sent; what matters is told again after the next
    /// welcome.
    fn send(&self, text: String, receipt: Option<u64>) {
        if let Some(peer) = &self.peer {
            let _ = peer.send(Outgoing::Text { text, receipt });
        }
    }
}

/// The socket for programs. The agent does its own work without it.
fn open_door(path: Option<&Path>, apps: &Apps) {
    let Some(path) = path else { return };
    match door::open(path) {
        Ok(listener) => drop(tokio::spawn(door::serve(listener, apps.clone()))),
        Err(error) => tracing::error!(path = %path.display(), %error, "the socket for programs cannot be made"),
    }
}

fn capacity(interval: Duration) -> usize {
    (KEPT_FOR.as_millis() / interval.as_millis().max(1)) as usize
}

/// Names this start of the device: when it is another one, what was not synced may be lost.
fn host_start() -> String {
    let start = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    start.map_or_else(|_| random_id(), |text| text.trim().to_owned())
}

fn fresh_run() -> BootId {
    BootId::new(&random_id()).unwrap_or_default()
}

/// Random text in the shape of a UUID.
fn random_id() -> String {
    let digits = format!("{:032x}", rand::random::<u128>());
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_looks_like_a_uuid_and_fits_the_wire() {
        let run = fresh_run();
        assert_eq!(run.as_str().len(), 36);
        assert_ne!(run, fresh_run());
    }
}
