//! The agent killed before each step that changes the disk: enumerated by `strace`, not sampled.
//!
//! A first run writes down every such system call of an install, or of a set of two. Then, for each of them, the agent is run anew and
//! killed as it enters that call; what is on disk must be the old or the new version, whole; and a restart must
//! bring the install, or the way back, to its end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use fleetward::domain::Purpose;
use serde_json::{Value, json};

use crate::bench::{Bench, Package, Session, current};
use crate::house::{ONLINE, RELEASE, ROOT, freshness, manifest_of, offer_of, signed, trust};

const CALLS: &str = "write,fsync,fdatasync,rename,renameat,renameat2,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,\
    mkdirat,ftruncate";

/// One system call: the name, the path it is about (below the device's folder), and which of these it is.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    call: String,
    path: PathBuf,
    number: usize,
}

/// What happens to the new version.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    Install,
    Rollback,
    /// Two modules, all or none.
    Set,
    SetRollback,
}

impl Story {
    fn modules(self) -> &'static [&'static str] {
        if matches!(self, Self::Install | Self::Rollback) { &["app1"] } else { &["app1", "app2"] }
    }

    fn goes_back(self) -> bool {
        matches!(self, Self::Rollback | Self::SetRollback)
    }
}

fn package(module: &str) -> Package {
    Package::tar("2", &[("app", "two"), ("etc/conf", if module == "app1" { "a=2" } else { "b=2" })])
}

/// A device that runs version 1, whole.
async fn device(story: Story) -> Bench {
    let mut bench = Bench::new().await;
    std::fs::remove_file(bench.app1().join("VERSION")).unwrap();
    for module in story.modules() {
        let folder = bench.folder.path().join(module);
        std::fs::create_dir_all(folder.join("versions/1")).unwrap();
        std::fs::write(folder.join("versions/1/app"), "one").unwrap();
        std::os::unix::fs::symlink("versions/1", folder.join("current")).unwrap();
        if *module == "app2" {
            bench.config.push_str(&format!("\n[modules.app2]\ndir = {folder:?}\n"));
        }
        // The last one is the one that is not well.
        bench.config.push_str(match story.goes_back() && story.modules().last() == Some(module) {
            false => "health = 'true'\nsettle = '0s'",
            true => "health = 'test $FLEETWARD_VERSION = 1'\nhealth_timeout = '100ms'",
        });
    }
    let path = bench.folder.path().join("trust.json");
    std::fs::write(&path, signed(Purpose::Trust, &trust(), &[ROOT]).to_json()).unwrap();
    bench.head = format!("trust = {path:?}");
    bench
}

/// The agent below `strace` with these arguments.
fn traced(bench: &Bench, arguments: &[&str]) -> Child {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "4096"]).args(arguments).arg(env!("CARGO_BIN_EXE_fleetward-agent"));
    command.arg("--config").arg(bench.config_file()).arg("--state-dir").arg(bench.state());
    command.args(["--device-id", "t-001", "--token", "enrol-me", "--interval", "60s", "--log", "error"]);
    command.args(["--server", &format!("ws://{}", bench.listener.local_addr().unwrap())]);
    command.spawn().unwrap()
}

/// Kills the agent below `strace`, which then ends too.
fn end(strace: &mut Child) {
    let children = format!("/proc/{0}/task/{0}/children", strace.id());
    for agent in std::fs::read_to_string(children).unwrap_or_default().split_whitespace() {
        let _ = Command::new("kill").args(["-9", agent]).stderr(Stdio::null()).status();
    }
    strace.wait().unwrap();
}

/// Offers the packages; the reply, or `None` when the agent is gone.
async fn ask(session: &mut Session, nonce: &str, story: Story) -> Option<Value> {
    let sign = |module: &&str| signed(Purpose::Manifest, &manifest_of(module, &package(module), 1), &[RELEASE]);
    let documents: Vec<_> = story.modules().iter().map(sign).collect();
    let fresh = signed(Purpose::Freshness, &freshness(nonce, &documents.iter().collect::<Vec<_>>()), &[ONLINE]);
    let fresh: Value = serde_json::from_str(&fresh.to_json()).unwrap();
    let entry = |(module, document): (&&str, &_)| offer_of(module, &package(module), Some(document));
    let list: Vec<Value> = story.modules().iter().zip(&documents).map(entry).collect();
    let mut message = json!({"type":"update_list","rollout_id":7,"update_list":list,"freshness":fresh});
    if story.modules().len() > 1 {
        message["all_or_nothing"] = json!(true);
    }
    session.say(message).await;
    loop {
        let message = session.hear_or_end().await?;
        if message.get("update_list").is_some() {
            return Some(message);
        }
    }
}

/// One try at the update, to its last result, or until the agent is gone or has nothing to do.
async fn update(session: &mut Session, nonce: &str, story: Story) -> Option<Value> {
    let reply = ask(session, nonce, story).await?;
    let wanted = reply["update_list"].as_array().unwrap();
    if wanted.is_empty() && reply["declined"][0]["reason"] != "busy" {
        return Some(reply);
    }
    let mut ended = 0;
    for entry in wanted {
        let (module, offset) = (entry["app_name"].as_str().unwrap(), entry["offset"].as_u64().unwrap() as usize);
        session.push_of(module, &package(module), offset, package(module).bytes.len()).await;
        if wanted.len() > 1 {
            ended += usize::from(hear_result(session).await?["outcome"] != "staged");
        }
    }
    loop {
        let message = hear_result(session).await?;
        ended += usize::from(message["outcome"] != "staged");
        if ended >= story.modules().len() {
            return Some(message);
        }
    }
}

async fn hear_result(session: &mut Session) -> Option<Value> {
    loop {
        let message = session.hear_or_end().await?;
        if message["type"] == "result" {
            return Some(message);
        }
    }
}

async fn until_gone(session: &mut Session) {
    while session.hear_or_end().await.is_some() {}
}

/// What runs of each module is the old or the new version, with all its files.
fn whole(bench: &Bench, story: Story) -> Vec<String> {
    let look = |module: &&str| {
        let folder = bench.folder.path().join(module);
        let runs = current(&folder);
        let read = |name: &str| std::fs::read_to_string(folder.join("current").join(name)).unwrap_or_default();
        let conf = if *module == "app1" { "a=2" } else { "b=2" };
        match runs.as_str() {
            "versions/1" => assert_eq!(read("app"), "one"),
            "versions/2" => assert_eq!((read("app").as_str(), read("etc/conf").as_str()), ("two", conf)),
            other => panic!("{other} runs"),
        }
        runs
    };
    story.modules().iter().map(look).collect()
}

/// Every call of a run that changes the disk of journal, trust, download or module, in order.
async fn points(story: Story) -> Vec<Point> {
    let bench = device(story).await;
    let log = bench.folder.path().join("strace.log");
    let mut agent = traced(&bench, &["-y", "-e", &format!("trace={CALLS}"), "-o", log.to_str().unwrap()]);
    let (mut session, hello) = bench.welcome().await;
    let result = update(&mut session, hello["nonce"].as_str().unwrap(), story).await.unwrap();
    assert_eq!(result["outcome"], if story.goes_back() { "rolled_back" } else { "installed" }, "{result}");
    // It is told, and the journal forgets it.
    let quiet = std::time::Duration::from_millis(500);
    let _ = tokio::time::timeout(quiet, until_gone(&mut session)).await;
    drop(session);
    end(&mut agent);
    listed(&std::fs::read_to_string(log).unwrap(), bench.folder.path())
}

fn listed(log: &str, folder: &Path) -> Vec<Point> {
    let mut points = Vec::new();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for line in log.lines().filter(|line| !line.contains("resumed>")) {
        let Some((call, arguments)) = line.split_once(' ').and_then(|(_, rest)| rest.trim().split_once('(')) else {
            continue;
        };
        // The first path below the device's folder: of a descriptor, or in quotes.
        let at = arguments.find(&format!("{}/", folder.display()));
        let Some(path) = at.map(|at| arguments[at..].split(['>', '"']).next().unwrap()) else { continue };
        let known = |(other, text): &&(&str, &str)| {
            *other == call && (text.contains(&format!("<{path}>")) || text.contains(&format!("\"{path}\"")))
        };
        let number = seen.iter().filter(known).count() + 1;
        seen.push((call, arguments));
        let below = Path::new(path).strip_prefix(folder).unwrap().to_owned();
        let ours = ["app1", "app2", "state/journal", "state/trust", "state/downloads"];
        if ours.iter().any(|part| below.to_str().unwrap().starts_with(part)) {
            points.push(Point { call: call.to_owned(), path: below, number });
        }
    }
    points
}

/// Kills the agent as it enters the point, and sees what becomes of it. `false`: it did not come to this point.
async fn survives(story: Story, point: &Point) -> bool {
    let bench = device(story).await;
    let path = bench.folder.path().join(&point.path);
    let inject = format!("inject={}:signal=KILL:when={}", point.call, point.number);
    let trace = format!("trace={}", point.call);
    let mut agent =
        traced(&bench, &["-o", "/dev/null", "-P", path.to_str().unwrap(), "-e", &trace, "-e", inject.as_str()]);
    let killed = async {
        let mut session = bench.accept_or_end(&mut agent).await?;
        let hello = session.hear_or_end().await?;
        session.say(crate::bench::welcome()).await;
        update(&mut session, hello["nonce"].as_str().unwrap(), story).await?;
        // The last calls come after the result: the journal forgets what was told.
        let quiet = std::time::Duration::from_millis(300);
        tokio::time::timeout(quiet, until_gone(&mut session)).await.is_err().then_some(())
    };
    let done = killed.await.is_some();
    end(&mut agent);
    whole(&bench, story);
    let agent = bench.start();
    let (mut session, hello) = bench.welcome().await;
    let nonce = hello["nonce"].as_str().unwrap().to_owned();
    // To its end, and once more: what is installed is not wanted again, what failed three times is known.
    let mut ended = Value::Null;
    for _ in 0..8 {
        ended = update(&mut session, &nonce, story).await.unwrap();
        if ended.get("declined").is_some() {
            break;
        }
    }
    let expected = if story.goes_back() { ("versions/1", "known_bad") } else { ("versions/2", "not_newer") };
    assert!(whole(&bench, story).iter().all(|runs| runs == expected.0), "{point:?}");
    assert_eq!(ended["declined"].as_array().unwrap().last().unwrap()["reason"], expected.1, "{point:?}");
    agent.stop();
    !done
}

/// How many steps there are, and at how many the agent was killed.
async fn all_survive(story: Story) -> (usize, usize) {
    let points = points(story).await;
    let mut killed = 0;
    for point in &points {
        killed += usize::from(survives(story, point).await);
    }
    assert!(points.len() > 40 && killed * 100 >= points.len() * 95, "killed at {killed} of {points:?}");
    (points.len(), killed)
}

#[tokio::test]
#[ignore = "takes minutes, and needs strace"]
async fn an_install_survives_a_kill_before_every_change_of_the_disk() {
    let (steps, killed) = all_survive(Story::Install).await;
    println!("{steps} steps that change the disk, killed at {killed}: survived all");
}

#[tokio::test]
#[ignore = "takes minutes, and needs strace"]
async fn a_rollback_survives_a_kill_before_every_change_of_the_disk() {
    let (steps, killed) = all_survive(Story::Rollback).await;
    println!("{steps} steps that change the disk, killed at {killed}: survived all");
}

#[tokio::test]
#[ignore = "takes minutes, and needs strace"]
async fn a_set_survives_a_kill_before_every_change_of_the_disk_and_ends_all_new() {
    let (steps, killed) = all_survive(Story::Set).await;
    println!("{steps} steps that change the disk, killed at {killed}: survived all");
}

#[tokio::test]
#[ignore = "takes minutes, and needs strace"]
async fn a_set_that_goes_back_survives_a_kill_before_every_change_of_the_disk_and_ends_all_old() {
    let (steps, killed) = all_survive(Story::SetRollback).await;
    println!("{steps} steps that change the disk, killed at {killed}: survived all");
}
