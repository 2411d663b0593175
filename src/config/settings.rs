//! Every setting there is, in one table: its name, what it means, and how its text is read.
//!
//! The name in the file (`limits.hello_s`) gives the variable's (`FLEETWARD_LIMITS_HELLO_S`).

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Config, DeviceAuthMode, LogFormat, Network, SigningMode};

/// One setting.
pub struct Setting {
    /// As in the file, with the table: `history.keep_days`.
    pub name: &'static str,
    /// What it is, with its unit and range.
    pub about: &'static str,
    /// Reads a value into the configuration.
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Setting {
    /// The environment variable's name, in full.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("FLEETWARD_{}", self.name.to_ascii_uppercase().replace('.', "_"))
    }

    /// The setting of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }
}

const fn setting(name: &'static str, about: &'static str, set: fn(&mut Config, &str) -> Result<(), String>) -> Setting {
    Setting { name, about, set }
}

/// All of them, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    setting("listen", "address and port to listen on", |c, t| set(&mut c.listen, parse(t, "an address with a port"))),
    setting("data_dir", "folder of the database, packages and logs", |c, t| set(&mut c.data_dir, folder(t))),
    setting("database_url", "sqlite:PATH or mysql://USER:PASSWORD@HOST/DATABASE", |c, t| {
        set(&mut c.database_url, database_url(t).map(Some))
    }),
    setting("device_auth", "token, or open: anybody may be any device", |c, t| set(&mut c.device_auth, device_auth(t))),
    setting("public_url", "under which URL people and devices reach the server", |c, t| {
        set(&mut c.public_url, public_url(t).map(Some))
    }),
    setting("trusted_proxies", "addresses or networks of reverse proxies, with commas between", |c, t| {
        set(&mut c.trusted_proxies, networks(t))
    }),
    setting(
        "signing",
        "server: it signs what is uploaded unsigned; strict: it takes only what was signed elsewhere",
        |c, t| set(&mut c.signing, signing(t)),
    ),
    setting("report_interval_s", "seconds between two reports of a device, 1 to 86400", |c, t| {
        set(&mut c.report_interval_s, within(t, 1..=86_400))
    }),
    setting("health_window_s", "seconds a device must stay well on a new version, 0 to 86400", |c, t| {
        set(&mut c.health_window_s, within(t, 0..=86_400))
    }),
    setting("log_format", "text or json: the program's own messages", |c, t| set(&mut c.log_format, log_format(t))),
    setting("log.body", "true or false: whether a log line has the report", |c, t| {
        set(&mut c.log.body, parse(t, "true or false"))
    }),
    setting("log.max_bytes", "bytes at which a log file is closed, 64 KiB to 16 GiB", |c, t| {
        set(&mut c.log.max_bytes, within(t, 64 * KIB..=16 * GIB))
    }),
    setting("log.keep_days", "days a log file is kept, 1 to 36500", |c, t| {
        set(&mut c.log.keep_days, within(t, 1..=36_500))
    }),
    setting("history.keep_days", "days charted numbers are kept, 1 to 36500", |c, t| {
        set(&mut c.history.keep_days, within(t, 1..=36_500))
    }),
    setting("history.thin_after_h", "hours after which they are thinned, 1 to 876000", |c, t| {
        set(&mut c.history.thin_after_h, within(t, 1..=876_000))
    }),
    setting("history.thin_step_s", "seconds between two thinned samples, 1 to 86400", |c, t| {
        set(&mut c.history.thin_step_s, within(t, 1..=86_400))
    }),
    setting(
        "rollouts.max_in_flight",
        "updates under way in all rollouts together, 1 to 1000000; 0: no limit",
        |c, t| set(&mut c.rollouts.max_in_flight, within(t, 0..=1_000_000).map(|n: u32| Some(n).filter(|n| *n > 0))),
    ),
    setting("rollouts.approval", "true or false: whether a second person must agree to a rollout", |c, t| {
        set(&mut c.rollouts.approval, parse(t, "true or false"))
    }),
    setting(
        "attention.silent_s",
        "seconds without a report until a connected device is silent, 1 to 864000",
        |c, t| set(&mut c.attention.silent_s, within(t, 1..=864_000)),
    ),
    setting("attention.hot_degrees", "degrees Celsius above which a device is hot, 1 to 1000", |c, t| {
        set(&mut c.attention.hot_degrees, within(t, 1..=1000))
    }),
    setting("attention.disk_percent", "percent above which a card is full, 1 to 100", |c, t| {
        set(&mut c.attention.disk_percent, within(t, 1..=100))
    }),
    setting("map.tile_url", "a tile server for maps, such as https://tiles.example.org/{z}/{x}/{y}.png", |c, t| {
        set(&mut c.map.tile_url, tile_url(t).map(Some))
    }),
    setting("map.attribution", "whom the tiles are from, shown on the map", |c, t| {
        set(&mut c.map.attribution, parse(t, "a text"))
    }),
    setting("limits.connections", "devices connected at once, 0 (by the limit of open files) to 10000000", |c, t| {
        set(&mut c.limits.connections, within(t, 0..=10_000_000))
    }),
    setting("limits.connections_per_address", "devices of one public address, 1 to 10000000", |c, t| {
        set(&mut c.limits.connections_per_address, within(t, 1..=10_000_000))
    }),
    setting("limits.connects_per_min", "connections of one device a minute, 1 to 10000", |c, t| {
        set(&mut c.limits.connects_per_min, within(t, 1..=10_000))
    }),
    setting("limits.flapping_s", "seconds a device that makes more is not let in, 1 to 86400", |c, t| {
        set(&mut c.limits.flapping_s, within(t, 1..=86_400))
    }),
    setting("limits.messages_per_s", "messages of one device a second, 1 to 100000", |c, t| {
        set(&mut c.limits.messages_per_s, within(t, 1..=100_000))
    }),
    setting("limits.messages_burst", "messages of one device at once, 1 to 1000000", |c, t| {
        set(&mut c.limits.messages_burst, within(t, 1..=1_000_000))
    }),
    setting("limits.upgrades_per_s", "new device connections a second, 1 to 100000", |c, t| {
        set(&mut c.limits.upgrades_per_s, within(t, 1..=100_000))
    }),
    setting("limits.upgrades_burst", "new device connections at once, 1 to 1000000", |c, t| {
        set(&mut c.limits.upgrades_burst, within(t, 1..=1_000_000))
    }),
    setting("limits.hello_s", "seconds until the first hello, 1 to 3600", |c, t| {
        set(&mut c.limits.hello_s, within(t, 1..=3600))
    }),
    setting("limits.ping_s", "seconds between two pings, 1 to 3600", |c, t| {
        set(&mut c.limits.ping_s, within(t, 1..=3600))
    }),
    setting("limits.dead_after_s", "seconds of silence until a device counts as gone, 2 to 7200", |c, t| {
        set(&mut c.limits.dead_after_s, within(t, 2..=7200))
    }),
    setting("limits.intake_reports", "reports that may wait for the disk, 1 to 10000000", |c, t| {
        set(&mut c.limits.intake_reports, within(t, 1..=10_000_000))
    }),
    setting("limits.intake_bytes", "bytes of reports that may wait for the disk, 1 MiB to 16 GiB", |c, t| {
        set(&mut c.limits.intake_bytes, within(t, MIB as usize..=16 * GIB as usize))
    }),
    setting("limits.transfers", "packages sent at once, 1 to 100000", |c, t| {
        set(&mut c.limits.transfers, within(t, 1..=100_000))
    }),
    setting("limits.transfer_bytes_per_s", "package bytes a second to all devices, 0 (no limit) to 1 TiB", |c, t| {
        set(&mut c.limits.transfer_bytes_per_s, within(t, 0..=1024 * GIB))
    }),
    setting("limits.package_bytes", "largest package in bytes, 1 KiB to 1 TiB", |c, t| {
        set(&mut c.limits.package_bytes, within(t, KIB..=1024 * GIB))
    }),
    setting("limits.disk_reserve_bytes", "bytes of disk kept free, 0 to 1 PiB", |c, t| {
        set(&mut c.limits.disk_reserve_bytes, within(t, 0..=1024 * 1024 * GIB))
    }),
    setting("limits.api_reads_per_s", "API reads a second and address, 1 to 1000000", |c, t| {
        set(&mut c.limits.api_reads_per_s, within(t, 1..=1_000_000))
    }),
    setting("limits.api_writes_per_s", "API writes a second and address, 1 to 1000000", |c, t| {
        set(&mut c.limits.api_writes_per_s, within(t, 1..=1_000_000))
    }),
    setting("limits.live_streams", "open live pages, 0 to 100000", |c, t| {
        set(&mut c.limits.live_streams, within(t, 0..=100_000))
    }),
];

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

fn set<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

fn parse<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("must be {what}, not {text:?}"))
}

/// A whole number, digits may be grouped by `_`.
fn within<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Result<T, String> {
    let wrong = || format!("must be a whole number from {} to {}, not {text:?}", range.start(), range.end());
    let number = text.replace('_', "").parse().map_err(|_| wrong())?;
    if range.contains(&number) { Ok(number) } else { Err(wrong()) }
}

fn folder(text: &str) -> Result<PathBuf, String> {
    if text.trim().is_empty() { Err("must name a folder".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn database_url(text: &str) -> Result<String, String> {
    let known = ["sqlite:", "mysql://", "mariadb://"].iter().any(|scheme| text.starts_with(scheme));
    // The text may hold a password: it is not repeated.
    if known { Ok(text.to_owned()) } else { Err("must begin with sqlite: or mysql://".to_owned()) }
}

fn public_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let plain = |host: &str| !host.is_empty() && !host.contains(['?', '#', ' ', '@']);
    match host {
        Some(host) if plain(host.trim_end_matches('/')) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(format!("must be a URL like https://fleet.example.org, not {text:?}")),
    }
}

/// The origin goes into the policy that browsers are given, so it is a plain one.
fn tile_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = |host: &str| {
        !host.is_empty() && host.replace("{s}", "s").bytes().all(|b| b.is_ascii_alphanumeric() || b"-.:[]".contains(&b))
    };
    let whole = ["{z}", "{x}", "{y}"].iter().all(|part| text.contains(part));
    match rest.and_then(|rest| rest.split_once('/')) {
        Some((host, _)) if plain(host) && whole => Ok(text.to_owned()),
        _ => Err(format!("must be a URL like https://tiles.example.org/{{z}}/{{x}}/{{y}}.png, not {text:?}")),
    }
}

/// Addresses and networks with commas between; from a file, a list of them.
fn networks(text: &str) -> Result<Vec<Network>, String> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let each = text.split(',').map(|one| one.trim().trim_matches('"')).filter(|one| !one.is_empty());
    each.map(|one| parse(one, "addresses or networks like 10.0.0.2, 192.168.0.0/16")).collect()
}

fn device_auth(text: &str) -> Result<DeviceAuthMode, String> {
    match text {
        "token" => Ok(DeviceAuthMode::Token),
        "open" => Ok(DeviceAuthMode::Open),
        _ => Err(format!("must be token or open, not {text:?}")),
    }
}

fn signing(text: &str) -> Result<SigningMode, String> {
    match text {
        "server" => Ok(SigningMode::Server),
        "strict" => Ok(SigningMode::Strict),
        _ => Err(format!("must be server or strict, not {text:?}")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("must be text or json, not {text:?}")),
    }
}
