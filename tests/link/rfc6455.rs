//! RFC 6455 on the device's own endpoint.

use crate::peer::{CLOSE, PING, PONG, Peer, TEXT, header};
use crate::server::serve;

const FIRST_TEXT: u8 = 0x01;
const CONTINUE: u8 = 0x00;
const LAST: u8 = 0x80;
const BINARY: u8 = 0x82;

#[test]
fn a_message_in_many_frames_with_pings_between_is_one_message() {
    let server = serve();
    let mut peer = Peer::open(server.address);
    let hello = r#"{"x":"终端","device_id":"t-1","timestamp":1,"version_list":[]}"#.as_bytes();
    // In the middle of a character, too.
    for (at, byte) in hello.iter().enumerate().take(50) {
        peer.frame(if at == 0 { FIRST_TEXT } else { CONTINUE }, &[*byte]);
        if at % 20 == 19 {
            peer.frame(PING, &[at as u8]);
        }
    }
    peer.frame(CONTINUE, &hello[50..hello.len() - 9]);
    peer.frame(LAST, &hello[hello.len() - 9..]);
    assert_eq!((peer.read(), peer.read()), (Some((PONG, vec![19])), Some((PONG, vec![39]))));
    assert_eq!(peer.said()["type"], "welcome");
}

#[cfg(feature = "echo")]
#[test]
fn the_echo_says_every_message_back() {
    let server = serve();
    let mut peer = Peer::open_at(server.address, "/ws/echo");
    for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
        let text = vec![b'*'; length];
        peer.frame(TEXT, &text);
        assert_eq!(peer.read(), Some((TEXT, text.clone())));
        peer.frame(FIRST_TEXT, &text[..length / 2]);
        peer.frame(PING, b"between");
        peer.frame(LAST, &text[length / 2..]);
        assert_eq!((peer.read(), peer.read()), (Some((PONG, b"between".to_vec())), Some((TEXT, text.clone()))));
        peer.frame(BINARY, &text);
        assert_eq!(peer.read(), Some((BINARY, text.clone())));
        peer.frame(0x02, &text[..length / 2]);
        peer.frame(LAST, &text[length / 2..]);
        assert_eq!(peer.read(), Some((BINARY, text)));
    }
}

#[test]
fn text_that_is_not_utf_8_ends_with_1007_in_one_frame_or_in_many() {
    let server = serve();
    let whole: [&[u8]; 4] = [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"];
    for text in whole {
        let mut peer = Peer::open(server.address);
        peer.frame(TEXT, text);
        assert_eq!(peer.closed().0, 1007, "{text:?}");
        let mut peer = Peer::open(server.address);
        peer.frame(FIRST_TEXT, b"{\"a\":\"");
        for byte in text {
            peer.frame(CONTINUE, &[*byte]);
        }
        peer.frame(LAST, b"\"}");
        assert_eq!(peer.closed().0, 1007, "{text:?} in pieces");
    }
}

#[test]
fn a_close_is_answered_with_the_same_code_and_a_bad_one_with_1002() {
    let server = serve();
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut peer = Peer::welcomed(server.address, "t-1");
        peer.frame(CLOSE, &code.to_be_bytes());
        assert_eq!(peer.closed().0, code);
    }
    let mut peer = Peer::open(server.address);
    peer.frame(CLOSE, b"");
    assert_eq!(peer.closed().0, 1005, "a close without a code has an answer without one");
    let bad: [&[u8]; 5] = [&[3], &[0, 0], &999_u16.to_be_bytes(), &1005_u16.to_be_bytes(), &5000_u16.to_be_bytes()];
    for payload in bad {
        let mut peer = Peer::open(server.address);
        peer.frame(CLOSE, payload);
        assert_eq!(peer.closed().0, 1002, "{payload:?}");
    }
}

#[test]
fn faults_of_the_framing_end_with_1002() {
    let server = serve();
    let frames: [(&str, &[(u8, &[u8])]); 8] = [
        ("reserved bit 1", &[(0xc1, b"x")]),
        ("reserved bit 3", &[(0x91, b"x")]),
        ("an opcode of nobody", &[(0x83, b"x")]),
        ("a control opcode of nobody", &[(0x8b, b"x")]),
        ("a continuation of nothing", &[(LAST, b"x")]),
        ("a message within a message", &[(FIRST_TEXT, b"x"), (TEXT, b"y")]),
        ("a ping in pieces", &[(0x09, b"x")]),
        ("a ping that is too long", &[(PING, &[0; 126])]),
    ];
    for (what, frames) in frames {
        let mut peer = Peer::open(server.address);
        for (first, payload) in frames {
            peer.frame(*first, payload);
        }
        assert_eq!(peer.closed().0, 1002, "{what}");
    }
    let mut peer = Peer::open(server.address);
    peer.raw(&[header(TEXT, 2, false), b"{}".to_vec()].concat());
    assert_eq!(peer.closed().0, 1002, "a frame without a mask");
}

#[test]
fn what_is_too_large_ends_with_1009_before_it_is_sent() {
    let server = serve();
    for length in [65_537, 1 << 40] {
        let mut peer = Peer::open(server.address);
        peer.raw(&[header(TEXT, length, true), vec![0; 4]].concat());
        assert_eq!(peer.closed().0, 1009, "{length} bytes declared");
    }
    let mut peer = Peer::open(server.address);
    peer.frame(FIRST_TEXT, &[b'x'; 40_000]);
    peer.frame(LAST, &[b'x'; 40_000]);
    assert_eq!(peer.closed().0, 1009, "in two frames");
    let mut peer = Peer::open(server.address);
    peer.frame(TEXT, &[b'x'; 65_536]);
    assert_eq!(peer.said()["code"], "bad_json", "exactly 64 KiB is read");
}

#[test]
fn floods_of_frames_end_the_connection() {
    let server = serve();
    let mut peer = Peer::open(server.address);
    for _ in 0..100 {
        peer.frame(PING, b"");
    }
    assert_eq!(peer.closed().0, 1008, "pings");
    let mut peer = Peer::open(server.address);
    peer.frame(FIRST_TEXT, b"");
    for _ in 0..64 {
        peer.frame(CONTINUE, b"");
    }
    assert_eq!(peer.closed().0, 1009, "fragments");
    let mut peer = Peer::open(server.address);
    peer.frame(BINARY, b"x");
    assert_eq!(peer.closed().0, 1003, "binary");
    assert!(server.metric("fleetward_link_faults_total") >= 3.0);
}
