//! Programs on the device, by the agent's socket.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE, Package};

/// A device whose agent has a socket.
async fn device() -> (Bench, PathBuf) {
    let mut bench = Bench::new().await;
    let socket = bench.folder.path().join("apps.sock");
    bench.head = format!("[apps]\nsocket = {socket:?}\nmax_delay = '5s'");
    (bench, socket)
}

struct Program(BufReader<UnixStream>);

impl Program {
    async fn connect(socket: &PathBuf) -> Self {
        Self(BufReader::new(UnixStream::connect(socket).await.unwrap()))
    }

    async fn send(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// The next line; `None` when the agent let go.
    async fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        timeout(PATIENCE, self.0.read_line(&mut line)).await.unwrap().ok()?;
        serde_json::from_str(&line).ok()
    }

    async fn hears_nothing_for(&mut self, time: Duration) -> bool {
        timeout(time, self.0.fill_buf()).await.is_err()
    }

    async fn say(&mut self, line: &Value) -> Value {
        self.send(&line.to_string()).await;
        self.hear().await.unwrap()
    }
}

#[tokio::test]
async fn what_programs_say_is_reported_and_an_update_waits_for_them() {
    let (bench, socket) = device().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    let mut program = Program::connect(&socket).await;
    let ok = json!({"ok":true});
    assert_eq!(program.say(&json!({"status":{"process":"door","status":"open"}})).await, ok);
    assert_eq!(program.say(&json!({"extra":{"fields":{"passengers":12}}})).await, ok);
    let report = session.hear_the(|message| message["passengers"] == 12).await;
    assert_eq!(report["status"], json!([{"process":"door","status":"open"}]), "{report}");
    assert_eq!(program.say(&json!({"updates":true})).await, ok);
    assert_eq!(program.hear().await.unwrap(), json!({"update":{"state":"none"}}));
    let package = Package::of("2.0.0", b"two".to_vec());
    session.offer(&package).await;
    session.push(&package, 0, 3).await;
    let waiting = program.hear().await.unwrap();
    assert_eq!(waiting["update"]["state"], "waiting", "{waiting}");
    assert_eq!(waiting["update"]["packages"], json!([{"module":"app1","version":"2.0.0"}]));
    assert_eq!(program.say(&json!({"delay":{"seconds":3}})).await, json!({"ok":true,"delayed_s":3}));
    assert!(program.hears_nothing_for(Duration::from_millis(2200)).await, "without the delay it would be over");
    assert!(!bench.app1().join("current").exists(), "it waits");
    assert_eq!(program.say(&json!({"delay":{"seconds":0}})).await["ok"], true);
    assert_eq!(program.hear().await.unwrap()["update"]["state"], "switching");
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    assert_eq!(program.hear().await.unwrap(), json!({"update":{"state":"none"}}));
    agent.stop();
}

#[tokio::test]
async fn nonsense_is_answered_too_much_is_let_go_and_the_others_are_served() {
    let (bench, socket) = device().await;
    let agent = bench.start();
    let (_session, _) = bench.welcome().await;
    let mut good = Program::connect(&socket).await;
    let mut bad = Program::connect(&socket).await;
    for line in ["", "{", "[]", "{\"status\":{}}", "{\"fly\":true}", "{\"extra\":{\"fields\":{\"type\":1}}}", "\u{1}"] {
        bad.send(line).await;
        assert!(bad.hear().await.unwrap()["error"].is_string(), "{line}");
    }
    bad.send(&"x".repeat(20_000)).await;
    assert!(bad.hear().await.unwrap()["error"].as_str().unwrap().contains("16384"));
    assert_eq!(bad.hear().await, None, "let go");
    let mut crowd = Vec::new();
    for _ in 0..15 {
        crowd.push(Program::connect(&socket).await);
        assert!(crowd.last_mut().unwrap().say(&json!({"updates":false})).await["ok"].is_boolean());
    }
    let mut one_more = Program::connect(&socket).await;
    assert!(one_more.hear().await.unwrap()["error"].as_str().unwrap().contains("too many"));
    assert_eq!(good.say(&json!({"delay":{"seconds":99999}})).await["delayed_s"], 5);
    drop(crowd);
    agent.stop();
}

#[tokio::test]
async fn the_program_in_c_plus_plus_is_understood() {
    if !Command::new("g++").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("SKIPPED: there is no g++ here");
        return;
    }
    let (bench, socket) = device().await;
    let program = bench.folder.path().join("app");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/device/app_socket.cpp");
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source);
    assert!(compiler.status().unwrap().success());
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let child = Command::new(&program).arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
    let report = session.hear_the(|message| message["weather"] == "rain").await;
    assert_eq!((&report["status"][0]["status"], &report["doors"]["front"]), (&json!("at stop 12"), &json!("open")));
    assert_eq!(session.install(&Package::of("2.0.0", b"two".to_vec())).await["outcome"], "installed");
    agent.stop();
    let said = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.contains(&r#"{"ok":true,"delayed_s":1}"#) && said.contains("switching"), "{said}");
}
