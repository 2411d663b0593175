//! `fleetward simulate`: many devices in one process, speaking the real protocol and taking updates.
//!
//! [`SimDevice`] is the behaviour, pure; [`Swarm`] gives it connections. The demonstration and the tests use both.

mod backoff;
mod chance;
mod device;
mod link;
mod memory;
mod numbers;
mod set;
mod swarm;
mod tally;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::CliError;
use super::context::Context;
use super::rollout::package;
use crate::config::parse_duration;
use crate::domain::{ModuleName, Version};
use crate::telemetry;

pub use device::{Effect, Event, Said, SimDevice};
pub use swarm::{Swarm, SwarmSettings, device_url, names};
pub use tally::{Percentiles, Summary};

/// Simulated devices that report and take updates, for trials and load
#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// The server's URL, or FLEETWARD_SERVER [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// An enrolment token, or FLEETWARD_ENROLMENT_TOKEN; not needed with a --state in which all have enrolled
    #[arg(long)]
    token: Option<String>,
    /// How many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// Between two reports [default: as the server says]
    #[arg(long, value_parser = positive)]
    interval: Option<Duration>,
    /// What a device runs at first; may be given several times [default: app1=1.0.0]
    #[arg(long = "module", value_name = "NAME=VERSION", value_parser = package)]
    modules: Vec<(ModuleName, Version)>,
    /// Devices that begin to connect in a second
    #[arg(long, value_name = "R", default_value = "200", value_parser = rate)]
    connect_rate: f64,
    /// What names begin with
    #[arg(long, default_value = "sim-")]
    prefix: String,
    /// The number of the first
    #[arg(long, default_value = "1")]
    first: u32,
    /// How long an install takes
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    install_time: Duration,
    /// Share of installs that fail, 0 to 1
    #[arg(long, default_value = "0", value_parser = share)]
    fail_rate: f64,
    /// Wait at most this long between two tries to connect [default: as the protocol says, up to 120s]
    #[arg(long, value_name = "TIME", value_parser = positive)]
    longest_wait: Option<Duration>,
    /// Make the same chances as another run with this seed; its report numbers too, so use a fresh server
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Stop after this time [default: at Ctrl-C]
    #[arg(long, value_parser = positive)]
    duration: Option<Duration>,
    /// Keep tokens and versions in FILE, so that a second run can be the same devices
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write every acknowledged report into FILE: device_id boot_id seq
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// Between two looks at the numbers, and two saves.
const TICK: Duration = Duration::from_millis(200);

impl Simulate {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let duration = self.duration;
        let settings = self.settings(context)?;
        telemetry::start(context.config(&[])?.log_format, context.environment()).map_err(CliError::Usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(CliError::doing("starting"))?;
        let summary = runtime.block_on(swarm_until_stopped(settings, duration))?;
        match context.output().is_json() {
            true => context.output().value(&json!(summary))?,
            false => context.output().line(summary.line())?,
        }
        match summary.hellos {
            0 => Err(CliError::Failed("no device was let in: check the server's address and the token".to_owned())),
            _ => Ok(()),
        }
    }

    fn settings(self, context: &Context) -> Result<SwarmSettings, CliError> {
        let from = |flag: Option<String>, name| flag.or_else(|| context.environment().get(name).map(str::to_owned));
        let server = from(self.server, "SERVER").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let modules = match self.modules.is_empty() {
            true => vec![package("app1=1.0.0").map_err(CliError::Usage)?],
            false => self.modules,
        };
        Ok(SwarmSettings {
            url: device_url(&server).map_err(CliError::Usage)?,
            token: from(self.token, "ENROLMENT_TOKEN"),
            devices: names(&self.prefix, self.first, self.devices).map_err(CliError::Usage)?,
            modules: modules.into_iter().collect(),
            interval: self.interval,
            connect_rate: self.connect_rate,
            install_time: self.install_time,
            fail_rate: self.fail_rate,
            longest_wait: self.longest_wait,
            seed: self.seed,
            state: self.state,
            ledger: self.ledger,
        })
    }
}

async fn swarm_until_stopped(settings: SwarmSettings, duration: Option<Duration>) -> Result<Summary, CliError> {
    let swarm = Swarm::start(settings).map_err(CliError::doing("--state or --ledger"))?;
    let display = display();
    let end = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let watching = async {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            display.set_message(swarm.summary().line());
            if let Err(error) = swarm.save() {
                return error;
            }
        }
    };
    let broken = tokio::select! {
        () = end => None,
        _ = tokio::signal::ctrl_c() => None,
        error = watching => Some(error),
    };
    display.finish_and_clear();
    match broken {
        Some(error) => Err(CliError::doing("--state or --ledger")(error)),
        None => swarm.stop().await.map_err(CliError::doing("--state or --ledger")),
    }
}

/// One line that changes, on a terminal; nothing otherwise.
fn display() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let look = ProgressStyle::with_template("{elapsed_precise} {wide_msg}");
    ProgressBar::no_length().with_style(look.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(duration) }
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| format!("must be a number above 0, not {text:?}"))
}

fn share(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|n: &f64| (0.0..=1.0).contains(n));
    number.ok_or_else(|| format!("must be from 0 to 1, not {text:?}"))
}
