//! The store's verbs, against SQLite always and against MariaDB where `tests/mariadb/run` offers one.

mod accounts;
mod audit;
mod databases;
mod devices;
mod fleet;
mod reports;
mod rollouts;
mod speed;

use std::future::Future;
use std::path::Path;

use chrono::DateTime;

use super::*;
use crate::domain::*;

/// Runs a test on each database there is. Each run has a database of its own.
fn on_each_database<F, T>(test: F)
where
    F: Fn(Store) -> T,
    T: Future<Output = ()>,
{
    on_sqlite(|store, _| test(store));
    match mariadb::fresh() {
        Ok(database) => {
            let store = open(&database.url).unwrap();
            run(test(store.clone()));
            store.close();
        }
        Err(why) => println!("not run on MariaDB: {why}"),
    }
}

fn on_sqlite<F, T>(test: F)
where
    F: FnOnce(Store, std::path::PathBuf) -> T,
    T: Future<Output = ()>,
{
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fleetward.db");
    let store = open(&sqlite_url(&path)).unwrap();
    run(test(store.clone(), path));
    store.close();
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn open(url: &str) -> Result<Store> {
    Store::open(&StoreConfig { database_url: url.to_owned(), readers: 4 })
}

/// Private databases on the server that the environment names.
mod mariadb {
    pub(super) struct Database {
        pub(super) url: String,
        #[cfg(feature = "mysql")]
        name: String,
        #[cfg(feature = "mysql")]
        server: String,
    }

    #[cfg(not(feature = "mysql"))]
    pub(super) fn fresh() -> Result<Database, &'static str> {
        Err("the feature mysql is off")
    }

    #[cfg(feature = "mysql")]
    pub(super) fn fresh() -> Result<Database, &'static str> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        #[allow(clippy::disallowed_methods, reason = "tests are told of their server by the environment")]
        let server = std::env::var("FLEETWARD_TEST_MYSQL_URL")
            .map_err(|_| "FLEETWARD_TEST_MYSQL_URL is not set; see tests/mariadb/run")?;
        let name = format!("fleetward_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        say(&server, &format!("CREATE DATABASE {name}"));
        Ok(Database { url: format!("{server}/{name}"), name, server })
    }

    #[cfg(feature = "mysql")]
    fn say(server: &str, sql: &str) {
        use diesel::connection::{Connection, SimpleConnection};
        // The client wants a database in the URL; this one is always there.
        let mut connection = diesel::mysql::MysqlConnection::establish(&format!("{server}/mysql")).unwrap();
        connection.batch_execute(sql).unwrap();
    }

    #[cfg(feature = "mysql")]
    impl Drop for Database {
        fn drop(&mut self) {
            say(&self.server, &format!("DROP DATABASE {}", self.name));
        }
    }
}

/// An instant of the test's day, `seconds` after its start.
fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
}

fn id(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

fn module(text: &str) -> ModuleName {
    ModuleName::new(text).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn hash(text: &str) -> Sha256Hex {
    Sha256Hex::of(text.as_bytes())
}

fn modules(pairs: &[(&str, &str)]) -> Modules {
    pairs.iter().map(|(name, number)| (module(name), version(number))).collect()
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn hello(device: &str, auth: DeviceAuth, runs: &[(&str, &str)], seconds: i64) -> JoinRequest {
    JoinRequest {
        device_id: id(device),
        auth,
        modules: modules(runs),
        sets: true,
        readings: true,
        new_token_hash: hash(&format!("token of {device} from {seconds}")),
        now: at(seconds),
    }
}

/// A device comes in, whoever it is.
async fn joined(store: &Store, device: &str, runs: &[(&str, &str)], seconds: i64) -> KeyId {
    match store.join(hello(device, DeviceAuth::Open, runs, seconds)).await.unwrap() {
        JoinOutcome::Joined { key_id, .. } => key_id,
        refused => panic!("{refused:?}"),
    }
}

fn report(seconds: i64, cpu: f64) -> Report {
    serde_json::from_value(serde_json::json!({
        "timestamp": millis_rfc3339::text(at(seconds)),
        "cpu_utilization": cpu,
        "load_average": [0.5, 0.25, 0.1],
        "temperature": [{"type": "cpu", "degree": 51.5}],
        "location": {"latitude": 31.25, "longitude": 121.5},
        "weather": "rain\n小雨",
    }))
    .unwrap()
}

fn record(key_id: KeyId, seconds: i64, cpu: f64) -> StatusRecord {
    StatusRecord::new(key_id, &report(seconds, cpu), at(seconds + 1))
}

fn package(name: &str, number: &str, bytes: &str) -> NewPackage {
    NewPackage {
        name: module(name),
        version: version(number),
        size: bytes.len() as u64,
        sha256: hash(bytes),
        file_name: "app.bin".to_owned(),
        notes: "notes with 终端 and ' quotes".to_owned(),
        requires: serde_json::from_str(r#"{"from":">= 0.1"}"#).unwrap(),
        created_by: "ci".to_owned(),
        signed_by: None,
        signature: None,
        now: at(0),
    }
}

async fn added(store: &Store, name: &str, number: &str) -> Package {
    match store.add_package(package(name, number, &format!("{name} {number}"))).await.unwrap() {
        AddPackage::Added(package) => package,
        other => panic!("{other:?}"),
    }
}

fn new_rollout(packages: &[&Package], keys: &[KeyId]) -> NewRollout {
    let assigned = |key: &KeyId| -> Vec<Assignment> {
        packages.iter().map(|package| assignment(RolloutId(0), *key, package, AssignmentState::Waiting)).collect()
    };
    NewRollout {
        rollout: Rollout {
            id: RolloutId(0),
            state: RolloutState::Running,
            why: None,
            packages: packages
                .iter()
                .map(|package| RolloutPackage { release: package.release(), previous_version: None })
                .collect(),
            allow_rollback: false,
            target: Target::All,
            policy: Policy::default(),
            open_stages: 1,
            stages: 2,
            created_at: at(10),
            created_by: "ann".to_owned(),
            ended_at: None,
            approved_by: None,
            takes_back: None,
            plan: Default::default(),
        },
        assignments: keys.iter().flat_map(assigned).collect(),
    }
}

fn assignment(rollout: RolloutId, key_id: KeyId, package: &Package, state: AssignmentState) -> Assignment {
    Assignment {
        rollout,
        key_id,
        module: package.name.clone(),
        from: Some(version("0.9")),
        to: package.version.clone(),
        state,
        reason: None,
        stage: u32::from(key_id.0 % 2 == 0),
        attempts: 0,
        until: None,
        seen_since: None,
        updated_at: at(10),
    }
}
