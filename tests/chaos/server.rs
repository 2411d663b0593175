//! The server as a process: started, killed, stopped, frozen, asked.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::moment::until;
use super::place::{Place, made, signal};

pub const BINARY: &str = env!("CARGO_BIN_EXE_fleetward");

pub struct Server {
    data: PathBuf,
    messages: PathBuf,
    flags: Vec<String>,
    settings: Vec<(String, String)>,
    process: Option<Child>,
    pub address: String,
    token: String,
    agent: ureq::Agent,
}

impl Server {
    /// Starts on a free port with a data folder of its own.
    pub fn start(place: &Place, flags: &[&str]) -> Self {
        Self::start_in(place, &place.path("data"), flags, &[])
    }

    /// Starts with this data folder and these further settings, `FLEETWARD_*`.
    pub fn start_in(place: &Place, data: &Path, flags: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare(place, data, flags, settings);
        server.start_first();
        server
    }

    /// The same, and does not start it yet.
    pub fn prepare(place: &Place, data: &Path, flags: &[&str], settings: &[(&str, &str)]) -> Self {
        let agent =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(20)));
        Self {
            data: data.to_owned(),
            messages: place.path("server.messages"),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            settings: settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
            process: None,
            address: "127.0.0.1:0".to_owned(),
            token: String::new(),
            agent: agent.build().into(),
        }
    }

    /// Starts for the first time.
    pub fn start_first(&mut self) {
        self.start_again();
        self.token = self.command("token create --name chaos --role admin");
    }

    /// Starts, and nobody waits until it has.
    pub fn starting(&self) -> Child {
        let messages = OpenOptions::new().append(true).create(true).open(&self.messages).unwrap();
        let mut command = self.program();
        command.args(["serve", "--listen", &self.address]).args(&self.flags);
        command.stdout(Stdio::piped()).stderr(messages).spawn().unwrap()
    }

    /// Starts on the same folder and port as before.
    pub fn start_again(&mut self) {
        let mut process = self.starting();
        let told = BufReader::new(process.stdout.take().unwrap());
        self.process = Some(process);
        let (lines, line) = mpsc::channel();
        // What it prints later must find a reader; nobody may be waiting for it.
        std::thread::spawn(move || told.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        let line = line.recv_timeout(Duration::from_secs(60));
        let line = line.unwrap_or_else(|_| panic!("the server did not start; see {}", self.messages.display()));
        self.address = line.strip_prefix("Fleetward listens on ").expect(&line).to_owned();
    }

    fn program(&self) -> Command {
        let mut command = Command::new(BINARY);
        command.env_clear().env("FLEETWARD_LOG", "info").env("FLEETWARD_SERVER", self.url());
        // The harness is no fleet that flaps: it makes devices come again and again.
        command.env("FLEETWARD_LIMITS_CONNECTS_PER_MIN", "10000");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("FLEETWARD_TOKEN", &self.token).arg("--data-dir").arg(&self.data);
        command
    }

    /// Runs a command of the program that is to go well.
    pub fn command(&self, line: &str) -> String {
        made(self.program().args(line.split(' ')))
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn process(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM; how it ended, and after how long.
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        let mut process = self.process.take().unwrap();
        let asked = Instant::now();
        signal(process.id(), "TERM");
        let (status, _) = until("the server ends", Duration::from_secs(60), || process.try_wait().unwrap());
        (status, asked.elapsed())
    }

    /// Not a step further for this long.
    pub fn freeze(&self, time: Duration) {
        signal(self.process(), "STOP");
        super::moment::pass(time);
        signal(self.process(), "CONT");
    }

    /// Asks the API, or any page; `None` when there is no answer.
    pub fn ask(&self, path: &str) -> Option<(u16, String)> {
        let request =
            self.agent.get(format!("{}{path}", self.url())).header("authorization", format!("Bearer {}", self.token));
        let mut answer = request.call().ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().ok()?))
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, text) = self.ask(path).unwrap_or_else(|| panic!("no answer from {path}"));
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.url()));
        let mut answer = request.header("authorization", format!("Bearer {}", self.token)).send_json(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_json().unwrap())
    }

    /// A number of `/metrics`; `None` while the server does not answer.
    pub fn metric(&self, name: &str) -> Option<u64> {
        // Without a token, which callers on this machine need not have: the database may be away.
        let mut answer = self.agent.get(format!("{}/metrics", self.url())).call().ok()?;
        let text = answer.body_mut().read_to_string().ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())?;
        Some(value as u64)
    }

    pub fn connections(&self) -> u64 {
        self.metric("fleetward_connections ").unwrap_or(0)
    }

    /// Waits until so many devices are connected; how long it took.
    pub fn all_connected(&self, devices: u64, within: Duration) -> Duration {
        until(&format!("{devices} devices are connected"), within, || (self.connections() == devices).then_some(())).1
    }

    /// Sockets that the machine has open at the server's port.
    pub fn sockets(&self) -> usize {
        let port: u16 = self.address.rsplit(':').next().unwrap().parse().unwrap();
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ours = |line: &&str| {
            let mut words = line.split_whitespace().skip(1);
            let local = words.next().is_some_and(|local| local.ends_with(&format!(":{port:04X}")));
            local && words.nth(1) == Some("01")
        };
        table.lines().filter(ours).count()
    }

    /// Memory in use and the most there was since [`Server::forget_peak`], MiB.
    pub fn memory(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process())).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Counts the peak of memory from now on.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.process()), "5").unwrap();
    }

    /// Uploads a version of a module.
    pub fn upload(&self, place: &Place, name: &str, version: &str, bytes: &[u8]) {
        let file = place.path(format!("{name}-{version}.bin"));
        std::fs::write(&file, bytes).unwrap();
        self.command(&format!("package upload {name} {version} {}", file.display()));
    }

    /// Fails when a part of the server has panicked.
    pub fn has_not_panicked(&self) {
        let messages = BufReader::new(File::open(&self.messages).unwrap()).lines().map_while(Result::ok);
        let panics: Vec<String> = messages.filter(|line| line.contains("panicked")).take(5).collect();
        assert!(panics.is_empty(), "{panics:#?}");
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
