//! The live stream.

use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

use fleetward::domain::{DeviceId, KeyId, LiveEvent, ModuleName, Role};

use crate::helpers::{TestApp, bearer, spawn_app};

/// An open stream, read line by line.
struct Stream(BufReader<Box<dyn Read>>);

impl Stream {
    fn open(app: &TestApp, token: &str, path: &str) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        let response = agent
            .get(format!("{}{path}", app.url))
            .header("authorization", bearer(token))
            .header("accept-encoding", "gzip")
            .call()
            .unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers().get("content-encoding").is_none_or(|encoding| encoding == "identity"));
        let mut stream = Self(BufReader::new(Box::new(response.into_body().into_reader())));
        assert_eq!(stream.line().unwrap(), "retry: 3000");
        stream
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event's name and data; `None` at the end.
    fn event(&mut self) -> Option<(String, serde_json::Value)> {
        let (mut name, mut data) = (String::new(), None);
        while let Some(line) = self.line() {
            if let Some(text) = line.strip_prefix("event: ") {
                name = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if line.is_empty()
                && let Some(data) = data.take()
            {
                return Some((name, data));
            }
        }
        None
    }
}

fn transfer(received: u64) -> LiveEvent {
    LiveEvent::Transfer { key_id: KeyId(1), module: ModuleName::new("app1").unwrap(), received, size: 100 }
}

fn device(id: &str, key: KeyId) -> LiveEvent {
    let since = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    LiveEvent::Device { key_id: key, device_id: DeviceId::new(id).unwrap(), online: true, since, modules: None }
}

#[test]
fn a_burst_arrives_as_its_last_state() {
    let app = spawn_app();
    let mut stream = Stream::open(&app, &app.token(Role::Viewer), "/api/v1/live");
    app.fleet.tell(transfer(0));
    let (name, data) = stream.event().unwrap();
    assert_eq!((name.as_str(), &data["received"]), ("transfer", &serde_json::json!(0)));
    for received in 1..=60 {
        app.fleet.tell(transfer(received));
    }
    assert_eq!(stream.event().unwrap().1["received"], 60);
}

#[test]
fn a_devices_stream_has_that_device_only_and_a_reader_that_fell_behind_reads_anew() {
    let app = spawn_app();
    let key = app.device("t-1", &[]);
    let mut stream = Stream::open(&app, &app.token(Role::Viewer), "/api/v1/live?device=t-1");
    app.fleet.tell(device("t-2", KeyId(99)));
    app.fleet.tell(device("t-1", key));
    assert_eq!(stream.event().unwrap().1["device_id"], "t-1");
}

#[test]
fn streams_are_counted_and_end_with_the_server() {
    let app = spawn_app();
    let token = app.token(Role::Viewer);
    let mut streams: Vec<_> = (0..3).map(|_| Stream::open(&app, &token, "/api/v1/live")).collect();
    let reply = app.get("/api/v1/live", &token).expect(503);
    assert_eq!(reply.code(), "too_many_streams");
    assert!(!reply.header("retry-after").is_empty());
    app.stop();
    for stream in &mut streams {
        assert_eq!(stream.event(), None);
    }
}
