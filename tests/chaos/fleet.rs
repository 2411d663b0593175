//! A simulated fleet as a process, with its ledger of acknowledged reports.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::moment::until;
use super::place::{Place, signal};
use super::server::{BINARY, Server};

/// What a fleet is to be.
pub struct Devices<'a> {
    /// Also the name of its files.
    pub prefix: &'a str,
    pub count: u64,
    pub interval: Duration,
    /// `None`: as the protocol says.
    pub longest_wait: Option<Duration>,
    pub connect_rate: u32,
}

impl Devices<'_> {
    pub fn quick(count: u64, interval: Duration) -> Self {
        let longest_wait = Some(Duration::from_secs(1));
        Self { prefix: "sim-", count, interval, longest_wait, connect_rate: 400 }
    }
}

pub struct Fleet {
    process: Child,
    told: PathBuf,
    pub ledger: PathBuf,
}

impl Fleet {
    /// Starts devices that come to `address`: the server's, or a proxy's before it. A second fleet of the same prefix
    /// is the same devices.
    pub fn start(place: &Place, server: &Server, address: &str, devices: &Devices<'_>) -> Self {
        let state = place.path(format!("{}devices.json", devices.prefix));
        let runs = (0..).find(|n| !place.path(format!("{}{n}.ledger", devices.prefix)).exists()).unwrap();
        let told = place.path(format!("{}{runs}.summary.json", devices.prefix));
        let ledger = place.path(format!("{}{runs}.ledger", devices.prefix));
        let mut command = Command::new(BINARY);
        command.env_clear().env("FLEETWARD_LOG", "error");
        command.args(["simulate", "--json", "--server", &format!("http://{address}")]);
        command.args(["--token", &server.command("enrolment-token create"), "--prefix", devices.prefix]);
        command.args(["--devices", &devices.count.to_string(), "--install-time", "100ms"]);
        command.args(["--interval", &format!("{}ms", devices.interval.as_millis())]);
        command.args(["--connect-rate", &devices.connect_rate.to_string()]);
        command.args(["--seed", &(place.seed + runs).to_string()]);
        command.arg("--state").arg(state).arg("--ledger").arg(&ledger);
        if let Some(wait) = devices.longest_wait {
            command.args(["--longest-wait", &format!("{}ms", wait.as_millis())]);
        }
        let messages = File::create(place.path(format!("{}{runs}.messages", devices.prefix))).unwrap();
        let process =
            command.stdout(File::create(&told).unwrap()).stderr(messages).stdin(Stdio::null()).spawn().unwrap();
        Self { process, told, ledger }
    }

    /// Reports that were acknowledged, as far as the ledger is written.
    pub fn acknowledged(&self) -> u64 {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.ledger) {
            file.read_to_end(&mut bytes).unwrap();
        }
        bytes.iter().filter(|byte| **byte == b'\n').count() as u64
    }

    /// Ends it, and what it told of itself.
    pub fn stop(mut self) -> Value {
        signal(self.process.id(), "INT");
        until("the fleet ends", Duration::from_secs(60), || self.process.try_wait().unwrap());
        let told = std::fs::read_to_string(&self.told).unwrap();
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{told:?}: {error}"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
