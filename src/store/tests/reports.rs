use diesel::RunQueryDsl as _;

use super::*;

async fn record_all(store: &Store, reports: Vec<StatusRecord>) {
    store.record(RecordBatch { reports, ..RecordBatch::default() }).await.unwrap();
}

#[test]
fn the_newest_report_is_the_devices_status_and_every_one_is_history() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        record_all(&store, vec![record(key, 30, 10.0), record(key, 60, 20.0)]).await;
        let status = store.device_by_key(key).await.unwrap().unwrap().status.unwrap();
        assert_eq!(status, Status { report: report(60, 20.0), received_at: at(61) });
        let samples = store.history(key, at(0), at(100), 0).await.unwrap();
        assert_eq!(samples, [(at(30), report(30, 10.0).sample()), (at(60), report(60, 20.0).sample())]);
        assert_eq!(store.history(key, at(31), at(60), 0).await.unwrap().len(), 1);
    });
}

#[test]
fn a_late_report_is_history_and_not_the_status() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        record_all(&store, vec![record(key, 60, 20.0)]).await;
        record_all(&store, vec![record(key, 30, 10.0)]).await;
        record_all(&store, vec![record(key, 50, 15.0), record(key, 40, 12.0)]).await;
        let status = store.device_by_key(key).await.unwrap().unwrap().status.unwrap();
        assert_eq!(status.report.cpu_utilization, Some(20.0));
        assert_eq!(store.history(key, at(0), at(100), 0).await.unwrap().len(), 4);
    });
}

#[test]
fn reports_of_a_deleted_device_are_left_out_and_the_others_are_kept() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        let gone = KeyId(key.0 + 1);
        let position = LogPosition { file: "status-2026-11-22.0.log".to_owned(), offset: 77 };
        assert_eq!(store.log_position().await.unwrap(), None);
        let batch = RecordBatch {
            reports: vec![record(gone, 1, 1.0), record(key, 1, 1.0)],
            runs: vec![(gone, BootId::default(), SeqSet::default())].into(),
            log_position: Some(position.clone()),
            ..RecordBatch::default()
        };
        store.record(batch).await.unwrap();
        assert!(store.device_by_key(key).await.unwrap().unwrap().status.is_some());
        assert_eq!(store.log_position().await.unwrap(), Some(position));
    });
}

#[test]
fn the_numbers_of_a_run_come_back_as_they_were() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        let (named, unnamed) = (BootId::new("run ü 1").unwrap(), BootId::default());
        let mut set = SeqSet::default();
        [1, 2, 3, 7].into_iter().for_each(|n| {
            set.insert(n);
        });
        let reports = vec![record(key, 1, 1.0)];
        let runs = vec![(key, named.clone(), set.clone()), (key, unnamed.clone(), SeqSet::default())];
        store.record(RecordBatch { reports, runs: runs.into(), ..RecordBatch::default() }).await.unwrap();
        set.insert(4);
        let runs = vec![(key, named.clone(), set.clone())];
        store
            .record(RecordBatch { reports: vec![record(key, 2, 1.0)], runs: runs.into(), ..RecordBatch::default() })
            .await
            .unwrap();
        let wanted = vec![(key, named.clone()), (key, BootId::new("other").unwrap()), (KeyId(99), named.clone())];
        let found = store.runs(wanted).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[&(key, named)], set);
        assert_eq!(store.runs(vec![(key, unnamed.clone())]).await.unwrap()[&(key, unnamed)], SeqSet::default());
    });
}

#[test]
fn history_is_averaged_over_steps() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        // The test's day begins on a whole 10 minutes less 400 s.
        let start = 200 - (at(0).timestamp() % 600);
        let start = start + 600;
        record_all(
            &store,
            vec![record(key, start, 10.0), record(key, start + 30, 20.0), record(key, start + 600, 40.0)],
        )
        .await;
        let samples = store.history(key, at(0), at(5000), 600).await.unwrap();
        let cpu: Vec<Option<f64>> = samples.iter().map(|(_, sample)| sample.cpu_utilization).collect();
        assert_eq!(cpu, [Some(15.0), Some(40.0)]);
        assert_eq!(samples[0].0.timestamp() % 600, 0);
        assert_eq!(samples[0].1.disk_used_percent, None);
    });
}

#[test]
fn old_history_is_thinned_and_older_is_forgotten() {
    on_each_database(|store| async move {
        let start = 600 - at(0).timestamp() % 600;
        let keys = [joined(&store, "t-1", &[], 0).await, joined(&store, "t-2", &[], 0).await];
        for key in keys {
            record_all(&store, (0..60).map(|n| record(key, start + n * 60, n as f64)).collect()).await;
        }
        let [first, second] = ["first", "second"].map(|run| (keys[0], BootId::new(run).unwrap()));
        for (key, run) in [&first, &second] {
            let (reports, runs) = (vec![record(*key, start, 0.0)], vec![(*key, run.clone(), SeqSet::default())].into());
            store.record(RecordBatch { reports, runs, ..RecordBatch::default() }).await.unwrap();
        }
        // Of the hour: 20 minutes forgotten, 20 thinned to one in ten minutes, 20 left.
        let gone = store.prune_history(at(start + 1200), at(start + 2400), 600).await.unwrap();
        assert_eq!(gone, 2 * (20 + 18) + 2);
        for key in keys {
            let left = store.history(key, at(0), at(start + 9999), 0).await.unwrap();
            let first: Vec<i64> = left.iter().take(3).map(|(time, _)| (*time - at(start)).num_seconds()).collect();
            assert_eq!((left.len(), first), (22, vec![1200, 1800, 2400]));
        }
        let runs = store.runs(vec![first, second.clone()]).await.unwrap();
        assert_eq!(runs.into_keys().collect::<Vec<_>>(), [second], "a silent run is forgotten, unless it is the last");
        let gone = store.prune_history(at(start + 1200), at(start + 3000), 600).await.unwrap();
        assert_eq!(gone, 2 * 9, "the next time goes on where this one ended");
    });
}

#[test]
fn what_is_no_number_is_stored_as_nothing() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        let mut strange = report(1, 1.0);
        strange.cpu_utilization = Some(f64::INFINITY);
        strange.speed = Some(f64::MAX);
        record_all(&store, vec![StatusRecord::new(key, &strange, at(2))]).await;
        let samples = store.history(key, at(0), at(9), 0).await.unwrap();
        assert_eq!((samples[0].1.cpu_utilization, samples[0].1.speed), (None, Some(f64::MAX)));
        assert!(store.device_by_key(key).await.unwrap().unwrap().status.is_some());
    });
}

#[test]
fn what_is_too_long_for_one_statement_is_written_in_several() {
    on_each_database(|store| async move {
        let (mut keys, mut reports) = (Vec::new(), Vec::new());
        for n in 0..100 {
            let key = joined(&store, &format!("t-{n}"), &[], 0).await;
            // Together longer than a MariaDB server takes at once by default, 16 MiB.
            let mut long = report(30, 10.0);
            long.weather = Some("x".repeat(300_000).into());
            reports.push(StatusRecord::new(key, &long, at(31)));
            keys.push(key);
        }
        record_all(&store, reports).await;
        for key in keys {
            let status = store.device_by_key(key).await.unwrap().unwrap().status.unwrap();
            assert_eq!(status.report.weather.unwrap().as_str().unwrap().len(), 300_000);
        }
    });
}

#[test]
fn a_run_that_cannot_be_read_keeps_no_other_from_it() {
    on_each_database(|store| async move {
        let (one, other) = (joined(&store, "t-1", &[], 0).await, joined(&store, "t-2", &[], 0).await);
        let mut set = SeqSet::default();
        set.insert(4);
        let runs = vec![(one, BootId::default(), set.clone()), (other, BootId::default(), set.clone())];
        let reports = vec![record(one, 1, 1.0), record(other, 1, 1.0)];
        store.record(RecordBatch { reports, runs: runs.into(), ..RecordBatch::default() }).await.unwrap();
        let spoil = format!("UPDATE device_reports SET ranges = 'no numbers' WHERE key_id = {}", one.0);
        store.write(move |db| Ok(diesel::sql_query(spoil.as_str()).execute(db)?)).await.unwrap();
        let found = store.runs(vec![(one, BootId::default()), (other, BootId::default())]).await.unwrap();
        assert_eq!(found[&(one, BootId::default())], SeqSet::default());
        assert_eq!(found[&(other, BootId::default())], set);
    });
}

#[test]
fn a_run_is_known_whether_it_is_the_last_of_its_device_or_not() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        let runs = ["one", "two", "three"].map(|run| BootId::new(run).unwrap());
        let mut sets = [SeqSet::default(), SeqSet::default(), SeqSet::default()];
        let mut last = LastReports::default();
        // By turns, in a batch of its own or together with another; as at hand, or read again.
        for (n, in_batch) in
            [vec![0], vec![1], vec![0, 2], vec![2, 0], vec![1], vec![1], vec![2, 1, 0]].iter().enumerate()
        {
            let mut told = Vec::new();
            for run in in_batch {
                sets[*run].insert(n as u64);
                told.push((key, runs[*run].clone(), sets[*run].clone()));
            }
            let reports = vec![record(key, n as i64, 1.0)];
            let at_hand = if n % 2 == 0 { LastReports::default() } else { last.clone() };
            let batch = RecordBatch { reports, runs: told.into(), last: at_hand, ..RecordBatch::default() };
            last = store.record(batch).await.unwrap();
            let wanted: Vec<(KeyId, BootId)> = runs.iter().map(|run| (key, run.clone())).collect();
            let found = store.runs(wanted.clone()).await.unwrap();
            for (wanted, set) in wanted.iter().zip(&sets) {
                assert_eq!(found.get(wanted).cloned().unwrap_or_default(), *set, "{wanted:?} after batch {n}");
            }
        }
    });
}

#[test]
fn samples_are_the_same_beside_the_report_and_in_blocks() {
    on_each_database(|store| async move {
        let keys = [joined(&store, "t-1", &[], 0).await, joined(&store, "t-2", &[], 0).await];
        let mut last = LastReports::default();
        for n in 0..100 {
            // Every third comes late; the second device says two at once.
            let time = if n % 3 == 0 { n / 2 } else { n } as f64;
            let mut reports = vec![record(keys[0], time as i64, n as f64 / 7.0)];
            reports.extend([0.25, 0.5].map(|part| record(keys[1], n, n as f64 + part)));
            last = store.record(RecordBatch { reports, last, ..RecordBatch::default() }).await.unwrap();
        }
        let [one, two] = keys.map(|key| store.history(key, at(0), at(1000), 0));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert_eq!((one.len(), two.len()), (100, 200));
        assert!(one.is_sorted_by_key(|(time, _)| *time));
        let mut cpu: Vec<f64> = one.iter().filter_map(|(_, sample)| sample.cpu_utilization).collect();
        cpu.sort_by(f64::total_cmp);
        assert_eq!(cpu, (0..100).map(|n| f64::from(n) / 7.0).collect::<Vec<_>>());
        assert_eq!(two[7], (at(3), report(3, 3.5).sample()), "of one instant in the order in which they came");
        let within = store.history(keys[1], at(40), at(49), 0).await.unwrap();
        assert_eq!((within.len(), within[0].0, within[19].0), (20, at(40), at(49)));
    });
}

#[test]
fn of_a_long_history_the_first_part_is_told() {
    on_each_database(|store| async move {
        let key = joined(&store, "t-1", &[], 0).await;
        // The last come first.
        let reports = (0..6000).rev().map(|n| record(key, n, 1.0)).collect();
        record_all(&store, reports).await;
        let first: Vec<Timestamp> = (0..5000).map(at).collect();
        // As they are, and averaged over steps of a second, which has one each.
        for step in [0, 1] {
            let told = store.history(key, at(0), at(9999), step).await.unwrap();
            assert_eq!(told.iter().map(|(time, _)| *time).collect::<Vec<_>>(), first, "{step}");
        }
    });
}
