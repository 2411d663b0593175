//! How many connections the process has room for, by its limit of open files.

use actix_web::rt::net::TcpStream;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tracing::{debug, warn};

use crate::actors::{Place, Places};
use crate::config::{Config, Network};

/// Where open files are not limited.
const PLENTY: usize = 1_000_000;

/// Files that are open whatever is connected: the database, logs, packages being sent, what the runtime needs.
const OWN_FILES: usize = 64;

/// How many files the process may have open; `None`: as many as it likes.
#[must_use]
pub fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Raises the limit of open files as far as the process may: many systems begin with 1024 for the sake of programs
/// that are older than `poll`.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        debug!(%error, "the limit of open files stays as it is");
    }
}

/// Seats for sockets of every kind, and how many of them devices may have.
pub(super) struct Room {
    /// Devices connected at once.
    pub devices: usize,
    sockets: Places,
    trusted: Vec<Network>,
}

impl Room {
    /// Devices get what open files allow less a fifth; pages have half of that fifth for themselves.
    pub fn of(config: &Config) -> Self {
        let files = open_files().map_or(PLENTY, |files| usize::try_from(files).unwrap_or(PLENTY)).min(PLENTY);
        let devices = match config.limits.connections {
            0 => files / 5 * 4,
            set => set,
        };
        let sockets = (files / 10 * 9).min(files.saturating_sub(OWN_FILES)).max(devices.min(files));
        // A browser has several connections for one person, and a device's way in is one more for a moment.
        let an_address = config.limits.connections_per_address.saturating_mul(2);
        Self { devices, sockets: Places::new(sockets, an_address), trusted: config.trusted_proxies.clone() }
    }

    /// Sockets of every kind for which there are descriptors. What a worker takes of itself is fewer, and those above
    /// that would wait for an answer without end.
    pub fn sockets(&self) -> usize {
        self.sockets.most()
    }

    /// A seat for a new socket, as long as it is there. A socket without a seat is shut at once: there is no
    /// descriptor to spare for telling it why.
    pub fn seat(&self, socket: &TcpStream) -> Option<Place> {
        let peer = socket.peer_addr().ok()?.ip();
        if self.trusted.iter().any(|network| network.contains(peer)) {
            return None;
        }
        match self.sockets.take(peer) {
            Ok(place) => Some(place),
            Err(full) => {
                warn!(%peer, %full, "a connection is shut");
                if let Err(error) = SockRef::from(socket).shutdown(std::net::Shutdown::Both) {
                    debug!(%error, "it had gone already");
                }
                None
            }
        }
    }
}
