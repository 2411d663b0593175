//! Frames of a WebSocket (RFC 6455, section 5) as a client reads and writes them.

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    Text(&'a str),
    /// Bytes of binary frames, in order, cut anywhere.
    Bytes(&'a [u8]),
    Ping(&'a [u8]),
    /// Code and reason; 1005: none was given.
    Close(u16, &'a str),
}

/// What came is no frame that a server may send, or the connection has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Longest text of a server, bytes.
const MAX_TEXT: u64 = 1024 * 1024;

/// Where in the stream of frames a connection is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame that has not arrived whole.
    rest: Vec<u8>,
    /// Bytes of a binary frame that are still to come.
    binary_left: u64,
    /// The frames so far of a text that comes in several.
    text: Option<Vec<u8>>,
}

struct Header {
    first: u8,
    length: u64,
    /// Bytes of the header itself.
    size: usize,
}

impl Frames {
    /// Takes what was read, and tells what is in it.
    pub fn feed(&mut self, bytes: &[u8], heard: &mut impl FnMut(Heard<'_>)) -> Result<(), Broken> {
        if self.rest.is_empty() {
            let used = self.frames(bytes, heard)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            let mut all = std::mem::take(&mut self.rest);
            all.extend_from_slice(bytes);
            let used = self.frames(&all, heard)?;
            self.rest = all[used..].to_vec();
        }
        Ok(())
    }

    /// Frames from the beginning of these bytes; how many bytes are done with.
    fn frames(&mut self, bytes: &[u8], heard: &mut impl FnMut(Heard<'_>)) -> Result<usize, Broken> {
        let mut at = 0;
        while at < bytes.len() {
            if self.binary_left > 0 {
                let there = bytes.len() - at;
                let taken = usize::try_from(self.binary_left).map_or(there, |left| left.min(there));
                heard(Heard::Bytes(&bytes[at..at + taken]));
                self.binary_left -= taken as u64;
                at += taken;
                continue;
            }
            let Some(header) = header(&bytes[at..])? else { break };
            let is_binary = header.first & 0x0f == 2 || header.first & 0x0f == 0 && self.text.is_none();
            if is_binary {
                self.binary_left = header.length;
                at += header.size;
                continue;
            }
            let end = at + header.size + usize::try_from(header.length).map_err(|_| Broken)?;
            let Some(payload) = bytes.get(at + header.size..end) else { break };
            self.whole(header.first, payload, heard)?;
            at = end;
        }
        Ok(at)
    }

    fn whole(&mut self, first: u8, payload: &[u8], heard: &mut impl FnMut(Heard<'_>)) -> Result<(), Broken> {
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Broken);
        let is_last = first & 0x80 != 0;
        match (first & 0x0f, &mut self.text) {
            (1, None) if is_last => heard(Heard::Text(text(payload)?)),
            (1, None) => self.text = Some(payload.to_vec()),
            (0, Some(begun)) if (begun.len() + payload.len()) as u64 <= MAX_TEXT => {
                begun.extend_from_slice(payload);
                if is_last {
                    let whole = self.text.take().unwrap_or_default();
                    heard(Heard::Text(text(&whole)?));
                }
            }
            (8, _) => {
                let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                heard(Heard::Close(code, text(payload.get(2..).unwrap_or_default())?));
            }
            (9, _) => heard(Heard::Ping(payload)),
            (10, _) => {}
            _ => return Err(Broken),
        }
        Ok(())
    }
}

/// `None`: not all of it is there.
fn header(bytes: &[u8]) -> Result<Option<Header>, Broken> {
    let (Some(first), Some(second)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    // A server masks nothing.
    if second & 0x80 != 0 {
        return Err(Broken);
    }
    let found = match second {
        126 => bytes.get(2..).and_then(<[u8]>::first_chunk).map(|b| (u64::from(u16::from_be_bytes(*b)), 4)),
        127 => bytes.get(2..).and_then(<[u8]>::first_chunk).map(|b| (u64::from_be_bytes(*b), 10)),
        short => Some((u64::from(*short), 2)),
    };
    let Some((length, size)) = found else { return Ok(None) };
    match first & 0x0f {
        0 | 2 => {}
        _ if length <= MAX_TEXT => {}
        _ => return Err(Broken),
    }
    Ok(Some(Header { first: *first, length, size }))
}

/// Appends one whole frame, masked as a client's are.
pub(super) fn write_frame(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: u32) {
    out.reserve(payload.len() + 14);
    out.push(0x80 | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ 0..=125), _) => out.push(0x80 | short),
        (_, Ok(medium)) => {
            out.push(0x80 | 126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    let key = mask.to_ne_bytes();
    out.extend(key);
    let begin = out.len();
    out.extend_from_slice(payload);
    let mut words = out[begin..].chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    }
    words.into_remainder().iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match u16::try_from(payload.len()) {
            Ok(short) if short < 126 => frame.push(short as u8),
            Ok(medium) => {
                frame.push(126);
                frame.extend(medium.to_be_bytes());
            }
            Err(_) => {
                frame.push(127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn what_a_server_says_is_heard_however_it_is_cut() {
        let long = "x".repeat(300);
        let package = vec![7; 70_000];
        let all = [
            frame(0x81, b"{\"a\":1}"),
            frame(0x89, b"there?"),
            frame(0x82, &package),
            frame(0x81, long.as_bytes()),
            frame(0x01, b"in "),
            frame(0x8a, b""),
            frame(0x80, b"two"),
            frame(0x88, &[&1012_u16.to_be_bytes()[..], b"restart"].concat()),
        ];
        for piece in [1, 2, 5, 100, 65_536, 1 << 20] {
            let (mut frames, mut texts, mut bytes) = (Frames::default(), Vec::new(), 0);
            for part in all.concat().chunks(piece) {
                let mut hear = |heard: Heard<'_>| match heard {
                    Heard::Text(text) => texts.push(text.to_owned()),
                    Heard::Bytes(some) => bytes += some.len(),
                    Heard::Ping(data) => texts.push(String::from_utf8_lossy(data).into_owned()),
                    Heard::Close(code, reason) => texts.push(format!("{code} {reason}")),
                };
                frames.feed(part, &mut hear).unwrap();
            }
            assert_eq!(texts, ["{\"a\":1}", "there?", &long, "in two", "1012 restart"], "in pieces of {piece}");
            assert_eq!(bytes, package.len());
            assert!(frames.rest.is_empty());
        }
    }

    #[test]
    fn what_no_server_may_send_ends_the_connection() {
        let fed = |bytes: &[u8]| Frames::default().feed(bytes, &mut |_| {});
        assert_eq!(fed(&[0x81, 0x81, 0, 0, 0, 0, b'x']), Err(Broken), "masked");
        assert_eq!(fed(&frame(0x83, b"x")), Err(Broken), "no such opcode");
        assert_eq!(fed(&frame(0x81, b"\xff")), Err(Broken), "not text");
        assert_eq!(fed(&[0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0]), Err(Broken), "too long");
    }

    #[test]
    fn what_is_written_is_masked_and_is_itself_again_when_unmasked() {
        for length in [0, 5, 125, 126, 70_000] {
            let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut out = Vec::new();
            write_frame(&mut out, 1, &payload, 0x1234_5678);
            let begin = out.len() - length;
            let key: [u8; 4] = out[begin - 4..begin].try_into().unwrap();
            let unmasked: Vec<u8> = out[begin..].iter().enumerate().map(|(n, byte)| byte ^ key[n % 4]).collect();
            assert_eq!(unmasked, payload);
        }
    }
}
