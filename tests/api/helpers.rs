//! A server of one's own for each test, and the verbs to talk to it.

use std::net::TcpListener;
use std::time::Duration;

use chrono::TimeDelta;
use fleetward::app::App;
use fleetward::clock::Clock;
use fleetward::config::Config;
use fleetward::domain::{DeviceAuth, DeviceId, KeyId, Modules, Role, Sha256Hex, Timestamp, TokenKind};
use fleetward::store::secrets::{hash_password, new_token};
use fleetward::store::{JoinOutcome, JoinRequest, Store};
use serde_json::Value;
use tokio::sync::oneshot;

pub const PASSWORD: &str = "correct horse";

pub struct TestApp {
    pub url: String,
    pub store: Store,
    pub clock: Clock,
    pub dir: tempfile::TempDir,
    agent: ureq::Agent,
    runtime: tokio::runtime::Runtime,
    /// Dropped, it stops the server.
    stop: Option<oneshot::Sender<()>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap_or(""))
    }

    /// `error.code`, which every error has.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Which fields the error names.
    pub fn fields(&self) -> Vec<String> {
        let json = self.json();
        json["error"]["fields"].as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

pub fn spawn_app() -> TestApp {
    spawn_with(|_| {})
}

/// A server with some of its settings changed.
pub fn spawn_with(change: impl FnOnce(&mut Config)) -> TestApp {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    config.limits.package_bytes = 4 << 20;
    config.limits.disk_reserve_bytes = 0;
    config.limits.api_reads_per_s = 0;
    config.limits.api_writes_per_s = 0;
    config.limits.live_streams = 3;
    change(&mut config);
    let clock = Clock::system();
    let (store, stop) = serve(config, listener, clock.clone());
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    TestApp { url, store, clock, dir, agent, runtime, stop: Some(stop) }
}

/// The real server, on a thread of its own.
fn serve(config: Config, listener: TcpListener, clock: Clock) -> (Store, oneshot::Sender<()>) {
    let (ready, is_ready) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = App::build_with_clock(config, listener, clock).await.unwrap();
            ready.send(app.store().clone()).unwrap();
            let stopped = async {
                let _ = stopped.await;
            };
            app.run(stopped).await.unwrap();
        });
    });
    (is_ready.blocking_recv().unwrap(), stop)
}

impl TestApp {
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A program's token of a role.
    pub fn token(&self, role: Role) -> String {
        let (token, hash) = new_token(TokenKind::Api).unwrap();
        let now = self.clock.now();
        self.wait(self.store.add_api_token(role.as_str(), role, &hash, "test", None, now)).unwrap();
        token
    }

    pub fn user(&self, name: &str, role: Role) {
        let hash = hash_password(PASSWORD).unwrap();
        self.wait(self.store.add_user(name, &hash, role, self.clock.now())).unwrap().unwrap();
    }

    /// A device that has said hello.
    pub fn device(&self, id: &str, modules: &[(&str, &str)]) -> KeyId {
        let modules: Modules = modules.iter().map(|(m, v)| (m.parse().unwrap(), v.parse().unwrap())).collect();
        let request = JoinRequest {
            device_id: DeviceId::new(id).unwrap(),
            auth: DeviceAuth::Open,
            modules,
            sets: true,
            new_token_hash: Sha256Hex::of(id.as_bytes()),
            readings: false,
            now: self.clock.now(),
        };
        match self.wait(self.store.join(request)).unwrap() {
            JoinOutcome::Joined { key_id, .. } => key_id,
            refused => panic!("{refused:?}"),
        }
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = if matches!(method, "GET" | "HEAD" | "DELETE") && body.is_empty() {
            self.agent.run(request.body(()).unwrap()).unwrap()
        } else {
            self.agent.run(request.body(body).unwrap()).unwrap()
        };
        let bytes = response.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
        Reply { status: response.status().as_u16(), headers: response.headers().clone(), bytes }
    }

    pub fn get(&self, path: &str, token: &str) -> Reply {
        self.send("GET", path, &[("authorization", &bearer(token))], Vec::new())
    }

    pub fn delete(&self, path: &str, token: &str) -> Reply {
        self.send("DELETE", path, &[("authorization", &bearer(token))], Vec::new())
    }

    pub fn json(&self, method: &str, path: &str, token: &str, body: &Value) -> Reply {
        let headers = [("authorization", bearer(token)), ("content-type", "application/json".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.send(method, path, &headers, body.to_string().into_bytes())
    }

    /// A multipart form of these parts, in this order.
    pub fn form(&self, path: &str, token: &str, parts: &[Part<'_>]) -> Reply {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let headers = [("authorization", bearer(token)), ("content-type", kind)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.send("POST", path, &headers, multipart(parts))
    }

    pub fn upload(&self, token: &str, name: &str, version: &str, bytes: &[u8]) -> Reply {
        let parts =
            [("name", None, name.as_bytes()), ("version", None, version.as_bytes()), ("file", Some("app.bin"), bytes)];
        self.form("/api/v1/packages", token, &parts)
    }

    /// As `upload`, with more text fields.
    pub fn upload_with(&self, token: &str, name: &str, version: &str, bytes: &[u8], more: &[(&str, &str)]) -> Reply {
        let mut parts = vec![("name", None, name.as_bytes()), ("version", None, version.as_bytes())];
        parts.extend(more.iter().map(|(name, text)| (*name, None, text.as_bytes())));
        parts.push(("file", Some("app.bin"), bytes));
        self.form("/api/v1/packages", token, &parts)
    }

    /// Signs in as a browser does, and gives the cookie.
    pub fn sign_in(&self, name: &str, password: &str) -> Reply {
        let body = format!("name={name}&password={}", password.replace(' ', "+"));
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", "/login", &kind, body.into_bytes())
    }

    pub fn cookie(&self, name: &str) -> String {
        let reply = self.sign_in(name, PASSWORD).expect(303);
        reply.header("set-cookie").split(';').next().unwrap().to_owned()
    }

    /// The form token of a session: what a page would carry.
    pub fn csrf(&self, cookie: &str) -> String {
        let key = cookie.split_once('=').unwrap().1;
        let state = self.wait(self.store.session(&Sha256Hex::of(key.as_bytes()), self.clock.now())).unwrap().unwrap();
        serde_json::from_str::<Value>(&state).unwrap()["csrf"].as_str().unwrap().to_owned()
    }

    pub fn blobs_on_disk(&self) -> usize {
        fn count(dir: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| if e.path().is_dir() { count(&e.path()) } else { 1 }).sum()
        }
        count(&self.dir.path().join("packages"))
    }

    pub fn advance(&self, by: TimeDelta) -> Timestamp {
        self.clock.advance(by);
        self.clock.now()
    }

    pub fn stop(&mut self) {
        self.stop.take();
    }
}

pub fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A part of a multipart form: its name, its file's name, its bytes.
pub type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

pub const BOUNDARY: &str = "----fleetward-test";

pub fn multipart(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}
