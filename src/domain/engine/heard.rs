//! What devices say of what they are given: their answers to offers, and how they get on.

use super::*;

/// Why it is given up on when that happens each time.
const LOST_INSTALLING: &str = "it went away while it installed, and came back without it";

/// How long a device that said it is busy is left alone, seconds.
const BUSY_PAUSE_S: u32 = 60;

impl Engine {
    /// A device answered for one package of an offer.
    pub fn answered(
        &mut self,
        now: Timestamp,
        key: KeyId,
        module: &ModuleName,
        version: &Version,
        answer: Answer,
    ) -> Effects {
        self.on_row(now, key, module, version, |course, step| {
            let Some(row) = course.row(key, module, version).filter(|row| row.state == S::Offered).cloned() else {
                return;
            };
            let timeouts = course.rollout.policy.timeouts_s;
            match answer {
                // It took the whole of it, went away while it installed, and wants it anew: that try is over.
                Answer::Wanted if row.reason.as_deref() == Some(ASKED_AGAIN) => {
                    let attempts = row.attempts + 1;
                    let (to, until, reason) = match attempts < course.rollout.policy.attempts {
                        true => (S::Downloading, Some(later(step.now, timeouts.downloading)), None),
                        false => (S::Failed, None, Some(LOST_INSTALLING.to_owned())),
                    };
                    course.transition(step, key, module, to, |row| {
                        (row.attempts, row.until, row.reason) = (attempts, until, reason);
                    });
                    if to == S::Failed {
                        step.called_off.push(row);
                    }
                }
                Answer::Wanted => {
                    let until = later(step.now, timeouts.downloading);
                    course.transition(step, key, module, S::Downloading, |row| row.until = Some(until));
                }
                // It is still at what it was given before its link was cut.
                Answer::Declined(reason) if reason == BUSY && row.reason.as_deref() == Some(ASKED_AGAIN) => {
                    let until = later(step.now, timeouts.installing);
                    course.transition(step, key, module, S::Installing, |row| row.until = Some(until));
                }
                Answer::Declined(reason) if reason == BUSY => {
                    let until = later(step.now, BUSY_PAUSE_S);
                    course.transition(step, key, module, S::Waiting, |row| {
                        row.until = Some(until);
                        row.reason = Some(reason);
                    });
                }
                Answer::Declined(reason) => {
                    course.transition(step, key, module, S::Declined, |row| row.reason = Some(reason));
                }
            }
        })
    }

    /// A device got on with a package, or failed to.
    pub fn did(&mut self, now: Timestamp, key: KeyId, module: &ModuleName, version: &Version, doing: Doing) -> Effects {
        self.on_row(now, key, module, version, |course, step| {
            let Some(row) = course.row(key, module, version).cloned() else { return };
            let timeouts = course.rollout.policy.timeouts_s;
            match doing {
                Doing::Sending if course.is_set_on_its_way(key) => {
                    course.set_moves_on(step, key, later(step.now, timeouts.downloading));
                }
                Doing::Received if course.is_set_on_its_way(key) => {
                    course.set_moves_on(step, key, later(step.now, timeouts.installing));
                }
                Doing::Staged if matches!(row.state, S::Offered | S::Downloading) => {
                    let next = later(step.now, timeouts.downloading);
                    course.staged(step, key, module, next, later(step.now, timeouts.installing));
                }
                Doing::Sending if row.state == S::Downloading => {
                    let until = later(step.now, timeouts.downloading);
                    course.transition(step, key, module, S::Downloading, |row| row.until = Some(until));
                }
                Doing::Received if matches!(row.state, S::Offered | S::Downloading) => {
                    let until = later(step.now, timeouts.installing);
                    course.transition(step, key, module, S::Installing, |row| row.until = Some(until));
                }
                // Told late, after its lease had ended: the next hello says what it runs.
                Doing::Installed if row.state.holds_a_lease() && row.state != S::Verifying => {
                    let until = later(step.now, timeouts.verifying);
                    course.transition(step, key, module, S::Verifying, |row| row.until = Some(until));
                }
                Doing::TooSlow if row.state.holds_a_lease() => {
                    course.bad_try(step, key, module, S::TimedOut, "its bytes went out too slowly".to_owned());
                }
                Doing::Failed(error) if row.state.holds_a_lease() => {
                    course.bad_try(step, key, module, S::Failed, error);
                }
                Doing::RolledBack(error) if row.state.holds_a_lease() => {
                    course.transition(step, key, module, S::Reverted, |row| {
                        row.attempts += 1;
                        row.reason = Some(error);
                    });
                }
                _ => {}
            }
        })
    }
}
