//! The rules of the house, read from the text of the code: who may import whom, how long things may be, which words
//! and calls are banned. Clippy holds the rest (`.clippy.toml`, `[lints]` in `Cargo.toml`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Module, and the modules of this crate that it may name. `bin` is the doors in `src/bin`.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("bin", &["cli", "agent"]),
    ("cli", &["app", "store", "protocol", "archive", "domain", "config", "clock", "telemetry"]),
    ("app", &["web", "actors", "store", "protocol", "domain", "config", "clock"]),
    ("web", &["actors", "store", "protocol", "archive", "domain", "config", "clock"]),
    ("actors", &["store", "protocol", "domain", "config", "clock"]),
    ("store", &["domain"]),
    ("protocol", &["domain"]),
    ("agent", &["protocol", "archive", "domain"]),
    ("archive", &["domain"]),
    ("config", &[]),
    ("clock", &["domain"]),
    ("telemetry", &["config"]),
    ("domain", &[]),
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;
/// A table is as long as what it lists.
const TABLES: [&str; 1] = ["pub fn table() -> Vec<Route> {"];

struct Source {
    /// From the root of the repository: `src/domain/plan.rs`.
    path: String,
    text: String,
}

impl Source {
    /// The top-level module that it is, or is part of.
    fn module(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap();
        below.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// What is compiled into the programs: without comments, and without the tests at the end.
    fn code(&self) -> String {
        if self.path.ends_with("tests.rs") || self.path.contains("/tests/") {
            return String::new();
        }
        let tests = self.text.find("#[cfg(test)]\nmod tests").unwrap_or(self.text.len());
        let lines = self.text[..tests].lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(&root().join(folder), &mut paths);
    paths.sort();
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        Source { path: path.strip_prefix(root()).unwrap().display().to_string(), text }
    };
    paths.into_iter().map(source).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The modules named behind `crate::` (or `fleetward::` in a door): `crate::store::Store`, `crate::{clock, store}`.
fn imports(code: &str, prefix: &str) -> BTreeSet<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let behind = &code[at + prefix.len()..];
        let Some(group) = behind.strip_prefix('{') else {
            found.insert(word(behind));
            continue;
        };
        let mut depth = 0;
        let mut first = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => first = true,
                c if first && c.is_alphabetic() => {
                    found.insert(word(&group[at..]));
                    first = false;
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn imports_run_one_way() {
    let modules: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| source.module() != "lib") {
        let module = source.module();
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: {module} is not in the import table", source.path));
            continue;
        };
        let prefix = if module == "bin" { "fleetward::" } else { "crate::" };
        for named in imports(&source.text, prefix) {
            let ours = modules.contains(named.as_str()) && named != module;
            if ours && !allowed.contains(&named.as_str()) {
                wrong.push(format!("{}: {module} must not import {named}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reading_of_imports_sees_groups_and_paths() {
    let code = "use crate::store::{Store, secrets}; use crate::{clock::Clock, web::{self, x}, actors};\nfn f() { crate::app::g() }";
    let found: Vec<String> = imports(code, "crate::").into_iter().collect();
    assert_eq!(found, ["actors", "app", "clock", "store", "web"]);
}

#[test]
fn a_file_is_at_most_400_lines() {
    let all = sources("src").into_iter().chain(sources("tests")).chain(sources("benches"));
    let long = all.map(|source| (source.text.lines().count(), source.path)).filter(|(lines, _)| *lines > LONGEST_FILE);
    assert_eq!(long.collect::<Vec<_>>(), []);
}

/// The functions of formatted code, with how many lines they have between their braces.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let words: Vec<&str> = trimmed.split_whitespace().take(5).collect();
        let is_head = words.contains(&"fn") && !trimmed.starts_with("//") && !trimmed.contains('"');
        if !is_head {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let open =
            lines[at..].iter().position(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'));
        let Some(open) = open.map(|open| at + open).filter(|open| lines[*open].ends_with('{')) else { continue };
        if let Some(length) = lines[open + 1..].iter().position(|line| *line == end) {
            found.push((trimmed.to_owned(), length));
        }
    }
    found
}

#[test]
fn a_function_is_at_most_60_lines() {
    let too_long = |(head, length): &(String, usize)| *length > LONGEST_FUNCTION && !TABLES.contains(&head.as_str());
    let mut long = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        for (head, length) in functions(&source.text).into_iter().filter(too_long) {
            long.push(format!("{}: {length} lines: {head}", source.path));
        }
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_measure_of_functions_can_find_a_long_one() {
    let long = format!(
        "impl X {{\n    pub async fn f(\n        a: u8,\n    ) {{\n{}    }}\n}}\n",
        "        g();\n".repeat(61)
    );
    assert_eq!(functions(&long), [("pub async fn f(".to_owned(), 61)]);
}

#[test]
fn one_file_names_the_device_sockets_framework() {
    let naming = sources("src").into_iter().filter(|source| source.code().contains("actix_web_actors"));
    let naming: Vec<String> = naming.map(|source| source.path).collect();
    assert!(naming.len() <= 1, "{naming:?}");
}

#[test]
fn banned_calls_are_nowhere() {
    let banned = [".do_send(", "mem::forget(", "thread::sleep(Duration::ZERO", "env::set_var("];
    for source in sources("src") {
        for call in banned {
            assert!(!source.code().contains(call), "{}: {call}", source.path);
        }
    }
}

#[test]
fn tests_move_time_and_wait_for_messages_but_never_sleep() {
    let own = file!();
    for source in sources("tests").iter().filter(|source| !own.ends_with(&source.path)) {
        // The one sleep there is: between two looks of a wait that has a deadline.
        let sleeps = source.text.matches("sleep(").count();
        let allowed = usize::from(source.text.contains("let deadline = Instant::now() + "));
        assert!(sleeps <= allowed, "{}: {sleeps} sleeps", source.path);
    }
}

#[test]
fn clippy_bans_what_the_design_bans() {
    let clippy = read(".clippy.toml");
    for path in ["chrono::Utc::now", "std::env::var", "actix::Addr::do_send", "actix::Recipient::do_send"] {
        let line = clippy.lines().find(|line| line.contains(&format!("\"{path}\"")));
        assert!(line.is_some_and(|line| line.contains("reason")), "{path} is to be banned with a reason");
    }
    let manifest = read("Cargo.toml");
    for lint in ["unwrap_used", "expect_used", "print_stdout", "too_many_lines"] {
        assert!(manifest.contains(&format!("{lint} = \"warn\"")), "{lint}");
    }
    assert!(manifest.contains("unsafe_code = \"forbid\""));
}

#[test]
fn a_state_is_spelled_in_one_place() {
    use fleetward::domain::{AssignmentState, RolloutState};
    let words: BTreeSet<&str> =
        AssignmentState::ALL.iter().map(|s| s.as_str()).chain(RolloutState::ALL.iter().map(|s| s.as_str())).collect();
    // The core has further vocabularies with the same words: why codes, reasons to decline, names of timeouts.
    let shell = |source: &&Source| !["domain", "protocol"].contains(&source.module());
    let mut strays = Vec::new();
    for source in sources("src").iter().filter(shell) {
        let code = source.code();
        strays.extend(
            words.iter().filter(|word| code.contains(&format!("\"{word}\""))).map(|w| (w, source.path.clone())),
        );
    }
    assert!(strays.is_empty(), "spelled a second time, use as_str(): {strays:#?}");
}

#[cfg(feature = "server")]
#[test]
fn the_documents_know_every_command_and_every_setting() {
    let commands = read("docs/cli.md");
    for name in fleetward::cli::subcommands() {
        assert!(commands.contains(&format!("fleetward {name}")), "docs/cli.md lacks `fleetward {name}`");
    }
    let configuration = read("docs/configuration.md");
    for setting in fleetward::config::SETTINGS {
        let row = configuration.lines().find(|line| line.starts_with(&format!("| `{}` |", setting.name)));
        let row = row.unwrap_or_else(|| panic!("docs/configuration.md lacks {}", setting.name));
        assert!(row.contains(&format!("`{}`", setting.variable())), "{row}");
    }
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let tests: String = sources("src").into_iter().chain(sources("tests")).map(|source| source.text).collect();
    let architecture = read("docs/architecture.md");
    let rows: Vec<&str> = architecture
        .lines()
        .filter(|line| line.strip_prefix("| ").is_some_and(|row| row.starts_with(|c: char| c.is_ascii_digit())))
        .collect();
    assert!(!rows.is_empty());
    for row in rows {
        let shown_by = row.rsplit('|').nth(1).unwrap();
        let named: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(tests.contains(&format!("fn {name}(")), "there is no test {name}");
        }
    }
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut documents = vec![PathBuf::from("README.md"), PathBuf::from("CHANGELOG.md")];
    documents
        .extend(fs::read_dir(root().join("docs")).unwrap().map(|e| Path::new("docs").join(e.unwrap().file_name())));
    for document in documents.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = read(&document.display().to_string());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            let target = root().join(document.parent().unwrap()).join(file);
            assert!(target.exists(), "{}: {link}", document.display());
        }
    }
}
