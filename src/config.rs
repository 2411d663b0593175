//! What can be set. File < environment (`FLEETWARD_*`) < flags.

use std::net::SocketAddr;
use std::path::PathBuf;

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
    /// Seconds between two reports, told in `welcome`.
    pub report_interval_s: u32,
    /// Health window of a rollout whose policy names none, seconds.
    pub health_window_s: u32,
    pub log: LogConfig,
    pub history: HistoryConfig,
    pub limits: Limits,
}

/// Who may connect as a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceAuthMode {
    /// Who has a token.
    Token,
    /// Anybody, under any `device_id`: closed networks and trials.
    Open,
}

/// The status log.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Whether a line has the report behind `timestamp, key_id`.
    pub body: bool,
    pub max_bytes: u64,
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

/// What protects the server.
#[derive(Debug, Clone)]
pub struct Limits {
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
