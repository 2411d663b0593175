//! What systemd is told: that the agent is ready, and again and again that its loop turns.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::Instant;

/// How systemd is reached, as it says in the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SupervisorConfig {
    /// `NOTIFY_SOCKET`: a path, or a name behind `@`.
    pub socket: Option<String>,
    /// `WATCHDOG_USEC`: without a word for so long the agent is ended.
    pub watchdog_usec: Option<u64>,
}

/// See the module. Without systemd it says nothing.
#[derive(Debug)]
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    every: Option<Duration>,
    next: Instant,
}

impl Supervisor {
    /// Opens what the environment names.
    #[must_use]
    pub fn new(config: &SupervisorConfig) -> Self {
        let socket = config.socket.as_deref().map(open).transpose().unwrap_or_else(|error| {
            tracing::warn!(%error, "systemd cannot be told how the agent is");
            None
        });
        // Two words within the time: one may be late.
        let every = config.watchdog_usec.filter(|_| socket.is_some()).map(|all| Duration::from_micros(all / 3));
        Self { socket, every, next: Instant::now() }
    }

    /// The agent does its work now.
    pub fn ready(&mut self) {
        self.say("READY=1");
        self.next = Instant::now();
    }

    /// When [`alive`](Self::alive) is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    /// The loop turns.
    pub fn alive(&mut self) {
        self.say("WATCHDOG=1");
        self.next = Instant::now() + self.every.unwrap_or_default();
    }

    fn say(&self, word: &str) {
        let Some((socket, systemd)) = &self.socket else { return };
        if let Err(error) = socket.send_to_addr(word.as_bytes(), systemd) {
            tracing::warn!(%error, word, "systemd could not be told");
        }
    }
}

fn open(name: &str) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn systemd_hears_that_it_is_ready_and_then_that_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let socket = Some(path.to_str().unwrap().to_owned());
        let mut supervisor = Supervisor::new(&SupervisorConfig { socket, watchdog_usec: Some(3_000_000) });
        let heard = || {
            let mut buffer = [0; 64];
            let length = systemd.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        supervisor.ready();
        assert_eq!(heard(), "READY=1");
        assert!(supervisor.due().unwrap() <= Instant::now(), "the first word is due at once");
        supervisor.alive();
        assert_eq!(heard(), "WATCHDOG=1");
        assert!(supervisor.due().unwrap() > Instant::now());
        let mut nobody = Supervisor::new(&SupervisorConfig::default());
        nobody.ready();
        assert_eq!(nobody.due(), None);
    }
}
