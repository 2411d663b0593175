//! Devices that come again and again: how often each did lately, and who is not let in for a while.
//!
//! Counted for what proves who calls: a device's own token where it has one, otherwise the name it says. So nobody
//! can have a device with a token held off by calling under its name.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use chrono::TimeDelta;

use super::{DeviceId, KeyId, Timestamp};

/// How often something happened lately, for each of many.
#[derive(Debug)]
pub struct Recently<K> {
    within: TimeDelta,
    seen: HashMap<K, VecDeque<Timestamp>>,
    swept: Timestamp,
}

impl<K: Eq + Hash> Recently<K> {
    /// Counts what happened `within` this time.
    #[must_use]
    pub fn new(within: TimeDelta) -> Self {
        Self { within, seen: HashMap::new(), swept: Timestamp::UNIX_EPOCH }
    }

    /// It happened now; how often it did lately, this time included.
    pub fn count(&mut self, now: Timestamp, of: K) -> usize {
        let oldest = now - self.within;
        if self.swept < oldest {
            self.swept = now;
            self.seen.retain(|_, times| times.back().is_some_and(|last| *last > oldest));
        }
        let times = self.seen.entry(of).or_default();
        while times.front().is_some_and(|first| *first <= oldest) {
            times.pop_front();
        }
        times.push_back(now);
        times.len()
    }

    /// Begins to count anew.
    pub fn forget(&mut self, of: &K) {
        self.seen.remove(of);
    }
}

/// Who calls, as far as it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Caller {
    /// It has this device's own token.
    Device(KeyId),
    /// It says this name.
    Named(DeviceId),
}

/// See the module.
#[derive(Debug)]
pub struct Flapping {
    most: usize,
    pause: TimeDelta,
    calls: Recently<Caller>,
    held: HashMap<Caller, Timestamp>,
}

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldOff {
    pub seconds: u32,
    /// It was let in until now.
    pub begins: bool,
}

impl Flapping {
    /// More than `most` connections within a minute, and a caller is held off for `pause`.
    #[must_use]
    pub fn new(most: usize, pause: TimeDelta) -> Self {
        Self { most, pause, calls: Recently::new(TimeDelta::minutes(1)), held: HashMap::new() }
    }

    /// A connection was made.
    ///
    /// # Errors
    /// [`HeldOff`]: it is not to be let in.
    pub fn called(&mut self, now: Timestamp, caller: Caller) -> Result<(), HeldOff> {
        if let Some(seconds) = self.held_off(now, &caller) {
            return Err(HeldOff { seconds, begins: false });
        }
        if self.calls.count(now, caller.clone()) <= self.most {
            return Ok(());
        }
        self.calls.forget(&caller);
        self.held.retain(|_, until| *until > now);
        self.held.insert(caller, now + self.pause);
        Err(HeldOff { seconds: seconds(self.pause), begins: true })
    }

    /// How many seconds a caller is not let in.
    #[must_use]
    pub fn held_off(&self, now: Timestamp, caller: &Caller) -> Option<u32> {
        let until = self.held.get(caller).filter(|until| **until > now)?;
        Some(seconds(*until - now))
    }

    /// How many callers are held off.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> usize {
        self.held.values().filter(|until| **until > now).count()
    }
}

fn seconds(time: TimeDelta) -> u32 {
    u32::try_from(time.num_milliseconds().max(0).unsigned_abs().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
    }

    fn named(name: &str) -> Caller {
        Caller::Named(DeviceId::new(name).unwrap())
    }

    fn flapping() -> Flapping {
        Flapping::new(15, TimeDelta::minutes(5))
    }

    #[test]
    fn the_sixteenth_call_within_a_minute_is_held_off_for_five_minutes() {
        let mut flapping = flapping();
        for second in 0..15 {
            assert_eq!(flapping.called(at(second), named("t-1")), Ok(()));
        }
        assert_eq!(flapping.called(at(15), named("t-1")), Err(HeldOff { seconds: 300, begins: true }));
        assert_eq!(flapping.called(at(16), named("t-1")), Err(HeldOff { seconds: 299, begins: false }));
        assert_eq!(flapping.held_off(at(100), &named("t-1")), Some(215));
        assert_eq!(flapping.held(at(100)), 1);
        assert_eq!(flapping.called(at(315), named("t-1")), Ok(()), "trying meanwhile did not make it longer");
        assert_eq!(flapping.held(at(315)), 0);
    }

    #[test]
    fn the_others_are_let_in_and_so_is_the_one_with_a_token_of_its_own() {
        let mut flapping = flapping();
        for _ in 0..16 {
            let _ = flapping.called(at(0), named("t-1"));
        }
        assert!(flapping.held_off(at(1), &named("t-1")).is_some());
        assert_eq!(flapping.called(at(1), named("t-2")), Ok(()));
        assert_eq!(flapping.called(at(1), Caller::Device(KeyId(1))), Ok(()));
    }

    #[test]
    fn a_call_every_five_seconds_is_no_flapping_and_nothing_is_kept_of_who_is_gone() {
        let mut flapping = flapping();
        for call in 0..1000 {
            assert_eq!(flapping.called(at(call * 5), named("t-1")), Ok(()));
            assert_eq!(flapping.called(at(call * 5), named(&format!("other-{call}"))), Ok(()));
        }
        assert!(flapping.calls.seen.len() < 50, "{}", flapping.calls.seen.len());
    }
}
