//! Frame headers of a connection (RFC 6455, section 5.2), read as they arrive: where frames and messages end, and
//! what is refused as soon as it is declared.

use chrono::TimeDelta;

use crate::domain::Timestamp;
use crate::protocol::{MAX_TEXT, close};

/// Longest payload of a control frame, bytes (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;

/// Most control frames in a second.
const MAX_CONTROL_FRAMES: i64 = 20;

/// Where in a frame the stream is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Whoever echoes takes binary frames; devices send text.
    pub takes_binary: bool,
    /// Header bytes so far; at most 14.
    header: Vec<u8>,
    /// Payload bytes of the current frame still to come.
    left: u64,
    /// Since when a frame is incomplete.
    pub frame: Option<Timestamp>,
    /// Since when a message of several frames is incomplete.
    pub message: Option<Timestamp>,
    second: Option<Timestamp>,
    control_frames: i64,
}

/// The close that answers what is refused.
pub(super) type Refused = (u16, &'static str);

impl Frames {
    /// Looks at bytes up to the end of a frame: how many that are, and whether the frame is whole now.
    pub fn step(&mut self, bytes: &[u8], now: Timestamp) -> Result<(usize, bool), Refused> {
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                let there = bytes.len() - at;
                let taken = usize::try_from(self.left).map_or(there, |left| left.min(there));
                self.left -= taken as u64;
                at += taken;
            } else {
                self.frame.get_or_insert(now);
                self.header.push(bytes[at]);
                at += 1;
                let Some(length) = payload_length(&self.header) else { continue };
                self.judge(length, now)?;
                self.left = length;
                self.note_message(now);
                self.header.clear();
            }
            if self.left == 0 && self.header.is_empty() {
                self.frame = None;
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// Whether a message of several frames is under way behind this header.
    fn note_message(&mut self, now: Timestamp) {
        let (is_last, is_control) = (self.header[0] & 0x80 != 0, self.header[0] & 0x08 != 0);
        match (is_control, is_last) {
            (true, _) => {}
            (false, true) => self.message = None,
            (false, false) => {
                self.message.get_or_insert(now);
            }
        }
    }

    /// Nothing was read for so many seconds: what came meanwhile is read at once.
    pub fn forgive(&mut self, seconds: i64, now: Timestamp) {
        if seconds > 0 {
            self.second = Some(now);
            self.control_frames = -seconds.saturating_mul(MAX_CONTROL_FRAMES);
        }
    }

    fn judge(&mut self, length: u64, now: Timestamp) -> Result<(), Refused> {
        let first = self.header[0];
        if first & 0x70 != 0 {
            return Err((close::PROTOCOL, "reserved bits are set"));
        }
        let is_control = first & 0x08 != 0;
        if is_control && length > MAX_CONTROL {
            return Err((close::PROTOCOL, "a control frame is at most 125 bytes"));
        }
        // Binary frames are refused for what they are, whatever their length.
        if first & 0x0f == 2 && !self.takes_binary {
            return Err((close::UNSUPPORTED, "devices send text"));
        }
        if length > MAX_TEXT as u64 {
            return Err((close::TOO_LARGE, "a message is at most 64 KiB"));
        }
        if is_control { self.count_control(now) } else { Ok(()) }
    }

    fn count_control(&mut self, now: Timestamp) -> Result<(), Refused> {
        if self.second.is_none_or(|second| now - second >= TimeDelta::seconds(1)) {
            self.second = Some(now);
            self.control_frames = 0;
        }
        self.control_frames += 1;
        match self.control_frames {
            ..=MAX_CONTROL_FRAMES => Ok(()),
            _ => Err((close::POLICY, "too many control frames")),
        }
    }
}

/// The payload length that a header declares, once all of the header is there.
fn payload_length(header: &[u8]) -> Option<u64> {
    let second = *header.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (extended, length) = match second & 0x7f {
        126 => (2, u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?))),
        127 => (8, u64::from_be_bytes(header.get(2..10)?.try_into().ok()?)),
        short => (0, u64::from(short)),
    };
    (header.len() >= 2 + extended + mask).then_some(length)
}

/// A whole frame as a client sends it, all zeros behind its mask.
#[cfg(test)]
pub(super) fn masked(opcode: u8, length: usize) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match u16::try_from(length) {
        Ok(short) if short < 126 => frame.push(0x80 | short as u8),
        Ok(medium) => {
            frame.push(0x80 | 126);
            frame.extend(medium.to_be_bytes());
        }
        Err(_) => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(vec![0; length]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// All of the bytes, frame by frame.
    fn pass(frames: &mut Frames, mut bytes: &[u8], now: Timestamp) -> Result<(), Refused> {
        while !bytes.is_empty() {
            let (length, _) = frames.step(bytes, now)?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    #[test]
    fn frames_pass_however_they_are_cut() {
        let all = [masked(1, 5), masked(9, 0), masked(1, 300), masked(1, MAX_TEXT), masked(10, 125)].concat();
        for piece in [1, 2, 3, 7, 1000, all.len()] {
            let mut frames = Frames::default();
            for bytes in all.chunks(piece) {
                assert_eq!(pass(&mut frames, bytes, at(0)), Ok(()), "in pieces of {piece}");
            }
            assert_eq!(frames.frame, None);
        }
    }

    #[test]
    fn a_length_is_refused_as_soon_as_it_is_declared() {
        let code = |bytes: &[u8]| pass(&mut Frames::default(), bytes, at(0)).err().map(|(code, _)| code);
        assert_eq!(code(&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Some(close::TOO_LARGE));
        assert_eq!(code(&masked(1, MAX_TEXT + 1)[..14]), Some(close::TOO_LARGE));
        assert_eq!(code(&masked(0, MAX_TEXT + 1)[..14]), Some(close::TOO_LARGE));
        assert_eq!(code(&masked(9, 126)[..8]), Some(close::PROTOCOL));
        assert_eq!(code(&[0xc1, 0x80, 0, 0, 0, 0]), Some(close::PROTOCOL));
        assert_eq!(code(&masked(2, 10)[..6]), Some(close::UNSUPPORTED));
    }

    #[test]
    fn a_flood_of_control_frames_is_refused_and_a_steady_ping_is_not() {
        let mut frames = Frames::default();
        for second in 0..100 {
            assert_eq!(pass(&mut frames, &masked(9, 0), at(second)), Ok(()));
        }
        let flood = masked(9, 0).repeat(21);
        assert_eq!(pass(&mut frames, &flood, at(200)).map_err(|(code, _)| code), Err(close::POLICY));
    }

    #[test]
    fn half_a_frame_is_noticed_and_a_whole_one_ends_it() {
        let mut frames = Frames::default();
        let whole = masked(1, 100);
        pass(&mut frames, &whole[..7], at(5)).unwrap();
        assert_eq!(frames.frame, Some(at(5)));
        pass(&mut frames, &whole[7..], at(6)).unwrap();
        assert_eq!(frames.frame, None);
    }

    #[test]
    fn a_message_that_never_ends_is_noticed_though_its_frames_do() {
        let mut frames = Frames::default();
        let mut first = masked(1, 10);
        first[0] = 0x01;
        pass(&mut frames, &first, at(5)).unwrap();
        pass(&mut frames, &masked(9, 0), at(6)).unwrap();
        assert_eq!((frames.frame, frames.message), (None, Some(at(5))));
        pass(&mut frames, &masked(0, 10), at(7)).unwrap();
        assert_eq!(frames.message, None);
    }

    #[test]
    fn pings_that_gathered_while_nothing_was_read_are_no_flood() {
        let mut frames = Frames::default();
        let gathered = masked(9, 0).repeat(60);
        frames.forgive(60, at(100));
        assert_eq!(pass(&mut frames, &gathered, at(100)), Ok(()));
        assert_eq!(pass(&mut frames, &gathered, at(200)).map_err(|(code, _)| code), Err(close::POLICY));
    }
}
