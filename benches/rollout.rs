//! What planning and moving a rollout costs, at three sizes of fleet: `cargo bench --bench rollout`.
//!
//! The engine's work per event is meant not to grow with the fleet: the last two columns say whether it does. The
//! yardstick beside it is a map of the same size that is looked into once per event.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends at what fails, and prints")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fleetward::domain::{
    Answer, Arrival, Assignment, Candidate, Counts, DeviceId, Doing, Effects, Engine, KeyId, ModuleName, Modules,
    OpenCourse, Policy, Readings, Release, Requirements, Rollout, RolloutId, RolloutPackage, RolloutRequest,
    RolloutState, SessionNo, Sha256Hex, Stage, Tags, Target, Timestamp, Turn, Version, Vitals, plan,
};

const SIZES: [i64; 3] = [1_000, 10_000, 100_000];
const EVENTS: i64 = 500;
const TIMES: usize = 5;

fn main() {
    println!("median of {TIMES}; events: hello, wanted, received, installed, hello, report, each of {EVENTS} devices");
    println!(
        "{:>9} {:>12} {:>12} {:>12} {:>12} {:>16} {:>16}",
        "devices", "plan", "begin", "arrive all", "ask all", "per event", "map per event"
    );
    for size in SIZES {
        let runs: Vec<Figures> = (0..TIMES).map(|_| measure(size)).collect();
        let median = |of: fn(&Figures) -> Duration| {
            let mut all: Vec<Duration> = runs.iter().map(of).collect();
            all.sort();
            all[TIMES / 2]
        };
        println!(
            "{size:>9} {:>12.1?} {:>12.1?} {:>12.1?} {:>12.1?} {:>16.2?} {:>16.2?}",
            median(|f| f.plan),
            median(|f| f.begin),
            median(|f| f.arrive),
            median(|f| f.ask),
            median(|f| f.event),
            median(|f| f.map),
        );
    }
}

struct Figures {
    plan: Duration,
    begin: Duration,
    arrive: Duration,
    ask: Duration,
    event: Duration,
    map: Duration,
}

fn module() -> ModuleName {
    ModuleName::new("app1").unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn device(key: i64) -> DeviceId {
    DeviceId::new(&format!("terminal-{key:06}")).unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let done = work();
    (done, begun.elapsed())
}

fn measure(size: i64) -> Figures {
    let release = Release {
        module: module(),
        version: version("2.0.0"),
        size: 4 << 20,
        sha256: Sha256Hex::of(b"two"),
        signature: None,
        requires: Requirements::default(),
    };
    let modules: Modules = [(module(), version("1.0.0"))].into();
    let candidate = |key: i64| Candidate {
        key_id: KeyId(key),
        device_id: device(key),
        name: format!("Bus {key}"),
        tags: Tags::new(),
        online: true,
        since: at(0),
        modules: modules.clone(),
        sets: true,
        quarantined: Vec::new(),
    };
    let candidates: Vec<Candidate> = (0..size).map(candidate).collect();
    let request = RolloutRequest {
        packages: vec![(module(), version("2.0.0"))],
        allow_rollback: false,
        target: Target::All,
        policy: Policy { stages: vec![Stage::Percent(100.0)], max_in_flight: 1000, ..Policy::default() },
        draft: false,
        by: "bench".to_owned(),
    };
    let (planned, plan_took) = timed(|| plan(&request, std::slice::from_ref(&release), candidates));
    let ask = ask_all(size, &request, &release, planned.assignments(at(0)));
    let open = course(&request, release, planned.assignments(at(0)));
    let mut engine = Engine::new(None, Vec::new());
    let (_, begin) = timed(|| engine.begin(at(1), open, Vec::new()));
    let (effects, arrive) = timed(|| (0..size).map(|key| hello(&mut engine, key, "1.0.0")).collect::<Vec<Effects>>());
    drop(effects);
    // Those that were asked: as many as are let be under way at once.
    let ((), events) = timed(|| (0..EVENTS).for_each(|key| update(&mut engine, key)));
    let map: HashMap<KeyId, Modules> = (0..size).map(|key| (KeyId(key), modules.clone())).collect();
    let ((), looked) = timed(|| {
        for key in 0..EVENTS * 6 {
            black_box(map.get(&KeyId(key * 7919 % size)));
        }
    });
    let each = |all: Duration| all / u32::try_from(EVENTS * 6).unwrap();
    Figures { plan: plan_took, begin, arrive, ask, event: each(events), map: each(looked) }
}

/// A rollout begins that asks all at once, while all are there.
fn ask_all(size: i64, request: &RolloutRequest, release: &Release, rows: Vec<Assignment>) -> Duration {
    let mut engine = Engine::new(None, Vec::new());
    (0..size).for_each(|key| drop(hello(&mut engine, key, "1.0.0")));
    let policy = Policy { max_in_flight: u32::try_from(size).unwrap(), ..request.policy.clone() };
    let open = course(&RolloutRequest { policy, ..request.clone() }, release.clone(), rows);
    let (effects, took) = timed(|| engine.begin(at(1), open, Vec::new()));
    assert_eq!(effects.speech.len(), usize::try_from(size).unwrap());
    took
}

fn course(request: &RolloutRequest, release: Release, rows: Vec<Assignment>) -> OpenCourse {
    let id = RolloutId(1);
    let rows: Vec<Assignment> = rows.into_iter().map(|row| Assignment { rollout: id, ..row }).collect();
    let mut counts = Counts::default();
    rows.iter().for_each(|row| counts.add(row.state, 1));
    let rollout = Rollout {
        id,
        state: RolloutState::Running,
        why: None,
        packages: vec![RolloutPackage { release, previous_version: None }],
        allow_rollback: false,
        target: Target::All,
        policy: request.policy.clone(),
        open_stages: 0,
        stages: 1,
        created_at: at(0),
        created_by: "bench".to_owned(),
        ended_at: None,
        approved_by: None,
        takes_back: None,
        plan: fleetward::domain::PlanSummary::default(),
    };
    let turns = rows.iter().map(|row| (row.key_id, Turn::new(row.stage))).collect();
    OpenCourse { rollout, rows, tallies: vec![(0, counts)], turns, recent_starts: Vec::new() }
}

fn hello(engine: &mut Engine, key: i64, running: &str) -> Effects {
    let arrival = Arrival {
        key_id: KeyId(key),
        device_id: device(key),
        name: format!("Bus {key}"),
        tags: Tags::new(),
        session: SessionNo(1),
        modules: [(module(), version(running))].into(),
        readings: None,
        sets: false,
        told_at: None,
    };
    engine.arrived(at(2), arrival)
}

/// One device's way, from the answer to the first report on the new version.
fn update(engine: &mut Engine, key: i64) {
    let (now, key_id, module, version) = (at(3), KeyId(key), module(), version("2.0.0"));
    black_box(engine.answered(now, key_id, &module, &version, Answer::Wanted));
    for doing in [Doing::Sending, Doing::Received, Doing::Installed] {
        black_box(engine.did(now, key_id, &module, &version, doing));
    }
    black_box(hello(engine, key, "2.0.0"));
    let vitals = Vitals { at: now, made_at: now, readings: Readings::default(), status: Vec::new() };
    black_box(engine.reported(now, key_id, vitals));
}
