//! The step out of HTTP: who takes the socket, and what happens to requests that only ask for it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::peer::{TEXT, header};
use crate::server::serve;

const UPGRADE: &str = "host: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n";

/// Sends all at once, and reads until the server ends the connection.
fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_a_device_says_behind_its_request_is_heard_and_what_it_is_told_last_arrives() {
    let server = serve();
    let mut all = format!(
        "GET /ws HTTP/1.1\r\n{UPGRADE}sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes();
    let hello = br#"{"device_id":"t-1","timestamp":1,"version_list":[]}"#;
    let mut masked = |first: u8, payload: &[u8]| {
        all.extend(header(first, payload.len(), true));
        all.extend([0; 4]);
        all.extend(payload);
    };
    masked(TEXT, hello);
    // Refused; and what follows is read by nobody, and must not keep the close from arriving.
    masked(0xc1, b"");
    masked(TEXT, &[b'x'; 60_000]);
    let said = exchange(server.address, &all);
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    assert!(said.contains(r#""type":"welcome""#), "{said}");
    assert!(said.ends_with("reserved bits are set"), "{said}");
}

#[test]
fn a_page_is_shown_to_whoever_asks_for_an_upgrade_with_it_and_the_connection_ends() {
    let server = serve();
    let asked = format!("GET /api/v1/openapi.json HTTP/1.1\r\n{UPGRADE}\r\n");
    let said = exchange(server.address, asked.as_bytes());
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert!(said.contains("connection: close"), "{said}");
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let (_, body) = body.split_once("\r\n").filter(|_| said.contains("chunked")).unwrap_or(("", body));
    assert!(body.contains("openapi"), "{said}");
    let refused = exchange(server.address, format!("GET /ws HTTP/1.1\r\n{UPGRADE}\r\n").as_bytes());
    assert!(refused.starts_with("HTTP/1.1 400 "), "no version, no key: {refused}");
    let key = "sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nconnection: upgrade\r\n";
    let of_two = format!("GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket, other\r\n{key}\r\n");
    let refused = exchange(server.address, of_two.as_bytes());
    assert!(refused.starts_with("HTTP/1.1 400 "), "it is one of two, and stays HTTP: {refused}");
}
