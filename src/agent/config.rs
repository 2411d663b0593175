//! What can be set: file < environment (`FLEETWARD_AGENT_*`) < flags. Nonsense is refused at start, in one line.

mod times;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde::Deserialize;

pub use times::parse_time;
use times::{half_a_minute, some_time, time};

use super::backoff::Rules;
use super::supervisor::SupervisorConfig;
use crate::archive::Caps;
use crate::domain::{DeviceId, ModuleName};

/// The program on the device: reports how it is, and moves its modules to the versions the server asks for.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "fleetward-agent", version, about)]
pub struct Args {
    /// The server: http(s):// or ws(s)://, with or without /ws
    #[arg(long, env = "FLEETWARD_AGENT_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// This device's name in the fleet: 1 to 64 of A-Z a-z 0-9 . _ : -
    #[arg(long, env = "FLEETWARD_AGENT_DEVICE_ID", value_name = "ID")]
    pub device_id: Option<String>,
    /// The enrolment token, or the device's own; not used once the server has given the device its own
    #[arg(long, env = "FLEETWARD_AGENT_TOKEN", value_name = "T", hide_env_values = true)]
    pub token: Option<String>,
    /// A file that holds the token
    #[arg(long, env = "FLEETWARD_AGENT_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    pub token_file: Option<PathBuf>,
    /// Where the agent keeps its token, journal, unsent reports and downloads
    #[arg(long, env = "FLEETWARD_AGENT_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A module and its folder; may be given more than once
    #[arg(long, env = "FLEETWARD_AGENT_MODULE", value_name = "NAME=DIR", value_delimiter = ',')]
    pub module: Vec<String>,
    /// A TOML file for everything, and for what has no flag: commands, status files, location
    #[arg(long, env = "FLEETWARD_AGENT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Time between two reports, in place of the server's: 30s, 5m
    #[arg(long, env = "FLEETWARD_AGENT_INTERVAL", value_name = "TIME")]
    pub interval: Option<String>,
    /// A PEM file with certificates of authorities to trust beside the public ones
    #[arg(long, env = "FLEETWARD_AGENT_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The trust document to begin with: from then on only signed packages are installed
    #[arg(long, env = "FLEETWARD_AGENT_TRUST", value_name = "FILE", conflicts_with = "trust_first_use")]
    pub trust: Option<PathBuf>,
    /// Begin with the first trust document that the server sends
    #[arg(long, env = "FLEETWARD_AGENT_TRUST_FIRST_USE")]
    pub trust_first_use: bool,
    /// Set by systemd
    #[arg(long, env = "NOTIFY_SOCKET", hide = true)]
    pub notify_socket: Option<String>,
    /// Set by systemd
    #[arg(long, env = "WATCHDOG_USEC", hide = true)]
    pub watchdog_usec: Option<u64>,
    /// What to log: error, warn, info, debug, or a filter
    #[arg(long, env = "FLEETWARD_AGENT_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// The configuration file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    server: Option<String>,
    device_id: Option<String>,
    token: Option<String>,
    token_file: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    interval: Option<String>,
    ca: Option<PathBuf>,
    trust: Option<PathBuf>,
    trust_first_use: bool,
    hardware: Option<String>,
    download: Pace,
    trial: Trial,
    apps: AppsConfig,
    log: Option<String>,
    modules: BTreeMap<String, ModuleConfig>,
    telemetry: TelemetryConfig,
    reconnect: Rules,
}

/// Whom to believe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrustConfig {
    /// The trust document to begin with.
    pub file: Option<PathBuf>,
    /// Whether the first one that the server sends is taken.
    pub first_use: bool,
    /// What manifests may name as the hardware they are for.
    pub hardware: Option<String>,
}

/// How slow a download may be: so that nobody holds an update up for ever by sending it drop by drop.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// Fewest bytes a second; 0: any pace will do.
    pub min_bytes_per_s: u64,
    /// Measured over this time.
    #[serde(deserialize_with = "time")]
    pub over: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { min_bytes_per_s: 1024, over: Duration::from_secs(60) }
    }
}

/// What a new version has to show beside its health.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trial {
    /// Whether the server must have been heard once since the switch.
    pub reach_server: bool,
    /// Within this time after it is well.
    #[serde(deserialize_with = "time")]
    pub reach_within: Duration,
}

impl Default for Trial {
    fn default() -> Self {
        Self { reach_server: true, reach_within: Duration::from_secs(300) }
    }
}

/// What programs on the device may say.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppsConfig {
    /// Where their socket is; none by default.
    pub socket: Option<PathBuf>,
    /// How long all of them together may hold one update up.
    #[serde(deserialize_with = "time")]
    pub max_delay: Duration,
}

impl Default for AppsConfig {
    fn default() -> Self {
        Self { socket: None, max_delay: Duration::from_secs(300) }
    }
}

/// One module: where it is and how it is moved.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleConfig {
    pub dir: PathBuf,
    /// The name for a package that is one file; the module's name by default.
    pub file_name: Option<String>,
    pub stop: Option<String>,
    pub start: Option<String>,
    /// Must succeed for a new version to stay.
    pub health: Option<String>,
    /// Whether it is the agent itself: it is then started by ending, for its launcher to start what is current.
    #[serde(default)]
    pub is_agent: bool,
    #[serde(default = "half_a_minute", deserialize_with = "time")]
    pub stop_timeout: Duration,
    #[serde(default = "half_a_minute", deserialize_with = "time")]
    pub start_timeout: Duration,
    #[serde(default = "half_a_minute", deserialize_with = "time")]
    pub health_timeout: Duration,
    /// How long a new version must stay well: 5 s with a health command, 0 without.
    #[serde(default, deserialize_with = "some_time")]
    pub settle: Option<Duration>,
    /// Most bytes of an unpacked package; 4 GiB by default.
    pub max_unpacked: Option<u64>,
}

impl ModuleConfig {
    /// A module of which only the folder is known.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            file_name: None,
            stop: None,
            start: None,
            health: None,
            is_agent: false,
            stop_timeout: half_a_minute(),
            start_timeout: half_a_minute(),
            health_timeout: half_a_minute(),
            settle: None,
            max_unpacked: None,
        }
    }

    /// What its packages may be at most.
    #[must_use]
    pub fn caps(&self) -> Caps {
        let caps = Caps::default();
        Caps { bytes: self.max_unpacked.unwrap_or(caps.bytes), ..caps }
    }
}

/// Where the words and numbers of a report come from.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Process name to status file; `/sdcard0/MODULE/status.txt` of every module where none are named.
    pub status: BTreeMap<String, PathBuf>,
    /// Name to a path on the disk; every disk where none are named.
    pub disks: BTreeMap<String, PathBuf>,
    /// `host:port` of a gpsd, usually 127.0.0.1:2947.
    pub gpsd: Option<String>,
    /// A JSON file with latitude, longitude and altitude.
    pub location_file: Option<PathBuf>,
    /// A JSON file with more fields: weather, speed, anything.
    pub extra_file: Option<PathBuf>,
    /// A command that prints such JSON.
    pub extra_command: Option<String>,
    /// Its time; 5 s by default.
    #[serde(deserialize_with = "some_time")]
    pub extra_timeout: Option<Duration>,
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ws://...` or `wss://...`, with `/ws`.
    pub url: String,
    pub device_id: DeviceId,
    pub token: Option<String>,
    pub state_dir: PathBuf,
    pub modules: BTreeMap<ModuleName, ModuleConfig>,
    /// In place of the server's.
    pub interval: Option<Duration>,
    pub ca: Option<PathBuf>,
    pub trust: TrustConfig,
    pub pace: Pace,
    pub trial: Trial,
    pub apps: AppsConfig,
    pub telemetry: TelemetryConfig,
    pub reconnect: Rules,
    pub supervisor: SupervisorConfig,
    pub log: String,
}

impl Config {
    /// Brings flags, environment (in `args` already) and file together.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what would be right.
    pub fn new(args: Args) -> Result<Self, String> {
        let file = args.config.as_deref().map_or_else(|| Ok(ConfigFile::default()), read_file)?;
        let server = args.server.or(file.server).ok_or("--server is missing: the URL of the server")?;
        let device_id = args.device_id.or(file.device_id).ok_or("--device-id is missing: this device's name")?;
        let state_dir =
            args.state_dir.or(file.state_dir).ok_or("--state-dir is missing: where the agent keeps its state")?;
        let interval = args.interval.or(file.interval).map(|text| parse_time(&text)).transpose()?;
        if interval.is_some_and(|i| !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&i)) {
            return Err("--interval must be from 1s to 24h".into());
        }
        let (token, token_file) = match (args.token, args.token_file) {
            (None, None) => (file.token, file.token_file),
            given => given,
        };
        let config = Self {
            url: websocket_url(&server)?,
            device_id: DeviceId::new(&device_id).map_err(|error| error.to_string())?,
            token: token.map_or_else(|| token_file.as_deref().map(read_token).transpose(), |token| Ok(Some(token)))?,
            state_dir,
            modules: modules(file.modules, &args.module)?,
            interval,
            ca: args.ca.or(file.ca),
            trust: TrustConfig {
                file: args.trust.or(file.trust),
                first_use: args.trust_first_use || file.trust_first_use,
                hardware: file.hardware,
            },
            pace: file.download,
            trial: file.trial,
            apps: file.apps,
            telemetry: file.telemetry,
            reconnect: file.reconnect,
            supervisor: SupervisorConfig { socket: args.notify_socket, watchdog_usec: args.watchdog_usec },
            log: args.log.or(file.log).unwrap_or_else(|| "info".into()),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.token.as_deref().is_some_and(|t| t.is_empty() || !t.bytes().all(|b| b.is_ascii_graphic())) {
            return Err("the token must be printable characters without spaces".into());
        }
        for (name, module) in &self.modules {
            let plain = |file: &str| !file.is_empty() && !file.starts_with('.') && !file.contains('/');
            if module.file_name.as_deref().is_some_and(|file| !plain(file)) {
                return Err(format!("modules.{name}.file_name must be a file's name without folders"));
            }
            if module.health.is_some() && module.health_timeout.is_zero() {
                return Err(format!("modules.{name}.health_timeout must be more than 0"));
            }
            if self.modules.iter().any(|(other, m)| other != name && m.dir == module.dir) {
                return Err(format!("module {name} shares its folder {} with another", module.dir.display()));
            }
        }
        if self.modules.values().filter(|module| module.is_agent).count() > 1 {
            return Err("is_agent may be true for one module only".into());
        }
        if self.modules.values().any(|module| module.is_agent && (module.stop.is_some() || module.start.is_some())) {
            return Err(
                "the module with is_agent has no stop and start: the agent ends, and its launcher starts it".into()
            );
        }
        if self.pace.over.is_zero() {
            return Err("download.over must be more than 0".into());
        }
        if self.reconnect.base_ms == 0 || self.reconnect.cap_s == 0 {
            return Err("reconnect.base_ms and reconnect.cap_s must be more than 0".into());
        }
        Ok(())
    }
}

fn read_file(path: &Path) -> Result<ConfigFile, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        format!("{} line {line}: {}", path.display(), error.message().replace('\n', " "))
    })
}

fn read_token(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn modules(
    in_file: BTreeMap<String, ModuleConfig>,
    flags: &[String],
) -> Result<BTreeMap<ModuleName, ModuleConfig>, String> {
    let mut modules = BTreeMap::new();
    for (name, module) in in_file {
        modules.insert(ModuleName::new(&name).map_err(|error| error.to_string())?, module);
    }
    for flag in flags {
        let (name, dir) = flag
            .split_once('=')
            .filter(|(_, dir)| !dir.is_empty())
            .ok_or_else(|| format!("--module must be NAME=DIR, not {flag:?}"))?;
        let name = ModuleName::new(name).map_err(|error| error.to_string())?;
        modules.entry(name).or_insert_with(|| ModuleConfig::at(Path::new(dir))).dir = PathBuf::from(dir);
    }
    for module in modules.values_mut() {
        // Commands run elsewhere than the agent does.
        module.dir = std::path::absolute(&module.dir).map_err(|error| error.to_string())?;
    }
    Ok(modules)
}

fn websocket_url(server: &str) -> Result<String, String> {
    let wrong = || format!("--server must be like https://fleet.example.org, not {server:?}");
    let (scheme, rest) = server.split_once("://").ok_or_else(wrong)?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return Err(wrong()),
    };
    let rest = rest.trim_end_matches('/');
    let host = rest.split('/').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') || rest.contains(['?', '#', '@', ' ']) {
        return Err(wrong());
    }
    let rest = rest.strip_suffix("/ws").unwrap_or(rest);
    Ok(format!("{scheme}://{rest}/ws"))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
