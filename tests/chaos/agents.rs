//! Real agents and a package of 20 MiB, while agents and the server are killed at random: all end on the target, and
//! none is ever without a version that is whole.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fleetward::domain::Sha256Hex;
use serde_json::{Value, json};

use super::moment::{pass, until};
use super::place::{Outcome, Place, tell};
use super::server::Server;

const BINARY: &str = env!("CARGO_BIN_EXE_fleetward-agent");
const SIZE: usize = 20 * 1024 * 1024;
/// So that a download lasts long enough to be met by a kill.
const BYTES_PER_SECOND: usize = SIZE / 10;
/// Agents that are killed at once, about.
const UNLUCKY: usize = 8;

/// A device that ran 1.0.0 from before Fleetward, and the agent on it.
pub struct Agent {
    dir: PathBuf,
    name: String,
    url: String,
    token: String,
    child: Option<Child>,
}

impl Agent {
    /// A device in this folder, whose agent is not started yet.
    pub fn new(dir: PathBuf, name: String, server: &Server, token: &str) -> Self {
        fs::create_dir_all(dir.join("app1")).unwrap();
        fs::write(dir.join("app1/VERSION"), "1.0.0\n").unwrap();
        let text = format!("[reconnect]\nbase_ms = 200\ncap_s = 4\n[modules.app1]\ndir = {:?}\n", dir.join("app1"));
        fs::write(dir.join("agent.toml"), text).unwrap();
        Self { dir, name, url: server.url(), token: token.to_owned(), child: None }
    }

    pub fn start(&mut self) {
        let messages = File::options().append(true).create(true).open(self.dir.join("messages")).unwrap();
        let mut command = Command::new(BINARY);
        command.env_clear().args(["--server", &self.url, "--device-id", &self.name, "--token", &self.token]);
        command.args(["--interval", "10s", "--log", "info", "--config"]).arg(self.dir.join("agent.toml"));
        command.arg("--state-dir").arg(self.dir.join("state"));
        self.child = Some(command.stderr(messages).spawn().unwrap());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn app1(&self) -> PathBuf {
        self.dir.join("app1")
    }

    /// The version that runs; a panic when it is not whole.
    fn runs(&self, sha256: &Sha256Hex) -> &'static str {
        let Ok(current) = fs::read_link(self.app1().join("current")) else { return "1.0.0" };
        assert_eq!(current, PathBuf::from("versions/1.1.0"), "{}", self.name);
        let bytes = fs::read(self.app1().join("current/app1")).unwrap_or_default();
        assert_eq!(Sha256Hex::of(&bytes), *sha256, "{} runs {} bytes that are not the package", self.name, bytes.len());
        "1.1.0"
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn run(place: &mut Place) -> Outcome {
    if !place.long {
        return Outcome::Skipped("it takes minutes; `long agents` runs it".to_owned());
    }
    let count = place.agents.unwrap_or(50);
    let bytes = place.bytes(SIZE);
    let sha256 = Sha256Hex::of(&bytes);
    let mut server = Server::start(place, &[]);
    let token = server.command("enrolment-token create");
    let agent = |n| Agent::new(place.path(format!("t-{n:03}")), format!("t-{n:03}"), &server, &token);
    let mut agents: Vec<Agent> = (0..count).map(agent).collect();
    agents.iter_mut().for_each(Agent::start);
    server.all_connected(count, Duration::from_secs(120));
    server.upload(place, "app1", "1.1.0", &bytes);
    let (status, answer) = server.post("/api/v1/rollouts", &rollout());
    assert_eq!(status, 201, "{answer}");
    let begun = Instant::now();
    let (mut kills, mut server_kills) = (0, 0);
    while !has_ended(&server) {
        assert!(begun.elapsed() < Duration::from_secs(1800), "{}", server.json("/api/v1/rollouts/1"));
        pass(place.millis(50..600));
        let first = usize::try_from(place.between(0..count)).unwrap();
        let unlucky: Vec<usize> = (first..agents.len()).step_by(agents.len() / UNLUCKY + 1).collect();
        unlucky.iter().for_each(|n| agents[*n].kill());
        for n in &unlucky {
            agents[*n].runs(&sha256);
        }
        pass(place.millis(0..200));
        unlucky.iter().for_each(|n| agents[*n].start());
        kills += unlucky.len();
        if place.between(0..8) == 0 {
            server.kill();
            pass(place.millis(0..700));
            server.start_again();
            server_kills += 1;
        }
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let ended = server.json("/api/v1/rollouts/1");
    assert_eq!((&ended["state"], &ended["counts"]["verified"]), (&json!("completed"), &json!(count)), "{ended}");
    let on_target = || {
        let there = agents.iter().filter(|agent| agent.runs(&sha256) == "1.1.0").count();
        (there == agents.len()).then_some(there)
    };
    let (on_target, _) = until("every device runs the target", Duration::from_secs(60), on_target);
    tell("agents, kills of agents, kills of the server", format!("{count}, {kills}, {server_kills}"));
    tell("on target, corrupt", format!("{on_target}, 0"));
    tell("minutes", format!("{minutes:.1}"));
    drop(agents);
    assert!(server.stop().0.success());
    server.has_not_panicked();
    Outcome::Done
}

fn rollout() -> Value {
    // A kill is nobody's fault, and the server's own time away counts.
    let timeouts = json!({"offered": 10, "downloading": 120, "installing": 600, "verifying": 600});
    let policy = json!({
        "max_in_flight": 20, "stages": [{"percent": 100}], "health_window_s": 1, "attempts": 100,
        "max_failures": 100_000, "max_failure_percent": 100, "timeouts_s": timeouts, "bytes_per_second": BYTES_PER_SECOND,
    });
    json!({"packages": [{"name": "app1", "version": "1.1.0"}], "policy": policy})
}

fn has_ended(server: &Server) -> bool {
    let Some((200, text)) = server.ask("/api/v1/rollouts/1") else { return false };
    serde_json::from_str::<Value>(&text).is_ok_and(|rollout| rollout["state"] != "running")
}
