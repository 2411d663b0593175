//! How often somebody may guess a password.
//!
//! Five tries per account and address are free; from then on each wrong one doubles the wait, from 15 seconds to
//! 15 minutes. An address alone has twenty, so that trying many accounts helps nobody. A lock is never on the
//! account alone: strangers could keep its owner out. Pure: time is an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use chrono::TimeDelta;

use crate::domain::Timestamp;

const FREE_PER_ACCOUNT: u32 = 5;
const FREE_PER_ADDRESS: u32 = 20;
const FIRST_WAIT_S: i64 = 15;
const LONGEST_WAIT_S: i64 = 15 * 60;
/// Tries are forgotten after this long without another.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(1);
/// Keys remembered at most; beyond it those that were idle longest are forgotten.
const MOST_KEYS: usize = 10_000;

/// Who has tried how often.
#[derive(Debug, Default)]
pub struct Throttle {
    tries: HashMap<Key, Tries>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String, IpAddr),
    Address(IpAddr),
    /// Tries at an account's second factor, from wherever: only who has the password comes that far.
    Code(String),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Timestamp,
    blocked_until: Timestamp,
}

impl Throttle {
    /// Asks for a try, which counts as failed until [`Throttle::succeeded`] says otherwise: tries side by side
    /// get no more than tries one after the other.
    ///
    /// # Errors
    /// How many seconds to wait.
    pub fn attempt(&mut self, now: Timestamp, account: &str, address: IpAddr) -> Result<(), u32> {
        let keys = keys(account, address);
        let wait = keys.iter().filter_map(|key| self.tries.get(key)).map(|tries| tries.blocked_until - now).max();
        if let Some(wait) = wait.filter(|wait| *wait > TimeDelta::zero()) {
            return Err(u32::try_from(wait.num_seconds() + 1).unwrap_or(u32::MAX));
        }
        for key in keys {
            self.count(now, key);
        }
        Ok(())
    }

    /// The password was right: nothing is held against this account from this address.
    pub fn succeeded(&mut self, account: &str, address: IpAddr) {
        let [own, shared] = keys(account, address);
        self.tries.remove(&own);
        if let Some(tries) = self.tries.get_mut(&shared) {
            tries.count = tries.count.saturating_sub(1);
        }
    }

    /// As [`Throttle::attempt`], for the code behind a password that was right.
    ///
    /// # Errors
    /// How many seconds to wait.
    pub fn attempt_code(&mut self, now: Timestamp, account: &str) -> Result<(), u32> {
        let key = Key::Code(folded(account));
        let wait = self.tries.get(&key).map_or(TimeDelta::zero(), |tries| tries.blocked_until - now);
        if wait > TimeDelta::zero() {
            return Err(u32::try_from(wait.num_seconds() + 1).unwrap_or(u32::MAX));
        }
        self.count(now, key);
        Ok(())
    }

    /// The code was right.
    pub fn code_succeeded(&mut self, account: &str) {
        self.tries.remove(&Key::Code(folded(account)));
    }

    fn count(&mut self, now: Timestamp, key: Key) {
        if self.tries.len() >= MOST_KEYS && !self.tries.contains_key(&key) {
            self.forget(now);
        }
        let free = match key {
            Key::Account(..) | Key::Code(_) => FREE_PER_ACCOUNT,
            Key::Address(_) => FREE_PER_ADDRESS,
        };
        let fresh = Tries { count: 0, last: now, blocked_until: now };
        let tries = self.tries.entry(key).or_insert(fresh);
        if now - tries.last > FORGOTTEN_AFTER {
            *tries = fresh;
        }
        tries.count += 1;
        tries.last = now;
        if tries.count >= free {
            let wait = (FIRST_WAIT_S << (tries.count - free).min(10)).min(LONGEST_WAIT_S);
            tries.blocked_until = now + TimeDelta::seconds(wait);
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.tries.retain(|_, tries| now - tries.last <= FORGOTTEN_AFTER);
        if self.tries.len() < MOST_KEYS {
            return;
        }
        // Many at once, so that a flood of strangers does not make every try look through all of them.
        let mut by_age: Vec<(Timestamp, Key)> =
            self.tries.iter().map(|(key, tries)| (tries.last, key.clone())).collect();
        by_age.sort_by_key(|(last, _)| *last);
        for (_, key) in by_age.into_iter().take(MOST_KEYS / 10) {
            self.tries.remove(&key);
        }
    }
}

fn keys(account: &str, address: IpAddr) -> [Key; 2] {
    let address = neighbourhood(address);
    [Key::Account(folded(account), address), Key::Address(address)]
}

fn folded(account: &str) -> String {
    account.chars().take(64).flat_map(char::to_lowercase).collect()
}

/// An address as limits count it: of IPv6 the first 64 bits, which is what one customer has.
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn the_sixth_try_waits_and_each_wait_is_twice_the_one_before_up_to_15_minutes() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.attempt(at(0), "ann", address(1)), Ok(()));
        }
        assert_eq!(throttle.attempt(at(0), "ANN", address(1)), Err(16), "the account's name in any case");
        let mut now = 0;
        for wait in [15, 30, 60, 120, 240, 480, 900, 900] {
            assert!(throttle.attempt(at(now + wait - 1), "ann", address(1)).is_err(), "still waiting at {wait}");
            now += wait;
            assert_eq!(throttle.attempt(at(now), "ann", address(1)), Ok(()), "after {wait}");
        }
    }

    #[test]
    fn others_are_not_kept_out_and_success_wipes_the_slate() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            throttle.attempt(at(0), "ann", address(1)).unwrap();
        }
        assert_eq!(throttle.attempt(at(0), "ann", address(2)), Ok(()));
        assert_eq!(throttle.attempt(at(0), "bob", address(1)), Ok(()));
        throttle.succeeded("Ann", address(1));
        assert_eq!(throttle.attempt(at(0), "ann", address(1)), Ok(()));
    }

    #[test]
    fn a_code_is_guessed_at_five_times_from_wherever() {
        let mut throttle = Throttle::default();
        let granted = (0..50).filter(|_| throttle.attempt_code(at(0), "ann").is_ok()).count();
        assert_eq!(granted, 5);
        assert_eq!(throttle.attempt(at(0), "ann", address(1)), Ok(()), "the password is another matter");
        assert_eq!(throttle.attempt_code(at(15), "Ann"), Ok(()));
        throttle.code_succeeded("ANN");
        assert_eq!(throttle.attempt_code(at(15), "ann"), Ok(()));
    }

    #[test]
    fn many_accounts_from_one_address_are_no_way_around() {
        let mut throttle = Throttle::default();
        let granted = (0..100).filter(|n| throttle.attempt(at(0), &format!("user{n}"), address(1)).is_ok()).count();
        assert_eq!(granted, 20);
    }

    #[test]
    fn an_hour_of_quiet_is_a_new_beginning_and_memory_is_bounded() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            throttle.attempt(at(0), "ann", address(1)).unwrap();
        }
        for _ in 0..5 {
            assert_eq!(throttle.attempt(at(3700), "ann", address(1)), Ok(()));
        }
        for n in 0..20_000_u32 {
            let _ = throttle.attempt(at(3700), "x", IpAddr::from(n.to_be_bytes()));
        }
        assert!(throttle.tries.len() <= MOST_KEYS);
    }

    #[test]
    fn one_customers_ipv6_addresses_count_as_one() {
        let near = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(near("2001:db8:1:2:3::1"), near("2001:db8:1:2:ffff::9"));
        assert_ne!(near("2001:db8:1:2::1"), near("2001:db8:1:3::1"));
        assert_eq!(near("::ffff:10.0.0.1"), near("10.0.0.1"));
    }
}
