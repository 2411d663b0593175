//! What this program is made of: where every dependency comes from, and under which licence.
//!
//! Read from what `cargo metadata` says for this platform, without any tool to install. The advisory database is not
//! asked: it would have to be fetched.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::Value;

/// Licences that an Apache-2.0 program can be shipped with.
const ALLOWED: [&str; 15] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT",
    "MIT-0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];

/// Crates that must never come in, with the reason.
const BANNED: [(&str, &str); 8] = [
    ("actix-broker", "loses messages"),
    ("actix-governor", "GPL-3.0"),
    ("backoff", "unmaintained"),
    ("bincode", "unmaintained"),
    ("instant", "unmaintained"),
    ("openssl-sys", "rustls is the one TLS"),
    ("rustls-pemfile", "unmaintained"),
    ("serde_yml", "unsound"),
];

fn packages() -> Vec<Value> {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", host];
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether an expression such as `(MIT OR Apache-2.0) AND Unicode-3.0` can be met with what is allowed: every part
/// of an AND, any part of an OR.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let all = |part: &str| {
        let part = part.trim().trim_start_matches('(').trim_end_matches(')');
        part.split(" OR ").any(|licence| ALLOWED.contains(&licence.trim()))
    };
    expression.split(" AND ").all(all)
}

#[test]
fn every_dependency_comes_from_the_registry() {
    for package in packages() {
        let (name, source) = (&package["name"], package["source"].as_str());
        let ours = name == "fleetward";
        let registry = source.is_some_and(|source| source.starts_with("registry+"));
        assert!(ours || registry, "{name} comes from {source:?}");
    }
}

#[test]
fn every_licence_can_be_shipped() {
    let licence = |package: &Value| package["license"].as_str().unwrap_or("none").to_owned();
    let wrong: Vec<String> = packages()
        .iter()
        .filter(|package| !is_allowed(&licence(package)))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], licence(package)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_banned_stays_out() {
    for package in packages() {
        let found = BANNED.iter().find(|(name, _)| package["name"] == *name);
        assert!(found.is_none(), "{found:?}");
    }
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    assert!(is_allowed("MIT OR GPL-3.0-only") && is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_allowed("GPL-2.0-only") && !is_allowed("MIT AND GPL-3.0-only") && !is_allowed("none"));
}
