//! When a device is pinged.
//!
//! A report says what the answer to a ping would, and its acknowledgement what the ping would: a device that reports is
//! not pinged, where its next report comes soon enough. That saves most of what an idle link would carry, which counts
//! where the bytes are paid for.

use chrono::TimeDelta;

use super::{SessionLimits, Timestamp};

/// How long after its time a report is still waited for.
const LATE: TimeDelta = TimeDelta::seconds(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Pings {
    every: TimeDelta,
    /// How long after an acknowledged report there is none, where reports come often enough.
    after_report: Option<TimeDelta>,
    next: Timestamp,
}

impl Pings {
    pub fn new(limits: SessionLimits, now: Timestamp) -> Self {
        let SessionLimits { ping: every, report, dead_after, .. } = limits;
        let next_report = report + LATE;
        // A link stays quiet for half as long again at most, and there is time for a ping and its answer.
        let is_soon = next_report * 2 <= (every * 3).min(dead_after);
        Self { every, after_report: is_soon.then_some(next_report), next: now + every }
    }

    /// A report was acknowledged.
    pub fn acknowledged(&mut self, now: Timestamp) {
        if let Some(pause) = self.after_report {
            self.next = self.next.max(now + pause);
        }
    }

    /// Whether it is time for one; then it is taken for sent.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        let is_due = now >= self.next;
        if is_due {
            self.next = now + self.every;
        }
        is_due
    }

    /// When the next one is due.
    pub fn next(&self) -> Timestamp {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BootId, DeviceId, Modules, Session, SessionEffect};

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn limits(ping: i64, report: i64) -> SessionLimits {
        let [hello, dead_after, ping, report] = [10, 75, ping, report].map(TimeDelta::seconds);
        SessionLimits { hello, dead_after, ping, report, messages_per_s: 10, messages_burst: 60 }
    }

    /// When a device is pinged in five minutes: one that reports every so many seconds, and is answered until then.
    fn pings(ping: i64, interval: i64, reports: i64, answered_until: i64) -> Vec<i64> {
        let mut pings = Pings::new(limits(ping, interval), at(0));
        let mut sent = Vec::new();
        for second in 1..=300 {
            if second % reports == 7 && second <= answered_until {
                pings.acknowledged(at(second));
            }
            if pings.is_due(at(second)) {
                sent.push(second);
            }
        }
        sent
    }

    #[test]
    fn a_device_that_is_acknowledged_in_time_is_not_pinged() {
        let every: Vec<i64> = (1..=12).map(|n| n * 25).collect();
        assert_eq!(pings(25, 30, 1000, 0), every, "it never reports");
        assert_eq!(pings(25, 30, 30, 300), Vec::<i64>::new());
        assert_eq!(pings(25, 30, 33, 300), Vec::<i64>::new(), "some seconds late each time");
        assert_eq!(pings(25, 30, 60, 300), [42, 102, 162, 222, 282], "half of them are missing");
    }

    #[test]
    fn who_hears_nothing_is_pinged_however_much_it_reports() {
        assert_eq!(pings(25, 30, 30, 100), [132, 157, 182, 207, 232, 257, 282]);
    }

    #[test]
    fn where_reports_are_rare_a_link_is_not_left_quiet_for_them() {
        let every = |seconds: i64| -> Vec<i64> { (1..=300 / seconds).map(|n| n * seconds).collect() };
        assert_eq!(pings(25, 60, 60, 300), every(25));
        assert_eq!(pings(5, 30, 30, 300), every(5));
    }

    #[test]
    fn a_session_pings_and_an_acknowledgement_is_as_good() {
        let mut session = Session::new(limits(25, 30), at(0));
        let pinged = |session: &mut Session, second| {
            session.heard(at(second));
            session.tick(at(second));
            session.take_effects().contains(&SessionEffect::Ping)
        };
        session.hello(at(0), DeviceId::new("t-1").unwrap(), Modules::default());
        assert_eq!([24, 25, 49, 50].map(|second| pinged(&mut session, second)), [false, true, false, true]);
        session.stored(at(60), BootId::default(), 1);
        assert_eq!([75, 94, 95].map(|second| pinged(&mut session, second)), [false, false, true]);
    }
}
