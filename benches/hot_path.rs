//! What a report costs on its way, step by step: `cargo bench --bench hot_path`. `benches/instructions` counts the
//! instructions of the same steps, and compares.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark ends at what fails, and prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use fleetward::domain::{
    BootId, Candidate, DeviceId, Facts, KeyId, ModuleName, Modules, Policy, Release, Report, Requirements, Rollout,
    RolloutId, RolloutPackage, RolloutRequest, RolloutState, SeqSet, Session, SessionLimits, Sha256Hex, Stage,
    Standing, Tags, Target, Timestamp, Version, decide, plan,
};
use fleetward::protocol::{DeviceMessage, ServerMessage, decode, encode};
use fleetward::store::{LogConfig, StatusLog, StatusRecord};

/// A report as the first terminals send it.
const LENIENT: &str = r#"{"timestamp":1763800030,"device_id":"t-001","cpu_utilization":12.5,"load_average":[0.2,0.1,0.1],
 "sd_card":[{"name":"sdcard0","total":32000,"used":1200,"free":30800}],"temprature":[{"type":"cpu","degree":51.2}],
 "status":[{"process":"app1","status":"text of /sdcard0/app1/status.txt"}],
 "location":[{"latitude":31.2304,"longtitude":121.4737,"altitude":4.5}],"weather":"rain","speed":"42.0"}"#;

/// Lines of the log at once.
const GROUP: usize = 500;

type Step = Box<dyn FnMut()>;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(1_763_800_000 + seconds)
}

/// A report as an agent of this house sends it.
fn plain() -> String {
    let Ok(DeviceMessage::Report(mut message)) = decode(LENIENT) else { unreachable!("it is a report") };
    message.report.seq = Some(12_345);
    message.report.boot_id = BootId::new("0f8fad5b-d9cb-469f-a165-70867728950e").unwrap();
    encode(&DeviceMessage::Report(message))
}

fn report() -> Report {
    match decode(&plain()) {
        Ok(DeviceMessage::Report(message)) => message.report,
        other => unreachable!("it is a report: {other:?}"),
    }
}

fn session() -> Session {
    let limits = SessionLimits {
        hello: TimeDelta::seconds(10),
        dead_after: TimeDelta::seconds(75),
        ping: TimeDelta::seconds(25),
        report: TimeDelta::seconds(30),
        messages_per_s: 10,
        messages_burst: 60,
    };
    let mut session = Session::new(limits, at(0));
    let modules: Modules = [("app1".parse().unwrap(), "1.0.0".parse().unwrap())].into();
    session.hello(at(0), DeviceId::new("t-001").unwrap(), modules);
    session.joined(None);
    session.take_effects();
    session
}

/// By name, in the order of a report's way.
fn steps() -> Vec<(&'static str, Step)> {
    let (text, report_of) = (plain(), report());
    let (boxed, record_of) = (report_of.clone(), report_of.clone());
    let (mut session, mut second) = (session(), 0);
    let id = DeviceId::new("t-001").unwrap();
    let ack = ServerMessage::Ack { seq: 12_345, boot_id: report_of.boot_id.clone() };
    let mut run = SeqSet::default();
    let mut seq = 0;
    vec![
        ("decode", Box::new(move || drop(black_box(decode(&text))))),
        ("decode-lenient", Box::new(|| drop(black_box(decode(LENIENT))))),
        (
            "session",
            Box::new(move || {
                second += 1;
                session.heard(at(second));
                session.spoken(at(second));
                session.report(at(second), &id, Box::new(boxed.clone()));
                drop(black_box(session.take_effects()));
            }),
        ),
        ("record", Box::new(move || drop(black_box(StatusRecord::new(KeyId(42), &record_of, at(0)))))),
        (
            "run",
            Box::new(move || {
                seq += 1;
                black_box(run.insert(seq));
                drop(black_box(run.to_text()));
            }),
        ),
        ("log-500-lines", log(&report_of)),
        ("ack", Box::new(move || drop(black_box(ack.to_json())))),
        ("decide", decision()),
    ]
}

fn log(report: &Report) -> Step {
    let folder = tempfile::tempdir().unwrap();
    let (mut log, _) = StatusLog::open(folder.path(), LogConfig::default(), None).unwrap();
    let lines: Vec<StatusRecord> = (0..GROUP).map(|key| StatusRecord::new(KeyId(key as i64), report, at(0))).collect();
    Box::new(move || {
        let _kept = &folder;
        black_box(log.append(&lines).unwrap());
    })
}

fn decision() -> Step {
    let (name, old, new): (ModuleName, Version, Version) =
        ("app1".parse().unwrap(), "1.0.0".parse().unwrap(), "2.0.0".parse().unwrap());
    let release = Release {
        module: name.clone(),
        version: new.clone(),
        size: 4 << 20,
        sha256: Sha256Hex::of(b"two"),
        signature: None,
        requires: Requirements::default(),
    };
    let candidate = Candidate {
        key_id: KeyId(1),
        device_id: DeviceId::new("t-001").unwrap(),
        name: "Bus 1".to_owned(),
        tags: Tags::new(),
        online: true,
        since: at(0),
        modules: [(name.clone(), old.clone())].into(),
        sets: true,
        quarantined: Vec::new(),
    };
    let request = RolloutRequest {
        packages: vec![(name, new)],
        allow_rollback: false,
        target: Target::All,
        policy: Policy { stages: vec![Stage::Percent(100.0)], ..Policy::default() },
        draft: false,
        by: "bench".to_owned(),
    };
    let planned = plan(&request, std::slice::from_ref(&release), vec![candidate]);
    let assignment = planned.assignments(at(0)).remove(0);
    let rollout = rollout(&request, release);
    Box::new(move || {
        let facts = Facts { online: true, running: Some(&old) };
        let standing = Standing {
            rollout: &rollout,
            assignment: &assignment,
            full: None,
            opens_at: None,
            busy_elsewhere: false,
            unmet: None,
            condition: None,
        };
        drop(black_box(decide(facts, Some(standing), at(1))));
    })
}

fn rollout(request: &RolloutRequest, release: Release) -> Rollout {
    Rollout {
        id: RolloutId(1),
        state: RolloutState::Running,
        why: None,
        packages: vec![RolloutPackage { release, previous_version: None }],
        allow_rollback: false,
        target: Target::All,
        policy: request.policy.clone(),
        open_stages: 1,
        stages: 1,
        created_at: at(0),
        created_by: "bench".to_owned(),
        ended_at: None,
        approved_by: None,
        takes_back: None,
        plan: fleetward::domain::PlanSummary::default(),
    }
}

/// The one function that callgrind looks into.
#[inline(never)]
fn measured(step: &mut Step, times: usize) {
    for _ in 0..times {
        step();
    }
}

fn timed(step: &mut Step) -> Duration {
    let mut times = 1;
    loop {
        let begun = Instant::now();
        measured(step, times);
        let took = begun.elapsed();
        if took >= Duration::from_millis(200) {
            return took / u32::try_from(times).unwrap();
        }
        times *= 2;
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["list"] => steps().iter().for_each(|(name, _)| println!("{name}")),
        ["count", wanted] => {
            let (_, mut step) = steps().into_iter().find(|(name, _)| *name == wanted).unwrap();
            // Once before, so that what is made once is not counted.
            step();
            measured(&mut step, 10);
        }
        _ => {
            println!("median of 5");
            for (name, mut step) in steps() {
                let mut all: Vec<Duration> = (0..5).map(|_| timed(&mut step)).collect();
                all.sort();
                println!("{name:>16} {:>12.2?}", all[2]);
            }
        }
    }
}
