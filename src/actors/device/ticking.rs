//! When the deadlines of a connection are looked at.

use actix::prelude::*;
use chrono::TimeDelta;

use super::{Ctx, DeviceActor};
use crate::domain::Timestamp;

/// How often deadlines of the link are looked at while something is under way.
const TICK: TimeDelta = TimeDelta::seconds(1);

/// Deadlines of all connections fall on multiples of this: a thread with thousands of them wakes ten times a second for
/// all their pings, and not for each.
const TOGETHER_MS: i64 = 100;

/// A tick that comes so long after it was due says that the server had no time.
pub(super) const LATE: TimeDelta = TimeDelta::seconds(2);

/// The next moment, not before this one, at which connections look at their deadlines.
fn together(at: Timestamp) -> Timestamp {
    at + TimeDelta::milliseconds((-at.timestamp_millis()).rem_euclid(TOGETHER_MS))
}

impl DeviceActor {
    /// Looks at deadlines again: soon while something is under way. Most of a large fleet's connections have nothing
    /// to do until the next ping.
    pub(super) fn tick_later(&mut self, ctx: &mut Ctx) {
        let now = self.links.clock.steady();
        let pause = match self.session.is_quiet() {
            true => (self.session.next_look() - now).max(TICK),
            false => TICK,
        };
        self.tick_at = together(now + pause);
        let pause = self.tick_at - now;
        if let Some(ticking) = self.ticking.take() {
            ctx.cancel_future(ticking);
        }
        self.ticking = Some(ctx.run_later(pause.to_std().unwrap_or_default(), |device, ctx| {
            device.ticking = None;
            device.tick(ctx);
            device.tick_later(ctx);
        }));
    }

    fn tick(&mut self, ctx: &mut Ctx) {
        let now = self.links.clock.steady();
        // The server stood still, not the device: what it said meanwhile is heard before it is judged.
        let late = now - self.tick_at;
        let is_late = late > LATE;
        if is_late {
            self.watcher.excuse(now, late.num_seconds());
        }
        if self.watcher.is_held() {
            // It is not the device that is silent.
            self.session.heard(now);
        }
        #[cfg(feature = "echo")]
        if self.echoes {
            return;
        }
        self.watch_turn(now);
        if !is_late {
            self.session.tick(now);
        }
        self.carry_out(ctx);
        self.pump(ctx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_of_all_connections_fall_together_and_none_is_early() {
        let at = |ms| Timestamp::UNIX_EPOCH + TimeDelta::milliseconds(ms);
        assert_eq!([1, 99, 100, 101].map(|ms| together(at(ms))), [100, 100, 100, 200].map(at));
        assert_eq!(together(at(-150)), at(-100));
    }
}
