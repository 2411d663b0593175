//! How the server itself is: for its operators, as a page and as JSON.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::WebState;
use super::error::ApiError;
use super::health::free_bytes;
use crate::actors::Picture;
use crate::config::DeviceAuthMode;
use crate::domain::Timestamp;

/// The page is to say that the database hangs, not to hang with it.
const DATABASE_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize)]
pub struct ServerState {
    pub version: &'static str,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub started_at: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub now: Timestamp,
    pub connections: usize,
    pub connections_limit: usize,
    pub live_streams: usize,
    pub live_streams_limit: usize,
    pub intake_reports: usize,
    pub intake_limit: usize,
    /// Connections that are not read because the intake is full.
    pub intake_waiting: usize,
    pub reports_stored: u64,
    /// `calm`, `holds_live` and so on: what is left out for want of room in the intake.
    pub load: &'static str,
    pub transfers: usize,
    pub transfers_limit: usize,
    pub rollouts_live: usize,
    pub database: Database,
    pub disk: Disk,
    pub guarded: Guarded,
    pub limits: Vec<Limit>,
    pub warnings: Vec<Warning>,
}

#[derive(Debug, Serialize)]
pub struct Database {
    /// `SQLite` or `MySQL`; `null` while it does not answer.
    pub kind: Option<&'static str>,
    pub bytes: Option<u64>,
    /// How much of it a database server may keep in memory.
    pub memory_bytes: Option<u64>,
    /// How long a small write took to be on disk; `null` when it was not within three seconds.
    pub write_ms: Option<u64>,
    /// What is wrong with its server's memory.
    #[serde(skip)]
    pub lacks_memory: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Disk {
    pub free_bytes: Option<u64>,
    /// What is to stay free.
    pub reserve_bytes: u64,
    pub packages: Option<usize>,
    pub packages_bytes: Option<u64>,
}

/// What the link had to do to protect itself, since the start.
#[derive(Debug, Serialize)]
pub struct Guarded {
    pub messages_slowed: u64,
    pub link_faults: u64,
    pub flapping_refused: u64,
    pub flapping_held: usize,
    pub clone_alarms: u64,
    pub transfers_too_slow: u64,
}

/// A limit of the configuration.
#[derive(Debug, Serialize)]
pub struct Limit {
    /// As the configuration calls it.
    pub name: &'static str,
    /// 0 where that means none.
    pub value: u64,
}

/// Something to look at.
#[derive(Debug, Serialize)]
pub struct Warning {
    /// `trouble`, `database_slow`, `database_settings`, `database_memory`, `disk`, `load`, `open`, `plain_http`.
    pub code: &'static str,
    /// More of it, as the database or the disk told it; empty where the code says all.
    pub details: String,
}

impl Warning {
    fn new(code: &'static str, details: impl Into<String>) -> Self {
        Self { code, details: details.into() }
    }
}

impl ServerState {
    /// How it is now.
    ///
    /// # Errors
    /// None that the page could not show; see [`ApiError`].
    pub async fn read(state: &WebState) -> Result<Self, ApiError> {
        let picture = state.fleet.picture();
        let (database, disk) = (database(state).await, disk(state).await);
        let limits = &state.config.limits;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: state.started_at,
            now: state.clock.now(),
            connections: picture.connections,
            connections_limit: state.gates.most_devices(),
            live_streams: state.gates.live_streams_open(),
            live_streams_limit: limits.live_streams,
            intake_reports: picture.intake_reports,
            intake_limit: picture.intake_capacity,
            intake_waiting: picture.intake_waiting,
            reports_stored: picture.reports_stored,
            load: state.fleet.load().as_str(),
            transfers: picture.transfers_active,
            transfers_limit: picture.transfers_limit,
            rollouts_live: picture.rollouts_live,
            warnings: warnings(state, &picture, &database, &disk),
            guarded: Guarded {
                messages_slowed: picture.messages_slowed,
                link_faults: picture.link_faults,
                flapping_refused: picture.flapping_refused,
                flapping_held: picture.flapping_held,
                clone_alarms: picture.clone_alarms,
                transfers_too_slow: picture.transfers_too_slow,
            },
            database,
            disk,
            limits: limits_of(state),
        })
    }
}

async fn database(state: &WebState) -> Database {
    let begun = Instant::now();
    let write = tokio::time::timeout(DATABASE_ANSWERS_WITHIN, state.store.ping()).await;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let facts = tokio::time::timeout(DATABASE_ANSWERS_WITHIN, state.store.database()).await;
    let facts = facts.ok().and_then(Result::ok);
    Database {
        kind: facts.as_ref().map(|facts| facts.kind),
        bytes: facts.as_ref().map(|facts| facts.bytes),
        memory_bytes: facts.as_ref().and_then(|facts| facts.memory_bytes),
        write_ms: matches!(write, Ok(Ok(()))).then_some(took),
        lacks_memory: facts.and_then(|facts| facts.lacks_memory()),
    }
}

async fn disk(state: &WebState) -> Disk {
    let rows = tokio::time::timeout(DATABASE_ANSWERS_WITHIN, state.store.package_hashes()).await;
    let rows = rows.ok().and_then(Result::ok);
    Disk {
        free_bytes: free_bytes(state).await.ok(),
        reserve_bytes: state.config.limits.disk_reserve_bytes,
        packages: rows.as_ref().map(Vec::len),
        packages_bytes: rows.map(|rows| rows.iter().map(|(_, size)| *size).sum()),
    }
}

fn warnings(state: &WebState, picture: &Picture, database: &Database, disk: &Disk) -> Vec<Warning> {
    let mut found = Vec::new();
    if let Some(trouble) = &picture.trouble {
        found.push(Warning::new("trouble", trouble));
    }
    if database.write_ms.is_none() {
        found.push(Warning::new("database_slow", ""));
    }
    found.extend(picture.warnings.iter().map(|warning| Warning::new("database_settings", warning)));
    found.extend(database.lacks_memory.iter().map(|lacks| Warning::new("database_memory", lacks)));
    if disk.free_bytes.is_none_or(|free| free < disk.reserve_bytes) {
        found.push(Warning::new("disk", ""));
    }
    if picture.load > 0 {
        found.push(Warning::new("load", ""));
    }
    if state.config.device_auth == DeviceAuthMode::Open {
        found.push(Warning::new("open", ""));
    }
    let encrypted = state.config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    if !encrypted && !state.config.listen.ip().is_loopback() {
        found.push(Warning::new("plain_http", ""));
    }
    found
}

fn limits_of(state: &WebState) -> Vec<Limit> {
    let limits = &state.config.limits;
    let of = |name, value: u64| Limit { name, value };
    let whole = |n: usize| n as u64;
    vec![
        of("limits.connections", whole(state.gates.most_devices())),
        of("limits.connections_per_address", whole(limits.connections_per_address)),
        of("limits.connects_per_min", whole(limits.connects_per_min)),
        of("limits.messages_per_s", limits.messages_per_s.into()),
        of("limits.upgrades_per_s", limits.upgrades_per_s.into()),
        of("limits.dead_after_s", limits.dead_after_s.into()),
        of("limits.intake_reports", whole(limits.intake_reports)),
        of("limits.intake_bytes", whole(limits.intake_bytes)),
        of("limits.transfers", whole(limits.transfers)),
        of("limits.transfer_bytes_per_s", limits.transfer_bytes_per_s),
        of("limits.package_bytes", limits.package_bytes),
        of("limits.disk_reserve_bytes", limits.disk_reserve_bytes),
        of("limits.api_reads_per_s", limits.api_reads_per_s.into()),
        of("limits.api_writes_per_s", limits.api_writes_per_s.into()),
        of("limits.live_streams", whole(limits.live_streams)),
        of("history.keep_days", state.config.history.keep_days.into()),
        of("log.keep_days", state.config.log.keep_days.into()),
    ]
}
