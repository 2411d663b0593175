//! The bare limit: one thread, one epoll, one buffer for all connections.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::Outcome;
use super::speech::{Counted, upgraded};

const LISTENER: Token = Token(usize::MAX);

struct Peer {
    stream: TcpStream,
    open: bool,
    counted: Counted,
    /// What has not arrived whole.
    rest: Vec<u8>,
}

pub fn serve(port: u16) -> Outcome {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (mut events, mut peers, mut next) = (Events::with_capacity(1024), HashMap::new(), 0);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next), Interest::READABLE)?;
                    let peer = Peer { stream, open: false, counted: Counted::default(), rest: Vec::new() };
                    peers.insert(next, peer);
                    next += 1;
                }
            } else if let Some(peer) = peers.get_mut(&event.token().0)
                && !read(peer, &mut buffer)
            {
                peers.remove(&event.token().0);
            }
        }
    }
}

/// `false`: it is gone.
fn read(peer: &mut Peer, buffer: &mut [u8]) -> bool {
    loop {
        let length = match peer.stream.read(buffer) {
            Ok(0) => return false,
            Ok(length) => length,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        peer.rest.extend_from_slice(&buffer[..length]);
        let mut bytes = std::mem::take(&mut peer.rest);
        let Some(used) = answer(peer, &mut bytes) else { return false };
        if used < bytes.len() {
            peer.rest = bytes.split_off(used);
        }
        if length < buffer.len() {
            return true;
        }
    }
}

/// Answers what is whole; how many bytes that was.
fn answer(peer: &mut Peer, bytes: &mut [u8]) -> Option<usize> {
    if !peer.open {
        let Some(answer) = upgraded(bytes) else { return Some(0) };
        peer.open = true;
        peer.stream.write_all(answer.as_bytes()).ok()?;
        return Some(bytes.len());
    }
    let mut at = 0;
    while let Some((opcode, begin, end)) = frame(&bytes[at..]) {
        let (mask, payload) = bytes[at + begin - 4..at + end].split_at_mut(4);
        payload.iter_mut().enumerate().for_each(|(n, byte)| *byte ^= mask[n % 4]);
        match opcode {
            1 => {
                let answer = peer.counted.take(payload);
                peer.stream.write_all(&text(&answer)).ok()?;
            }
            8 => return None,
            _ => {}
        }
        at += end;
    }
    Some(at)
}

/// Opcode, and where the payload of a masked frame begins and ends; `None`: it is not whole.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (length, header) = match bytes.get(1)? & 0x7f {
        126 => (u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let begin = header + 4;
    let end = begin + usize::try_from(length).ok()?;
    (bytes.len() >= end).then_some((bytes[0] & 0x0f, begin, end))
}

fn text(payload: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
    }
    frame.extend(payload.as_bytes());
    frame
}
