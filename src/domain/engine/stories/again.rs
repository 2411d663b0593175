//! Another turn: retries, quarantine, devices that come back with something else, rollouts that are called off.

use super::*;

impl World {
    fn failed(&self, id: RolloutId) -> Vec<Assignment> {
        self.rows.values().filter(|row| row.rollout == id && row.state.is_failure()).cloned().collect()
    }

    fn retried(&mut self, id: RolloutId) -> usize {
        let (effects, retried) = self.engine.retry(self.now, id, self.failed(id)).unwrap();
        self.carry_out(effects);
        retried
    }

    fn fails(&mut self, key: i64, version: u8) {
        self.does(key, version, &[Doing::Received, Doing::Failed("no".into())]);
    }
}

#[test]
fn a_verified_device_that_comes_back_with_the_old_version_gets_it_again_but_not_for_ever() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, Policy { attempts: 2, ..policy() });
    for verdict in [S::Offered, S::Reverted] {
        w.installs(0, 2);
        w.runs(0, 2);
        w.pass(5);
        assert_eq!(w.state(id, 0), S::Verified);
        w.runs(0, 1);
        assert_eq!(w.state(id, 0), verdict);
    }
    assert_eq!(w.reason(id, 0), "it was verified 2 times, and came back with 1 each time");
}

#[test]
fn what_came_back_is_remembered_over_a_restart() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.installs(0, 2);
    w.runs(0, 2);
    w.pass(5);
    w.restart();
    w.running.get_mut(&KeyId(0)).unwrap().insert(module(0), v(1));
    w.hello(KeyId(0), true);
    assert_eq!(w.state(id, 0), S::Reverted, "one try is all this policy gives");
}

#[test]
fn a_newer_rollout_that_is_called_off_hands_devices_back() {
    let mut w = world(0..1);
    let older = w.begin(2, 0, Policy { max_in_flight: 1, ..policy() });
    let newer = w.begin(3, 0, policy());
    assert_eq!((w.state(older, 0), w.state(newer, 0)), (S::Superseded, S::Offered));
    let effects = w.engine.cancel(w.now, newer, "no".into()).unwrap();
    w.carry_out(effects);
    w.pass(1);
    assert_eq!((w.state(older, 0), w.state(newer, 0)), (S::Offered, S::Cancelled));
}

#[test]
fn a_newer_rollout_hands_devices_back_after_a_restart_too() {
    let mut w = world(0..0);
    let older = w.begin(2, 0, policy());
    let newer = w.begin(3, 0, policy());
    w.restart();
    let effects = w.engine.cancel(w.now, newer, "no".into()).unwrap();
    w.carry_out(effects);
    w.hello(KeyId(3), true);
    assert_eq!((w.state(older, 3), w.state(older, 4)), (S::Offered, S::Waiting));
}

#[test]
fn a_retry_gives_failures_another_turn_and_wakes_a_completed_rollout() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, policy());
    (0..8).for_each(|key| w.fails(key, 2));
    w.pass(1);
    assert_eq!(w.rollouts[&id].state, RolloutState::Completed);
    assert_eq!(w.retried(id), 8);
    assert_eq!((w.rollouts[&id].state, w.state(id, 0)), (RolloutState::Running, S::Offered));
}

#[test]
fn a_device_that_failed_twice_is_kept_from_the_package_until_it_is_freed() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.fails(0, 2);
    assert_eq!(w.retried(id), 1);
    w.fails(0, 2);
    assert_eq!(w.strikes[&(KeyId(0), module(0))].failures, 2);
    assert_eq!(w.retried(id), 0);
    w.restart();
    w.hello(KeyId(0), true);
    assert_eq!(w.retried(id), 0, "a restart frees nobody");
    w.engine.free(KeyId(0));
    assert_eq!(w.retried(id), 1);
}

#[test]
fn a_restart_forgives_no_failure() {
    let mut w = world(0..8);
    let id = w.begin(2, 0, Policy { max_failures: 3, ..policy() });
    (0..2).for_each(|key| w.fails(key, 2));
    w.restart();
    w.hello(KeyId(2), true);
    assert_eq!(w.rollouts[&id].state, RolloutState::Running);
    w.fails(2, 2);
    assert_eq!(w.rollouts[&id].why.as_deref(), Some("3 failed, and the limit is 3"));
}

#[test]
fn a_newer_package_is_a_new_chance() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    w.fails(0, 2);
    w.retried(id);
    w.fails(0, 2);
    let newer = w.begin(3, 0, policy());
    w.fails(0, 3);
    assert_eq!(w.strikes[&(KeyId(0), module(0))].failures, 1);
    assert_eq!(w.retried(newer), 1);
}

#[test]
fn a_draft_waits_for_its_launch_and_then_for_a_second_person() {
    let mut w = world(0..1);
    let id = w.begin(2, 0, policy());
    let effects = w.engine.cancel(w.now, id, "no".into()).unwrap();
    w.carry_out(effects);
    let id = RolloutId(2);
    let rollout =
        Rollout { id, state: RolloutState::Draft, why: None, ended_at: None, ..w.rollouts[&RolloutId(1)].clone() };
    w.rollouts.insert(id, Rollout { open_stages: 0, ..rollout.clone() });
    let row = Assignment { rollout: id, state: S::Waiting, ..w.rows[&(RolloutId(1), KeyId(0), module(0))].clone() };
    w.rows.insert((id, KeyId(0), module(0)), row);
    let open = w.open(w.rollouts[&id].clone());
    let effects = w.engine.begin(w.now, open, Vec::new());
    w.carry_out(effects);
    w.pass(1);
    assert_eq!(w.state(id, 0), S::Waiting);
    assert_eq!(w.engine.approve(w.now, id, "bo".into()), Err(Refusal::Forbidden(RolloutState::Draft)));
    let effects = w.engine.launch(w.now, id, true).unwrap();
    w.carry_out(effects);
    assert_eq!((w.rollouts[&id].state, w.state(id, 0)), (RolloutState::AwaitingApproval, S::Waiting));
    let effects = w.engine.approve(w.now, id, "bo".into()).unwrap();
    w.carry_out(effects);
    assert_eq!((w.rollouts[&id].state, w.state(id, 0)), (RolloutState::Running, S::Offered));
    assert_eq!(w.rollouts[&id].approved_by.as_deref(), Some("bo"));
}
