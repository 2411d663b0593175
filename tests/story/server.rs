//! A real `fleetward serve` in a process of its own, and verbs to work with it.

use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fleetward::cli::simulate::{Swarm, SwarmSettings, device_url, names};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_fleetward");

/// A server on a data folder of its own.
pub struct Server {
    dir: tempfile::TempDir,
    flags: Vec<String>,
    process: Option<Child>,
    pub address: String,
    token: String,
}

impl Server {
    /// Starts on a free port.
    pub fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let address = "127.0.0.1:0".to_owned();
        let mut server = Self { dir, flags, process: None, address, token: String::new() };
        server.start_again();
        server.token = server.made("token create --name story --role admin");
        server
    }

    /// Starts on the same folder and port as before.
    pub fn start_again(&mut self) {
        let mut command = self.command(&["serve", "--listen", &self.address]);
        let mut process = command.args(&self.flags).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut told = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = told.next().expect("the server ended before it listened").unwrap();
        self.address = line.strip_prefix("Fleetward listens on ").expect(&line).to_owned();
        // What it prints later must find a reader.
        std::thread::spawn(move || told.for_each(drop));
        self.process = Some(process);
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM, and how long it took to end well.
    pub fn stop(&mut self) -> Duration {
        let mut process = self.process.take().unwrap();
        let asked = Instant::now();
        let kill = Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert!(kill.success());
        assert!(process.wait().unwrap().success());
        asked.elapsed()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().env("FLEETWARD_LOG", "warn").env("FLEETWARD_SERVER", self.url());
        command.env("FLEETWARD_TOKEN", &self.token).arg("--data-dir").arg(self.path("data")).args(arguments);
        command
    }

    fn output(&self, line: &str) -> Output {
        self.command(&line.split(' ').collect::<Vec<_>>()).output().unwrap()
    }

    /// Runs a command that is to go well, and gives what it printed.
    pub fn made(&self, line: &str) -> String {
        let output = self.output(line);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fleetward {line}: {why}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The same with `--json`.
    pub fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.made(&format!("{line} --json"))).unwrap()
    }

    /// Uploads bytes as a version of a module.
    pub fn upload(&self, name: &str, version: &str, bytes: &[u8]) {
        let file = self.path(&format!("{name}-{version}.bin"));
        std::fs::write(&file, bytes).unwrap();
        self.made(&format!("package upload {name} {version} {}", file.display()));
    }

    /// Simulated devices `sim-1`, `sim-2`, ... of this server, quick ones.
    pub fn devices(&self, count: u32, interval: Duration, ledger: Option<&Path>) -> Swarm {
        let (interval, ledger) = (Some(interval), ledger.map(Path::to_path_buf));
        Swarm::start(SwarmSettings { interval, ledger, ..self.swarm(count) }).unwrap()
    }

    pub fn swarm(&self, count: u32) -> SwarmSettings {
        SwarmSettings {
            url: device_url(&self.url()).unwrap(),
            token: Some(self.made("enrolment-token create")),
            devices: names("sim-", 1, count).unwrap(),
            modules: [("app1".parse().unwrap(), "1.0.0".parse().unwrap())].into_iter().collect(),
            interval: None,
            closed_loop: false,
            start_together: false,
            connect_rate: 1000.0,
            sources: Vec::new(),
            check_packages: true,
            install_time: Duration::from_millis(50),
            fail_rate: 0.0,
            longest_wait: None,
            seed: None,
            state: None,
            ledger: None,
        }
    }

    /// How many assignments of a rollout are in a state, now.
    pub fn count(&self, rollout: u64, state: &str) -> u64 {
        self.json(&format!("rollout show {rollout}"))["counts"][state].as_u64().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Looks again and again until there is an answer; fails when there is none in time.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in 90 s it did not come to this: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
