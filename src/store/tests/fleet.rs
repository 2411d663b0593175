//! The fleet page's side of the store: troubles, filters as conditions, connections, tags of many, views.

use super::*;

async fn names(store: &Store, query: DeviceQuery) -> Vec<String> {
    let page = store.devices(DeviceQuery { limit: 100, ..query }).await.unwrap().unwrap();
    page.items.into_iter().map(|device| device.device_id.to_string()).collect()
}

fn trouble(what: Attention, seconds: i64) -> DeviceQuery {
    let watched = Watched { what, now: at(seconds), limits: AttentionLimits::default() };
    DeviceQuery { attention: Some(watched), limit: 100, ..DeviceQuery::default() }
}

/// A fleet in which everything is different, for filters and orders.
async fn mixed(store: &Store) -> Vec<KeyId> {
    let mut keys = Vec::new();
    for number in 0..24_i64 {
        let versions = ["1.9", "1.10", "2.0.0-rc.1", "2.0.0"];
        let runs = [("app1", versions[number as usize % 4]), ("app2", "7")];
        let runs = if number % 5 == 0 { &runs[..0] } else { &runs[..1 + number as usize % 2] };
        let name = format!("t-{number:02}");
        let key = joined(store, &name, runs, number).await;
        if number % 3 == 0 {
            store.leave(key, ConnectionCause::Lost, at(100 + number)).await.unwrap();
        }
        let label = ["Bus Ärger", "bus_7", "Taxi 100%", "t!"][number as usize % 4];
        let marks = match number % 3 {
            0 => tags(&[("region", "east"), ("kind", "Bus")]),
            1 => tags(&[("region", "West")]),
            _ => Tags::new(),
        };
        store.update_device(&id(&name), Some(label.to_owned()), Some(marks)).await.unwrap();
        if number % 4 != 3 {
            let mut said = report(number, number as f64 * 4.0);
            if number % 2 == 0 {
                said.extra.insert("battery".to_owned(), (number * 4).into());
                said.location = None;
            }
            let record = StatusRecord::new(key, &said, at(number + 1));
            let batch = RecordBatch { reports: vec![record], ..Default::default() };
            store.record(batch).await.unwrap();
        }
        keys.push(key);
    }
    keys
}

const FILTERS: [&str; 49] = [
    "online",
    "not online",
    "id ~ T-1",
    "id = t-03",
    "id in (t-01, t-02, x)",
    "id != t-01",
    "name ~ bus",
    "name ~ ärg",
    "name ~ _",
    "name ~ %",
    "name ~ \"!\"",
    "name ~ t-0",
    "name = bus_7",
    "name != bus_7",
    "tag.region = east",
    "tag.region = west",
    "tag.region != east",
    "tag.region = none",
    "tag.region != none",
    "tag.region in (east, West)",
    "tag.region ~ EAS",
    "not tag.region ~ w and online",
    "module.app1 < 1.10",
    "module.app1 >= 2.0.0-rc.1",
    "module.app1 = 2.0",
    "module.app1 != 1.9",
    "module.app1 = none",
    "module.app1 != none",
    "module.app1 ~ RC",
    "module.app1 in (1.9, 2.0.0)",
    "module.nobody < 1",
    "module.nobody != 1",
    "cpu > 20",
    "cpu <= 20",
    "cpu = 8",
    "cpu != 8",
    "cpu = none",
    "cpu != none",
    "cpu in (4, 8)",
    "temperature > 51",
    "latitude > 31 and latitude < 32",
    "speed = none",
    "not (cpu > 20 or tag.region = east)",
    "report.battery < 50",
    "report.battery != 8 and online",
    "report.battery = none or tag.region = east",
    "location in circle(31.2, 121.5, 100)",
    "not location in polygon(30, 120, 30, 122, 32, 122)",
    "(online or cpu > 70) and not module.app2 = 7",
];

/// The devices that fit, as the domain says, by name.
async fn fitting(store: &Store, filter: &Filter) -> Vec<String> {
    let mut wanted = Vec::new();
    for device in all(store, DeviceQuery::default()).await {
        let readings = device.status.as_ref().map(|status| Readings::of(&status.report));
        let subject = Subject {
            device_id: &device.device_id,
            name: &device.name,
            online: device.online,
            tags: &device.tags,
            modules: &device.modules,
            readings: readings.as_ref(),
        };
        if filter.matches(&subject) {
            wanted.push(device.device_id.to_string());
        }
    }
    wanted
}

/// Page by page.
async fn all(store: &Store, query: DeviceQuery) -> Vec<Device> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.devices(DeviceQuery { limit: 500, after, ..query.clone() }).await.unwrap().unwrap();
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn a_filter_as_a_condition_finds_what_the_domain_finds() {
    on_each_database(|store| async move {
        mixed(&store).await;
        for text in FILTERS {
            let filter = Filter::parse(text).unwrap();
            let wanted = fitting(&store, &filter).await;
            let query = DeviceQuery { filter: Some(filter), limit: 100, ..DeviceQuery::default() };
            assert_eq!(names(&store, query.clone()).await, wanted, "{text}");
            assert_eq!(store.device_count(query.clone()).await.unwrap() as usize, wanted.len(), "{text}");
            assert_eq!(store.matching_keys(query).await.unwrap().len(), wanted.len(), "{text}");
        }
    });
}

#[test]
fn where_many_fit_a_condition_finds_the_same() {
    on_each_database(|store| async move {
        mixed(&store).await;
        let crowd = (0..1001).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { joined(&store, &format!("u-{number}"), &[("app1", "1.9")], 0).await })
        });
        for device in crowd.collect::<Vec<_>>() {
            device.await.unwrap();
        }
        let change = TagChange { set: tags(&[("region", "east")]), remove: Vec::new(), most: 2 };
        let tagged = DeviceQuery { filter: Some(Filter::parse("id ~ u-").unwrap()), ..DeviceQuery::default() };
        store.tag_matching(tagged, change).await.unwrap();
        for text in FILTERS {
            let filter = Filter::parse(text).unwrap();
            let wanted = fitting(&store, &filter).await;
            let query = DeviceQuery { filter: Some(filter), ..DeviceQuery::default() };
            let found = all(&store, query.clone()).await;
            let found: Vec<String> = found.iter().map(|device| device.device_id.to_string()).collect();
            assert!(found == wanted, "{text}: {} found, {} fit", found.len(), wanted.len());
            assert_eq!(store.device_count(query).await.unwrap() as usize, wanted.len(), "{text}");
        }
    });
}

#[test]
fn pages_of_every_order_hold_every_device_once_and_turned_round_the_same() {
    on_each_database(|store| async move {
        mixed(&store).await;
        for sort in [DeviceSort::Name, DeviceSort::DeviceId, DeviceSort::Online, DeviceSort::LastReport] {
            let mut orders = Vec::new();
            for descending in [false, true] {
                for filter in [None, Some(Filter::parse("tag.region ~ e or tag.region = none").unwrap())] {
                    let mut seen = Vec::new();
                    let mut after = None;
                    loop {
                        let filter = filter.clone();
                        let query = DeviceQuery { sort, descending, after, limit: 5, filter, ..DeviceQuery::default() };
                        let page = store.devices(query).await.unwrap().unwrap();
                        seen.extend(page.items.iter().map(|device| device.key_id));
                        after = page.next;
                        if after.is_none() {
                            break;
                        }
                    }
                    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
                    assert_eq!((seen.len(), distinct.len()), (24, 24), "{sort:?} {descending}");
                    orders.push(seen);
                }
            }
            orders[2].reverse();
            assert!(orders[0] == orders[1] && orders[0] == orders[2], "{sort:?}");
        }
    });
}

#[test]
fn each_trouble_is_counted_and_listed_and_nothing_else_is() {
    on_each_database(|store| async move {
        let keys = [
            joined(&store, "failed", &[("app1", "1")], 0).await,
            joined(&store, "reverted", &[("app1", "1")], 0).await,
            joined(&store, "mended", &[("app1", "1")], 0).await,
            joined(&store, "silent", &[("app1", "1")], 0).await,
            joined(&store, "gone", &[("app1", "1")], 0).await,
            joined(&store, "cloned", &[("app2", "8")], 0).await,
        ];
        let hot = |key, degree: f64, used: f64| {
            let report = serde_json::from_value(serde_json::json!({
                "timestamp": millis_rfc3339::text(at(900)), "temperature": [{"type": "cpu", "degree": degree}],
                "sd_card": [{"name": "a", "total": 100.0, "used": used}],
            }));
            StatusRecord::new(key, &report.unwrap(), at(900))
        };
        let reports = vec![
            hot(keys[0], 81.0, 10.0),
            hot(keys[1], 20.0, 95.0),
            hot(keys[2], 20.0, 10.0),
            hot(keys[4], 99.0, 10.0),
            hot(keys[5], 80.0, 90.0),
        ];
        store.record(RecordBatch { reports, ..Default::default() }).await.unwrap();
        store.leave(keys[4], ConnectionCause::Closed, at(950)).await.unwrap();
        store.raise_clone_alarm(keys[5], at(10)).await.unwrap();
        let (old, app) = (added(&store, "app1", "1").await, added(&store, "app1", "2").await);
        for (states, package) in [
            ([AssignmentState::Verified, AssignmentState::Reverted, AssignmentState::Failed], &old),
            ([AssignmentState::TimedOut, AssignmentState::Reverted, AssignmentState::Verified], &app),
        ] {
            let mut new = new_rollout(&[package], &keys[..3]);
            for (row, state) in new.assignments.iter_mut().zip(states) {
                row.state = state;
            }
            store.create_rollout(new).await.unwrap();
        }
        for (what, wanted) in [
            (Attention::Failed, vec!["failed"]),
            (Attention::Reverted, vec!["reverted"]),
            (Attention::Quarantined, vec![]),
            (Attention::Silent, vec!["silent"]),
            (Attention::Hot, vec!["failed"]),
            (Attention::FullDisk, vec!["reverted"]),
            (Attention::Cloned, vec!["cloned"]),
            // The package app1 1 was never signed.
            (Attention::Unsigned, vec!["failed", "gone", "mended", "reverted", "silent"]),
        ] {
            assert_eq!(names(&store, trouble(what, 1000)).await, wanted, "{what}");
            let state = store.fleet_state(at(1000), AttentionLimits::default()).await.unwrap();
            let counted = state.attention.iter().find(|(known, _)| *known == what).map(|(_, count)| *count);
            assert_eq!(counted, Some(wanted.len() as u64), "{what}");
            assert_eq!((state.devices, state.online), (6, 5));
        }
        assert!(names(&store, trouble(Attention::Cloned, 100_000)).await.is_empty(), "an alarm passes");
    });
}

#[test]
fn connections_are_written_down_with_their_causes_and_forgotten_with_age() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        joined(&store, "t-1", &[], 10).await;
        store.leave(key, ConnectionCause::Silent, at(20)).await.unwrap();
        store.leave(key, ConnectionCause::Lost, at(21)).await.unwrap();
        joined(&store, "t-1", &[], 30).await;
        store.all_offline(at(40)).await.unwrap();
        let told = |events: Vec<ConnectionEvent>| -> Vec<(bool, ConnectionCause, Timestamp)> {
            events.into_iter().map(|event| (event.online, event.cause, event.at)).collect()
        };
        let all = told(store.connections_of(key, 10).await.unwrap());
        let wanted = [
            (false, ConnectionCause::ServerEnded, at(40)),
            (true, ConnectionCause::Hello, at(30)),
            (false, ConnectionCause::Silent, at(20)),
            (true, ConnectionCause::TookOver, at(10)),
            (true, ConnectionCause::Hello, at(0)),
        ];
        assert_eq!(all, wanted);
        assert_eq!(store.prune_connections(at(30)).await.unwrap(), 3);
        assert_eq!(told(store.connections_of(key, 1).await.unwrap()), wanted[..1]);
    });
}

#[test]
fn tags_of_many_are_changed_and_no_device_gets_too_many() {
    on_each_database(|store| async move {
        for number in 0..4 {
            joined(&store, &format!("t-{number}"), &[], number).await;
        }
        store.update_device(&id("t-1"), None, Some(tags(&[("a", "1"), ("old", "x")]))).await.unwrap();
        store.update_device(&id("t-2"), None, Some(tags(&[("b", "1"), ("c", "1")]))).await.unwrap();
        let change = TagChange { set: tags(&[("a", "1")]), remove: vec!["old".to_owned()], most: 2 };
        let tagged = store.tag_devices(vec![id("t-1"), id("t-2"), id("nobody")], change.clone()).await.unwrap();
        assert_eq!((tagged.changed.len(), tagged.same, tagged.full), (1, 0, 1));
        let query = DeviceQuery { limit: 1, ..DeviceQuery::default() };
        let tagged = store.tag_matching(query, change).await.unwrap();
        assert_eq!((tagged.changed.len(), tagged.same, tagged.full), (2, 1, 1), "all that match, not one page");
        let of = |device: Option<Device>| device.unwrap().tags;
        assert_eq!(of(store.device(&id("t-1")).await.unwrap()), tags(&[("a", "1")]));
        assert_eq!(of(store.device(&id("t-2")).await.unwrap()), tags(&[("b", "1"), ("c", "1")]));
    });
}

#[test]
fn the_fleet_is_counted_once_a_step_and_views_are_kept_by_name() {
    on_each_database(|store| async move {
        joined(&store, "t-1", &[], 0).await;
        let begun = at(0) - chrono::TimeDelta::seconds(at(0).timestamp() % 300);
        store.count_fleet(begun + chrono::TimeDelta::seconds(10), 300, begun).await.unwrap();
        joined(&store, "t-2", &[], 1).await;
        store.count_fleet(begun + chrono::TimeDelta::seconds(290), 300, begun).await.unwrap();
        assert_eq!(store.fleet_course(begun).await.unwrap(), [FleetPoint { at: begun, online: 2, devices: 2 }]);
        let later = begun + chrono::TimeDelta::seconds(300);
        store.count_fleet(later, 300, begun).await.unwrap();
        let first = store.fleet_course_page(begun, None, 1).await.unwrap().unwrap();
        let second = store.fleet_course_page(begun, first.next.clone(), 1).await.unwrap().unwrap();
        assert_eq!([&first, &second].map(|page| page.items[0].at), [begun, later]);
        assert!(first.next.is_some() && second.next.is_none());
        assert_eq!(store.fleet_course_page(begun, Some("x".to_owned()), 1).await.unwrap(), Err(BadCursor));
        store.count_fleet(later, 300, later).await.unwrap();
        assert_eq!(store.fleet_course(begun).await.unwrap().len(), 1, "what is older than is kept is gone");
        let view = |query: &str| SavedView {
            name: "hot 热".to_owned(),
            query: query.to_owned(),
            created_at: at(1),
            created_by: "ann".to_owned(),
        };
        assert_eq!(store.save_view(view("a=b")).await.unwrap(), Saved::New);
        assert_eq!(store.save_view(view("attention=hot")).await.unwrap(), Saved::Changed);
        assert_eq!(store.views().await.unwrap(), [view("attention=hot")]);
        assert!(store.delete_view("hot 热").await.unwrap());
        assert!(!store.delete_view("hot 热").await.unwrap());
    });
}
