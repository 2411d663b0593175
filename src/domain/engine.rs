//! The rollout engine: every live rollout over every device that matters to one, as one state machine.
//!
//! Each event returns [`Effects`]: rows to be saved, then things to be said. In memory only what may still change
//! is kept; a rollout's ended assignments are numbers.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::TimeDelta;

mod compared;
mod event;
mod health;
mod heard;
mod standing;
#[cfg(test)]
mod model;
mod offering;
mod sets;
mod steering;
mod steps;
#[cfg(test)]
mod stories;

pub use self::event::{Answer, Arrival, Doing};
use super::course::{ByDevice, ByModule, Course, Leases, Move, Step, Strikes};
use super::{
    Assignment, AssignmentState as S, Counts, Decision, DeviceId, Effects, ExclusionReason, Facts, KeyId, Limit,
    ModuleName, Modules, OfferSpeech, OpenCourse, QUARANTINE_AFTER, Readings, Reason, Release, Rollout, RolloutId,
    RolloutState, SessionNo, Speech, Standing, Strike, Subject, Tags, Target, Timestamp, Version, Vitals, Zone,
    compare, decide, opens_at,
};

/// A command that the rollout's state forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such rollout, or it has ended")]
    NotLive,
    #[error("the rollout is {0}, so this can't be done")]
    Forbidden(RolloutState),
}

#[derive(Debug)]
struct Known {
    device_id: DeviceId,
    name: String,
    tags: Tags,
    session: SessionNo,
    modules: Modules,
    /// What its last report says, where a rollout asks for that.
    readings: Option<Box<Readings>>,
    sets: bool,
    /// When it last said hello, by its own clock: reports from before speak of what it ran then.
    told_at: Option<Timestamp>,
}

impl Known {
    fn subject(&self) -> Subject<'_> {
        let Self { device_id, name, tags, modules, readings, .. } = self;
        Subject { device_id, name, online: true, tags, modules, readings: readings.as_deref() }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Engine {
    courses: BTreeMap<RolloutId, Course>,
    /// Devices that are online.
    online: ByDevice<Known>,
    /// Since when devices that were seen to go are away.
    away: ByDevice<Timestamp>,
    leases: Leases,
    /// The newest rollout, whose stage for it is open, of each module of each device.
    claims: ByModule<RolloutId>,
    strikes: Strikes,
    /// The last report of devices that are online and that a rollout has something open for.
    vitals: ByDevice<Vitals>,
    /// Assignments of all rollouts that may hold a lease at once.
    fleet_limit: Option<u32>,
    /// What was decided can't be saved just now: nobody is asked, and no deadline passes.
    held: bool,
}

impl Engine {
    /// An engine without rollouts. `strikes`: what failed for good in earlier lives.
    #[must_use]
    pub fn new(fleet_limit: Option<u32>, strikes: Vec<Strike>) -> Self {
        let counted = strikes.into_iter().map(|s| ((s.key_id, s.module), (s.version, s.failures)));
        Self { fleet_limit, strikes: counted.collect(), ..Self::default() }
    }

    /// Takes up a rollout after a start of the server: offers of the life before are void, as their connections are
    /// gone; what was being installed or verified keeps its lease, and its deadline counts anew, as the time in which
    /// there was no server is not the device's.
    pub fn take_up(&mut self, now: Timestamp, open: OpenCourse) -> Effects {
        let id = open.rollout.id;
        let course = Course::new(open, now);
        course.claim_leases(&mut self.leases);
        for key in course.open_devices().into_iter().filter(|key| !self.online.contains_key(key)) {
            self.away.entry(key).or_insert(now);
        }
        self.courses.insert(id, course);
        self.with(id, now, |engine, id, step| {
            for key in engine.course(id).map(Course::open_devices).unwrap_or_default() {
                engine.renew_leases(step, id, key, &[S::Installing, S::Verifying]);
                engine.release_link(step, id, key);
            }
            engine.claim(step, id, None);
        })
    }

    /// A rollout that was just written down: `away` says since when the devices that are offline are.
    pub fn begin(&mut self, now: Timestamp, open: OpenCourse, away: Vec<(KeyId, Timestamp)>) -> Effects {
        let id = open.rollout.id;
        for (key, since) in away.into_iter().filter(|(key, _)| !self.online.contains_key(key)) {
            self.away.insert(key, since);
        }
        self.courses.insert(id, Course::new(open, now));
        self.with(id, now, |engine, id, step| {
            engine.claim(step, id, None);
            for key in engine.course(id).map(Course::open_devices).unwrap_or_default() {
                engine.compare_device(step, id, key, false);
            }
        })
    }

    /// What the last reports of devices say that nobody watched so far; of those that are offline nothing is kept.
    pub fn told(&mut self, readings: HashMap<KeyId, Readings>) {
        for (key, readings) in readings {
            if let Some(known) = self.online.get_mut(&key) {
                known.readings = Some(Box::new(readings));
            }
        }
    }

    /// A device says hello, for the first time on this connection or again. One on an old connection changes nothing.
    pub fn arrived(&mut self, now: Timestamp, arrival: Arrival) -> Effects {
        let key = arrival.key_id;
        if self.online.get(&key).is_some_and(|known| known.session > arrival.session) {
            return Effects::default();
        }
        let before = self.online.get(&key).filter(|before| before.session == arrival.session);
        let new_connection = before.is_none();
        let readings = arrival.readings.or_else(|| before.and_then(|before| before.readings.clone()));
        let known = Known {
            device_id: arrival.device_id,
            name: arrival.name,
            tags: arrival.tags,
            session: arrival.session,
            modules: arrival.modules,
            readings,
            sets: arrival.sets,
            told_at: arrival.told_at,
        };
        self.online.insert(key, known);
        self.away.remove(&key);
        self.on_device(now, key, |engine, step| {
            for id in engine.ids() {
                engine.compare_device(step, id, key, new_connection);
            }
            engine.join(step, key);
        })
    }

    /// A connection ended. An old session's goodbye changes nothing.
    pub fn departed(&mut self, now: Timestamp, key: KeyId, session: SessionNo) -> Effects {
        if self.online.get(&key).is_none_or(|known| known.session != session) {
            return Effects::default();
        }
        self.online.remove(&key);
        self.vitals.remove(&key);
        self.away.insert(key, now);
        self.on_device(now, key, |engine, step| {
            for id in engine.ids() {
                engine.release_link(step, id, key);
            }
        })
    }

    /// A device was deleted: nothing of it is left to do.
    pub fn forget(&mut self, now: Timestamp, key: KeyId) -> Effects {
        self.online.remove(&key);
        let mut effects = self.on_device(now, key, |engine, step| {
            for id in engine.ids() {
                for row in engine.course(id).map(|c| c.rows_of(key).to_vec()).unwrap_or_default() {
                    engine.end(step, id, &row, S::Cancelled);
                }
            }
        });
        self.away.remove(&key);
        self.vitals.remove(&key);
        self.claims.retain(|(of, _), _| *of != key);
        self.strikes.retain(|(of, _), _| *of != key);
        self.courses.values_mut().for_each(|course| course.forget(key));
        effects.transitions.retain(|moved| moved.key_id != key);
        effects.strikes.retain(|strike| strike.key_id != key);
        // Its rows are gone from the database; writing them again would bring them back.
        effects.assignments.retain(|row| row.key_id != key);
        effects
    }

    /// What was decided can't be saved: until [`let_go`](Self::let_go) nobody is asked for anything more, and no
    /// deadline passes, as devices have not heard of what they are given it for.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Everything is saved again: what was offered meanwhile is told now, and has its time from now on.
    pub fn let_go(&mut self, now: Timestamp) -> Effects {
        let mut effects = Effects::default();
        if !std::mem::take(&mut self.held) {
            return effects;
        }
        for id in self.by_priority() {
            effects.extend(self.with(id, now, |engine, id, step| {
                for key in engine.course(id).map(Course::open_devices).unwrap_or_default() {
                    engine.renew_leases(step, id, key, &[S::Offered, S::Downloading]);
                    engine.touch(step.now, id, key);
                }
            }));
        }
        effects
    }

    /// Time passed: deadlines, windows, starts.
    pub fn tick(&mut self, now: Timestamp) -> Effects {
        let mut effects = Effects::default();
        if self.held {
            return effects;
        }
        for id in self.by_priority() {
            let done = self.with(id, now, |engine, id, step| {
                for key in engine.courses.get_mut(&id).map(|c| c.due(step.now)).unwrap_or_default() {
                    engine.wake(step, id, key);
                    engine.touch_everywhere(step.now, key);
                }
            });
            effects.extend(done);
        }
        self.put_away();
        effects
    }

    /// Drops rollouts that have nothing left to do: completed, with nothing open, newest for no module of any device,
    /// with nothing that a live rollout might hand back, and that no newcomer can join.
    fn put_away(&mut self) {
        let mut covered: Vec<ModuleName> = Vec::new();
        for id in self.ids() {
            let Some(course) = self.courses.get(&id) else { continue };
            let modules = || course.rollout.packages.iter().map(|p| p.release.module.clone());
            let nobody_joins = matches!(course.rollout.target, Target::DeviceIds(_) | Target::Static(_))
                || modules().all(|m| covered.contains(&m));
            if course.rollout.target == Target::All && course.rollout.open_stages == course.rollout.stages {
                covered.extend(modules());
            }
            let idle = course.rollout.state == RolloutState::Completed && !course.has_open_rows();
            if nobody_joins && idle && course.claims_held == 0 && !self.may_be_handed_back(course) {
                self.courses.remove(&id);
            }
        }
    }

    fn may_be_handed_back(&self, course: &Course) -> bool {
        course.parked().any(|row| {
            let claim = self.claims.get(&(row.key_id, row.module.clone()));
            claim.and_then(|id| self.courses.get(id)).is_some_and(|newer| newer.rollout.state.is_live())
        })
    }

    /// Assignments of all rollouts that may hold a lease at once.
    #[must_use]
    pub const fn fleet_limit(&self) -> Option<u32> {
        self.fleet_limit
    }

    /// How a rollout stands, where it is live or serves latecomers.
    #[must_use]
    pub fn rollout(&self, id: RolloutId) -> Option<&Rollout> {
        self.course(id).map(|course| &course.rollout)
    }

    /// Every rollout it has in hand.
    pub fn rollouts(&self) -> impl Iterator<Item = &Rollout> {
        self.courses.values().map(|course| &course.rollout)
    }

    /// How many assignments of a rollout hold a lease, and how many are in each state.
    #[must_use]
    pub fn tally(&self, id: RolloutId) -> Option<(u32, Counts)> {
        self.course(id).map(|course| (course.in_flight(), course.counts()))
    }

    fn course(&self, id: RolloutId) -> Option<&Course> {
        self.courses.get(&id)
    }

    /// Whether a rollout has anything open for this device, so that its reports matter.
    #[must_use]
    pub fn watches(&self, key: KeyId) -> bool {
        self.courses.values().any(|course| !course.rows_of(key).is_empty())
    }

    /// Whether a rollout asks for what devices report as soon as they say hello.
    #[must_use]
    pub fn asks_for_readings(&self) -> bool {
        self.rollouts().any(Rollout::asks_for_readings)
    }

    /// Devices that a rollout has anything open for.
    #[must_use]
    pub fn watched(&self, id: RolloutId) -> Vec<KeyId> {
        self.course(id).map(Course::open_devices).unwrap_or_default()
    }

    /// In the order in which they are served.
    fn by_priority(&self) -> Vec<RolloutId> {
        let mut ids: Vec<RolloutId> = self.courses.keys().copied().collect();
        ids.sort_by_key(|id| (std::cmp::Reverse(self.courses[id].rollout.policy.priority), *id));
        ids
    }

    /// Newest first.
    fn ids(&self) -> Vec<RolloutId> {
        self.courses.keys().rev().copied().collect()
    }
}

/// The mark of a device that is asked again for what it may be installing.
pub(super) const ASKED_AGAIN: &str = "asked_again";

/// The word of a device that is at something else just now.
const BUSY: &str = "busy";

pub(super) fn later(now: Timestamp, seconds: u32) -> Timestamp {
    now + TimeDelta::seconds(i64::from(seconds))
}
