//! What it means for an assignment that a device is seen to run this or that.

use super::*;
use crate::domain::Release;

/// The device runs the target: it must stay well for the health window.
pub(super) fn seen_running(course: &mut Course, step: &mut Step, row: &Assignment) {
    let (until, seen) = match row.state {
        S::Verifying => (row.until, row.seen_since),
        _ => (Some(later(step.now, course.rollout.policy.timeouts_s.verifying)), None),
    };
    if seen.is_none() {
        let now = step.now;
        course.well_so_far(row.key_id);
        course.transition(step, row.key_id, &row.module, S::Verifying, |row| {
            row.until = until;
            row.seen_since = Some(now);
        });
    }
}

/// The device runs something else than the target.
pub(super) fn seen_otherwise(
    course: &mut Course,
    step: &mut Step,
    row: &Assignment,
    running: Option<&Version>,
    new_connection: Option<SessionNo>,
) {
    let key = row.key_id;
    match row.state {
        S::Waiting => match compare(running, &row.to, course.rollout.allow_rollback) {
            Err(reason) => {
                course.transition(step, key, &row.module, S::Declined, |row| {
                    row.reason = Some(reason.as_str().to_owned());
                });
            }
            // It was busy and has spoken again: the pause is over.
            Ok(()) if row.reason.as_deref() == Some(BUSY) => {
                course.transition(step, key, &row.module, S::Waiting, |_| {});
            }
            Ok(()) => {}
        },
        S::Offered | S::Downloading if new_connection.is_some() => {
            course.transition(step, key, &row.module, S::Waiting, |_| {});
        }
        S::Installing => {
            if let Some(session) = new_connection {
                ask_again(course, step, row, session);
            }
        }
        S::Verifying if new_connection.is_some() || row.seen_since.is_some() => {
            let found = running.map_or_else(|| "nothing".to_owned(), Version::to_string);
            course.transition(step, key, &row.module, S::Reverted, |row| {
                row.attempts += 1;
                row.reason = Some(format!("it came back with {found}"));
            });
        }
        _ => {}
    }
}

/// The device came back without having said how the install went: it is asked again under the same lease, for all of
/// a set at once.
fn ask_again(course: &mut Course, step: &mut Step, row: &Assignment, session: SessionNo) {
    let until = later(step.now, course.rollout.policy.timeouts_s.offered);
    let of_set =
        |other: &&Assignment| other.state == S::Installing && (course.all_or_nothing() || other.module == row.module);
    let again: Vec<Assignment> = course.rows_of(row.key_id).iter().filter(of_set).cloned().collect();
    for row in &again {
        course.transition(step, row.key_id, &row.module, S::Offered, |row| {
            row.until = Some(until);
            row.reason = Some(ASKED_AGAIN.to_owned());
        });
    }
    let releases = again.iter().filter_map(|row| course.release(&row.module).cloned()).collect();
    step.effects.speech.push(offer(course, row.key_id, session, releases));
}

pub(super) fn offer(course: &Course, key_id: KeyId, session: SessionNo, releases: Vec<Release>) -> Speech {
    Speech::Offer(OfferSpeech {
        key_id,
        session,
        rollout: course.rollout.id,
        all_or_nothing: course.all_or_nothing() && releases.len() > 1,
        releases,
        allow_rollback: course.rollout.allow_rollback,
        bytes_per_second: course.rollout.policy.bytes_per_second,
    })
}

pub(super) fn cancel(session: SessionNo, row: &Assignment) -> Speech {
    Speech::Cancel { key_id: row.key_id, session, module: row.module.clone(), version: row.to.clone() }
}
