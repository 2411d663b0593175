//! A device in a folder, and the server that the test plays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetward::agent::config::{Args, Config};
use fleetward::agent::run::{Ended, run_until};
use fleetward::domain::Sha256Hex;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub const PATIENCE: Duration = Duration::from_secs(15);

/// A device's folders, and the server's ear.
pub struct Bench {
    pub folder: tempfile::TempDir,
    pub listener: TcpListener,
    pub config: String,
    /// Words for the top of the configuration.
    pub head: String,
}

/// A running agent; stops when asked.
pub struct Agent {
    pub stop: watch::Sender<bool>,
    pub task: std::thread::JoinHandle<anyhow::Result<Ended>>,
}

impl Agent {
    pub fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.join().unwrap().unwrap();
    }
}

impl Bench {
    /// A device with app1 in version 1.0.0 from before Fleetward.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bench = Self { folder, listener, config: String::new(), head: String::new() };
        std::fs::create_dir(bench.app1()).unwrap();
        std::fs::write(bench.app1().join("VERSION"), "1.0.0\n").unwrap();
        bench
    }

    pub fn app1(&self) -> PathBuf {
        self.folder.path().join("app1")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Words for the module's part of the configuration.
    pub fn with(mut self, config: &str) -> Self {
        self.config = config.to_owned();
        self
    }

    pub fn config_file(&self) -> PathBuf {
        let path = self.folder.path().join("agent.toml");
        let head = format!("{}\n[reconnect]\nbase_ms = 20\ncap_s = 1\n", self.head);
        let text = format!("{head}[modules.app1]\ndir = {:?}\n{}\n", self.app1(), self.config);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The program itself, for what only a process can show.
    pub fn spawn(&self) -> std::process::Child {
        std::process::Command::new(env!("CARGO_BIN_EXE_fleetward-agent"))
            .arg("--config")
            .arg(self.config_file())
            .arg("--state-dir")
            .arg(self.state())
            .args(["--device-id", "t-001", "--token", "enrol-me", "--interval", "1s"])
            .args(["--server", &format!("ws://{}", self.listener.local_addr().unwrap())])
            .spawn()
            .unwrap()
    }

    pub fn start(&self) -> Agent {
        let path = self.config_file();
        let args = Args {
            server: Some(format!("http://{}", self.listener.local_addr().unwrap())),
            device_id: Some("t-001".into()),
            token: Some("enrol-me".into()),
            state_dir: Some(self.state()),
            config: Some(path),
            interval: Some("1s".into()),
            ..Args::default()
        };
        let config = Config::new(args).unwrap();
        let (stop, stopped) = watch::channel(false);
        let task = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run_until(config, stopped))
        });
        Agent { stop, task }
    }

    /// The agent's next connection; `None` when it ended before.
    pub async fn accept_or_end(&self, agent: &mut std::process::Child) -> Option<Session> {
        loop {
            match timeout(Duration::from_millis(50), self.listener.accept()).await {
                Ok(accepted) => return Some(Self::upgrade(accepted.unwrap().0).await),
                Err(_) if agent.try_wait().unwrap().is_some() => return None,
                Err(_) => {}
            }
        }
    }

    pub async fn accept(&self) -> Session {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("the agent connects").unwrap();
        Self::upgrade(stream).await
    }

    async fn upgrade(stream: TcpStream) -> Session {
        let mut token = String::new();
        #[expect(clippy::result_large_err, reason = "the shape that tungstenite wants")]
        let look = |request: &Request, response: Response| {
            token = request.headers()["authorization"].to_str().unwrap().to_owned();
            assert_eq!(request.uri().path(), "/ws");
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, look).await.unwrap();
        Session { socket, token }
    }

    /// Accepts a connection and answers its hello.
    pub async fn welcome(&self) -> (Session, Value) {
        let mut session = self.accept().await;
        let hello = session.hear().await;
        assert!(hello.get("version_list").is_some(), "the first message is a hello: {hello}");
        session.say(welcome()).await;
        (session, hello)
    }
}

pub fn welcome() -> Value {
    json!({"type":"welcome","device_id":"t-001","server_time":"2026-11-22T08:48:00.123Z","report_interval_s":30,
           "protocol":1})
}

/// The server's end of one connection.
pub struct Session {
    pub socket: WebSocketStream<TcpStream>,
    pub token: String,
}

impl Session {
    pub async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn hear_or_end(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the agent says something") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn hear(&mut self) -> Value {
        self.hear_or_end().await.expect("the agent ended the connection")
    }

    /// The next message of which `which` holds; reports and others between are passed over.
    pub async fn hear_the(&mut self, which: impl Fn(&Value) -> bool) -> Value {
        let mut passed = Vec::new();
        let listening = async {
            loop {
                let message = self.hear().await;
                if which(&message) {
                    return message;
                }
                passed.push(message.get("seq").map_or_else(|| message.to_string(), |seq| format!("report {seq}")));
            }
        };
        let heard = timeout(PATIENCE, listening).await;
        heard.unwrap_or_else(|_| panic!("it was not said; what was: {passed:?}"))
    }

    pub async fn hear_type(&mut self, kind: &str) -> Value {
        self.hear_the(|message| message["type"] == kind).await
    }

    pub async fn hear_report(&mut self) -> Value {
        self.hear_the(|message| message.get("seq").is_some()).await
    }

    pub async fn offer(&mut self, package: &Package) -> Value {
        let offer = json!({"app_name":"app1","version":package.version,"size":package.bytes.len(),
            "sha256":package.sha256,"allow_rollback":package.allow_rollback});
        self.say(json!({"type":"update_list","rollout_id":7,"update_list":[offer]})).await;
        self.hear_the(|message| message.get("update_list").is_some()).await
    }

    /// Sends `bytes` of the package from `offset`, in frames, within the window of the agent's progress.
    pub async fn push(&mut self, package: &Package, offset: usize, until: usize) -> usize {
        self.push_of("app1", package, offset, until).await
    }

    pub async fn push_of(&mut self, module: &str, package: &Package, offset: usize, until: usize) -> usize {
        self.say(json!({"type":"package","app_name":module,"version":package.version,"size":package.bytes.len(),
            "sha256":package.sha256,"offset":offset}))
            .await;
        let (mut sent, mut told) = (offset, offset);
        while sent < until {
            while sent >= told + 1024 * 1024 {
                told = self.hear_type("progress").await["received"].as_u64().unwrap() as usize;
            }
            let end = (sent + 64 * 1024).min(until);
            self.socket.send(Message::binary(package.bytes[sent..end].to_vec())).await.unwrap();
            sent = end;
        }
        told
    }

    /// Offers, pushes the wanted rest, and returns the result.
    pub async fn install(&mut self, package: &Package) -> Value {
        let reply = self.offer(package).await;
        let offset = reply["update_list"][0]["offset"].as_u64().unwrap_or_else(|| panic!("not wanted: {reply}"));
        self.push(package, offset as usize, package.bytes.len()).await;
        self.hear_type("result").await
    }

    pub async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

pub struct Package {
    pub version: String,
    pub bytes: Vec<u8>,
    pub sha256: String,
    pub allow_rollback: bool,
}

impl Package {
    pub fn of(version: &str, bytes: Vec<u8>) -> Self {
        let sha256 = Sha256Hex::of(&bytes).to_string();
        Self { version: version.into(), bytes, sha256, allow_rollback: false }
    }

    /// A tar with these files.
    pub fn tar(version: &str, files: &[(&str, &str)]) -> Self {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        Self::of(version, tar.into_inner().unwrap())
    }
}

pub fn versions(hello: &Value) -> Vec<(String, String)> {
    let entry = |e: &Value| (e["app_name"].as_str().unwrap().into(), e["version"].as_str().unwrap().into());
    hello["version_list"].as_array().unwrap().iter().map(entry).collect()
}

pub fn app1_runs(hello: &Value, version: &str) -> bool {
    versions(hello) == [("app1".to_owned(), version.to_owned())]
}

pub fn current(app1: &Path) -> String {
    std::fs::read_link(app1.join("current")).unwrap().to_str().unwrap().to_owned()
}
