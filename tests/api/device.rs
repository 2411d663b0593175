//! A device as small as can be: a WebSocket, and the messages of the protocol.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use fleetward::domain::TokenKind;
use fleetward::store::secrets::new_token;

use crate::helpers::{TestApp, bearer};

pub struct Device {
    pub id: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    runtime: Runtime,
}

impl Device {
    /// Enrols and says hello.
    pub fn connect(app: &TestApp, id: &str, modules: &[(&str, &str)]) -> Self {
        let (token, hash) = new_token(TokenKind::Enrolment).unwrap();
        let now = app.clock.now();
        app.wait(app.store.add_enrolment_token(&hash, None, None, "test", now)).unwrap();
        let mut request = format!("{}/ws", app.url.replace("http://", "ws://")).into_client_request().unwrap();
        request.headers_mut().insert("authorization", bearer(&token).parse().unwrap());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (socket, _) = runtime.block_on(connect_async(request)).unwrap();
        let mut device = Self { id: id.to_owned(), socket, runtime };
        device.hello(modules);
        assert_eq!(device.receive()["type"], "welcome");
        device
    }

    pub fn hello(&mut self, modules: &[(&str, &str)]) {
        let versions: Vec<Value> =
            modules.iter().map(|(name, version)| json!({"name": name, "version": version})).collect();
        self.send(&json!({"device_id": self.id, "timestamp": 1_800_000_000, "version_list": versions}));
    }

    /// A report with these fields.
    pub fn report(&mut self, fields: &Value) {
        let mut report = json!({"device_id": self.id, "timestamp": 1_800_000_000});
        report.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.send(&report);
    }

    pub fn send(&mut self, message: &Value) {
        self.runtime.block_on(self.socket.send(Message::text(message.to_string()))).unwrap();
    }

    /// The next JSON message.
    pub fn receive(&mut self) -> Value {
        loop {
            match self.next() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("not a message: {other:?}"),
            }
        }
    }

    /// The next message that is no answer to a hello.
    pub fn offer(&mut self) -> Value {
        loop {
            let message = self.receive();
            if message["type"] != "welcome" {
                return message;
            }
        }
    }

    /// Passes over the next frame of package bytes.
    pub fn skip_bytes(&mut self) {
        while !matches!(self.next(), Message::Binary(_)) {}
    }

    /// The close code that the server ends with.
    pub fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(Some(frame)) = self.next() {
                return frame.code.into();
            }
        }
    }

    fn next(&mut self) -> Message {
        let wait = std::time::Duration::from_secs(20);
        let next = async { tokio::time::timeout(wait, self.socket.next()).await };
        self.runtime.block_on(next).expect("the server is silent").expect("the connection ended").unwrap()
    }

    /// Takes the packages of one update, and says that they are installed; gives the bytes of each.
    pub fn update(&mut self) -> Vec<(String, Vec<u8>)> {
        let offer = self.offer();
        assert_eq!(offer["type"], "update_list", "{offer}");
        let entries = offer["update_list"].as_array().unwrap().clone();
        let wanted: Vec<Value> =
            entries.iter().map(|e| json!({"app_name": e["app_name"], "version": e["version"]})).collect();
        self.send(&json!({"update_list": wanted}));
        entries.iter().map(|_| self.package()).collect()
    }

    fn package(&mut self) -> (String, Vec<u8>) {
        let head = self.receive();
        assert_eq!(head["type"], "package", "{head}");
        let (name, version) = (head["app_name"].clone(), head["version"].clone());
        let size = head["size"].as_u64().unwrap() as usize;
        let mut bytes = Vec::new();
        while bytes.len() < size {
            if let Message::Binary(piece) = self.next() {
                bytes.extend_from_slice(&piece);
            }
            self.send(&json!({"type": "progress", "app_name": name, "version": version, "received": bytes.len()}));
        }
        self.send(&json!({"type": "result", "app_name": name, "version": version, "outcome": "installed"}));
        (name.as_str().unwrap().to_owned(), bytes)
    }
}
