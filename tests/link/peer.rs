//! A WebSocket client that also does what no client should.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

pub const TEXT: u8 = 0x81;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// An answer of HTTP: its status, its head, its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn code(&self) -> String {
        let json: Value = serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        json["error"]["code"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// The head of an answer, up to the empty line.
fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "the answer ended: {:?}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Asks once, and reads to the end.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    let mut socket = connect(address);
    socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    answer(socket)
}

fn answer(mut socket: TcpStream) -> Answer {
    let head = head(&mut socket);
    let mut body = String::new();
    // An answer to an upgrade leaves the connection open: its length says where it ends.
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|n| n.parse().unwrap());
    socket.take(length.unwrap_or(u64::MAX)).read_to_string(&mut body).unwrap();
    Answer { status: head[9..12].parse().unwrap(), head, body }
}

pub struct Peer(TcpStream);

impl Peer {
    /// Upgraded.
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address, "").unwrap()
    }

    /// Upgraded on another path.
    #[cfg(feature = "echo")]
    pub fn open_at(address: SocketAddr, path: &str) -> Self {
        Self::try_open_at(address, path, "").unwrap()
    }

    /// Upgraded, or refused. `headers`: further lines, each with its end.
    pub fn try_open(address: SocketAddr, headers: &str) -> Result<Self, Answer> {
        Self::try_open_at(address, "/ws", headers)
    }

    fn try_open_at(address: SocketAddr, path: &str, headers: &str) -> Result<Self, Answer> {
        let mut socket = connect(address);
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 12];
        socket.peek(&mut status).unwrap();
        if &status[9..] != b"101" {
            return Err(answer(socket));
        }
        head(&mut socket);
        Ok(Self(socket))
    }

    /// Says hello, and is welcomed.
    pub fn welcomed(address: SocketAddr, device_id: &str) -> Self {
        let mut peer = Self::open(address);
        peer.hello(device_id);
        let welcome = peer.said();
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        peer
    }

    pub fn hello(&mut self, device_id: &str) {
        self.frame(TEXT, format!(r#"{{"device_id":"{device_id}","timestamp":1,"version_list":[]}}"#).as_bytes());
    }

    /// Says hello as a device that runs an old `app1`.
    pub fn welcomed_with_app1(address: SocketAddr, device_id: &str) -> Self {
        let mut peer = Self::open(address);
        let version = r#"{"name":"app1","version":"1.0.0"}"#;
        let hello = format!(r#"{{"device_id":"{device_id}","timestamp":1,"version_list":[{version}]}}"#);
        peer.frame(TEXT, hello.as_bytes());
        assert_eq!(peer.said()["type"], "welcome");
        peer
    }

    /// Wants what a rollout of the test's server has for it.
    pub fn wants_app1(&mut self) {
        self.frame(TEXT, br#"{"update_list":[{"app_name":"app1","version":"2.0.0"}]}"#);
    }

    /// A frame as a client must send it. `first`: the first byte, flags and opcode.
    pub fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = header(first, payload.len(), true);
        frame.extend([1, 2, 3, 4]);
        frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.raw(&frame);
    }

    /// Any bytes. The server may have closed already, and then they are lost.
    pub fn raw(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// The next frame: its first byte and its payload; `None` at the end of the connection.
    pub fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut two = [0; 2];
        self.0.read_exact(&mut two).ok()?;
        let length = match two[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).ok()?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.0.read_exact(&mut length).ok()?;
                usize::try_from(u64::from_be_bytes(length)).unwrap()
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some((two[0], payload))
    }

    /// The next text, whatever comes between.
    pub fn said(&mut self) -> Value {
        loop {
            let (first, payload) = self.read().expect("the connection ended");
            if first == TEXT {
                return serde_json::from_slice(&payload).unwrap();
            }
            assert_ne!(first, CLOSE, "{}", String::from_utf8_lossy(&payload));
        }
    }

    /// The answer to a ping of ours, whatever the server asks meanwhile.
    pub fn pongs(&mut self, payload: &[u8]) {
        loop {
            match self.read().expect("the connection ended") {
                (PING, _) => {}
                other => return assert_eq!(other, (PONG, payload.to_vec())),
            }
        }
    }

    /// The close that comes, whatever comes before: its code and reason. Then the connection ends.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            let (first, payload) = self.read().expect("the connection ended without a close");
            if first == CLOSE {
                let code = payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
                let reason = String::from_utf8(payload.get(2..).unwrap_or_default().to_vec()).unwrap();
                assert_eq!(self.read(), None, "the connection ends behind a close");
                return (code, reason);
            }
        }
    }
}

/// The header of a frame that declares this length, without its mask.
pub fn header(first: u8, length: usize, masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut header = vec![first];
    match length {
        0..126 => header.push(mask | length as u8),
        126..0x1_0000 => {
            header.push(mask | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(mask | 127);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}
