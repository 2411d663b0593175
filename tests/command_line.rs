//! The command line as a person or a script meets it: exit codes, one line of reason, tokens alone on a line.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// `fleetward` on a data folder of its own, with nothing of this machine's environment.
fn fleetward(dir: &Path, arguments: &str) -> Command {
    let mut command = Command::cargo_bin("fleetward").unwrap();
    command.env_clear().current_dir(dir).arg("--data-dir").arg(dir.join("data")).args(arguments.split_whitespace());
    command
}

fn output(mut command: Command, code: i32) -> (String, String) {
    let output = command.assert().code(code).get_output().clone();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_token_is_printed_alone_on_a_line_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    for create in ["token create --name ci --role operator --expires 90d", "enrolment-token create --uses 3"] {
        let (told, _) = output(fleetward(dir.path(), create), 0);
        let token = told.strip_suffix('\n').unwrap();
        assert!(token.len() > 60 && !token.contains(char::is_whitespace), "{told:?}");
        let list = format!("{} list --json", create.split(' ').next().unwrap());
        let (listed, _) = output(fleetward(dir.path(), &list), 0);
        assert!(!listed.contains(token));
        let items: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(items["items"][0]["valid"], true);
    }
}

#[test]
fn a_user_is_added_with_a_password_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let add = "user add ann --role admin --password-stdin";
    let mut command = fleetward(dir.path(), add);
    command.write_stdin("correct horse battery\n");
    output(command, 0);
    let mut again = fleetward(dir.path(), add);
    again.write_stdin("correct horse battery\n");
    assert!(output(again, 1).1.contains("there is a user ann already"));
    let (_, refused) = output(fleetward(dir.path(), "user remove ann"), 1);
    assert!(refused.contains("last admin"), "{refused}");
    let (listed, _) = output(fleetward(dir.path(), "user list --json"), 0);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["items"][0]["role"], "admin");
    assert!(!listed.contains("argon2"));
}

#[test]
fn a_backup_can_be_opened_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    output(fleetward(dir.path(), "token create --name ci --role viewer"), 0);
    output(fleetward(dir.path(), "backup copy.db"), 0);
    let (listed, _) = output(fleetward(dir.path(), "--database-url sqlite:copy.db token list"), 0);
    assert!(listed.contains("ci"), "{listed}");
    assert!(output(fleetward(dir.path(), "backup copy.db"), 1).1.contains("there already"));
}

#[test]
fn doctor_finds_a_healthy_folder_healthy() {
    let dir = tempfile::tempdir().unwrap();
    output(fleetward(dir.path(), "token create --name ci --role viewer"), 0);
    let (told, _) = output(fleetward(dir.path(), "doctor"), 0);
    assert!(told.contains("ok    database"), "{told}");
    std::fs::write(dir.path().join("data/fleetward.db"), b"not a database at all, but long enough to be taken")
        .unwrap();
    for leftover in ["data/fleetward.db-wal", "data/fleetward.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(leftover));
    }
    let (told, why) = output(fleetward(dir.path(), "doctor"), 1);
    assert!(told.contains("BAD   database"), "{told}");
    assert_eq!(why.lines().count(), 1, "{why}");
}

#[test]
fn wrong_usage_is_2_and_failure_is_1_with_one_line_of_reason() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = [
        "--nope",
        "user",
        "user add ann --role admin",
        "token create --name x --role king",
        "device list",
        "package list --token x --server fleet",
        "rollout start app1 --token x",
        "simulate --devices 0",
        "--device-auth closed serve",
        "serve --device-auth closed",
    ];
    for line in wrong {
        let (_, why) = output(fleetward(dir.path(), line), 2);
        assert!(!why.trim().is_empty(), "{line}");
    }
    for line in ["device list --token x --server http://127.0.0.1:1", "log show 1", "enrolment-token revoke 9"] {
        let (_, why) = output(fleetward(dir.path(), line), 1);
        assert_eq!(why.lines().count(), 1, "{line}: {why}");
    }
    let mut nonsense = fleetward(dir.path(), "doctor");
    nonsense.env("FLEETWARD_LIMITS_HELLO_S", "0");
    assert!(output(nonsense, 2).1.contains("limits.hello_s"));
}

#[test]
fn every_subcommand_explains_itself() {
    let dir = tempfile::tempdir().unwrap();
    for name in fleetward::cli::subcommands() {
        let (told, _) = output(fleetward(dir.path(), &format!("{name} --help")), 0);
        assert!(told.contains("Usage:"), "{name}");
    }
}

#[test]
fn what_the_command_line_does_is_in_the_audit_log_and_the_log_can_be_checked() {
    let dir = tempfile::tempdir().unwrap();
    output(fleetward(dir.path(), "token create --name ci --role viewer"), 0);
    output(fleetward(dir.path(), "token revoke 1"), 0);
    output(fleetward(dir.path(), "token revoke 2"), 1);
    let (lines, _) = output(fleetward(dir.path(), "audit export"), 0);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<[&str; 3]> =
        lines.iter().map(|line| ["who", "verb", "subject"].map(|field| line[field].as_str().unwrap())).collect();
    assert_eq!(told, [["command line", "token.add", "ci"], ["command line", "token.revoke", "1"]]);
    let (told, _) = output(fleetward(dir.path(), "audit verify"), 0);
    let hash = lines[1]["hash"].as_str().unwrap();
    assert_eq!(told, format!("2 lines hold; the last one's hash is {hash}\n"));
}
