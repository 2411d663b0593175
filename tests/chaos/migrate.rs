//! Tables of an older version with very many rows, and a server that is killed while it brings them up to date.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use super::database::Database;
use super::moment::{pass, until};
use super::place::{Outcome, Place, tell};
use super::server::Server;
use super::trouble::{MariaDb, database_at, lacks_mariadb};

/// The first migration that the older version does not have.
const FIRST_NEW: u64 = 20_261_122_000_030;

pub fn sqlite(place: &mut Place) -> Outcome {
    let (rows, kills) = place.size((20_000, 3), (1_000_000, 20));
    let data = place.path("data");
    std::fs::create_dir(&data).unwrap();
    let database = Database::in_folder(&data);
    make_old(&database, "sqlite", rows);
    let filled = rows_of(&database);
    let (file, kept) = (data.join("fleetward.db"), place.path("old.db"));
    std::fs::copy(&file, &kept).unwrap();
    let mut server = Server::prepare(place, &data, &[], &[]);
    let begun = Instant::now();
    server.start_first();
    let whole = u64::try_from(begun.elapsed().as_millis()).unwrap();
    is_new(&server, &database, "sqlite", &filled);
    assert!(server.stop().0.success());
    let (old, all) = (versions("sqlite", |version| version < FIRST_NEW), versions("sqlite", |_| true));
    let (mut before, mut behind) = (0, 0);
    for _ in 0..kills {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(data.join(format!("fleetward.db{suffix}")));
        }
        std::fs::copy(&kept, &file).unwrap();
        let at_work = server.starting();
        pass(place.millis(0..whole));
        kill(at_work);
        let applied = applied(&database);
        assert!(applied == old || applied == all, "neither rolled back nor whole: {applied:?}");
        database.is_whole();
        assert_eq!(rows_of(&database), filled);
        if applied == old { before += 1 } else { behind += 1 }
    }
    server.start_first();
    is_new(&server, &database, "sqlite", &filled);
    assert!(server.stop().0.success());
    server.has_not_panicked();
    tell("rows in tables of the older version", filled.iter().map(|(_, rows)| rows).sum::<u64>());
    tell("kills while it started, old version afterwards, new one", format!("{kills}, {before}, {behind}"));
    tell("rows lost", 0);
    Outcome::Done
}

/// MariaDB commits each statement: a killed server leaves some of them done, and the next one goes on behind them.
pub fn mariadb(place: &mut Place) -> Outcome {
    if let Some(why) = lacks_mariadb() {
        return Outcome::Skipped(why);
    }
    let mariadb = MariaDb::install(place.path("mariadb"));
    let database = database_at(&mariadb.url());
    make_old(&database, "mysql", place.size(20_000, 1_000_000));
    let filled = rows_of(&database);
    let settings = [("FLEETWARD_DATABASE_URL", mariadb.url())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut server = Server::prepare(place, &place.path("data"), &[], &settings);
    let (old, all) = (versions("mysql", |version| version < FIRST_NEW).len(), versions("mysql", |_| true).len());
    let mut killed_at = Vec::new();
    for done in old..all {
        let at_work = server.starting();
        until("a migration is done", Duration::from_secs(60), || (applied(&database).len() >= done).then_some(()));
        kill(at_work);
        killed_at.push(applied(&database).len().to_string());
        assert_eq!(rows_of(&database), filled);
    }
    server.start_first();
    is_new(&server, &database, "mysql", &filled);
    assert!(server.stop().0.success());
    server.has_not_panicked();
    tell("rows in tables of the older version", filled.iter().map(|(_, rows)| rows).sum::<u64>());
    tell(&format!("of {all} migrations done when it was killed ({old} by the older version)"), killed_at.join(", "));
    tell("rows lost", 0);
    Outcome::Done
}

fn kill(mut process: Child) {
    process.kill().unwrap();
    process.wait().unwrap();
}

/// The server serves what the older version had.
fn is_new(server: &Server, database: &Database, kind: &str, filled: &[(String, u64)]) {
    assert_eq!(applied(database), versions(kind, |_| true));
    assert_eq!(rows_of(database), filled);
    database.is_whole();
    let devices = server.json("/api/v1/devices?limit=500");
    assert!(devices["items"].as_array().unwrap().len() >= 200);
    assert_eq!(server.json("/api/v1/rollouts/1")["counts"]["verified"], filled_of(filled, "assignments") / ROLLOUTS);
}

/// Migrations of this program, oldest first.
fn folders(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(kind);
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn version(folder: &Path) -> u64 {
    let name = folder.file_name().unwrap().to_str().unwrap();
    name.split('_').next().unwrap().replace('-', "").parse().unwrap()
}

fn versions(kind: &str, wanted: impl Fn(u64) -> bool) -> Vec<String> {
    folders(kind).iter().map(|folder| version(folder)).filter(|v| wanted(*v)).map(|v| v.to_string()).collect()
}

fn applied(database: &Database) -> Vec<String> {
    let rows = database.counts("SELECT version AS name, 1 AS many FROM __diesel_schema_migrations ORDER BY version");
    rows.into_iter().map(|(version, _)| version).collect()
}

const ROLLOUTS: u64 = 10;

/// The tables of the older version, with about so many rows.
fn make_old(database: &Database, kind: &str, rows: u64) {
    database.run(
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
         run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    );
    for folder in folders(kind).iter().filter(|folder| version(folder) < FIRST_NEW) {
        database.run(&std::fs::read_to_string(folder.join("up.sql")).unwrap());
        let version = version(folder);
        database.run(&format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}')"));
    }
    let numbers = |many: u64| match kind {
        "sqlite" => format!(
            "(WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {many}) \
             SELECT n FROM numbers) AS numbers"
        ),
        _ => format!("(SELECT seq AS n FROM seq_1_to_{many}) AS numbers"),
    };
    let devices = rows / 100;
    let fill = |many: u64, into: &str, values: &str| {
        database.run(&format!("INSERT INTO {into} SELECT {values} FROM {}", numbers(many)));
    };
    fill(
        devices,
        "devices (key_id, device_id, name, search_key, online, since, created_at, may_enrol_again)",
        "n, CONCAT('t-', n), CONCAT('t-', n), CONCAT('t-', n), 0, 0, 0, 0",
    );
    fill(devices, "report_runs (key_id, boot_id, ranges, updated_at)", "n, 'b', '1-85', 0");
    fill(
        rows * 3 / 100,
        "version_changes (key_id, module, new_version, changed_at)",
        &format!("1 + n % {devices}, 'app1', n, n"),
    );
    fill(
        ROLLOUTS,
        "rollouts (state, allow_rollback, target, policy, open_stages, stages, created_at, created_by, ended_at)",
        r#"'completed', 0, '{"all":true}', '{}', 1, 1, 0, 'ann', 0"#,
    );
    fill(
        devices * ROLLOUTS,
        "assignments (rollout_id, key_id, module, to_version, state, stage, attempts, updated_at)",
        &format!("1 + n % {ROLLOUTS}, 1 + (n - 1) / {ROLLOUTS} % {devices}, 'app1', '2', 'verified', 0, 1, 0")
            .replace("(n - 1) / ", if kind == "sqlite" { "(n - 1) / " } else { "(n - 1) DIV " }),
    );
    fill(rows * 85 / 100, "samples (key_id, reported_at, speed)", &format!("1 + n % {devices}, n, n"));
}

/// The tables of the older version, with how many rows each has.
fn rows_of(database: &Database) -> Vec<(String, u64)> {
    let tables = ["devices", "report_runs", "version_changes", "rollouts", "assignments"];
    let count = |table: &str| database.counts(&format!("SELECT '{table}' AS name, COUNT(*) AS many FROM {table}"));
    let samples = match database.has_table("samples") {
        true => count("samples"),
        // Since then they are lines.
        false => vec![("samples".to_owned(), database.lines("sample_blocks", "samples"))],
    };
    tables.iter().flat_map(|table| count(table)).chain(samples).collect()
}

fn filled_of(filled: &[(String, u64)], table: &str) -> u64 {
    filled.iter().find(|(name, _)| name == table).unwrap().1
}
