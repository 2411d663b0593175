//! Which devices of a rollout can be offered something, which are counted on, and when each is looked at again.

use super::*;

impl Course {
    /// Looks at a device again after something changed: can it be offered something, is it counted on, when is it
    /// to be looked at next. `away_since`: it is offline since then. `shut_until`: it may not be changed before.
    pub fn touch(&mut self, key: KeyId, away_since: Option<Timestamp>, shut_until: Option<Timestamp>, now: Timestamp) {
        if !self.is_member(key) {
            return;
        }
        let open_stages = self.rollout.open_stages;
        let rows = self.rows_of(key);
        let waits = |row: &&Assignment| row.state == S::Waiting && row.stage < open_stages;
        let stage = rows.iter().find(waits).map(|row| row.stage);
        let due = rows.iter().filter(waits).any(|row| row.until.is_none_or(|until| until <= now));
        let lingers = away_since.map(|since| since + TimeDelta::seconds(UNREACHABLE_AFTER_S));
        let lingers = lingers.filter(|until| stage.is_some() && *until > now);
        let is_there = stage.is_some() && away_since.is_none();
        let opens = shut_until.filter(|_| is_there);
        let wakes = rows.iter().filter_map(|row| self.wake_of_row(row, now));
        let wake = wakes.chain(lingers).chain(opens).min();
        self.seats.set_reachable(key, is_there || lingers.is_some());
        self.set_ready(key, stage.filter(|_| is_there && due && shut_until.is_none()));
        self.set_wake(key, wake);
    }

    fn wake_of_row(&self, row: &Assignment, now: Timestamp) -> Option<Timestamp> {
        match (row.state, row.seen_since) {
            (S::Waiting, _) => row.until.filter(|until| *until > now),
            (S::Verifying, Some(seen)) => {
                let well_at = seen + self.health_window();
                // One whose window is over and that is not well waits for its next report.
                let next = [Some(well_at), row.until].into_iter().flatten().filter(|at| *at > now).min();
                next.or(row.until)
            }
            _ => row.until,
        }
    }

    pub(super) fn set_wake(&mut self, key: KeyId, at: Option<Timestamp>) {
        let Some(before) = self.seats.set_wake(key, at).filter(|before| *before != at) else { return };
        before.map(|before| self.wakes.remove(&(before, key)));
        self.wakes.extend(at.map(|at| (at, key)));
    }

    fn set_ready(&mut self, key: KeyId, stage: Option<u32>) {
        let Some(before) = self.seats.set_ready(key, stage).filter(|before| *before != stage) else { return };
        before.map(|before| self.ready.remove(&(before, key)));
        self.ready.extend(stage.map(|stage| (stage, key)));
    }

    /// Devices whose time has come.
    pub fn due(&mut self, now: Timestamp) -> Vec<KeyId> {
        let mut due = Vec::new();
        while self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.wakes.pop_first() else { break };
            self.seats.set_wake(key, None);
            due.push(key);
        }
        due
    }

    /// The next device to be offered something, in the order of the stages.
    pub fn first_ready(&self) -> Option<KeyId> {
        self.ready.first().map(|(_, key)| *key)
    }

    /// Nothing can be offered to this device just now.
    pub fn not_ready(&mut self, key: KeyId) {
        self.set_ready(key, None);
    }
}
