//! What the counting servers say: enough of the protocol to keep a simulated device going. Nothing is parsed: a
//! device's first message is its hello, and every one after it a report.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

pub const WELCOME: &str = r#"{"type":"welcome","device_id":"counted","server_time":"2026-01-01T00:00:00.000Z","report_interval_s":30,"protocol":1}"#;

/// A device as it is counted.
#[derive(Default)]
pub struct Counted {
    messages: u64,
    /// The name of its run of reports, read from the first.
    run: Box<str>,
}

impl Counted {
    /// Takes a message and gives the answer.
    pub fn take(&mut self, message: &[u8]) -> String {
        self.messages += 1;
        match self.messages {
            1 => return WELCOME.to_owned(),
            2 => self.run = run(message).into(),
            _ => {}
        }
        format!(r#"{{"type":"ack","seq":{},"boot_id":"{}"}}"#, self.messages - 1, self.run)
    }
}

fn run(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let behind = text.split_once(r#""boot_id":""#).map_or("", |(_, behind)| behind);
    behind.split('"').next().unwrap_or_default().to_owned()
}

/// The answer to an upgrade, once all of the request is there.
pub fn upgraded(request: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(request).ok()?.strip_suffix("\r\n\r\n")?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    };
    let key = text.lines().find_map(header)?;
    let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(digest)
    ))
}
