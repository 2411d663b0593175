//! Measurements, not run with the other tests: `cargo test --release --lib store::tests::speed -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

fn told(what: &str, count: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!("{what}: {count} in {seconds:.2} s, {:.0}/s", count as f64 / seconds);
}

#[test]
#[ignore = "a measurement"]
fn reports_a_second() {
    on_each_database(|store| async move {
        let mut keys = Vec::new();
        for number in 0..2000 {
            keys.push(joined(&store, &format!("t-{number}"), &[("app1", "1.0")], 0).await);
        }
        let mut batches = Vec::new();
        for round in 0..100 {
            let (mut batch, mut runs) = (RecordBatch::default(), Vec::new());
            for place in 0..500 {
                let key = keys[(round * 500 + place) % keys.len()];
                let mut set = SeqSet::default();
                set.insert(round as u64 + 1);
                runs.push((key, BootId::default(), set));
                batch.reports.push(record(key, round as i64 * 30, place as f64));
            }
            batch.runs = runs.into();
            batch.log_position = Some(LogPosition { file: "status-2026-11-22.0.log".to_owned(), offset: round as u64 });
            batches.push(batch);
        }
        let begun = Instant::now();
        for batch in batches {
            store.record(batch).await.unwrap();
        }
        told("reports recorded, 500 a batch", 50_000, begun);
    });
}

#[test]
#[ignore = "a measurement"]
fn joins_a_second() {
    on_each_database(|store| async move {
        for number in 0..1000 {
            joined(&store, &format!("t-{number}"), &[("app1", "1.0"), ("app2", "2.0")], 0).await;
        }
        for what in ["unchanged", "after an offline"] {
            let begun = Instant::now();
            let again = (0..10_000).map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    joined(&store, &format!("t-{}", number % 1000), &[("app1", "1.0"), ("app2", "2.0")], 1).await
                })
            });
            for task in again.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            told(&format!("joins, {what}"), 10_000, begun);
            store.all_offline(at(2)).await.unwrap();
        }
    });
}

#[test]
#[ignore = "a measurement"]
fn a_rollout_to_100_000_devices() {
    on_each_database(|store| async move {
        let tasks = (0..100_000).map(|number| {
            let store = store.clone();
            tokio::spawn(async move { joined(&store, &format!("t-{number}"), &[("app1", "1.0")], 0).await })
        });
        let begun = Instant::now();
        let mut keys = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            keys.push(task.await.unwrap());
        }
        told("new devices joined", keys.len(), begun);
        let app = added(&store, "app1", "2.0").await;
        let new = new_rollout(&[&app], &keys);
        let begun = Instant::now();
        let id = store.create_rollout(new).await.unwrap();
        told("assignments created", keys.len(), begun);
        let begun = Instant::now();
        assert_eq!(store.open_rollouts().await.unwrap()[0].rows.len(), keys.len());
        told("assignments taken up", keys.len(), begun);
        let begun = Instant::now();
        assert_eq!(store.candidates(&Target::All).await.unwrap().len(), keys.len());
        told("candidates", keys.len(), begun);
        for text in ["module.app1 < 2 and not tag.region = east", "cpu > 80 or id ~ 999"] {
            let filter = Filter::parse(text).unwrap();
            let begun = Instant::now();
            let found = store.candidates(&Target::Filter(filter.clone())).await.unwrap().len();
            told(&format!("candidates by `{text}`, {found} of"), keys.len(), begun);
            let begun = Instant::now();
            let query = DeviceQuery { filter: Some(filter), limit: 100, ..DeviceQuery::default() };
            assert_eq!(store.device_count(query.clone()).await.unwrap() as usize, found);
            told("counted", keys.len(), begun);
            let begun = Instant::now();
            store.devices(query).await.unwrap().unwrap();
            told("a page of them", 100, begun);
        }
        let begun = Instant::now();
        store.rollout_devices(id, None, None, 100).await.unwrap().unwrap();
        told("progress rows", 100, begun);
        let begun = Instant::now();
        store.rollout(id).await.unwrap();
        told("rollout read", 1, begun);
        for sort in [DeviceSort::Name, DeviceSort::LastReport, DeviceSort::Online] {
            let begun = Instant::now();
            let query = DeviceQuery { sort, limit: 100, q: Some("t-9".to_owned()), ..DeviceQuery::default() };
            store.devices(query).await.unwrap().unwrap();
            told(&format!("devices by {sort:?}"), 100, begun);
        }
    });
}

#[test]
#[ignore = "a measurement"]
fn the_fleet_page_of_100_000_devices() {
    on_each_database(|store| async move {
        let tasks = (0..100_000).map(|number| {
            let store = store.clone();
            let version = ["1.0", "1.1", "2.0"][number % 3];
            tokio::spawn(async move { joined(&store, &format!("t-{number}"), &[("app1", version)], 0).await })
        });
        let mut keys = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            keys.push(task.await.unwrap());
        }
        for chunk in keys.chunks(500) {
            let reports = chunk.iter().map(|key| record(*key, key.0 % 1000, key.0 as f64 % 100.0)).collect();
            store.record(RecordBatch { reports, ..Default::default() }).await.unwrap();
        }
        let limits = AttentionLimits::default();
        let begun = Instant::now();
        store.fleet_state(at(1000), limits).await.unwrap();
        told("counted with all troubles", keys.len(), begun);
        let begun = Instant::now();
        store.modules().await.unwrap();
        told("versions counted", keys.len(), begun);
        let troubles =
            Attention::ALL.map(|what| (what.to_string(), Some(Watched { what, now: at(1000), limits }), None));
        let filters = ["module.app1 < 2 and online", "cpu > 80", "tag.region = east", "name ~ 999"];
        let filters = filters.map(|text| (text.to_owned(), None, Some(Filter::parse(text).unwrap())));
        for (what, attention, filter) in troubles.into_iter().chain(filters) {
            let query = DeviceQuery { attention, filter, limit: 100, ..DeviceQuery::default() };
            let begun = Instant::now();
            store.devices(query.clone()).await.unwrap().unwrap();
            told(&format!("a page of {what}"), 100, begun);
            let begun = Instant::now();
            let found = store.device_count(query).await.unwrap();
            told(&format!("its count, {found} of"), keys.len(), begun);
        }
    });
}
