//! `fleetward simulate`: many devices in one process, speaking the real protocol and taking updates.
//!
//! [`SimDevice`] is the behaviour, pure; [`Swarm`] gives it connections. The demonstration and the tests use both.

mod backoff;
mod chance;
mod device;
mod frames;
mod link;
mod memory;
mod numbers;
mod set;
mod socket;
mod swarm;
mod tally;
mod usage;

use std::io::IsTerminal as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::CliError;
use super::context::Context;
use super::rollout::package;
use crate::app;
use crate::config::parse_duration;
use crate::domain::{ModuleName, Version};
use crate::telemetry;

pub use device::{Effect, Event, Said, SimDevice};
pub use swarm::{Swarm, SwarmSettings, device_url, names};
pub use tally::{Measured, Percentiles, Summary};
pub use usage::Usage;

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
    /// Closed loop: a device's next report goes out when its last one is acknowledged
    #[arg(long, conflicts_with = "interval")]
    closed_loop: bool,
    /// In a closed loop, the first reports go out when all devices are in
    #[arg(long, requires = "closed_loop")]
    start_together: bool,
    /// What a device runs at first; may be given several times [default: app1=1.0.0]
    #[arg(long = "module", value_name = "NAME=VERSION", value_parser = package)]
    modules: Vec<(ModuleName, Version)>,
    /// Devices that begin to connect in a second
    #[arg(long, value_name = "R", default_value = "200", value_parser = rate)]
    connect_rate: f64,
    /// Own addresses to connect from, in turn, for more devices than one address has ports [default: for a server on
    /// the loopback as many of 127.0.0.x as it takes]
    #[arg(long = "source", value_name = "ADDRESS", value_delimiter = ',')]
    sources: Vec<IpAddr>,
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
    /// Once all devices are in, count for this time, and stop
    #[arg(long, value_name = "TIME", value_parser = positive)]
    measure: Option<Duration>,
    /// Wait this long before that, so that what comes with connecting is over
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    settle: Duration,
    /// With --measure, tell the processor time and memory of these processes too, for a server on this machine
    #[arg(long = "server-pid", value_name = "PID", value_delimiter = ',')]
    server_pids: Vec<u32>,
    /// Take package bytes for right without computing their sha256, to measure how fast a server sends
    #[arg(long)]
    unchecked: bool,
    /// Keep tokens and versions in FILE, so that a second run can be the same devices
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Write every acknowledged report into FILE: device_id boot_id seq
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

/// Between two looks at the numbers, and two saves.
const TICK: Duration = Duration::from_millis(200);

/// Files that are open beside the connections.
const OWN_FILES: u64 = 64;

/// Connections from one address to one server. It has about 28,000 ports for them; when half of those are taken, Linux
/// looks through all of that half before it finds one of the other, for every further connection.
const PORTS: u32 = 14_000;

/// When a run ends, and what is measured before.
struct Course {
    duration: Option<Duration>,
    measure: Option<Duration>,
    settle: Duration,
    server_pids: Vec<u32>,
}

impl Simulate {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        enough_files(self.devices)?;
        let (duration, measure, settle) = (self.duration, self.measure, self.settle);
        let course = Course { duration, measure, settle, server_pids: self.server_pids.clone() };
        let settings = self.settings(context)?;
        let messages =
            telemetry::start(context.config(&[])?.log_format, context.environment()).map_err(CliError::Usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(CliError::doing("starting"))?;
        let summary = runtime.block_on(swarm_until_stopped(settings, course));
        messages.end();
        let summary = summary?;
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
            closed_loop: self.closed_loop,
            start_together: self.start_together,
            connect_rate: self.connect_rate,
            sources: sources(self.sources, &server, self.devices),
            check_packages: !self.unchecked,
            install_time: self.install_time,
            fail_rate: self.fail_rate,
            longest_wait: self.longest_wait,
            seed: self.seed,
            state: self.state,
            ledger: self.ledger,
        })
    }
}

async fn swarm_until_stopped(settings: SwarmSettings, course: Course) -> Result<Summary, CliError> {
    let swarm = Swarm::start(settings).map_err(CliError::doing("--state or --ledger"))?;
    let display = display();
    let end = async {
        match course.duration {
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
    let mut usage = None;
    let broken = tokio::select! {
        () = end => None,
        _ = tokio::signal::ctrl_c() => None,
        error = watching => Some(error),
        used = measured(&swarm, &course) => {
            usage = Some(used);
            None
        }
    };
    display.finish_and_clear();
    if let Some(error) = broken {
        return Err(CliError::doing("--state or --ledger")(error));
    }
    let mut summary = swarm.stop().await.map_err(CliError::doing("--state or --ledger"))?;
    summary.server = usage.filter(|_| !course.server_pids.is_empty());
    Ok(summary)
}

/// Waits until all are in, and measures; never ends where nothing is to be measured.
async fn measured(swarm: &Swarm, course: &Course) -> Usage {
    let Some(time) = course.measure else { return std::future::pending().await };
    while !swarm.is_whole() {
        tokio::time::sleep(TICK / 10).await;
    }
    tokio::time::sleep(course.settle).await;
    swarm.measure();
    let before = Usage::of(&course.server_pids);
    tokio::time::sleep(time).await;
    Usage::of(&course.server_pids).since(before)
}

/// Raises the limit of open files as far as it goes, and says what is possible when that is too little.
fn enough_files(devices: u32) -> Result<(), CliError> {
    app::raise_open_files();
    let Some(files) = app::open_files() else { return Ok(()) };
    let most = files.saturating_sub(OWN_FILES);
    if u64::from(devices) <= most {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "this process may have {files} files open, which is enough for {most} devices: run several with --first, \
         or raise the hard limit (ulimit -Hn)"
    )))
}

/// The loopback has many addresses.
fn sources(given: Vec<IpAddr>, server: &str, devices: u32) -> Vec<IpAddr> {
    let is_loopback = ["//127.", "//localhost"].iter().any(|host| server.contains(host));
    if !given.is_empty() || devices <= PORTS || !is_loopback {
        return given;
    }
    let count = devices.div_ceil(PORTS).min(250) as u8;
    (1..=count).map(|n| IpAddr::V4(Ipv4Addr::new(127, 0, 0, n))).collect()
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
