use std::sync::mpsc;

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::super::connection::{Address, Purpose};
use super::super::dialect::Sql;
use super::*;

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

fn settings(db: &mut Db) -> i64 {
    let rows: Vec<Count> = Sql::new("SELECT COUNT(*) AS n FROM settings").load(db).unwrap();
    rows[0].n
}

fn insert(db: &mut Db, name: &str) -> Outcome<()> {
    let sql = Sql::new("INSERT INTO settings (name, value) VALUES (?, '')").bind(name);
    Ok(sql.execute(db).map(drop)?)
}

/// Keeps the writer busy until the answer is dropped, so that what follows becomes one group.
fn hold(store: &Store) -> (mpsc::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let (release, held) = mpsc::channel::<()>();
    let store = store.clone();
    let task = tokio::spawn(async move {
        store
            .write(move |_| {
                let _ = held.recv();
                Ok(())
            })
            .await
    });
    (release, task)
}

#[test]
fn what_waits_is_committed_together_and_answered_after_the_commit() {
    on_sqlite(|store, path| async move {
        let (release, held) = hold(&store);
        tokio::task::yield_now().await;
        let mut tasks = Vec::new();
        for number in 0..50 {
            let (store, address) = (store.clone(), Address::Sqlite(path.clone()));
            tasks.push(tokio::spawn(async move {
                store
                    .write(move |db| {
                        insert(db, &number.to_string())?;
                        let outside = settings(&mut address.open(Purpose::Read).unwrap());
                        Ok((settings(db), outside))
                    })
                    .await
            }));
        }
        tokio::task::yield_now().await;
        drop(release);
        held.await.unwrap().unwrap();
        for (number, task) in tasks.into_iter().enumerate() {
            let seen = task.await.unwrap().unwrap();
            assert_eq!(seen, (number as i64 + 1, 0), "inside the one transaction, outside before its commit");
        }
        assert_eq!(store.read(|db| Ok(settings(db))).await.unwrap(), 50, "answered: on disk");
    });
}

#[test]
fn a_job_that_fails_or_panics_takes_only_itself_back() {
    on_each_database(|store| async move {
        let (release, held) = hold(&store);
        tokio::task::yield_now().await;
        let write = |name: &'static str, then: fn() -> Outcome<()>| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .write(move |db| {
                        insert(db, name)?;
                        then()
                    })
                    .await
            })
        };
        let tasks = [
            write("a", || Ok(())),
            write("b", || Err(StoreError::Unusable("no".to_owned()).into())),
            write("c", || panic!("a defect, made for this test")),
            write("a", || Ok(())),
            write("d", || Ok(())),
        ];
        tokio::task::yield_now().await;
        drop(release);
        held.await.unwrap().unwrap();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap().is_ok());
        }
        assert_eq!(answers, [true, false, false, false, true]);
        assert_eq!(store.read(|db| Ok(settings(db))).await.unwrap(), 2);
    });
}

#[test]
fn closing_finishes_what_is_queued_and_takes_no_more() {
    on_sqlite(|store, _| async move {
        let (release, held) = hold(&store);
        tokio::task::yield_now().await;
        let queued = {
            let store = store.clone();
            tokio::spawn(async move { store.set_setting("a", Some("1")).await })
        };
        tokio::task::yield_now().await;
        drop(release);
        store.close();
        held.await.unwrap().unwrap();
        queued.await.unwrap().unwrap();
        let late = store.set_setting("b", Some("1")).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))));
        assert_eq!(store.setting("a").await.unwrap().as_deref(), Some("1"));
        assert!(store.ping().await.is_err());
    });
}

#[test]
fn a_full_queue_makes_callers_wait_and_drops_nothing() {
    on_sqlite(|store, _| async move {
        let (release, held) = hold(&store);
        tokio::task::yield_now().await;
        let write = |number: u32| {
            let store = store.clone();
            tokio::spawn(async move { store.set_setting(&number.to_string(), Some("")).await })
        };
        let tasks: Vec<_> = (0..3000).map(write).collect();
        tokio::task::yield_now().await;
        drop(release);
        held.await.unwrap().unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(store.read(|db| Ok(settings(db))).await.unwrap(), 3000);
    });
}

#[test]
fn a_command_beside_the_server_writes_to_the_same_file() {
    on_sqlite(|server, path| async move {
        let command = open(&sqlite_url(&path)).unwrap();
        let mut tasks = Vec::new();
        for number in 0..400 {
            let store = if number % 2 == 0 { server.clone() } else { command.clone() };
            tasks.push(tokio::spawn(async move { store.set_setting(&number.to_string(), Some("x")).await }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(server.read(|db| Ok(settings(db))).await.unwrap(), 400);
        command.close();
    });
}

#[test]
fn a_write_beside_a_held_lock_is_unavailable_and_the_next_one_works() {
    on_sqlite(|store, path| async move {
        let mut other = Address::Sqlite(path).open(Purpose::Write).unwrap();
        Sql::new("BEGIN IMMEDIATE").execute(&mut other).unwrap();
        let refused = store.set_setting("a", Some("1")).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Unavailable(why) if why.contains("another program holds it")),
            "{refused}"
        );
        Sql::new("ROLLBACK").execute(&mut other).unwrap();
        store.set_setting("a", Some("1")).await.unwrap();
    });
}

#[test]
fn a_schema_newer_than_the_program_is_refused() {
    on_sqlite(|store, path| async move {
        store.close();
        let mut db = Address::Sqlite(path.clone()).open(Purpose::Write).unwrap();
        let sql = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20991231000001')";
        Sql::new(sql).execute(&mut db).unwrap();
        let refused = open(&sqlite_url(&path)).map(drop).unwrap_err().to_string();
        assert!(refused.contains("newer fleetward") && refused.contains("20991231000001"), "{refused}");
    });
}

/// MariaDB commits each statement of a schema by itself: a kill may come before it is written down as done.
#[test]
fn every_migration_of_mariadb_may_come_twice() {
    let database = match mariadb::fresh() {
        Ok(database) => database,
        Err(why) => return println!("not run on MariaDB: {why}"),
    };
    let store = open(&database.url).unwrap();
    let forget = |db: &mut Db| Ok(Sql::new("DELETE FROM __diesel_schema_migrations").execute(db)?);
    let forgotten = run(store.write(forget)).unwrap();
    assert!(forgotten > 30, "{forgotten}");
    store.close();
    open(&database.url).unwrap().close();
}

#[test]
fn what_was_reported_is_the_same_behind_the_steps_that_put_it_elsewhere() {
    on_sqlite(|store, path| async move {
        is_the_same_there_and_back(store, &sqlite_url(&path), || {
            use diesel_migrations::MigrationHarness as _;
            let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
            [(); 3].map(|()| connection.revert_last_migration(crate::store::migrate::SQLITE).unwrap().to_string())
        })
        .await;
    });
}

#[cfg(feature = "mysql")]
#[test]
fn what_was_reported_on_mariadb_is_the_same_behind_the_steps_that_put_it_elsewhere() {
    let database = match mariadb::fresh() {
        Ok(database) => database,
        Err(why) => return println!("not run on MariaDB: {why}"),
    };
    run(is_the_same_there_and_back(open(&database.url).unwrap(), &database.url, || {
        use diesel_migrations::MigrationHarness as _;
        let mut connection = diesel::mysql::MysqlConnection::establish(&database.url).unwrap();
        [(); 6].map(|()| connection.revert_last_migration(crate::store::migrate::MYSQL).unwrap().to_string())
    }));
}

/// `undo` takes the newest steps back, and says which.
async fn is_the_same_there_and_back<const N: usize>(store: Store, url: &str, undo: impl FnOnce() -> [String; N]) {
    let key = joined(&store, "t-1", &[("app1", "1.0")], 0).await;
    let run = BootId::new("run").unwrap();
    let set = |last| {
        (1..=last).fold(SeqSet::default(), |mut set, n| {
            set.insert(n);
            set
        })
    };
    // More than fit beside the report: some are in a block.
    for n in 1..=30 {
        let (reports, runs) = (vec![record(key, n, n as f64 / 3.0)], vec![(key, run.clone(), set(n as u64))].into());
        store.record(RecordBatch { reports, runs, ..RecordBatch::default() }).await.unwrap();
    }
    let device = store.device(&id("t-1")).await.unwrap().unwrap();
    let history = store.history(key, at(0), at(100), 0).await.unwrap();
    assert_eq!(history.len(), 30);
    store.close();
    let undone = undo();
    // A step that comes later must be taken back as well.
    assert!(undone.contains(&"20261127000001".to_owned()), "{undone:?}");
    let store = open(url).unwrap();
    assert_eq!(store.device(&id("t-1")).await.unwrap().unwrap(), device);
    assert_eq!(store.history(key, at(0), at(100), 0).await.unwrap(), history);
    let wanted = (key, run.clone());
    assert_eq!(store.runs(vec![wanted.clone()]).await.unwrap()[&wanted], set(30));
    let (reports, runs) = (vec![record(key, 31, 2.5)], vec![(key, run, set(31))].into());
    store.record(RecordBatch { reports, runs, ..RecordBatch::default() }).await.unwrap();
    assert_eq!(store.history(key, at(0), at(100), 0).await.unwrap().len(), 31);
    assert_eq!(store.runs(vec![wanted.clone()]).await.unwrap()[&wanted], set(31));
    store.close();
}

#[test]
fn a_url_that_cannot_be_used_says_what_to_do() {
    let refused = |url: &str| match open(url) {
        Err(StoreError::Unusable(why)) => why,
        other => panic!("{url}: {:?}", other.map(drop)),
    };
    assert!(refused("postgres://x/y").contains("sqlite: or mysql://"));
    assert!(refused("sqlite:").contains("sqlite:PATH"));
    assert!(refused("sqlite:/nowhere/at/all/f.db").contains("/nowhere/at/all/f.db"));
    let mysql = refused("mysql://user:secret@127.0.0.1:1/fleetward");
    assert!(!mysql.contains("secret"), "{mysql}");
    if !cfg!(feature = "mysql") {
        assert!(mysql.contains("--features mysql") && mysql.contains("libmariadb-dev"), "{mysql}");
    }
}

#[test]
fn a_backup_is_a_whole_database() {
    on_sqlite(|store, path| async move {
        joined(&store, "t-1", &[("app1", "1.0")], 0).await;
        let copy = path.with_file_name("copy.db");
        store.backup_to(&copy).await.unwrap();
        assert!(store.backup_to(&copy).await.is_err(), "it is not written over");
        joined(&store, "t-2", &[], 0).await;
        let restored = open(&sqlite_url(&copy)).unwrap();
        assert!(restored.device(&id("t-1")).await.unwrap().is_some());
        assert!(restored.device(&id("t-2")).await.unwrap().is_none());
        restored.close();
    });
}

#[test]
fn the_lists_that_grow_are_read_by_index() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let queries = [
        "SELECT * FROM assignments WHERE key_id = 1 ORDER BY rollout_id DESC, module",
        "SELECT * FROM assignments WHERE rollout_id = 1 AND state IN ('waiting', 'offered')",
        "SELECT stage, state, COUNT(*) FROM assignments WHERE rollout_id = 1 GROUP BY stage, state",
        "SELECT key_id, module, MAX(rollout_id) FROM assignments WHERE key_id IN (1, 2) GROUP BY key_id, module",
        "SELECT samples FROM sample_blocks WHERE key_id = 1 AND last_at >= 1 AND first_at <= 2 ORDER BY id",
        "SELECT * FROM devices WHERE token_hash = 'x'",
        "SELECT * FROM devices d WHERE d.search_key >= 'a' AND (d.search_key > 'a' OR d.key_id > 1) \
         AND EXISTS (SELECT 1 FROM assignments a WHERE a.rollout_id = 1 AND a.key_id = d.key_id) \
         ORDER BY d.search_key, d.key_id LIMIT 9",
    ];
    on_sqlite(|store, _| async move {
        for query in queries {
            let explain = Sql::new(&format!("EXPLAIN QUERY PLAN {query}"));
            let plan: Vec<Step> = store.read(move |db| Ok(explain.load(db)?)).await.unwrap();
            let plan: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{query}: {plan:?}");
        }
    });
}

#[test]
fn both_databases_have_the_same_columns() {
    let database = match mariadb::fresh() {
        Ok(database) => database,
        Err(why) => return println!("not run on MariaDB: {why}"),
    };
    let theirs = open(&database.url).unwrap();
    on_sqlite(|ours, _| async move {
        let sqlite = "SELECT m.name || '.' || c.name AS name, c.type AS kind, c.\"notnull\" = 0 AS may_be_null \
                      FROM sqlite_master m JOIN pragma_table_info(m.name) c \
                      WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE '\\_\\_%' ESCAPE '\\' \
                      ORDER BY 1";
        let mariadb = "SELECT CONVERT(CONCAT(table_name, '.', column_name) USING utf8mb4) AS name, \
                       CONVERT(column_type USING utf8mb4) AS kind, is_nullable = 'YES' AS may_be_null \
                       FROM information_schema.columns \
                       WHERE table_schema = DATABASE() AND table_name NOT LIKE '!_!_%' ESCAPE '!' ORDER BY 1";
        let (ours, theirs) = (columns(&ours, sqlite).await, columns(&theirs, mariadb).await);
        assert!(ours.len() > 80, "{}", ours.len());
        let differ: Vec<_> = ours.symmetric_difference(&theirs).collect();
        assert!(differ.is_empty(), "{differ:#?}");
    });
}

async fn columns(store: &Store, query: &str) -> std::collections::BTreeSet<(String, String, bool)> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
        #[diesel(sql_type = diesel::sql_types::Text)]
        kind: String,
        #[diesel(sql_type = BigInt)]
        may_be_null: i64,
    }
    let sql = Sql::new(query);
    let rows: Vec<Column> = store.read(move |db| Ok(sql.load(db)?)).await.unwrap();
    let one_word = |kind: &str| match kind.to_uppercase().as_str() {
        "INTEGER" | "BIGINT(20)" => "BIGINT".to_owned(),
        "TINYINT(1)" => "BOOLEAN".to_owned(),
        other => other.to_owned(),
    };
    rows.into_iter().map(|column| (column.name, one_word(&column.kind), column.may_be_null != 0)).collect()
}

#[test]
fn only_a_database_server_has_memory_of_its_own() {
    on_each_database(|store| async move {
        let Database { kind, bytes, memory_bytes } = store.database().await.unwrap();
        assert!(bytes > 0);
        match kind {
            "SQLite" => assert_eq!(memory_bytes, None),
            _ => assert!(memory_bytes.is_some_and(|memory| memory >= 1 << 20), "{memory_bytes:?}"),
        }
    });
}
