use super::*;

#[test]
fn a_package_is_added_once_and_its_bytes_are_guarded() {
    on_each_database(|store| async move {
        let first = added(&store, "app1", "1.0").await;
        let same = store.add_package(package("app1", "1.0", "app1 1.0")).await.unwrap();
        assert_eq!(same, AddPackage::Same(first.clone()));
        let other = store.add_package(package("app1", "1.0", "other")).await.unwrap();
        assert_eq!(other, AddPackage::Conflict(first.clone()));
        assert_eq!(store.package(&module("app1"), &version("1.0")).await.unwrap(), Some(first.clone()));
        assert_eq!(store.package(&module("app1"), &version("1.0.0")).await.unwrap(), None);
        added(&store, "app1", "1.1").await;
        let twin = store.add_package(package("app2", "1", "app1 1.0")).await.unwrap();
        assert!(matches!(twin, AddPackage::Added(_)));
        assert_eq!(store.package_hashes().await.unwrap().len(), 2);

        let page = store.packages(None, None, 2).await.unwrap().unwrap();
        assert_eq!(page.items.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["app2", "app1"]);
        let rest = store.packages(None, page.next, 2).await.unwrap().unwrap();
        assert_eq!((rest.items, rest.next), (vec![first.clone()], None));
        assert_eq!(store.packages(Some(module("app1")), None, 9).await.unwrap().unwrap().items.len(), 2);

        let gone = store.delete_package(&module("app1"), &version("1.0")).await.unwrap();
        assert_eq!(gone, DeletePackage::Deleted { package: Box::new(first), last_of_its_bytes: false });
        assert_eq!(store.delete_package(&module("app1"), &version("1.0")).await.unwrap(), DeletePackage::Missing);
        let gone = store.delete_package(&module("app2"), &version("1")).await.unwrap();
        assert!(matches!(gone, DeletePackage::Deleted { last_of_its_bytes: true, .. }));
    });
}

#[test]
fn a_package_in_use_stays_until_nobody_waits_for_it() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        let app = added(&store, "app1", "1.0").await;
        let id = store.create_rollout(new_rollout(&[&app], &[key])).await.unwrap();
        let delete = || store.delete_package(&app.name, &app.version);
        assert_eq!(delete().await.unwrap(), DeletePackage::InUse(vec![id]));
        let mut rollout = store.rollout(id).await.unwrap().unwrap().rollout;
        rollout.state = RolloutState::Completed;
        rollout.ended_at = Some(at(20));
        store.save_rollouts(RolloutChanges { rollouts: vec![rollout], ..RolloutChanges::default() }).await.unwrap();
        assert_eq!(delete().await.unwrap(), DeletePackage::InUse(vec![id]), "a latecomer waits");
        let done = vec![assignment(id, key, &app, AssignmentState::Verified)];
        store.save_rollouts(RolloutChanges { assignments: done, ..RolloutChanges::default() }).await.unwrap();
        assert!(matches!(delete().await.unwrap(), DeletePackage::Deleted { .. }));

        let late = store.create_rollout(new_rollout(&[&app], &[key])).await.unwrap_err();
        assert!(
            matches!(&late, StoreError::Unusable(why) if why == "package app1 1.0 was deleted meanwhile"),
            "{late}"
        );
        assert_eq!(store.rollouts(None, 9).await.unwrap().unwrap().items.len(), 1, "nothing of it is left");
        assert_eq!(store.rollout(id).await.unwrap().unwrap().rollout.packages[0].release, app.release());
    });
}

#[test]
fn a_rollout_is_read_back_as_it_was_written() {
    on_each_database(|store| async move {
        let keys = [joined(&store, "t-1", &[("app1", "0.9")], 0).await, joined(&store, "t-2", &[], 0).await];
        let (second, first) = (added(&store, "app2", "7").await, added(&store, "app1", "1.0").await);
        let mut new = new_rollout(&[&second, &first], &[keys[0], keys[1], KeyId(999)]);
        new.rollout.target = Target::Tags(tags(&[("region", "east")]));
        new.rollout.policy.stages = vec![Stage::Percent(10.0), Stage::Count(5)];
        let id = store.create_rollout(new.clone()).await.unwrap();

        let summary = store.rollout(id).await.unwrap().unwrap();
        assert_eq!(summary.rollout, Rollout { id, ..new.rollout.clone() });
        assert_eq!((summary.devices, summary.counts.of(AssignmentState::Waiting)), (2, 4));
        let current: Vec<_> = store.modules().await.unwrap().into_iter().map(|m| (m.name, m.current_version)).collect();
        assert_eq!(current, [(module("app1"), Some(version("1.0"))), (module("app2"), Some(version("7")))]);

        let newer = added(&store, "app1", "1.1").await;
        let next = store.create_rollout(new_rollout(&[&newer], &keys[..1])).await.unwrap();
        let next = store.rollout(next).await.unwrap().unwrap();
        assert_eq!(next.rollout.packages[0].previous_version, Some(version("1.0")));
        let page = store.rollouts(None, 1).await.unwrap().unwrap();
        assert_eq!(page.items, [next]);
        let page = store.rollouts(page.next, 1).await.unwrap().unwrap();
        assert_eq!((page.items, page.next), (vec![summary], None));
        assert_eq!(store.rollout(RolloutId(99)).await.unwrap(), None);
    });
}

#[test]
fn the_updater_finds_after_a_start_what_it_saved_before() {
    on_each_database(|store| async move {
        let mut keys = Vec::new();
        for number in 0..6 {
            keys.push(joined(&store, &format!("t-{number}"), &[], 0).await);
        }
        let app = added(&store, "app1", "1.0").await;
        let id = store.create_rollout(new_rollout(&[&app], &keys)).await.unwrap();
        let called_off = store.create_rollout(new_rollout(&[&app], &keys)).await.unwrap();
        let mut cancelled = store.rollout(called_off).await.unwrap().unwrap().rollout;
        cancelled.state = RolloutState::Cancelled;
        let mut running = store.rollout(id).await.unwrap().unwrap().rollout;
        (running.open_stages, running.why) = (2, Some("because".to_owned()));
        let mut offered = assignment(id, keys[0], &app, AssignmentState::Offered);
        (offered.until, offered.seen_since, offered.attempts) = (Some(at(50)), Some(at(40)), 2);
        offered.reason = Some("its own words \u{1f600}".to_owned());
        let changes = RolloutChanges {
            rollouts: vec![running.clone(), cancelled],
            assignments: vec![
                offered.clone(),
                assignment(id, keys[1], &app, AssignmentState::Verified),
                assignment(id, KeyId(999), &app, AssignmentState::Waiting),
            ],
            ..history_of(id, &app.name, &keys)
        };
        store.save_rollouts(changes).await.unwrap();

        let open = store.open_rollouts().await.unwrap();
        assert_eq!(open.len(), 1);
        assert_eq!(open[0].rollout, running);
        let mut members: Vec<KeyId> = open[0].turns.keys().copied().collect();
        members.sort();
        assert_eq!(members, keys);
        assert_eq!(open[0].rows.len(), 5);
        assert_eq!(open[0].rows[0], offered);
        assert_eq!(open[0].recent_starts, [at(40)]);
        assert_eq!(store.open_rollout(id).await.unwrap().as_ref(), Some(&open[0]));
        what_became_of_it(&store, id, &app.name, &keys).await;
        let stages: Vec<(u32, u64)> =
            open[0].tallies.iter().map(|(stage, counts)| (*stage, counts.sum(|_| true))).collect();
        assert_eq!(stages, [(0, 3), (1, 3)]);
    });
}

#[test]
fn progress_is_paged_by_name_and_in_the_order_of_the_packages() {
    on_each_database(|store| async move {
        let mut keys = Vec::new();
        for number in 0..9 {
            keys.push(joined(&store, &format!("t-{number}"), &[], 0).await);
            let name = format!("Name {}", 9 - number);
            store.update_device(&id(&format!("t-{number}")), Some(name), None).await.unwrap();
        }
        joined(&store, "outsider", &[], 0).await;
        let (b, a) = (added(&store, "b", "1").await, added(&store, "a", "1").await);
        let rollout = store.create_rollout(new_rollout(&[&b, &a], &keys)).await.unwrap();
        let failed = vec![assignment(rollout, keys[4], &a, AssignmentState::Failed)];
        store.save_rollouts(RolloutChanges { assignments: failed, ..RolloutChanges::default() }).await.unwrap();

        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.rollout_devices(rollout, None, after, 2).await.unwrap().unwrap();
            for row in page.items {
                let order: Vec<&str> = row.assignments.iter().map(|a| a.module.as_str()).collect();
                assert_eq!(order, ["b", "a"]);
                seen.push(row.device.key_id);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        keys.reverse();
        assert_eq!(seen, keys);
        let only = store.rollout_devices(rollout, Some(AssignmentState::Failed), None, 50).await.unwrap().unwrap();
        assert_eq!(only.items.iter().map(|row| row.device.key_id).collect::<Vec<_>>(), [keys[4]]);
    });
}

#[test]
fn a_devices_newest_assignment_of_each_module_is_found() {
    on_each_database(|store| async move {
        let keys = [joined(&store, "t-1", &[], 0).await, joined(&store, "t-2", &[], 0).await];
        let (one, two, other) =
            (added(&store, "app1", "1").await, added(&store, "app1", "2").await, added(&store, "app2", "1").await);
        let first = store.create_rollout(new_rollout(&[&one, &other], &keys)).await.unwrap();
        let second = store.create_rollout(new_rollout(&[&two], &keys[..1])).await.unwrap();
        let newest = store.newest_assignments(keys.to_vec()).await.unwrap();
        let of = |key: KeyId, name: &str| newest[&(key, module(name))].rollout;
        assert_eq!(newest.len(), 4);
        assert_eq!((of(keys[0], "app1"), of(keys[0], "app2"), of(keys[1], "app1")), (second, first, first));
        let mine = store.assignments_of(keys[0], 2).await.unwrap();
        assert_eq!(mine.iter().map(|a| a.rollout).collect::<Vec<_>>(), [second, first]);
    });
}

#[test]
fn a_target_finds_its_devices() {
    on_each_database(|store| async move {
        for device in ["a", "b", "c"] {
            joined(&store, device, &[("app1", "1.0")], 0).await;
        }
        store.update_device(&id("a"), None, Some(tags(&[("region", "east"), ("kind", "bus")]))).await.unwrap();
        store.update_device(&id("b"), None, Some(tags(&[("region", "east"), ("kind", "van")]))).await.unwrap();
        let found = async |target: Target| -> Vec<String> {
            let candidates = store.candidates(&target).await.unwrap();
            assert!(candidates.iter().all(|c| c.modules == modules(&[("app1", "1.0")])));
            let later = |c: &Candidate| {
                let Candidate { device_id, name, online, tags, modules, .. } = c;
                target.includes(&Subject { device_id, name, online: *online, tags, modules, readings: None })
            };
            let fixed = matches!(target, Target::Static(_));
            assert!(candidates.iter().all(|c| later(c) != fixed));
            candidates.into_iter().map(|candidate| candidate.device_id.to_string()).collect()
        };
        assert_eq!(found(Target::All).await, ["a", "b", "c"]);
        assert_eq!(found(Target::DeviceIds(vec![id("c"), id("x"), id("a"), id("c")])).await, ["a", "c"]);
        assert_eq!(found(Target::Tags(tags(&[("region", "east")]))).await, ["a", "b"]);
        assert_eq!(found(Target::Tags(tags(&[("region", "east"), ("kind", "bus")]))).await, ["a"]);
        assert_eq!(found(Target::Tags(tags(&[("region", "west")]))).await, [] as [&str; 0]);
        let filter = |text| Target::Filter(Filter::parse(text).unwrap());
        assert_eq!(found(filter("tag.region = east and tag.kind != bus")).await, ["b"]);
        assert_eq!(found(filter("id in (c, a) or name = b")).await, ["a", "b", "c"]);
        assert_eq!(found(filter("cpu > 0")).await, [] as [&str; 0]);
        assert_eq!(found(Target::Static(Box::new(filter("not tag.region = east")))).await, ["c"]);
    });
}

#[test]
fn modules_are_counted_by_version_newest_first() {
    on_each_database(|store| async move {
        for (device, number) in [("a", "1.9.0"), ("b", "1.10.0"), ("c", "1.9.0")] {
            joined(&store, device, &[("app1", number)], 0).await;
        }
        added(&store, "app2", "1").await;
        let all = store.modules().await.unwrap();
        assert_eq!(all[0].devices, [(version("1.10.0"), 1), (version("1.9.0"), 2)]);
        assert_eq!((all[0].packages, all[0].current_version.as_ref()), (0, None));
        assert_eq!((all[1].name.as_str(), all[1].packages, all[1].devices.len()), ("app2", 1, 0));
    });
}

/// Nine of ten alike, as when a fleet is asked, and one that is not.
#[test]
fn what_many_devices_have_in_common_is_written_for_each_of_them_in_its_order() {
    on_each_database(|store| async move {
        let mut keys = Vec::new();
        for n in 0..10 {
            keys.push(joined(&store, &format!("t-{n}"), &[("app1", "1"), ("app2", "1")], 0).await);
        }
        let (one, two) = (added(&store, "app1", "2").await, added(&store, "app2", "2").await);
        let mut new = new_rollout(&[&one, &two], &keys);
        new.assignments[2].from = Some(Version::new("0.9").unwrap());
        let id = store.create_rollout(new.clone()).await.unwrap();
        let stored = || async { sorted(store.open_rollout(id).await.unwrap().unwrap().rows) };
        let mut wanted = new.assignments;
        wanted.iter_mut().for_each(|row| row.rollout = id);
        assert_eq!(stored().await, sorted(wanted.clone()));

        for row in &mut wanted {
            (row.state, row.until) = (AssignmentState::Offered, Some(at(70)));
        }
        (wanted[5].attempts, wanted[5].reason) = (2, Some("asked_again".to_owned()));
        // Some go on at once, the first has been asked before, and one has gone for good.
        let mut moved: Vec<Transition> = wanted.iter().skip(1).map(Transition::into).collect();
        let further =
            |row: &Assignment| Transition { to: AssignmentState::Downloading, at: at(80), ..Transition::into(row) };
        moved.extend(wanted.iter().step_by(2).take(7).map(further));
        moved.push(Transition { key_id: KeyId(999), ..moved[1].clone() });
        let mut assignments = wanted.clone();
        assignments.push(Assignment { key_id: KeyId(999), ..wanted[1].clone() });
        let changes = RolloutChanges { assignments, transitions: moved.clone(), ..RolloutChanges::default() };
        store.save_rollouts(changes).await.unwrap();
        assert_eq!(stored().await, sorted(wanted));
        for key in keys {
            let of_device: Vec<Transition> = moved.iter().filter(|t| t.key_id == key).cloned().collect();
            assert_eq!(store.assignment_history(key, Some(id)).await.unwrap(), of_device);
        }
        assert!(store.assignment_history(KeyId(999), None).await.unwrap().is_empty());
    });
}

fn sorted(mut rows: Vec<Assignment>) -> Vec<Assignment> {
    rows.sort_by(|a, b| (a.key_id, &a.module).cmp(&(b.key_id, &b.module)));
    rows
}

fn strike(key_id: KeyId, module: &ModuleName, failures: u32) -> Strike {
    let version = Version::new("2").unwrap();
    Strike { key_id, module: module.clone(), version, failures, rollout: RolloutId(1), reason: None, at: at(60) }
}

/// What one save adds to the history: one device is offered, one verified, one is gone by then.
fn history_of(rollout: RolloutId, module: &ModuleName, keys: &[KeyId]) -> RolloutChanges {
    let moved = [(keys[0], 40), (keys[1], 45), (KeyId(999), 46)].map(|(key_id, s)| Transition {
        rollout,
        key_id,
        module: module.clone(),
        to: if s == 45 { AssignmentState::Verified } else { AssignmentState::Offered },
        reason: Some("why".to_owned()),
        at: at(s),
    });
    let strikes = vec![strike(keys[0], module, 1), strike(keys[0], module, 2), strike(KeyId(999), module, 9)];
    RolloutChanges { transitions: moved.to_vec(), strikes, ..RolloutChanges::default() }
}

async fn what_became_of_it(store: &Store, id: RolloutId, app: &ModuleName, keys: &[KeyId]) {
    let moved = store.assignment_history(keys[0], Some(id)).await.unwrap();
    assert_eq!(moved.iter().map(|t| (t.to, t.at)).collect::<Vec<_>>(), [(AssignmentState::Offered, at(40))]);
    assert_eq!(store.strikes().await.unwrap(), [strike(keys[0], app, 2)]);
    assert_eq!(store.strikes_of(keys[0]).await.unwrap().len(), 1);
    assert!(store.strikes_of(keys[1]).await.unwrap().is_empty());
    let course = store.rollout_course(id, 10).await.unwrap();
    assert_eq!(course.iter().map(|p| (p.at, p.verified, p.failed)).collect::<Vec<_>>(), [(at(50), 1, 0)]);
    let candidates = store.candidates(&Target::All).await.unwrap();
    assert_eq!(candidates[0].quarantined.len(), 1);
    assert_eq!(store.free_from_quarantine(keys[0]).await.unwrap(), 1);
    assert_eq!(store.free_from_quarantine(keys[0]).await.unwrap(), 0);
    assert_eq!(store.prune_rollout_history(at(41)).await.unwrap(), 1);
    assert_eq!(store.assignment_history(keys[0], None).await.unwrap(), []);
}

#[test]
fn a_rollout_is_taken_back_with_all_of_its_way_back_or_not_at_all() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[("app1", "1")], 0).await;
        let (there, gone) = (added(&store, "app1", "1").await, added(&store, "app2", "1").await);
        let id = store.create_rollout(new_rollout(&[&there], &[key])).await.unwrap();
        store.delete_package(&gone.name, &gone.version).await.unwrap();
        let rollout = || async { store.rollout(id).await.unwrap().unwrap().rollout };
        let old = Rollout { state: RolloutState::RolledBack, ..rollout().await };
        let half = vec![new_rollout(&[&there], &[key]), new_rollout(&[&gone], &[key])];
        store.take_back(old.clone(), half).await.unwrap_err();
        assert_eq!(rollout().await.state, RolloutState::Running);
        assert_eq!(store.rollouts(None, 10).await.unwrap().unwrap().items.len(), 1, "and nothing of the way back");
        let whole = vec![new_rollout(&[&there], &[key])];
        assert_eq!(store.take_back(old.clone(), whole.clone()).await.unwrap().unwrap().len(), 1);
        assert_eq!(rollout().await.state, RolloutState::RolledBack);
        assert_eq!(store.take_back(old, whole).await.unwrap(), None, "a second time");
    });
}
