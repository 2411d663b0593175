//! Power cuts in the middle of an install: state folder and module are on a disk that is cut off at a random moment
//! (see [`Rig`]). What runs afterwards is the old or the new version, whole, and the install comes to its end.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::agents::Agent;
use super::moment::{pass, until};
use super::place::{Outcome, Place, lacks, made, tell};
use super::power::Rig;
use super::server::Server;

/// Files of a package.
const FILES: usize = 40;

pub fn run(place: &mut Place) -> Outcome {
    if !place.long {
        return Outcome::Skipped("it takes minutes; `long install-power` runs it".to_owned());
    }
    if let Some(why) = lacks(&["losetup", "mount", "umount", "mkfs.ext4", "perl"]) {
        return Outcome::Skipped(why);
    }
    let mut rig = match Rig::build(place) {
        Ok(rig) => rig,
        Err(why) => return Outcome::Skipped(why),
    };
    rig.power_on();
    let mut server = Server::start(place, &[]);
    let token = server.command("enrolment-token create");
    let mut agent = Agent::new(rig.inner.join("device"), "t-001".to_owned(), &server, &token);
    // Whoever set the device up did so long ago.
    made(&mut Command::new("sync"));
    agent.start();
    server.all_connected(1, Duration::from_secs(60));
    update(place, &server, 1);
    arrives(&server, &agent, 1);
    let (cuts, mut on_the_old, mut longest) = (25, 0, 400);
    for number in 2..2 + cuts {
        update(place, &server, number);
        pass(place.millis(0..longest));
        rig.cut();
        agent.kill();
        rig.clear();
        rig.power_on();
        let runs = whole(&agent.app1());
        assert!([number - 1, number].contains(&runs), "version {runs} runs, {number} was on its way");
        on_the_old += u64::from(runs < number);
        // As many cuts before the switch as behind it tell the most.
        longest = if runs < number { longest + 100 } else { longest.saturating_sub(100).max(100) };
        agent.start();
        server.all_connected(1, Duration::from_secs(60));
        arrives(&server, &agent, number);
    }
    tell("power cuts in an install", cuts);
    tell("on the old version afterwards, on the new", format!("{on_the_old}, {}", cuts - on_the_old));
    tell("without a whole version, not come to the end", "0, 0");
    agent.kill();
    assert!(server.stop().0.success());
    server.has_not_panicked();
    rig.clear();
    Outcome::Done
}

/// The next version is rolled out.
fn update(place: &Place, server: &Server, number: u64) {
    let mut tar = tar::Builder::new(Vec::new());
    for file in 0..FILES {
        let text = content(number);
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(text.len() as u64);
        tar.append_data(&mut header, format!("part/{file}"), text.as_bytes()).unwrap();
    }
    let version = format!("2.{number}");
    server.upload(place, "app1", &version, &tar.into_inner().unwrap());
    let policy = json!({"health_window_s": 1, "attempts": 100, "max_failures": 1000, "max_failure_percent": 100});
    let (status, answer) =
        server.post("/api/v1/rollouts", &json!({"packages": [{"name": "app1", "version": version}], "policy": policy}));
    assert_eq!((status, &answer["id"]), (201, &json!(number)), "{answer}");
}

fn content(number: u64) -> String {
    format!("{number}\n").repeat(2000)
}

fn arrives(server: &Server, agent: &Agent, number: u64) {
    let path = format!("/api/v1/rollouts/{number}");
    let completed = || (server.json(&path)["counts"]["verified"] == 1).then_some(());
    until(&format!("version {number} is verified"), Duration::from_secs(120), completed);
    assert_eq!(whole(&agent.app1()), number);
}

/// Which version runs; a panic when a file of it is missing or another's.
fn whole(app1: &Path) -> u64 {
    let current = fs::read_link(app1.join("current")).expect("a version runs");
    let number = current.to_str().unwrap().strip_prefix("versions/2.").unwrap().parse().unwrap();
    for file in 0..FILES {
        let text = fs::read_to_string(app1.join(format!("current/part/{file}"))).unwrap_or_default();
        assert!(text == content(number), "part/{file} of version {number} has {} bytes", text.len());
    }
    number
}
