use std::collections::BTreeSet;

use super::*;

#[test]
fn a_new_device_comes_in_and_a_known_one_comes_back() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[("app1", "1.0"), ("app2", "7")], 0).await;
        let device = store.device(&id("t-1")).await.unwrap().unwrap();
        assert_eq!((device.key_id, device.name.as_str(), device.online), (key, "t-1", true));
        assert_eq!((device.since, device.created_at), (at(0), at(0)));
        assert_eq!(device.modules, modules(&[("app1", "1.0"), ("app2", "7")]));
        assert_eq!(store.device_by_key(key).await.unwrap(), Some(device));

        assert_eq!(joined(&store, "t-1", &[("app1", "1.0")], 50).await, key, "taken over while online");
        assert_eq!(store.device_by_key(key).await.unwrap().unwrap().since, at(0), "it never went");
        store.leave(key, ConnectionCause::Lost, at(60)).await.unwrap();
        store.leave(key, ConnectionCause::Lost, at(70)).await.unwrap();
        let gone = store.device_by_key(key).await.unwrap().unwrap();
        assert_eq!((gone.online, gone.since), (false, at(60)));
        joined(&store, "t-1", &[("app1", "1.0")], 80).await;
        assert_eq!(store.device_by_key(key).await.unwrap().unwrap().since, at(80));
        store.all_offline(at(90)).await.unwrap();
        assert!(!store.device_by_key(key).await.unwrap().unwrap().online);
        assert_eq!(store.device(&id("t-2")).await.unwrap(), None);
    });
}

#[test]
fn every_change_of_a_version_is_kept() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[("app1", "1.0"), ("app2", "7")], 0).await;
        store.set_modules(key, modules(&[("app1", "1.1"), ("app3", "x")]), at(5)).await.unwrap();
        store.set_modules(key, modules(&[("app1", "1.1"), ("app3", "x")]), at(6)).await.unwrap();
        store.set_modules(KeyId(999), modules(&[("app1", "1")]), at(7)).await.unwrap();
        let change = |name: &str, from: Option<&str>, to: Option<&str>, seconds| VersionChange {
            module: module(name),
            from: from.map(version),
            to: to.map(version),
            at: at(seconds),
        };
        let changes = store.version_changes(key, 10).await.unwrap();
        let expected = [
            change("app2", Some("7"), None, 5),
            change("app3", None, Some("x"), 5),
            change("app1", Some("1.0"), Some("1.1"), 5),
            change("app2", None, Some("7"), 0),
            change("app1", None, Some("1.0"), 0),
        ];
        assert_eq!(changes, expected);
        assert_eq!(store.version_changes(key, 2).await.unwrap(), expected[..2]);
        assert_eq!(
            store.device_by_key(key).await.unwrap().unwrap().modules,
            modules(&[("app1", "1.1"), ("app3", "x")])
        );
    });
}

#[test]
fn an_enrolment_token_lets_in_as_many_new_devices_as_it_says() {
    on_each_database(|store| async move {
        let token = store.add_enrolment_token(&hash("e"), Some(2), Some(at(100)), "ann", at(0)).await.unwrap();
        let auth = store.device_auth(&hash("e"), at(1)).await.unwrap().unwrap();
        assert_eq!(auth, DeviceAuth::Enrolment(token.id));
        let refused = |refusal| JoinOutcome::Refused(refusal);

        let first = store.join(hello("t-1", auth.clone(), &[], 1)).await.unwrap();
        let JoinOutcome::Joined { key_id, enrolled: true, .. } = first else { panic!("{first:?}") };
        let own = hash("token of t-1 from 1");
        assert_eq!(store.device_auth(&own, at(2)).await.unwrap(), Some(DeviceAuth::Device(key_id, own.clone())));

        let again = store.join(hello("t-1", auth.clone(), &[], 2)).await.unwrap();
        assert_eq!(again, refused(JoinRefusal::AlreadyEnrolled));
        assert!(store.allow_enrolment(&id("t-1"), true).await.unwrap());
        let again = store.join(hello("t-1", auth.clone(), &[], 3)).await.unwrap();
        assert_eq!(
            again,
            JoinOutcome::Joined { key_id, name: "t-1".to_owned(), tags: Tags::new(), readings: None, enrolled: true }
        );
        assert_eq!(store.device_auth(&own, at(4)).await.unwrap(), None, "the old token is replaced");
        assert!(!store.device_by_key(key_id).await.unwrap().unwrap().may_enrol_again);

        let late = store.join(hello("t-2", auth, &[], 5)).await.unwrap();
        assert_eq!(late, refused(JoinRefusal::TokenNotValid));
        assert_eq!(store.device_auth(&hash("e"), at(5)).await.unwrap(), None);
        assert_eq!(store.enrolment_tokens().await.unwrap()[0].uses_left, Some(0));
        assert_eq!(store.device(&id("t-2")).await.unwrap(), None);
    });
}

#[test]
fn a_token_that_ran_out_or_was_revoked_lets_nobody_in() {
    on_each_database(|store| async move {
        let ends = store.add_enrolment_token(&hash("a"), None, Some(at(10)), "ann", at(0)).await.unwrap();
        let open = store.add_enrolment_token(&hash("b"), None, None, "ann", at(0)).await.unwrap();
        let late = store.join(hello("t-1", DeviceAuth::Enrolment(ends.id), &[], 10)).await.unwrap();
        assert_eq!(late, JoinOutcome::Refused(JoinRefusal::TokenNotValid));
        assert!(store.device_auth(&hash("b"), at(10)).await.unwrap().is_some());
        assert!(store.revoke_enrolment_token(open.id).await.unwrap());
        assert!(!store.revoke_enrolment_token(999).await.unwrap());
        assert_eq!(store.device_auth(&hash("b"), at(10)).await.unwrap(), None);
    });
}

#[test]
fn a_devices_own_token_is_for_no_other_device() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        joined(&store, "t-2", &[], 0).await;
        assert!(store.set_device_token(&id("t-1"), Some(hash("own"))).await.unwrap());
        let auth = store.device_auth(&hash("own"), at(0)).await.unwrap().unwrap();
        assert_eq!(auth, DeviceAuth::Device(key, hash("own")));
        for other in ["t-2", "t-3"] {
            let refused = store.join(hello(other, auth.clone(), &[], 1)).await.unwrap();
            assert_eq!(refused, JoinOutcome::Refused(JoinRefusal::WrongDevice));
        }
        let welcome = store.join(hello("t-1", auth.clone(), &[], 1)).await.unwrap();
        assert_eq!(
            welcome,
            JoinOutcome::Joined {
                key_id: key,
                name: "t-1".to_owned(),
                tags: Tags::new(),
                readings: None,
                enrolled: false
            }
        );
        assert!(store.set_device_token(&id("t-1"), None).await.unwrap());
        assert_eq!(store.device_auth(&hash("own"), at(2)).await.unwrap(), None);
        // Between the upgrade and the hello nobody is connected who could be told.
        for replaced in [None, Some(hash("another"))] {
            assert!(store.set_device_token(&id("t-1"), replaced).await.unwrap());
            let refused = store.join(hello("t-1", auth.clone(), &[], 2)).await.unwrap();
            assert_eq!(refused, JoinOutcome::Refused(JoinRefusal::TokenNotValid));
        }
    });
}

#[test]
fn a_deleted_device_takes_everything_along_and_its_key_is_never_used_again() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[("app1", "1")], 0).await;
        store.update_device(&id("t-1"), None, Some(tags(&[("region", "east")]))).await.unwrap();
        let app = added(&store, "app1", "2").await;
        let rollout = store.create_rollout(new_rollout(&[&app], &[key])).await.unwrap();
        let runs = vec![(key, BootId::default(), SeqSet::default())];
        store
            .record(RecordBatch { reports: vec![record(key, 1, 5.0)], runs: runs.into(), ..RecordBatch::default() })
            .await
            .unwrap();

        assert_eq!(store.delete_device(&id("t-1")).await.unwrap(), Some(key));
        assert_eq!(store.delete_device(&id("t-1")).await.unwrap(), None);
        assert_eq!(store.tag_values().await.unwrap(), []);
        assert_eq!(store.history(key, at(0), at(9), 0).await.unwrap(), []);
        assert_eq!(store.version_changes(key, 9).await.unwrap(), []);
        assert_eq!(store.assignments_of(key, 9).await.unwrap(), []);
        assert!(store.runs(vec![(key, BootId::default())]).await.unwrap().is_empty());
        assert_eq!(store.rollout(rollout).await.unwrap().unwrap().devices, 0);
        assert!(joined(&store, "t-1", &[], 5).await > key);
    });
}

async fn names(store: &Store, query: &DeviceQuery) -> Vec<String> {
    let page = store.devices(DeviceQuery { limit: 500, ..query.clone() }).await.unwrap().unwrap();
    assert_eq!(store.device_count(query.clone()).await.unwrap(), page.items.len() as u64);
    page.items.into_iter().map(|device| device.device_id.to_string()).collect()
}

#[test]
fn devices_are_found_by_every_filter() {
    on_each_database(|store| async move {
        joined(&store, "a-1", &[("app1", "1.0")], 0).await;
        joined(&store, "b_2", &[("app1", "2.0"), ("app2", "1.0")], 0).await;
        let third = joined(&store, "c-3", &[], 0).await;
        store.leave(third, ConnectionCause::Lost, at(1)).await.unwrap();
        store.update_device(&id("a-1"), Some("Größe 100%".to_owned()), None).await.unwrap();
        store.update_device(&id("b_2"), None, Some(tags(&[("region", "east"), ("kind", "bus")]))).await.unwrap();
        store.update_device(&id("c-3"), Some("终端".to_owned()), Some(tags(&[("region", "west")]))).await.unwrap();
        let q = |text: &str| DeviceQuery { q: Some(text.to_owned()), ..DeviceQuery::default() };
        assert_eq!(names(&store, &q("GRÖSSE")).await, [] as [&str; 0], "ß is not ss");
        assert_eq!(names(&store, &q("GRÖß")).await, ["a-1"]);
        assert_eq!(names(&store, &q("B_2")).await, ["b_2"]);
        assert_eq!(names(&store, &q("终")).await, ["c-3"]);
        let online = DeviceQuery { online: Some(false), ..DeviceQuery::default() };
        assert_eq!(names(&store, &online).await, ["c-3"]);
        let tag = |value: Option<&str>| DeviceQuery {
            tag: Some(("region".to_owned(), value.map(str::to_owned))),
            ..DeviceQuery::default()
        };
        assert_eq!(names(&store, &tag(Some("east"))).await, ["b_2"]);
        assert_eq!(names(&store, &tag(None)).await, ["b_2", "c-3"]);
        let runs = |name: Option<&str>, number: Option<&str>| DeviceQuery {
            module: name.map(module),
            version: number.map(version),
            ..DeviceQuery::default()
        };
        assert_eq!(names(&store, &runs(Some("app1"), None)).await, ["b_2", "a-1"]);
        assert_eq!(names(&store, &runs(Some("app1"), Some("1.0"))).await, ["a-1"]);
        assert_eq!(names(&store, &runs(None, Some("1.0"))).await, ["b_2", "a-1"]);
        let pairs = [("kind", "bus"), ("region", "east"), ("region", "west")];
        assert_eq!(store.tag_values().await.unwrap(), pairs.map(|(a, b)| (a.to_owned(), b.to_owned())));
    });
}

#[test]
fn what_is_a_pattern_to_sql_is_plain_text_in_a_search() {
    on_each_database(|store| async move {
        for device in ["a_b", "axb"] {
            joined(&store, device, &[], 0).await;
        }
        store.update_device(&id("axb"), Some("50% !done".to_owned()), None).await.unwrap();
        for (text, found) in
            [("a_b", vec!["a_b"]), ("%", vec!["axb"]), ("!", vec!["axb"]), ("'", vec![]), ("\\", vec![])]
        {
            let query = DeviceQuery { q: Some(text.to_owned()), ..DeviceQuery::default() };
            assert_eq!(names(&store, &query).await, found, "{text}");
        }
    });
}

#[test]
fn paging_visits_every_device_once_while_others_come() {
    on_each_database(|store| async move {
        for number in 0..23 {
            let key = joined(&store, &format!("t-{number}"), &[], number % 4).await;
            if number % 3 == 0 {
                store.leave(key, ConnectionCause::Lost, at(number % 5 + 10)).await.unwrap();
            }
            if number % 2 == 0 {
                store
                    .record(RecordBatch { reports: vec![record(key, number, 1.0)], ..RecordBatch::default() })
                    .await
                    .unwrap();
            }
            store.update_device(&id(&format!("t-{number}")), Some(format!("Name {}", number % 6)), None).await.unwrap();
        }
        let sorts = [DeviceSort::Name, DeviceSort::DeviceId, DeviceSort::Online, DeviceSort::LastReport];
        let mut newcomers = 0;
        for (sort, descending) in sorts.into_iter().flat_map(|sort| [(sort, false), (sort, true)]) {
            let known: BTreeSet<KeyId> = all_keys(&store).await;
            let mut query = DeviceQuery { sort, descending, limit: 4, ..DeviceQuery::default() };
            let mut seen: Vec<KeyId> = Vec::new();
            loop {
                let page = store.devices(query.clone()).await.unwrap().unwrap();
                assert!(page.items.len() <= 4);
                seen.extend(page.items.iter().map(|device| device.key_id));
                newcomers += 1;
                joined(&store, &format!("n-{newcomers}"), &[], 2).await;
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
            let once: BTreeSet<KeyId> = seen.iter().copied().collect();
            assert_eq!(once.len(), seen.len(), "{sort:?} {descending}: one twice");
            assert!(once.is_superset(&known), "{sort:?} {descending}: one left out");
        }
    });
}

async fn all_keys(store: &Store) -> BTreeSet<KeyId> {
    let all = DeviceQuery { limit: 500, ..DeviceQuery::default() };
    store.devices(all).await.unwrap().unwrap().items.into_iter().map(|device| device.key_id).collect()
}

#[test]
fn devices_come_in_the_order_asked_for() {
    on_each_database(|store| async move {
        let mut keys = Vec::new();
        for (device, seconds) in [("c", 3), ("a", 1), ("b", 2)] {
            keys.push(joined(&store, device, &[], seconds).await);
        }
        store.update_device(&id("a"), Some("zebra".to_owned()), None).await.unwrap();
        store.leave(keys[1], ConnectionCause::Lost, at(9)).await.unwrap();
        store.record(RecordBatch { reports: vec![record(keys[2], 5, 1.0)], ..RecordBatch::default() }).await.unwrap();
        let sorted = |sort, descending| DeviceQuery { sort, descending, ..DeviceQuery::default() };
        assert_eq!(names(&store, &sorted(DeviceSort::Name, false)).await, ["b", "c", "a"]);
        assert_eq!(names(&store, &sorted(DeviceSort::DeviceId, true)).await, ["c", "b", "a"]);
        assert_eq!(names(&store, &sorted(DeviceSort::Online, false)).await, ["b", "c", "a"]);
        assert_eq!(names(&store, &sorted(DeviceSort::LastReport, true)).await, ["b", "a", "c"]);
    });
}

#[test]
fn a_cursor_of_another_list_is_refused() {
    on_each_database(|store| async move {
        for device in ["a", "b", "c"] {
            joined(&store, device, &[], 0).await;
        }
        let first = DeviceQuery { limit: 1, ..DeviceQuery::default() };
        let next = store.devices(first.clone()).await.unwrap().unwrap().next;
        for (after, sort) in [(next, DeviceSort::Online), (Some("nonsense".to_owned()), DeviceSort::Name)] {
            let query = DeviceQuery { after, sort, ..first.clone() };
            assert_eq!(store.devices(query).await.unwrap(), Err(BadCursor));
        }
        assert_eq!(store.packages(None, Some("00".to_owned()), 5).await.unwrap(), Err(BadCursor));
        assert_eq!(store.rollouts(Some("00".to_owned()), 5).await.unwrap(), Err(BadCursor));
    });
}

#[test]
fn a_filter_narrows_the_list_in_every_order_page_by_page() {
    on_each_database(|store| async move {
        for number in 0..30 {
            let version = format!("1.{number}");
            joined(&store, &format!("t-{number:02}"), &[("app1", &version)], number).await;
        }
        let key = store.device(&id("t-05")).await.unwrap().unwrap().key_id;
        store.record(RecordBatch { reports: vec![record(key, 30, 88.0)], ..RecordBatch::default() }).await.unwrap();
        for sort in [DeviceSort::Name, DeviceSort::DeviceId, DeviceSort::Online, DeviceSort::LastReport] {
            for descending in [false, true] {
                let filter = Some(Filter::parse("module.app1 >= 1.9 and not id = t-20 or cpu > 80").unwrap());
                let mut query = DeviceQuery { filter, sort, descending, limit: 4, ..DeviceQuery::default() };
                assert_eq!(store.device_count(query.clone()).await.unwrap(), 21);
                let mut seen = Vec::new();
                loop {
                    let page = store.devices(query.clone()).await.unwrap().unwrap();
                    assert!(page.items.len() == 4 || page.next.is_none());
                    seen.extend(page.items.into_iter().map(|device| device.device_id.to_string()));
                    let Some(next) = page.next else { break };
                    query.after = Some(next);
                }
                let all = store.devices(DeviceQuery { sort, descending, limit: 500, ..DeviceQuery::default() });
                let all = all.await.unwrap().unwrap().items.into_iter().map(|device| device.device_id.to_string());
                let wanted = all.filter(|id| id == "t-05" || (id.as_str() >= "t-09" && id != "t-20"));
                assert_eq!(seen, wanted.collect::<Vec<_>>(), "{sort:?} {descending}");
            }
        }
    });
}
