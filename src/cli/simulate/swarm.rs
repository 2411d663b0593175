//! Many devices in one process.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::device::SimDevice;
use super::link::Link;
use super::memory::{Ledger, Memory};
use super::tally::{Summary, Tally};
use crate::clock::Clock;
use crate::domain::{DeviceId, Modules};

/// What a swarm is to be.
#[derive(Debug, Clone)]
pub struct SwarmSettings {
    /// The device endpoint: `ws://127.0.0.1:8080/ws`.
    pub url: String,
    /// An enrolment token, for devices that have no token of their own; none for a server that is open.
    pub token: Option<String>,
    pub devices: Vec<DeviceId>,
    /// What a device runs that is seen for the first time.
    pub modules: Modules,
    /// Between two reports; `None`: as the server says.
    pub interval: Option<Duration>,
    /// The next report goes out when the last is acknowledged, instead of at intervals.
    pub closed_loop: bool,
    /// In a closed loop, whether the first reports go out when all devices are in.
    pub start_together: bool,
    /// Devices that begin to connect in a second.
    pub connect_rate: f64,
    /// Own addresses to connect from, in turn; none: as the system likes.
    pub sources: Vec<IpAddr>,
    /// Whether package bytes are compared with their sha256.
    pub check_packages: bool,
    pub install_time: Duration,
    /// Share of installs that fail, 0 to 1.
    pub fail_rate: f64,
    /// No wait between two tries to connect is longer; `None`: as the protocol says.
    pub longest_wait: Option<Duration>,
    /// The same seed gives the same chances and the same runs of report numbers; `None`: others every time.
    pub seed: Option<u64>,
    /// Where tokens and versions are kept for the next run.
    pub state: Option<PathBuf>,
    /// Where every acknowledged report is written down.
    pub ledger: Option<PathBuf>,
}

/// Connections that are being made at once: more make none of them quicker.
const CONNECTING: usize = 512;

/// What all links of a swarm share.
#[derive(Debug)]
pub(super) struct Shared {
    pub settings: SwarmSettings,
    pub memory: Memory,
    pub ledger: Ledger,
    pub tally: Tally,
    pub connecting: Semaphore,
    /// Whether devices in a closed loop may report.
    pub open: watch::Sender<bool>,
    pub clock: Clock,
    /// Makes this run's chances differ from the last one's, unless a seed is set.
    pub salt: u64,
}

impl Shared {
    fn is_whole(&self) -> bool {
        self.tally.welcomed() >= self.settings.devices.len() as u64
    }

    /// A device was let in.
    pub fn welcome(&self) {
        self.tally.welcome();
        if self.is_whole() {
            self.open.send_if_modified(|open| !std::mem::replace(open, true));
        }
    }
}

/// Devices that run until they are stopped.
#[derive(Debug)]
pub struct Swarm {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Swarm {
    /// Starts the devices, on the runtime that this is called in.
    ///
    /// # Errors
    /// When the state file can't be read or the ledger not be made.
    pub fn start(settings: SwarmSettings) -> io::Result<Self> {
        let memory = Memory::open(settings.state.as_deref())?;
        let ledger = Ledger::open(settings.ledger.as_deref())?;
        let salt = settings.seed.unwrap_or_else(rand::random);
        let clock = Clock::system();
        let (tally, connecting) = (Tally::new(clock.now()), Semaphore::new(CONNECTING));
        let open = watch::Sender::new(!settings.start_together);
        let shared = Arc::new(Shared { memory, ledger, tally, connecting, open, clock, salt, settings });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (index, id) in shared.settings.devices.iter().enumerate() {
            let known = shared.memory.of(id).map(|device| device.modules).filter(|modules| !modules.is_empty());
            let modules = known.unwrap_or_else(|| shared.settings.modules.clone());
            let mut device = SimDevice::new(id.clone(), modules, shared.settings.fail_rate, shared.salt);
            if !shared.settings.check_packages {
                device = device.without_checks();
            }
            let sources = &shared.settings.sources;
            let source = (!sources.is_empty()).then(|| sources[index % sources.len()]);
            let link = Link::new(device, source, Arc::clone(&shared), stopped.clone());
            tasks.spawn(link.live(Duration::from_secs_f64(index as f64 / shared.settings.connect_rate)));
        }
        Ok(Self { shared, stop, tasks })
    }

    /// How it is just now.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.shared.tally.summary(self.shared.settings.devices.len() as u64)
    }

    /// Whether every device is connected and was welcomed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shared.is_whole()
    }

    /// Forgets the times of acknowledgements so far, and counts from now on what is measured.
    pub fn measure(&self) {
        self.shared.tally.measure();
    }

    /// What each device runs that has enrolled or installed something.
    #[must_use]
    pub fn modules(&self) -> BTreeMap<DeviceId, Modules> {
        self.shared.memory.all_modules()
    }

    /// How many of its devices have a token of their own.
    #[must_use]
    pub fn enrolled(&self) -> usize {
        self.shared.memory.enrolled(&self.shared.settings.devices)
    }

    /// Writes down what is to outlive this process.
    ///
    /// # Errors
    /// When the state file or the ledger can't be written.
    pub fn save(&self) -> io::Result<()> {
        self.shared.memory.save()?;
        self.shared.ledger.flush()
    }

    /// Closes every connection and saves. The summary is of the moment before.
    ///
    /// # Errors
    /// When the state file or the ledger can't be written.
    pub async fn stop(mut self) -> io::Result<Summary> {
        let summary = self.summary();
        // Fails only when no task is left to hear it.
        let _ = self.stop.send(true);
        while self.tasks.join_next().await.is_some() {}
        self.save()?;
        Ok(summary)
    }
}

/// The device endpoint below a server's URL.
///
/// # Errors
/// A sentence when it is no URL of a server.
pub fn device_url(server: &str) -> Result<String, String> {
    let rest = |scheme: &str| server.strip_prefix(scheme).map(|rest| rest.trim_end_matches('/'));
    let (scheme, host) = match (rest("http://").or(rest("ws://")), rest("https://").or(rest("wss://"))) {
        (Some(host), _) if !host.is_empty() => ("ws", host),
        (_, Some(host)) if !host.is_empty() => ("wss", host),
        _ => return Err(format!("--server must begin with http:// or https://, not {server:?}")),
    };
    Ok(format!("{scheme}://{}/ws", host.trim_end_matches("/ws")))
}

/// Names with numbers: `sim-1`, `sim-2`.
///
/// # Errors
/// A sentence when the prefix makes no valid name.
pub fn names(prefix: &str, first: u32, count: u32) -> Result<Vec<DeviceId>, String> {
    let name = |n: u64| DeviceId::new(&format!("{prefix}{n}")).map_err(|error| error.to_string());
    (u64::from(first)..u64::from(first) + u64::from(count)).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_url_leads_to_its_device_endpoint() {
        assert_eq!(device_url("http://h:1").unwrap(), "ws://h:1/ws");
        assert_eq!(device_url("https://fleet.example.org/").unwrap(), "wss://fleet.example.org/ws");
        assert_eq!(device_url("ws://h/ws").unwrap(), "ws://h/ws");
        assert!(device_url("fleet").is_err() && device_url("http://").is_err());
    }
}
