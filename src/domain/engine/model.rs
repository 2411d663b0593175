//! Random events against the engine, held to a slow and obvious account of what is saved: a map of rows.
//!
//! Shows the invariants named in [`course`](crate::domain::course): limits hold, every lease ends, what the engine
//! counts is the sum of the rows, and when the fleet is well everything comes to an end.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::domain::{
    HealthRules, Policy, Readings, Release, RolloutPackage, Sample, Sha256Hex, Stage, Target, Timeouts, Turn,
};

mod acts;

const DEVICES: i64 = 8;

/// The database, and the world of devices, as plain maps.
#[derive(Default)]
pub(super) struct World {
    pub engine: Engine,
    pub now: Timestamp,
    pub rollouts: BTreeMap<RolloutId, Rollout>,
    pub rows: BTreeMap<(RolloutId, KeyId, ModuleName), Assignment>,
    pub sessions: BTreeMap<KeyId, SessionNo>,
    pub running: BTreeMap<KeyId, Modules>,
    pub offers: BTreeMap<(KeyId, ModuleName), Version>,
    pub strikes: BTreeMap<(KeyId, ModuleName), Strike>,
    /// When each rollout offered what.
    pub starts: BTreeMap<RolloutId, Vec<Timestamp>>,
    pub fleet_limit: Option<u32>,
    /// Whether devices can install several modules as one.
    pub sets: bool,
    next_session: i64,
}

pub(super) fn module(n: u8) -> ModuleName {
    ModuleName::new(["app1", "app2"][usize::from(n % 2)]).unwrap()
}

impl World {
    pub fn new() -> Self {
        let mut world = World { now: Timestamp::UNIX_EPOCH + TimeDelta::days(1), sets: true, ..World::default() };
        for key in 0..DEVICES {
            let modules = (0..2).map(|n| (module(n), Version::new("1").unwrap())).collect();
            world.running.insert(KeyId(key), modules);
        }
        world
    }

    /// Saves, and listens.
    pub fn carry_out(&mut self, effects: Effects) {
        for rollout in effects.rollouts {
            self.rollouts.insert(rollout.id, rollout);
        }
        for row in effects.assignments {
            if let Some(before) = self.rows.get(&(row.rollout, row.key_id, row.module.clone())) {
                let moved = before.state.may_become(row.state) || before.state == row.state;
                assert!(moved || !before.state.is_final(), "a final row changed: {before:?} -> {row:?}");
            }
            self.rows.insert((row.rollout, row.key_id, row.module.clone()), row);
        }
        for strike in effects.strikes {
            self.strikes.insert((strike.key_id, strike.module.clone()), strike);
        }
        for moved in effects.transitions.iter().filter(|moved| moved.to == S::Offered) {
            let asked_again = moved.reason.as_deref() == Some(ASKED_AGAIN);
            self.starts.entry(moved.rollout).or_default().extend((!asked_again).then_some(moved.at));
        }
        for speech in effects.speech {
            match speech {
                Speech::Offer(offer) if offer.all_or_nothing => self.offered_set(offer),
                Speech::Offer(offer) if self.sessions.get(&offer.key_id) == Some(&offer.session) => {
                    for release in offer.releases {
                        self.offers.insert((offer.key_id, release.module), release.version);
                    }
                }
                Speech::Cancel { key_id, module, .. } => {
                    self.offers.remove(&(key_id, module));
                }
                Speech::Offer(_) => panic!("an offer to a session that is gone"),
            }
        }
        self.check();
    }

    fn check(&self) {
        let mut changing = BTreeSet::new();
        let leased = self.rows.values().filter(|row| row.state.holds_a_lease()).count();
        assert!(self.fleet_limit.is_none_or(|limit| leased <= limit as usize), "{leased} in flight in all");
        for (id, starts) in &self.starts {
            let limit = self.rollouts[id].policy.starts_per_minute;
            let last = starts.iter().filter(|at| **at + TimeDelta::seconds(60) > self.now).count();
            assert!(limit.is_none_or(|limit| last <= limit as usize), "{last} starts in a minute");
        }
        for (id, rollout) in &self.rollouts {
            let rows = || self.rows.values().filter(|row| row.rollout == *id);
            let leased = rows().filter(|row| row.state.holds_a_lease()).count();
            assert!(leased <= rollout.policy.max_in_flight as usize, "{leased} in flight");
            self.check_sets(*id);
            for row in rows().filter(|row| row.state.holds_a_lease()) {
                assert!(row.until.is_some(), "a lease without an end: {row:?}");
                assert!(row.stage < rollout.open_stages, "offered before its stage opened: {row:?}");
                assert!(changing.insert((row.key_id, row.module.clone())), "two rollouts change {row:?}");
            }
            if let Some((in_flight, counts)) = self.engine.tally(*id) {
                let mut sum = Counts::default();
                rows().for_each(|row| sum.add(row.state, 1));
                assert_eq!((in_flight as usize, counts), (leased, sum));
            }
        }
    }

    pub fn hello(&mut self, key: KeyId, new_connection: bool) {
        if new_connection {
            self.next_session += 1;
            self.sessions.insert(key, SessionNo(self.next_session));
            self.offers.retain(|(k, _), _| *k != key);
        }
        let Some(session) = self.sessions.get(&key).copied() else { return };
        let arrival = Arrival {
            key_id: key,
            device_id: DeviceId::new(&format!("d{key}")).unwrap(),
            name: String::new(),
            tags: Tags::new(),
            session,
            modules: self.running[&key].clone(),
            readings: None,
            sets: self.sets,
            told_at: Some(self.now),
        };
        let effects = self.engine.arrived(self.now, arrival);
        self.carry_out(effects);
    }

    fn create(&mut self, version: u8, modules: u8, limit: u8, staged: bool) {
        let policy = Policy {
            max_in_flight: u32::from(limit),
            stages: if staged { vec![Stage::Count(2)] } else { vec![Stage::Percent(100.0)] },
            max_failures: 3,
            health_window_s: 5,
            attempts: 2,
            starts_per_minute: limit.is_multiple_of(3).then_some(3),
            priority: i32::from(modules),
            all_or_nothing: limit > 3 && self.fleet_limit.is_none_or(|limit| limit > 1),
            health: HealthRules { max_temperature: Some(80.0), ..HealthRules::default() },
            timeouts_s: Timeouts { offered: 10, downloading: 20, installing: 30, verifying: 40 },
            ..Policy::default()
        };
        self.begin(version, modules, policy);
    }

    /// Starts a rollout to all devices: `modules` is 0 for app1, 1 for app2, 2 for both.
    pub fn begin(&mut self, version: u8, modules: u8, policy: Policy) -> RolloutId {
        let id = RolloutId(self.rollouts.len() as i64 + 1);
        let names: Vec<u8> = if modules == 2 { vec![0, 1] } else { vec![modules] };
        let version = Version::new(&version.to_string()).unwrap();
        let releases: Vec<Release> = names
            .iter()
            .map(|n| Release {
                module: module(*n),
                version: version.clone(),
                size: 1,
                sha256: Sha256Hex::of(b""),
                signature: None,
                requires: crate::domain::Requirements::default(),
            })
            .collect();
        let staged = policy.stage_ends(DEVICES as u32).len() > 1;
        let mut rows = Vec::new();
        for (key, running) in &self.running {
            for release in &releases {
                if compare(running.get(&release.module), &release.version, false).is_ok() {
                    rows.push(Assignment {
                        rollout: id,
                        key_id: *key,
                        module: release.module.clone(),
                        from: None,
                        to: release.version.clone(),
                        state: S::Waiting,
                        reason: None,
                        stage: u32::from(staged && key.0 >= 2),
                        attempts: 0,
                        until: None,
                        seen_since: None,
                        updated_at: self.now,
                    });
                }
            }
        }
        let rollout = Rollout {
            id,
            state: if policy.not_before.is_some() { RolloutState::Scheduled } else { RolloutState::Running },
            why: None,
            packages: releases.into_iter().map(|release| RolloutPackage { release, previous_version: None }).collect(),
            allow_rollback: false,
            target: Target::All,
            open_stages: 0,
            stages: if staged { 2 } else { 1 },
            policy,
            created_at: self.now,
            created_by: "a".into(),
            ended_at: None,
            approved_by: None,
            takes_back: None,
            plan: Default::default(),
        };
        self.rollouts.insert(id, rollout.clone());
        for row in &rows {
            self.rows.insert((id, row.key_id, row.module.clone()), row.clone());
        }
        let effects = self.engine.begin(self.now, self.open(rollout), Vec::new());
        self.carry_out(effects);
        id
    }

    /// A rollout as the store gives it.
    pub fn open(&self, rollout: Rollout) -> OpenCourse {
        let id = rollout.id;
        let rows = || self.rows.values().filter(|row| row.rollout == id);
        let mut turns: HashMap<KeyId, Turn> = HashMap::new();
        for row in rows() {
            let turn = turns.entry(row.key_id).or_insert(Turn::new(row.stage));
            let place = rollout.packages.iter().position(|p| p.release.module == row.module).unwrap();
            if row.state != S::Excluded {
                turn.give(place);
            }
            if row.state == S::Verified {
                turn.saw(place, row.attempts);
            }
        }
        for key in self.running.keys() {
            turns.entry(*key).or_insert(Turn::new(0));
        }
        let open = |row: &&Assignment| !row.state.is_final() || row.state == S::Superseded;
        OpenCourse {
            rows: rows().filter(open).cloned().collect(),
            tallies: self.tallies(id),
            turns,
            recent_starts: self.starts.get(&id).cloned().unwrap_or_default(),
            rollout,
        }
    }

    fn tallies(&self, id: RolloutId) -> Vec<(u32, Counts)> {
        let mut tallies: BTreeMap<u32, Counts> = BTreeMap::new();
        for row in self.rows.values().filter(|row| row.rollout == id) {
            tallies.entry(row.stage).or_default().add(row.state, 1);
        }
        tallies.into_iter().collect()
    }

    /// The server dies and starts again with what was saved.
    pub fn restart(&mut self) {
        self.engine = Engine::new(self.fleet_limit, self.strikes.values().cloned().collect());
        self.sessions.clear();
        self.offers.clear();
        for rollout in self.rollouts.values().cloned().collect::<Vec<_>>() {
            if !rollout.state.is_live() && rollout.state != RolloutState::Completed {
                continue;
            }
            let effects = self.engine.take_up(self.now, self.open(rollout));
            self.carry_out(effects);
        }
    }

    /// A device does the next thing with something it was offered.
    fn act(&mut self, pick: u8, how: u8) {
        let Some(((key, module), version)) =
            self.offers.iter().nth(usize::from(pick) % self.offers.len().max(1)).map(|(k, v)| (k.clone(), v.clone()))
        else {
            return;
        };
        let now = self.now;
        let engine = &mut self.engine;
        let effects = match how % 10 {
            0 | 1 => engine.answered(now, key, &module, &version, Answer::Wanted),
            8 if version.as_str() == "4" => engine.did(now, key, &module, &version, Doing::Staged),
            2 => engine.answered(now, key, &module, &version, Answer::Declined("busy".into())),
            3 => engine.answered(now, key, &module, &version, Answer::Declined("known_bad".into())),
            4 => engine.did(now, key, &module, &version, Doing::Received),
            5 => engine.did(now, key, &module, &version, Doing::Failed("no".into())),
            6 => engine.did(now, key, &module, &version, Doing::RolledBack("no".into())),
            7 => engine.did(now, key, &module, &version, Doing::Installed),
            _ => {
                self.running.get_mut(&key).unwrap().insert(module, version);
                return self.hello(key, how.is_multiple_of(2));
            }
        };
        self.carry_out(effects);
    }

    fn event(&mut self, (kind, a, b): (u8, u8, u8)) {
        let key = KeyId(i64::from(a) % DEVICES);
        let id = RolloutId(i64::from(a) % (self.rollouts.len() as i64 + 1));
        match kind % 28 {
            0 | 1 => self.hello(key, true),
            2 => self.hello(key, false),
            3 => {
                if let Some(session) = self.sessions.get(&key).copied() {
                    // Sometimes the goodbye of a session that is long gone.
                    let stale = b % 4 == 0;
                    let effects = self.engine.departed(self.now, key, SessionNo(session.0 - i64::from(stale)));
                    if !stale {
                        self.sessions.remove(&key);
                        self.offers.retain(|(k, _), _| *k != key);
                    }
                    self.carry_out(effects);
                }
            }
            4 if self.rollouts.len() < 4 => self.create(2 + b % 4, a % 3, 1 + b % 5, a % 2 == 0),
            5 => {
                let effects = self.engine.pause(self.now, id, "an admin".into()).unwrap_or_default();
                self.carry_out(effects);
            }
            6 | 7 => {
                let effects = self.engine.resume(self.now, id).unwrap_or_default();
                self.carry_out(effects);
            }
            8 if b % 4 == 0 => {
                let effects = self.engine.cancel(self.now, id, "an admin".into()).unwrap_or_default();
                self.carry_out(effects);
            }
            9 if b % 3 == 0 => self.restart(),
            24 | 25 => self.report(key, if b % 3 == 0 { 90.0 } else { 50.0 }),
            26 => self.retry(id),
            27 => {
                // The old version comes back: another card was put in.
                self.running.get_mut(&key).unwrap().insert(module(b), Version::new("1").unwrap());
                self.hello(key, a % 2 == 0);
            }
            10..=13 => self.pass(i64::from(b) % 30),
            _ => self.act(a, b),
        }
    }

    /// From now on every device is there and does as it is asked.
    pub fn all_is_well(&mut self) {
        for key in (0..DEVICES).map(KeyId) {
            self.hello(key, true);
        }
        for _ in 0..400 {
            for key in (0..DEVICES).map(KeyId) {
                self.report(key, 50.0);
            }
            let ended = self.rollouts.values().all(|rollout| !rollout.state.is_live());
            if ended && self.rows.values().all(|row| row.state.is_final()) {
                break;
            }
            for id in self.rollouts.keys().copied().collect::<Vec<_>>() {
                let effects = self.engine.resume(self.now, id).unwrap_or_default();
                self.carry_out(effects);
            }
            for ((key, module), version) in self.offers.clone() {
                for doing in [Doing::Received, Doing::Staged, Doing::Installed] {
                    let effects = self.engine.answered(self.now, key, &module, &version, Answer::Wanted);
                    self.carry_out(effects);
                    let effects = self.engine.did(self.now, key, &module, &version, doing);
                    self.carry_out(effects);
                }
                let current = self.running.get_mut(&key).unwrap();
                if compare(current.get(&module), &version, false).is_ok() {
                    current.insert(module.clone(), version);
                }
                self.offers.remove(&(key, module));
                self.hello(key, false);
            }
            self.pass(20);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn limits_hold_and_everything_ends(
        events in prop::collection::vec(any::<(u8, u8, u8)>(), 1..120),
        fleet_limit in prop::option::of(1u32..6),
    ) {
        let mut world = World::new();
        world.fleet_limit = fleet_limit;
        world.restart();
        world.create(2, 2, 3, true);
        for event in events {
            world.event(event);
        }
        world.all_is_well();
        for row in world.rows.values() {
            prop_assert!(row.state.is_final(), "still open: {row:?} of {:?}", world.rollouts[&row.rollout]);
        }
        for rollout in world.rollouts.values() {
            prop_assert!(!rollout.state.is_live(), "still live: {rollout:?}");
        }
    }
}
