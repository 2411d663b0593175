//! How one package's bytes go out: a credit window for devices that tell their progress, the socket's own pace for
//! those that do not.

use chrono::TimeDelta;

use super::{OfferSpeech, Release, Timestamp};

/// Package bytes that may be under way beyond what the device says it has.
pub const WINDOW: u64 = 1024 * 1024;

/// Longest binary frame, bytes.
pub const MAX_FRAME: u64 = 64 * 1024;

/// Bytes that go to a device at once that takes them in no time: two whole frames. A write buffer that has held so
/// much is given back by the framework when it is empty, where a smaller one would stay with the connection.
pub const STRIDE: u64 = 2 * MAX_FRAME;

/// Bytes that go to any other device at once, and where a stride does not fit: a write buffer takes them as it is, and
/// what else is to be said waits for no more than this.
pub const STEP: u64 = 4096;

/// A device that takes a stride in this many milliseconds is quick.
const QUICK_MS: i64 = 500;

/// How long a device has to tell its first progress after the first window, seconds.
const SILENT_AFTER_S: i64 = 5;

/// The least that a transfer must move, bytes a second ...
const FLOOR: u64 = 1024;
/// ... looked at over this many seconds.
const FLOOR_OVER_S: i64 = 60;

/// A package on its way to a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Sendable {
    pub release: Release,
    /// Bytes that the device has already.
    pub offset: u64,
    /// Bytes a second; `None`: as fast as the link takes them.
    pub bytes_per_second: Option<u64>,
    /// What it was offered with, should it be offered again.
    pub offer: OfferSpeech,
}

/// The sending of one package. Positions are counted from the package's first byte.
#[derive(Debug, Clone)]
pub struct Transfer {
    package: Sendable,
    /// The next byte to go out.
    sent: u64,
    /// Bytes that the device says it has.
    received: u64,
    /// The device tells its progress.
    tells: bool,
    began: Timestamp,
    /// Since when the window has been full.
    full_since: Option<Timestamp>,
    /// How far it was when it was last found to move enough, and when: sent, received.
    mark: (Timestamp, u64, u64),
    /// It took its last stride quickly, or has not been asked to yet.
    quick: bool,
    /// When the present stride began, and how much of it is with the socket.
    stride: (Timestamp, u64),
}

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// This many bytes at once.
    Bytes(u64),
    /// One frame of this many bytes, then only when the socket has taken it.
    OneFrame(u64),
    /// Nothing until the device tells more, or time passes.
    Wait,
    /// Every byte is out.
    Done,
}

impl Transfer {
    /// Begins at the package's offset.
    #[must_use]
    pub fn new(package: Sendable, now: Timestamp) -> Self {
        let offset = package.offset.min(package.release.size);
        let mark = (now, offset, offset);
        let (quick, stride) = (true, (now, 0));
        Self {
            package,
            sent: offset,
            received: offset,
            tells: false,
            began: now,
            full_since: None,
            mark,
            quick,
            stride,
        }
    }

    /// What is being sent.
    #[must_use]
    pub fn package(&self) -> &Sendable {
        &self.package
    }

    /// The next byte to go out.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.sent
    }

    /// Bytes that the device has, as far as is known.
    #[must_use]
    pub fn received(&self) -> u64 {
        if self.tells { self.received } else { self.sent }
    }

    /// How much may go out now.
    pub fn room(&mut self, now: Timestamp) -> Room {
        let left = self.package.release.size - self.sent;
        if left == 0 {
            return Room::Done;
        }
        let rate = self.allowed_by_rate(now).min(left);
        if rate == 0 {
            return Room::Wait;
        }
        let credit = (self.received + WINDOW).saturating_sub(self.sent);
        if credit > 0 {
            self.full_since = None;
            return Room::Bytes(credit.min(rate));
        }
        let full_since = *self.full_since.get_or_insert(now);
        let silent = !self.tells && now - full_since >= TimeDelta::seconds(SILENT_AFTER_S);
        if silent { Room::OneFrame(rate.min(MAX_FRAME)) } else { Room::Wait }
    }

    fn allowed_by_rate(&self, now: Timestamp) -> u64 {
        let Some(rate) = self.package.bytes_per_second else { return u64::MAX };
        let millis = (now - self.began).num_milliseconds().max(0).unsigned_abs();
        // A second's worth at once, and no frame smaller than it must be.
        let due = rate.saturating_mul(millis + 1000) / 1000;
        let allowed = due.saturating_sub(self.sent - self.package.offset);
        if allowed < MAX_FRAME.min(rate) { 0 } else { allowed }
    }

    /// How much of what may go out goes at once. 0: nothing until the device tells more, which it will soon.
    #[must_use]
    pub fn piece(&self, allowed: u64) -> u64 {
        let into = self.sent % STRIDE;
        if self.quick && into == 0 && self.package.release.size - self.sent >= STRIDE {
            if allowed >= STRIDE {
                return STRIDE;
            }
            // Its credit is not used up in small change: more comes with its next word, which it owes by now.
            if self.tells && self.package.bytes_per_second.is_none() {
                return 0;
            }
        }
        allowed.min(STEP).min(STRIDE - into)
    }

    /// These many bytes are with the socket.
    pub fn sent(&mut self, now: Timestamp, bytes: u64) {
        self.sent += bytes;
        let (since, moved) = self.stride;
        self.stride = (since, moved + bytes);
        if moved + bytes >= STRIDE {
            self.quick = now - since <= TimeDelta::milliseconds(QUICK_MS);
            self.stride = (now, 0);
        }
    }

    /// The device tells how much it has; how much more that is. More than was sent is not believed.
    pub fn told(&mut self, received: u64) -> u64 {
        self.tells = true;
        self.full_since = None;
        let before = self.received;
        if received <= self.sent {
            self.received = self.received.max(received);
        }
        self.received - before
    }

    /// It waits because of the server, which is not held against the device.
    pub fn held_back(&mut self, now: Timestamp) {
        self.mark = (now, self.sent, self.received);
    }

    /// Whether it moves too little for others to wait for it. Asked every second or so.
    pub fn crawls(&mut self, now: Timestamp) -> bool {
        let (since, sent, received) = self.mark;
        let left = self.package.release.size - self.sent;
        // Its own rate holds it back, not the device.
        if left > 0 && self.allowed_by_rate(now) == 0 {
            self.held_back(now);
            return false;
        }
        let slowest = self.package.bytes_per_second.map_or(FLOOR, |rate| rate.min(FLOOR));
        let mut over = FLOOR_OVER_S;
        if left == 0 {
            // What is out may take its time at the floor before the device tells of it.
            over += i64::try_from((self.sent - self.received) / slowest.max(1)).unwrap_or(i64::MAX / 2);
        }
        if now - since < TimeDelta::seconds(over) {
            return false;
        }
        let moved = (self.sent - sent).max(self.received - received);
        self.held_back(now);
        moved < slowest.saturating_mul(FLOOR_OVER_S.unsigned_abs())
    }

    /// Whether the device tells its progress.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.tells
    }

    /// Whether the device has every byte: it said so, or, where it never says, they are all out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.received() == self.package.release.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{KeyId, ModuleName, RolloutId, SessionNo, Sha256Hex, Version};

    fn transfer(size: u64, offset: u64, rate: Option<u64>) -> Transfer {
        let release = Release {
            module: ModuleName::new("app1").unwrap(),
            version: Version::new("2").unwrap(),
            size,
            sha256: Sha256Hex::of(b""),
            signature: None,
            requires: Default::default(),
        };
        let offer = OfferSpeech {
            key_id: KeyId(1),
            session: SessionNo(1),
            rollout: RolloutId(1),
            releases: Vec::new(),
            allow_rollback: false,
            all_or_nothing: false,
            bytes_per_second: rate,
        };
        Transfer::new(Sendable { release, offset, bytes_per_second: rate, offer }, Timestamp::UNIX_EPOCH)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn never_more_than_a_window_is_under_way_to_a_device_that_tells() {
        let mut t = transfer(10 * WINDOW, 0, None);
        assert_eq!(t.room(at(0)), Room::Bytes(WINDOW));
        t.sent(at(0), WINDOW);
        assert_eq!(t.room(at(0)), Room::Wait);
        t.told(MAX_FRAME);
        assert_eq!(t.room(at(0)), Room::Bytes(MAX_FRAME));
        t.sent(at(0), MAX_FRAME);
        assert_eq!(t.room(at(3600)), Room::Wait, "a device that tells is waited for");
    }

    #[test]
    fn a_device_that_tells_nothing_is_served_at_the_sockets_pace_after_five_seconds() {
        let mut t = transfer(2 * WINDOW, 0, None);
        t.sent(at(0), WINDOW);
        assert_eq!(t.room(at(0)), Room::Wait);
        assert_eq!(t.room(at(4)), Room::Wait);
        assert_eq!(t.room(at(5)), Room::OneFrame(MAX_FRAME));
        t.sent(at(0), WINDOW);
        assert_eq!(t.room(at(5)), Room::Done);
        assert!(t.is_complete());
    }

    #[test]
    fn a_device_that_tells_has_it_all_only_when_it_says_so() {
        let mut t = transfer(100, 40, None);
        assert_eq!(t.room(at(0)), Room::Bytes(60));
        t.sent(at(0), 60);
        t.told(60);
        assert!(!t.is_complete());
        t.told(4000);
        assert!(!t.is_complete(), "more than was sent is not believed");
        t.told(100);
        assert!(t.is_complete());
    }

    #[test]
    fn a_quick_device_gets_strides_and_the_rest_in_steps() {
        let mut t = transfer(3 * STRIDE + 5000, STRIDE - 100, None);
        assert_eq!(t.piece(WINDOW), 100, "to where a stride begins");
        t.sent(at(0), 100);
        assert_eq!(t.piece(WINDOW), STRIDE);
        assert_eq!(t.piece(STRIDE - 1), STEP, "it may never tell");
        t.sent(at(0), STRIDE);
        t.told(STRIDE);
        assert_eq!(t.piece(STRIDE - 1), 0, "it tells more soon");
        assert_eq!(t.piece(WINDOW), STRIDE);
        t.sent(at(0), STRIDE);
        assert_eq!(t.piece(WINDOW), STEP);
        t.sent(at(0), STEP);
        assert_eq!(t.piece(5000 - STEP), 5000 - STEP);
    }

    #[test]
    fn a_slow_device_gets_steps_until_it_is_quick() {
        let mut t = transfer(100 * STRIDE, 0, None);
        t.sent(at(0), STRIDE);
        t.sent(at(2), STRIDE);
        assert_eq!(t.piece(WINDOW), STEP, "its stride took two seconds");
        for _ in 0..STRIDE / STEP {
            assert_eq!(t.piece(WINDOW), STEP);
            t.sent(at(2), STEP);
        }
        assert_eq!(t.piece(WINDOW), STRIDE);
    }

    #[test]
    fn a_rate_is_kept() {
        let mut t = transfer(10 * WINDOW, 0, Some(100_000));
        assert_eq!(t.room(at(0)), Room::Bytes(100_000));
        t.sent(at(0), 100_000);
        assert_eq!(t.room(at(0)), Room::Wait);
        assert_eq!(t.room(at(2)), Room::Bytes(200_000));
    }

    #[test]
    fn a_transfer_that_moves_less_than_the_floor_over_a_minute_crawls() {
        let mut t = transfer(10 * WINDOW, 0, None);
        t.sent(at(0), WINDOW);
        t.told(MAX_FRAME);
        assert!(!t.crawls(at(59)));
        assert!(!t.crawls(at(60)), "a window went out");
        t.told(MAX_FRAME + 1000);
        assert!(!t.crawls(at(119)));
        assert!(t.crawls(at(120)), "1000 bytes in a minute");
    }

    #[test]
    fn a_slow_link_above_the_floor_is_left_in_peace_to_the_last_byte() {
        let mut t = transfer(4 * MAX_FRAME, 0, None);
        t.sent(at(0), 4 * MAX_FRAME);
        for second in 1..=239 {
            if second % 64 == 0 {
                t.told(MAX_FRAME * u64::try_from(second / 64).unwrap());
            }
            assert!(!t.crawls(at(second)), "at {second} s");
        }
    }

    #[test]
    fn what_the_server_holds_back_does_not_crawl() {
        let mut t = transfer(10 * WINDOW, 0, Some(100));
        for second in 0..600 {
            if let Room::Bytes(n) = t.room(at(second)) {
                t.sent(at(second), n);
                t.told(t.position());
            }
            assert!(!t.crawls(at(second)), "a rate of 100 bytes a second, at {second} s");
        }
        let mut t = transfer(10 * WINDOW, 0, None);
        for second in 0..600 {
            t.held_back(at(second));
            assert!(!t.crawls(at(second)));
        }
    }
}
