//! `fleetward doctor`: a check of the data folder, the database, the packages and the limits.

use std::fmt::Display;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::CliError;
use super::context::Context;
use crate::app;
use crate::config::Config;
use crate::store::{BlobCheck, Blobs, DataDir, Store, StoreConfig, StoreError};

/// Check data folder, database, packages and limits; exit code 1 when something is wrong
#[derive(Debug, Args)]
pub(super) struct Doctor {}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Works, but look at it.
    Note,
    Bad,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Note => "note",
            Self::Bad => "BAD",
        }
    }
}

struct Finding {
    verdict: Verdict,
    what: &'static str,
    sentence: String,
}

impl Doctor {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let config = context.config(&[])?;
        let mut findings = vec![folder(&config.data_dir), descriptors()];
        if config.data_dir.is_dir() {
            findings.push(running(&config.data_dir));
            match open(&config) {
                Ok(store) => {
                    findings.push(finding(
                        "database",
                        context.wait(store.ping())?,
                        "answers, and its schema is this program's",
                    ));
                    findings.extend(context.wait(settings(&store))?);
                    findings.extend(context.wait(packages(&config, &store))?);
                    store.close();
                }
                Err(error) => findings.push(bad("database", error)),
            }
        }
        let out = context.output();
        if out.is_json() {
            let items: Vec<_> = findings
                .iter()
                .map(|f| json!({ "verdict": f.verdict.as_str(), "what": f.what, "sentence": f.sentence }))
                .collect();
            out.value(&json!({ "items": items }))?;
        } else {
            for Finding { verdict, what, sentence } in &findings {
                out.line(format!("{:5} {what}: {sentence}", verdict.as_str()))?;
            }
        }
        match findings.iter().filter(|finding| finding.verdict == Verdict::Bad).count() {
            0 => Ok(()),
            count => Err(CliError::Failed(format!("{count} of {} checks found something wrong", findings.len()))),
        }
    }
}

fn good(what: &'static str, sentence: impl Display) -> Finding {
    Finding { verdict: Verdict::Good, what, sentence: sentence.to_string() }
}

fn note(what: &'static str, sentence: impl Display) -> Finding {
    Finding { verdict: Verdict::Note, what, sentence: sentence.to_string() }
}

fn bad(what: &'static str, sentence: impl Display) -> Finding {
    Finding { verdict: Verdict::Bad, what, sentence: sentence.to_string() }
}

fn finding<T, E: Display>(what: &'static str, result: Result<T, E>, fine: &str) -> Finding {
    match result {
        Ok(_) => good(what, fine),
        Err(error) => bad(what, error),
    }
}

fn folder(dir: &Path) -> Finding {
    let shown = dir.display();
    if !dir.exists() {
        return note("data folder", format!("{shown} is not there yet; the first start makes it"));
    }
    match tempfile_in(dir) {
        Ok(()) => good("data folder", format!("{shown} can be written")),
        Err(error) => bad("data folder", format!("{shown} cannot be written: {error}")),
    }
}

fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".doctor-{}", std::process::id()));
    std::fs::write(&path, b"ok")?;
    std::fs::remove_file(&path)
}

/// Whether a server holds the folder; asking for the lock and giving it back at once.
fn running(dir: &Path) -> Finding {
    match DataDir::open(dir) {
        Ok(_) => good("server", "none runs on this data folder"),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => good("server", "one runs on this data folder"),
        Err(error) => bad("server", error),
    }
}

fn open(config: &Config) -> Result<Store, String> {
    let url = config.store_url();
    if config.database_url.is_none() && !DataDir::database_in(&config.data_dir).exists() {
        return Err("there is none yet; the first start makes it".to_owned());
    }
    Store::open(&StoreConfig { database_url: url, readers: 1 }).map_err(|error| error.to_string())
}

/// Settings of the database under which what is committed may be lost, or waits.
async fn settings(store: &Store) -> Vec<Finding> {
    let found = async { Ok::<_, StoreError>((store.at_risk().await?, store.database().await?.lacks_memory())) };
    match found.await {
        Ok((at_risk, lacks_memory)) => {
            at_risk.into_iter().chain(lacks_memory).map(|sentence| note("database settings", sentence)).collect()
        }
        Err(error) => vec![bad("database settings", error)],
    }
}

async fn packages(config: &Config, store: &Store) -> Vec<Finding> {
    let dir = DataDir::packages_in(&config.data_dir);
    if !dir.is_dir() {
        return vec![note("packages", "none was ever uploaded")];
    }
    let rows = match store.package_hashes().await {
        Ok(rows) => rows,
        Err(error) => return vec![bad("packages", error)],
    };
    let blobs = match Blobs::open(&dir) {
        Ok(blobs) => blobs,
        Err(error) => return vec![bad("packages", format!("{}: {error}", dir.display()))],
    };
    let checked = match blobs.check(&rows) {
        Ok(check) if check.is_clean() => good("packages", format!("{} files, one for each package", rows.len())),
        Ok(check) => bad("packages", told(&check)),
        Err(error) => bad("packages", error),
    };
    let space = match blobs.free_bytes() {
        Ok(free) if free <= config.limits.disk_reserve_bytes => {
            let reserve = config.limits.disk_reserve_bytes;
            bad("disk", format!("{free} bytes are free, less than limits.disk_reserve_bytes ({reserve})"))
        }
        Ok(free) => good("disk", format!("{free} bytes are free")),
        Err(error) => bad("disk", error),
    };
    vec![checked, space]
}

fn told(check: &BlobCheck) -> String {
    let (missing, wrong, stray) = (check.missing.len(), check.wrong_size.len(), check.stray.len());
    let first = check.missing.iter().chain(check.wrong_size.iter().map(|(hash, ..)| hash)).next();
    let first = first.map(|hash| format!("; the first is {}", hash.as_str())).unwrap_or_default();
    format!("{missing} packages without their file, {wrong} with a wrong size, {stray} files without a package{first}")
}

/// Few descriptors are few devices.
const FEW: u64 = 4096;

fn descriptors() -> Finding {
    match app::open_files() {
        None => note("descriptors", "open files are not limited"),
        Some(limit) if limit < FEW => note(
            "descriptors",
            format!("{limit} open files are few: about {} devices; raise it with ulimit -n", limit / 5 * 4),
        ),
        Some(limit) => good("descriptors", format!("{limit} open files, about {} devices", limit / 5 * 4)),
    }
}
