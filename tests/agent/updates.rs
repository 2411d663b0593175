//! Offers, downloads, installs, and the way back.

use std::time::Duration;

use fleetward::domain::Sha256Hex;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::time::timeout;

use crate::bench::{Bench, Package, app1_runs, current, welcome};

#[tokio::test]
async fn an_archive_is_installed_started_checked_and_told() {
    let bench = Bench::new().await.with("start = 'cp app.sh ../../started'\nhealth = 'sh app.sh'\nsettle = '0s'");
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::tar("1.1.0", &[("app.sh", "exit 0"), ("etc/app.conf", "a=1")]);
    let result = session.install(&package).await;
    assert_eq!((&result["outcome"], &result["version"]), (&json!("installed"), &json!("1.1.0")), "{result}");
    let hello = session.hear_the(|message| message.get("version_list").is_some()).await;
    assert!(app1_runs(&hello, "1.1.0"), "{hello}");
    assert_eq!(current(&bench.app1()), "versions/1.1.0");
    assert_eq!(std::fs::read_to_string(bench.app1().join("started")).unwrap(), "exit 0");
    let reply = session.offer(&package).await;
    assert_eq!(reply["declined"][0]["reason"], "not_newer");
    let old = Package::tar("1.0.5", &[("app.sh", "exit 0")]);
    assert_eq!(session.offer(&old).await["declined"][0]["reason"], "not_newer");
    let back = Package { allow_rollback: true, ..old };
    assert_eq!(session.install(&back).await["outcome"], "installed");
    assert_eq!(current(&bench.app1()), "versions/1.0.5");
    agent.stop();
}

#[tokio::test]
async fn two_versions_are_kept() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    for version in ["2", "3", "4"] {
        assert_eq!(session.install(&Package::of(version, version.into())).await["outcome"], "installed");
    }
    let mut left: Vec<String> = std::fs::read_dir(bench.app1().join("versions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["3", "4"]);
    assert_eq!(std::fs::read(bench.app1().join("current/app1")).unwrap(), b"4");
    let downloads = std::fs::read_dir(bench.state().join("downloads")).unwrap().count();
    assert_eq!(downloads, 0, "what is installed is not kept twice");
    agent.stop();
}

#[tokio::test]
async fn a_cut_download_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let package = Package::of("2.0.0", bytes);
    assert_eq!(session.offer(&package).await["update_list"][0]["offset"], 0);
    session.push(&package, 0, 2_000_000).await;
    let told = session.hear_the(|m| m["received"].as_u64() >= Some(1_800_000)).await["received"].as_u64();
    drop(session);
    let (mut session, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "1.0.0"), "{hello}");
    let reply = session.offer(&package).await;
    let offset = reply["update_list"][0]["offset"].as_u64().unwrap();
    assert!(Some(offset) >= told && offset <= 2_000_000, "{reply}");
    // And once more, with the agent itself gone in between.
    session.push(&package, offset as usize, 2_500_000).await;
    session.hear_the(|m| m["received"].as_u64() >= Some(2_200_000)).await;
    agent.stop();
    drop(session);
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let reply = session.offer(&package).await;
    let offset = reply["update_list"][0]["offset"].as_u64().unwrap();
    assert!(offset >= 2_200_000, "{reply}");
    session.push(&package, offset as usize, package.bytes.len()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    assert_eq!(std::fs::read(bench.app1().join("current/app1")).unwrap(), package.bytes);
    agent.stop();
}

#[tokio::test]
async fn bytes_that_are_not_the_package_are_not_installed_and_do_not_stay() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let mut package = Package::of("2.0.0", b"something else".to_vec());
    package.sha256 = Sha256Hex::of(b"the right thing").to_string();
    for _ in 0..4 {
        // The link may be at fault, so the package never becomes known as bad.
        let reply = session.offer(&package).await;
        assert_eq!(reply["update_list"][0]["offset"], 0, "{reply}");
        session.push(&package, 0, package.bytes.len()).await;
        let result = session.hear_type("result").await;
        assert_eq!(result["outcome"], "failed");
        assert!(result["error"].as_str().unwrap().contains("sha256"), "{result}");
    }
    assert!(!bench.app1().join("current").exists());
    agent.stop();
}

#[tokio::test]
async fn a_version_that_fails_its_health_check_is_rolled_back_and_known_bad_after_three_times() {
    let words = "health = 'test $FLEETWARD_VERSION != 6 || { echo broken inside; exit 4; }'\nhealth_timeout = '500ms'\nsettle = '0s'";
    let bench = Bench::new().await.with(words);
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    assert_eq!(session.install(&Package::of("5", b"five".to_vec())).await["outcome"], "installed");
    let bad = Package::of("6", b"six".to_vec());
    for _ in 0..3 {
        let result = session.install(&bad).await;
        assert_eq!(result["outcome"], "rolled_back");
        assert!(result["error"].as_str().unwrap().contains("broken inside"), "{result}");
        assert_eq!(current(&bench.app1()), "versions/5");
    }
    assert_eq!(session.offer(&bad).await["declined"][0]["reason"], "known_bad");
    agent.stop();
    let agent = bench.start();
    let (mut session, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "5"), "{hello}");
    assert_eq!(session.offer(&bad).await["declined"][0]["reason"], "known_bad", "also after a restart");
    assert_eq!(session.install(&Package::of("7", b"seven".to_vec())).await["outcome"], "installed");
    agent.stop();
}

#[tokio::test]
async fn a_version_from_before_comes_back_when_the_first_update_fails() {
    let bench = Bench::new().await.with("start = 'test $FLEETWARD_VERSION = 1.0.0'");
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let result = session.install(&Package::of("2", b"two".to_vec())).await;
    assert_eq!(result["outcome"], "rolled_back", "{result}");
    assert!(!bench.app1().join("current").exists() && !bench.app1().join("versions/2").exists());
    drop(session);
    let (_, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "1.0.0"), "{hello}");
    agent.stop();
}

#[tokio::test]
async fn an_evil_archive_is_refused_and_the_old_version_stays() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_mode(0o777);
    header.set_size(0);
    tar.append_link(&mut header, "link", "/etc").unwrap();
    let result = session.install(&Package::of("2", tar.into_inner().unwrap())).await;
    assert_eq!(result["outcome"], "failed");
    assert!(result["error"].as_str().unwrap().contains("neither a file nor a folder"), "{result}");
    assert!(!bench.app1().join("current").exists());
    agent.stop();
}

#[tokio::test]
async fn a_result_that_could_not_be_told_is_told_after_the_next_welcome() {
    let bench = Bench::new().await.with("health = 'test -e ../../go'\nhealth_timeout = '60s'\nsettle = '0s'");
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", b"two".to_vec());
    session.offer(&package).await;
    session.push(&package, 0, 3).await;
    session.hear_the(|m| m["received"] == 3).await;
    drop(session);
    // While the install waits for its health, it goes on without a link, and the same module is busy.
    let (mut session, _) = bench.welcome().await;
    let other = Package::of("3", b"three".to_vec());
    assert_eq!(session.offer(&other).await["declined"][0]["reason"], "busy");
    drop(session);
    let mut session = bench.accept().await;
    std::fs::write(bench.app1().join("go"), "").unwrap();
    session.hear().await;
    let quiet = timeout(Duration::from_millis(2500), session.socket.next()).await;
    assert!(quiet.is_err(), "without a welcome nothing is told: {quiet:?}");
    session.say(welcome()).await;
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    drop(session);
    let (mut session, hello) = bench.welcome().await;
    assert!(app1_runs(&hello, "2"), "{hello}");
    assert!(session.hear_report().await.get("seq").is_some());
    let next = session.hear().await;
    assert_ne!(next["type"], "result", "it is told once");
    agent.stop();
}

#[tokio::test]
async fn an_install_from_an_earlier_connection_makes_every_module_busy_and_ends_with_a_hello() {
    let bench = Bench::new().await;
    let app2 = bench.folder.path().join("app2");
    let words = format!("health = 'exit 1'\nhealth_timeout = '4s'\n[modules.app2]\ndir = {app2:?}");
    let bench = bench.with(&words);
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", b"two".to_vec());
    session.offer(&package).await;
    session.push(&package, 0, 3).await;
    session.hear_the(|m| m["received"] == 3).await;
    drop(session);
    let (mut session, _) = bench.welcome().await;
    let offer = json!({"app_name":"app2","version":"1","size":3,"sha256":package.sha256});
    session.say(json!({"type":"update_list","rollout_id":1,"update_list":[offer]})).await;
    let reply = session.hear_the(|message| message.get("update_list").is_some()).await;
    assert_eq!(reply["declined"][0]["reason"], "busy", "{reply}");
    assert_eq!(session.hear_type("result").await["outcome"], "rolled_back");
    let hello = session.hear_the(|message| message.get("version_list").is_some()).await;
    assert!(app1_runs(&hello, "1.0.0"), "a hello though nothing changed, as the server may offer again: {hello}");
    agent.stop();
}

#[tokio::test]
async fn a_package_called_off_is_not_installed_and_its_part_is_kept() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", vec![7; 600_000]);
    session.offer(&package).await;
    session.push(&package, 0, 400_000).await;
    session.hear_type("progress").await;
    session.say(json!({"type":"cancel","app_name":"app1","version":"2"})).await;
    let reply = session.offer(&package).await;
    assert_eq!(reply["update_list"][0]["offset"], 400_000, "{reply}");
    session.push(&package, 400_000, 600_000).await;
    assert_eq!(session.hear_type("result").await["outcome"], "installed");
    agent.stop();
}

#[tokio::test]
async fn what_was_not_asked_for_is_neither_kept_nor_installed() {
    let bench = Bench::new().await;
    let agent = bench.start();
    let (mut session, _) = bench.welcome().await;
    let package = Package::of("2", b"two".to_vec());
    session.push(&package, 0, 3).await;
    let result = session.hear_type("result").await;
    assert_eq!(result["outcome"], "failed");
    let elsewhere = json!({"app_name":"app9","version":"1","size":1,"sha256":package.sha256});
    session.say(json!({"type":"update_list","rollout_id":1,"update_list":[elsewhere]})).await;
    let reply = session.hear_the(|message| message.get("update_list").is_some()).await;
    assert_eq!(reply["declined"][0]["reason"], "incompatible");
    assert!(!bench.app1().join("versions").exists());
    agent.stop();
}

#[tokio::test]
async fn an_unreadable_journal_is_put_aside_and_the_disk_says_what_runs() {
    let bench =
        Bench::new().await.with("health = 'test $FLEETWARD_VERSION = 1'\nhealth_timeout = '300ms'\nsettle = '0s'");
    for version in ["1", "2"] {
        std::fs::create_dir_all(bench.app1().join("versions").join(version)).unwrap();
    }
    std::fs::remove_file(bench.app1().join("VERSION")).unwrap();
    std::os::unix::fs::symlink("versions/2", bench.app1().join("current")).unwrap();
    std::fs::create_dir(bench.state()).unwrap();
    std::fs::write(bench.state().join("journal.json"), "{\"active\":{\"mod").unwrap();
    let agent = bench.start();
    let (mut session, hello) = bench.welcome().await;
    // 2 is tried again, fails, and 1 comes back; whether that is before or after the first hello is all the same.
    if !app1_runs(&hello, "1") {
        session.hear_the(|m| m.get("version_list").is_some() && app1_runs(m, "1")).await;
    }
    assert!(bench.state().join("journal.json.unreadable").exists());
    assert_eq!(current(&bench.app1()), "versions/1");
    agent.stop();
}

#[tokio::test]
async fn killed_in_any_command_of_an_install_the_agent_goes_on_from_there() {
    for hook in ["stop", "start", "health"] {
        // The command kills the agent, its parent, the first time that it runs.
        let bench = Bench::new().await;
        let flag = bench.folder.path().join("killed");
        let kill = format!("test -e {0} || {{ touch {0}; kill -9 $PPID; }}", flag.display());
        let bench = bench.with(&format!("settle = '0s'\n{hook} = '{kill}'"));
        let mut agent = bench.spawn();
        let (mut session, _) = bench.welcome().await;
        let package = Package::tar("2", &[("app", "two")]);
        session.offer(&package).await;
        session.push(&package, 0, package.bytes.len()).await;
        while session.hear_or_end().await.is_some() {}
        assert!(!agent.wait().unwrap().success(), "{hook} kills the agent");
        assert!(flag.exists());
        let mut agent = bench.spawn();
        let (mut session, _) = bench.welcome().await;
        let result = session.hear_type("result").await;
        assert_eq!(
            (&result["outcome"], current(&bench.app1()).as_str()),
            (&json!("installed"), "versions/2"),
            "{hook}"
        );
        let _ = std::process::Command::new("kill").arg(agent.id().to_string()).status().unwrap();
        while session.hear_or_end().await.is_some() {}
        assert_eq!(agent.wait().unwrap().code(), Some(0), "SIGTERM is a polite end");
    }
}
