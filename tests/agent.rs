//! The agent against a server that the test plays: real sockets, real files, real commands.
#![cfg(feature = "agent")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetward::agent::config::{Args, Config};
use fleetward::agent::run::run_until;
use fleetward::domain::Sha256Hex;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

const PATIENCE: Duration = Duration::from_secs(15);

/// A device's folders, and the server's ear.
struct Bench {
    folder: tempfile::TempDir,
    listener: TcpListener,
    config: String,
}

/// A running agent; stops when asked.
struct Agent {
    stop: watch::Sender<bool>,
    task: std::thread::JoinHandle<anyhow::Result<()>>,
}

impl Agent {
    fn stop(self) {
        self.stop.send(true).unwrap();
        self.task.join().unwrap().unwrap();
    }
}

impl Bench {
    /// A device with app1 in version 1.0.0 from before Fleetward.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bench = Self { folder, listener, config: String::new() };
        std::fs::create_dir(bench.app1()).unwrap();
        std::fs::write(bench.app1().join("VERSION"), "1.0.0\n").unwrap();
        bench
    }

    fn app1(&self) -> PathBuf {
        self.folder.path().join("app1")
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Words for the module's part of the configuration.
    fn with(mut self, config: &str) -> Self {
        self.config = config.to_owned();
        self
    }

    fn start(&self) -> Agent {
        let path = self.folder.path().join("agent.toml");
        let head = "[reconnect]\nbase_ms = 20\ncap_s = 1\n";
        let text = format!("{head}[modules.app1]\ndir = {:?}\n{}\n", self.app1(), self.config);
        std::fs::write(&path, text).unwrap();
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

    async fn accept(&self) -> Session {
        let (stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("the agent connects").unwrap();
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
    async fn welcome(&self) -> (Session, Value) {
        let mut session = self.accept().await;
        let hello = session.hear().await;
        assert!(hello.get("version_list").is_some(), "the first message is a hello: {hello}");
        session.say(welcome()).await;
        (session, hello)
    }
}

fn welcome() -> Value {
    json!({"type":"welcome","device_id":"t-001","server_time":"2026-11-22T08:48:00.123Z","report_interval_s":30,
           "protocol":1})
}

/// The server's end of one connection.
struct Session {
    socket: WebSocketStream<TcpStream>,
    token: String,
}

impl Session {
    async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn hear_or_end(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the agent says something") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn hear(&mut self) -> Value {
        self.hear_or_end().await.expect("the agent ended the connection")
    }

    /// The next message of which `which` holds; reports and others between are passed over.
    async fn hear_the(&mut self, which: impl Fn(&Value) -> bool) -> Value {
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

    async fn hear_type(&mut self, kind: &str) -> Value {
        self.hear_the(|message| message["type"] == kind).await
    }

    async fn hear_report(&mut self) -> Value {
        self.hear_the(|message| message.get("seq").is_some()).await
    }

    async fn offer(&mut self, package: &Package) -> Value {
        let offer = json!({"app_name":"app1","version":package.version,"size":package.bytes.len(),
            "sha256":package.sha256,"allow_rollback":package.allow_rollback});
        self.say(json!({"type":"update_list","rollout_id":7,"update_list":[offer]})).await;
        self.hear_the(|message| message.get("update_list").is_some()).await
    }

    /// Sends `bytes` of the package from `offset`, in frames, within the window of the agent's progress.
    async fn push(&mut self, package: &Package, offset: usize, until: usize) -> usize {
        self.say(json!({"type":"package","app_name":"app1","version":package.version,"size":package.bytes.len(),
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
    async fn install(&mut self, package: &Package) -> Value {
        let reply = self.offer(package).await;
        let offset = reply["update_list"][0]["offset"].as_u64().unwrap_or_else(|| panic!("not wanted: {reply}"));
        self.push(package, offset as usize, package.bytes.len()).await;
        self.hear_type("result").await
    }

    async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

struct Package {
    version: String,
    bytes: Vec<u8>,
    sha256: String,
    allow_rollback: bool,
}

impl Package {
    fn of(version: &str, bytes: Vec<u8>) -> Self {
        let sha256 = Sha256Hex::of(&bytes).to_string();
        Self { version: version.into(), bytes, sha256, allow_rollback: false }
    }

    /// A tar with these files.
    fn tar(version: &str, files: &[(&str, &str)]) -> Self {
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

fn versions(hello: &Value) -> Vec<(String, String)> {
    let entry = |e: &Value| (e["app_name"].as_str().unwrap().into(), e["version"].as_str().unwrap().into());
    hello["version_list"].as_array().unwrap().iter().map(entry).collect()
}

fn app1_runs(hello: &Value, version: &str) -> bool {
    versions(hello) == [("app1".to_owned(), version.to_owned())]
}

fn current(app1: &Path) -> String {
    std::fs::read_link(app1.join("current")).unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn it_enrols_keeps_its_own_token_and_connects_with_it_ever_after() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let mut session = bench.accept().await;
    assert_eq!(session.token, "Bearer enrol-me");
    let hello = session.hear().await;
    assert!(app1_runs(&hello, "1.0.0"), "{hello}");
    let mut welcome = welcome();
    welcome["device_token"] = json!("its-own");
    session.say(welcome).await;
    session.hear_report().await;
    // Something was said after the welcome, so the token is on disk by now.
    let stored = std::fs::read_to_string(bench.state().join("device.token")).unwrap();
    assert_eq!(stored.trim(), "its-own");
    drop(session);
    assert_eq!(bench.accept().await.token, "Bearer its-own");
    agent.stop();
    let agent = bench.start();
    assert_eq!(bench.accept().await.token, "Bearer its-own");
    agent.stop();
}

#[tokio::test]
async fn nothing_is_said_between_hello_and_welcome() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let mut session = bench.accept().await;
    session.hear().await;
    let early = timeout(Duration::from_millis(2500), session.socket.next()).await;
    assert!(early.is_err(), "said before the welcome: {early:?}");
    session.say(welcome()).await;
    session.hear_report().await;
    agent.stop();
}

#[tokio::test]
async fn a_report_is_sent_again_until_it_is_acknowledged_and_numbers_go_on() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let first = session.hear_report().await;
    assert_eq!((first["seq"].as_u64(), first["device_id"].as_str()), (Some(1), Some("t-001")));
    assert!(first["cpu_utilization"].is_number() && first["load_average"].is_array(), "{first}");
    let second = session.hear_report().await;
    assert_eq!(second["seq"], 2);
    session.say(json!({"type":"ack","seq":1,"boot_id":first["boot_id"]})).await;
    drop(session);
    let (mut session, _) = bench.welcome().await;
    assert_eq!(session.hear_report().await, second, "the unacknowledged one comes first, as it was");
    // A report that the server will never take is not sent again.
    session.say(json!({"type":"error","code":"bad_message","message":"no","seq":2})).await;
    assert_eq!(session.hear_report().await["seq"], 3);
    agent.stop();
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let after = session.hear_report().await;
    assert_eq!(after["boot_id"], first["boot_id"]);
    loop {
        // The acknowledged and refused ones may come again after a restart, under their old numbers.
        if session.hear_report().await["seq"].as_u64() >= Some(4) {
            break;
        }
    }
    agent.stop();
}

#[tokio::test]
async fn an_archive_is_installed_started_checked_and_told() {
    let bench = Bench::new().await.with("start = 'cp app.sh ../../started'\nhealth = 'sh app.sh'\nsettle = '0s'");
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::tar("1.1.0", &[("app.sh", "exit 0"), ("etc/app.conf", "a=1")]);
    let result = session.install(&package).await;
    assert_eq!((&result["outcome"], &result["version"]), (&json!("installed"), &json!("1.1.0")), "{result}");
    let hello = session.hear_the(|message| message.get("version_list").is_some()).await;
    assert!(app1_runs(&hello, "1.1.0"), "{hello}");
    assert_eq!(current(&bench.app1()), "versions/1.1.0");
    assert_eq!(std::fs::read_to_string(bench.app1().join("started")).unwrap(), "exit 0");
    let reply = session.offer(&package).await;
    assert_eq!(reply["declined"][0]["reason"], "not_newer");
    let old = Package::tar("1.0.5", &[("app.sh", "exit 0")]);
    assert_eq!(session.offer(&old).await["declined"][0]["reason"], "not_newer");
    let back = Package { allow_rollback: true, ..old };
    assert_eq!(session.install(&back).await["outcome"], "installed");
    assert_eq!(current(&bench.app1()), "versions/1.0.5");
    agent.stop();
}

#[tokio::test]
async fn two_versions_are_kept() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    for version in ["2", "3", "4"] {
        assert_eq!(session.install(&Package::of(version, version.into())).await["outcome"], "installed");
    }
    let mut left: Vec<String> = std::fs::read_dir(bench.app1().join("versions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["3", "4"]);
    assert_eq!(std::fs::read(bench.app1().join("current/app1")).unwrap(), b"4");
    let downloads = std::fs::read_dir(bench.state().join("downloads")).unwrap().count();
    assert_eq!(downloads, 0, "what is installed is not kept twice");
    agent.stop();
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let package = Package::of("2.0.0", bytes);
    assert_eq!(session.offer(&package).await["update_list"][0]["offset"], 0);
    session.push(&package, 0, 2_000_000).await;
    let told = session.hear_the(|m| m["received"].as_u64() >= Some(1_800_000)).await["received"].as_u64();
    drop(session);
    let (mut session, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "1.0.0"), "{hello}");
    let reply = session.offer(&package).await;
    let offset = reply["update_list"][0]["offset"].as_u64().unwrap();
    assert!(Some(offset) >= told && offset <= 2_000_000, "{reply}");
    // And once more, with the agent itself gone in between.
    session.push(&package, offset as usize, 2_500_000).await;
    session.hear_the(|m| m["received"].as_u64() >= Some(2_200_000)).await;
    agent.stop();
    drop(session);
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let reply = session.offer(&package).await;
    let offset = reply["update_list"][0]["offset"].as_u64().unwrap();
    assert!(offset >= 2_200_000, "{reply}");
    session.push(&package, offset as usize, package.bytes.len()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    assert_eq!(std::fs::read(bench.app1().join("current/app1")).unwrap(), package.bytes);
    agent.stop();
}

#[tokio::test]
async fn bytes_that_are_not_the_package_are_not_installed_and_do_not_stay() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let mut package = Package::of("2.0.0", b"something else".to_vec());
    package.sha256 = Sha256Hex::of(b"the right thing").to_string();
    for _ in 0..4 {
        // The link may be at fault, so the package never becomes known as bad.
        let reply = session.offer(&package).await;
        assert_eq!(reply["update_list"][0]["offset"], 0, "{reply}");
        session.push(&package, 0, package.bytes.len()).await;
        let result = session.hear_type("result").await;
        assert_eq!(result["outcome"], "failed");
        assert!(result["error"].as_str().unwrap().contains("sha256"), "{result}");
    }
    assert!(!bench.app1().join("current").exists());
    agent.stop();
}

#[tokio::test]
async fn a_version_that_fails_its_health_check_is_rolled_back_and_known_bad_after_three_times() {
    let words = "start = 'echo $FLEETWARD_VERSION > $OLDPWD/ran 2>/dev/null || true'\n\
        health = 'test $FLEETWARD_VERSION != 6 || { echo broken inside; exit 4; }'\nhealth_timeout = '500ms'\nsettle = '0s'";
    let bench = Bench::new().await.with(words);
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    assert_eq!(session.install(&Package::of("5", b"five".to_vec())).await["outcome"], "installed");
    let bad = Package::of("6", b"six".to_vec());
    for _ in 0..3 {
        let result = session.install(&bad).await;
        assert_eq!(result["outcome"], "rolled_back");
        assert!(result["error"].as_str().unwrap().contains("broken inside"), "{result}");
        assert_eq!(current(&bench.app1()), "versions/5");
    }
    assert_eq!(session.offer(&bad).await["declined"][0]["reason"], "known_bad");
    agent.stop();
    let agent = bench.start();
    let (mut session, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "5"), "{hello}");
    assert_eq!(session.offer(&bad).await["declined"][0]["reason"], "known_bad", "also after a restart");
    assert_eq!(session.install(&Package::of("7", b"seven".to_vec())).await["outcome"], "installed");
    agent.stop();
}

#[tokio::test]
async fn a_version_from_before_comes_back_when_the_first_update_fails() {
    let bench = Bench::new().await.with("start = 'test $FLEETWARD_VERSION = 1.0.0'");
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let result = session.install(&Package::of("2", b"two".to_vec())).await;
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    assert!(!bench.app1().join("current").exists() && !bench.app1().join("versions/2").exists());
    drop(session);
    let (_, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "1.0.0"), "{hello}");
    agent.stop();
}

#[tokio::test]
async fn an_evil_archive_is_refused_and_the_old_version_stays() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_mode(0o777);
    header.set_size(0);
    tar.append_link(&mut header, "link", "/etc").unwrap();
    let result = session.install(&Package::of("2", tar.into_inner().unwrap())).await;
    assert_eq!(result["outcome"], "failed");
    assert!(result["error"].as_str().unwrap().contains("neither a file nor a folder"), "{result}");
    assert!(!bench.app1().join("current").exists());
    agent.stop();
}

#[tokio::test]
async fn a_result_that_could_not_be_told_is_told_after_the_next_welcome() {
    let bench = Bench::new().await.with("health = 'test -e ../../go'\nhealth_timeout = '60s'\nsettle = '0s'");
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", b"two".to_vec());
    session.offer(&package).await;
    session.push(&package, 0, 3).await;
    session.hear_the(|m| m["received"] == 3).await;
    drop(session);
    // While the install waits for its health, it goes on without a link, and the same module is busy.
    let (mut session, _) = bench.welcome().await;
    let other = Package::of("3", b"three".to_vec());
    assert_eq!(session.offer(&other).await["declined"][0]["reason"], "busy");
    drop(session);
    let mut session = bench.accept().await;
    std::fs::write(bench.app1().join("go"), "").unwrap();
    session.hear().await;
    let quiet = timeout(Duration::from_millis(2500), session.socket.next()).await;
    assert!(quiet.is_err(), "without a welcome nothing is told: {quiet:?}");
    session.say(welcome()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    drop(session);
    let (mut session, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "2"), "{hello}");
    assert!(session.hear_report().await.get("seq").is_some());
    let next = session.hear().await;
    assert_ne!(next["type"], "result", "it is told once");
    agent.stop();
}

#[tokio::test]
async fn a_package_called_off_is_not_installed_and_its_part_is_kept() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", vec![7; 600_000]);
    session.offer(&package).await;
    session.push(&package, 0, 400_000).await;
    session.hear_type("progress").await;
    session.say(json!({"type":"cancel","app_name":"app1","version":"2"})).await;
    let reply = session.offer(&package).await;
    assert_eq!(reply["update_list"][0]["offset"], 400_000, "{reply}");
    session.push(&package, 400_000, 600_000).await;
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    agent.stop();
}

#[tokio::test]
async fn what_was_not_asked_for_is_neither_kept_nor_installed() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", b"two".to_vec());
    session.push(&package, 0, 3).await;
    let result = session.hear_type("result").await;
    assert_eq!(result["outcome"], "failed");
    let elsewhere = json!({"app_name":"app9","version":"1","size":1,"sha256":package.sha256});
    session.say(json!({"type":"update_list","rollout_id":1,"update_list":[elsewhere]})).await;
    let reply = session.hear_the(|message| message.get("update_list").is_some()).await;
    assert_eq!(reply["declined"][0]["reason"], "incompatible");
    assert!(!bench.app1().join("versions").exists());
    agent.stop();
}

#[tokio::test]
async fn an_unreadable_journal_is_put_aside_and_the_disk_says_what_runs() {
    let bench =
        Bench::new().await.with("health = 'test $FLEETWARD_VERSION = 1'\nhealth_timeout = '300ms'\nsettle = '0s'");
    for version in ["1", "2"] {
        std::fs::create_dir_all(bench.app1().join("versions").join(version)).unwrap();
    }
    std::fs::remove_file(bench.app1().join("VERSION")).unwrap();
    std::os::unix::fs::symlink("versions/2", bench.app1().join("current")).unwrap();
    std::fs::create_dir(bench.state()).unwrap();
    std::fs::write(bench.state().join("journal.json"), "{\"active\":{\"mod").unwrap();
    let agent = bench.start();
    let (mut session, hello) = bench.welcome().await;
    // 2 is tried again, fails, and 1 comes back; whether that is before or after the first hello is all the same.
    if !app1_runs(&hello, "1") {
        session.hear_the(|m| m.get("version_list").is_some() && app1_runs(m, "1")).await;
    }
    assert!(bench.state().join("journal.json.unreadable").exists());
    assert_eq!(current(&bench.app1()), "versions/1");
    agent.stop();
}

#[tokio::test]
async fn a_restarting_server_is_not_stormed_and_a_refused_token_is_left_alone() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (session, _) = bench.welcome().await;
    session.close(1012, "restart within 1 s").await;
    let (session, _) = bench.welcome().await;
    session.close(4003, "revoked").await;
    let again = timeout(Duration::from_secs(3), bench.listener.accept()).await;
    assert!(again.is_err(), "a refused token is not tried again for minutes");
    agent.stop();
}

#[tokio::test]
async fn it_says_goodbye_when_it_is_stopped() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let goodbye: JoinHandle<bool> = tokio::spawn(async move {
        loop {
            match session.socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.is_some_and(|f| u16::from(f.code) == 1001),
                Some(Ok(_)) => {}
                _ => return false,
            }
        }
    });
    agent.stop();
    assert!(goodbye.await.unwrap());
}
