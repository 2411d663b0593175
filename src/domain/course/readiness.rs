//! Which devices of a rollout can be offered something, which are counted on, and when each is looked at again.

use super::*;

impl Course {
    /// Looks at a device again after something changed: can it be offered something, is it counted on, when is it
    /// to be looked at next. `away_since`: it is offline since then. `shut_until`: it may not be changed before.
    pub fn touch(&mut self, key: KeyId, away_since: Option<Timestamp>, shut_until: Option<Timestamp>, now: Timestamp) {
        let open_stages = self.rollout.open_stages;
        self.not_ready(key);
        let rows = self.rows_of(key);
        let waits = |row: &&Assignment| row.state == S::Waiting && row.stage < open_stages;
        let stage = rows.iter().find(waits).map(|row| row.stage);
        let due = rows.iter().filter(waits).any(|row| row.until.is_none_or(|until| until <= now));
        let linger =
            away_since.map(|since| since + TimeDelta::seconds(UNREACHABLE_AFTER_S)).filter(|until| *until > now);
        let mut wake = rows.iter().filter_map(|row| self.wake_of_row(row, now)).min();
        self.reachable.remove(&key);
        self.lingers.remove(&key);
        if let Some(stage) = stage {
            match (away_since, linger) {
                (None, _) => {
                    self.reachable.insert(key);
                    match shut_until {
                        None if due => {
                            self.ready.insert((stage, key));
                            self.ready_stage.insert(key, stage);
                        }
                        None => {}
                        Some(opens) => wake = Some(wake.map_or(opens, |w| w.min(opens))),
                    }
                }
                (Some(_), Some(until)) => {
                    self.reachable.insert(key);
                    self.lingers.insert(key, until);
                    wake = Some(wake.map_or(until, |w| w.min(until)));
                }
                (Some(_), None) => {}
            }
        }
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

    fn set_wake(&mut self, key: KeyId, at: Option<Timestamp>) {
        if let Some(old) = self.wake_of.remove(&key) {
            self.wakes.remove(&(old, key));
        }
        if let Some(at) = at {
            self.wakes.insert((at, key));
            self.wake_of.insert(key, at);
        }
    }

    /// Devices whose time has come.
    pub fn due(&mut self, now: Timestamp) -> Vec<KeyId> {
        let mut due = Vec::new();
        while let Some((at, key)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.remove(&(at, key));
            self.wake_of.remove(&key);
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
        if let Some(stage) = self.ready_stage.remove(&key) {
            self.ready.remove(&(stage, key));
        }
    }
}
