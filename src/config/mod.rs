//! What can be set. File < environment (`FLEETWARD_*`) < flags.
//!
//! Owns every setting's name, unit, default and range, and the only look at the environment. Refuses nonsense with
//! one sentence that names the setting and where it came from. Nothing here is global: a [`Config`] is handed on.

mod duration;
mod environment;
mod network;
mod settings;
mod sources;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

pub use duration::{parse_duration, parse_seconds};
pub use environment::Environment;
pub use network::Network;
pub use settings::{SETTINGS, Setting};
pub use sources::load;

/// Why the settings can't be taken: one sentence that names the setting and what it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there, or can't be read.
    #[error("configuration file {0}: {1}")]
    Unreadable(String, String),
    /// No such setting.
    #[error("{name} (in {from}) is not a setting; {hint}")]
    Unknown { name: String, from: String, hint: String },
    /// Not a value of this setting.
    #[error("{name} (from {from}) {message}")]
    Wrong { name: String, from: String, message: String },
    /// Two settings that can't both hold.
    #[error("{0}")]
    Contradiction(String),
}

/// Everything the server is told.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// `None`: SQLite below the data folder.
    pub database_url: Option<String>,
    pub device_auth: DeviceAuthMode,
    /// Under which URL people and devices reach the server, where that is not `http://LISTEN`: for links, and
    /// for the check where a form comes from.
    pub public_url: Option<String>,
    /// Whose word about the address they speak for is believed.
    pub trusted_proxies: Vec<Network>,
    /// Who signs packages, once there are keys.
    pub signing: SigningMode,
    /// Seconds between two reports, told in `welcome`.
    pub report_interval_s: u32,
    /// Health window of a rollout whose policy names none, seconds.
    pub health_window_s: u32,
    /// How the program's own messages are written.
    pub log_format: LogFormat,
    pub log: LogConfig,
    pub history: HistoryConfig,
    pub rollouts: RolloutConfig,
    pub attention: AttentionConfig,
    pub map: MapConfig,
    pub limits: Limits,
}

/// How the program's own messages are written on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Who may connect as a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAuthMode {
    /// Who has a token.
    Token,
    /// Anybody, under any `device_id`: closed networks and trials.
    Open,
}

/// Who signs packages. Without a trust document in the data folder nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningMode {
    /// This server, by a release key in its data folder, where an upload brings no manifest.
    Server,
    /// Others: an upload without a manifest is refused.
    Strict,
}

/// The status log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Whether a line has the report behind `timestamp, key_id`.
    pub body: bool,
    /// A file is closed and the next begun at this size.
    pub max_bytes: u64,
    /// Days a file is kept.
    pub keep_days: u32,
}

/// The charted numbers.
#[derive(Debug, Clone)]
pub struct HistoryConfig {
    pub keep_days: u32,
    /// Thinned after this many hours ...
    pub thin_after_h: u32,
    /// ... to one sample in this many seconds.
    pub thin_step_s: u32,
}

/// From where on a device is counted among those that need a person.
#[derive(Debug, Clone)]
pub struct AttentionConfig {
    /// Seconds without a report, while it is connected.
    pub silent_s: u32,
    /// Degrees Celsius of its hottest sensor.
    pub hot_degrees: u32,
    /// Percent used of its fullest card.
    pub disk_percent: u32,
}

/// What maps are drawn on. Without tiles they have an outline of the land, which needs no network.
#[derive(Debug, Clone, Default)]
pub struct MapConfig {
    /// `https://HOST/{z}/{x}/{y}.png`
    pub tile_url: Option<String>,
    /// Whom the tiles are from, as their owner wants it shown.
    pub attribution: String,
}

impl MapConfig {
    /// From where browsers fetch tiles: `https://HOST`.
    #[must_use]
    pub fn tile_origin(&self) -> Option<String> {
        let url = self.tile_url.as_deref()?;
        let host = url.find("://").and_then(|at| url[at + 3..].find('/').map(|end| &url[..at + 3 + end]));
        host.map(|origin| origin.replace("{s}", "*"))
    }
}

/// What holds for every rollout.
#[derive(Debug, Clone, Default)]
pub struct RolloutConfig {
    /// Assignments of all rollouts that may be under way at once; `None`: no limit beside each rollout's own.
    pub max_in_flight: Option<u32>,
    /// Whether a second person must agree to a rollout before it goes out.
    pub approval: bool,
}

/// What protects the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Devices connected at once; 0: what the limit of open files allows less a fifth.
    pub connections: usize,
    /// Of them from one address that is not of a private network.
    pub connections_per_address: usize,
    /// Connections of one device within a minute, and for how many seconds one that makes more is not let in.
    pub connects_per_min: usize,
    pub flapping_s: u32,
    /// Messages of one device a second, and at once.
    pub messages_per_s: u32,
    pub messages_burst: u32,
    /// WebSocket upgrades a second, and at once.
    pub upgrades_per_s: u32,
    pub upgrades_burst: u32,
    /// Seconds until the first hello must be there.
    pub hello_s: u32,
    pub ping_s: u32,
    /// Seconds of silence after which a device is taken for gone.
    pub dead_after_s: u32,
    /// Reports that may wait for the disk, and their bytes.
    pub intake_reports: usize,
    pub intake_bytes: usize,
    /// Package transfers at once.
    pub transfers: usize,
    /// Package bytes a second for all transfers together; 0: no limit.
    pub transfer_bytes_per_s: u64,
    /// Largest package, bytes.
    pub package_bytes: u64,
    /// Disk kept free, bytes.
    pub disk_reserve_bytes: u64,
    /// API reads and writes a second per address.
    pub api_reads_per_s: u32,
    pub api_writes_per_s: u32,
    /// Open live streams.
    pub live_streams: usize,
}

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data_dir: PathBuf::from("data"),
            database_url: None,
            device_auth: DeviceAuthMode::Token,
            public_url: None,
            trusted_proxies: Vec::new(),
            signing: SigningMode::Server,
            report_interval_s: 30,
            health_window_s: 60,
            log_format: LogFormat::Text,
            log: LogConfig { body: true, max_bytes: 64 * MIB, keep_days: 30 },
            history: HistoryConfig { keep_days: 30, thin_after_h: 48, thin_step_s: 600 },
            rollouts: RolloutConfig::default(),
            attention: AttentionConfig { silent_s: 300, hot_degrees: 80, disk_percent: 90 },
            map: MapConfig::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 0,
            connections_per_address: 200,
            connects_per_min: 15,
            flapping_s: 300,
            messages_per_s: 10,
            messages_burst: 60,
            upgrades_per_s: 500,
            upgrades_burst: 1000,
            hello_s: 10,
            ping_s: 25,
            dead_after_s: 75,
            intake_reports: 10_000,
            intake_bytes: 16 * 1024 * 1024,
            transfers: 64,
            transfer_bytes_per_s: 0,
            package_bytes: GIB,
            disk_reserve_bytes: GIB,
            api_reads_per_s: 200,
            api_writes_per_s: 50,
            live_streams: 200,
        }
    }
}

impl Config {
    /// The database's URL: the one that is set, or SQLite below the data folder.
    #[must_use]
    pub fn store_url(&self) -> String {
        let embedded = || format!("sqlite:{}", self.data_dir.join("fleetward.db").display());
        self.database_url.clone().unwrap_or_else(embedded)
    }

    /// Where people and devices reach the server: `public_url`, or the address it listens on.
    #[must_use]
    pub fn base_url(&self, listening: SocketAddr) -> String {
        let local = || {
            let host = match listening.ip() {
                ip if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
                ip => ip,
            };
            format!("http://{}", SocketAddr::new(host, listening.port()))
        };
        self.public_url.as_deref().map_or_else(local, |url| url.trim_end_matches('/').to_owned())
    }

    /// What only shows when settings are seen together.
    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |message: String| Err(ConfigError::Contradiction(message));
        let limits = &self.limits;
        if limits.dead_after_s <= limits.ping_s {
            return refuse(format!(
                "limits.dead_after_s ({}) must be longer than limits.ping_s ({}), or every quiet device is taken for gone",
                limits.dead_after_s, limits.ping_s
            ));
        }
        if limits.upgrades_burst < limits.upgrades_per_s {
            return refuse(format!(
                "limits.upgrades_burst ({}) must be at least limits.upgrades_per_s ({})",
                limits.upgrades_burst, limits.upgrades_per_s
            ));
        }
        if limits.messages_burst < limits.messages_per_s {
            return refuse(format!(
                "limits.messages_burst ({}) must be at least limits.messages_per_s ({})",
                limits.messages_burst, limits.messages_per_s
            ));
        }
        if u64::from(self.history.thin_after_h) > u64::from(self.history.keep_days) * 24 {
            return refuse(format!(
                "history.thin_after_h ({} h) must not be longer than history.keep_days ({} days)",
                self.history.thin_after_h, self.history.keep_days
            ));
        }
        Ok(())
    }
}
