//! What a rollout does by itself: it starts when its time has come, fills its slots, opens stages, stops.

use super::compared::{offer, seen_running};
use super::*;

impl Engine {
    /// Lets a rollout do what it can do by itself now: start, offer, open stages, brake, complete.
    pub(super) fn advance(&mut self, step: &mut Step, id: RolloutId) {
        loop {
            self.start_if_due(step, id);
            self.fill(step, id);
            let Some(course) = self.courses.get_mut(&id) else { return };
            match course.next_move() {
                Move::None => return,
                Move::Brake(why) => {
                    course.set_state(step, RolloutState::Paused, Some(why));
                    return;
                }
                Move::Complete => {
                    course.set_state(step, RolloutState::Completed, None);
                    return;
                }
                Move::OpenStage => {
                    let opened = course.open_stage(step);
                    let is_first = course.rollout.open_stages == 1;
                    self.claim(step, id, Some(opened));
                    if is_first {
                        self.join_all(step, id);
                    }
                }
            }
        }
    }

    fn start_if_due(&mut self, step: &mut Step, id: RolloutId) {
        let Some(course) = self.courses.get_mut(&id) else { return };
        let due = course.rollout.policy.not_before.is_none_or(|at| at <= step.now);
        if course.rollout.state == RolloutState::Scheduled && due {
            course.set_state(step, RolloutState::Running, None);
        }
    }

    /// Reserves slots and asks devices, as far as the limits allow.
    fn fill(&mut self, step: &mut Step, id: RolloutId) {
        while let Some(course) = self.course(id).filter(|course| course.rollout.state.offers() && !self.held) {
            // Who is first waits for the slots that it needs; nobody who needs fewer passes it for ever.
            let Some(key) = course.first_ready().filter(|key| self.full(step, course, *key).is_none()) else { return };
            let moved = self.offer(step, id, key);
            self.touch(step.now, id, key);
            // Nothing can be done for it now, whatever slots are free: it is looked at again when that changes.
            let free = self.course(id).is_some_and(|course| self.full(step, course, key).is_none());
            if let Some(course) = self.courses.get_mut(&id).filter(|_| !moved && free) {
                course.not_ready(key);
            }
        }
    }

    /// Reserves what slots a device can use, and asks it. `false`: nothing changed.
    fn offer(&mut self, step: &mut Step, id: RolloutId, key: KeyId) -> bool {
        let Some(session) = self.online.get(&key).map(|known| known.session) else { return false };
        let mut moved = self.cannot_take_set(id, key) && self.decline_set(step, id, key);
        let mut releases = Vec::new();
        for row in self.course(id).map(|course| course.rows_of(key).to_vec()).unwrap_or_default() {
            let decision = self.decide_row(step, id, &row);
            let full = self.course(id).is_none_or(|course| self.full(step, course, key).is_some());
            let busy = Self::is_busy_elsewhere(step, id, &row);
            let Some(course) = self.courses.get_mut(&id) else { return moved };
            match decision {
                Some(Decision::Offer) => {
                    let until = later(step.now, course.rollout.policy.timeouts_s.offered);
                    let running = self.online.get(&key).and_then(|known| known.modules.get(&row.module)).cloned();
                    moved |= course.transition(step, key, &row.module, S::Offered, |row| {
                        row.until = Some(until);
                        // What it goes back to if need be: not what it ran when the rollout was planned.
                        row.from = running;
                    });
                    releases.extend(course.release(&row.module).cloned());
                }
                // It got there without being asked: it still has to stay well for the health window.
                Some(Decision::Nothing(Reason::UpToDate)) if row.state == S::Waiting && !full && !busy => {
                    moved = true;
                    seen_running(course, step, &row);
                }
                // Nothing that is still to come here would help.
                Some(Decision::Nothing(Reason::NeedsFirst(unmet))) if !course.will_meet(key, &unmet) => {
                    moved |= course.transition(step, key, &row.module, S::Declined, |row| {
                        row.reason = Some(unmet.to_string());
                    });
                }
                _ => {}
            }
        }
        let Some(course) = self.courses.get_mut(&id) else { return moved };
        if !releases.is_empty() {
            step.effects.speech.push(offer(course, key, session, releases));
        }
        if moved {
            self.settle(step, id, key);
        }
        moved
    }
}
