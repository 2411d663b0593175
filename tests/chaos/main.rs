//! Chaos: the real server and a simulated fleet in processes of their own, a bad network between them, something that
//! kills, and afterwards a look at what must still be true.
//!
//! ```sh
//! cargo test --test chaos                                  # a short run, part of `cargo test`
//! cargo test --release --test chaos -- long --seed 7       # the long runs, with the figures of docs/promises.md
//! cargo test --release --test chaos -- long herd --seed 7  # one of them
//! ```
//!
//! The seed is printed; the same one makes the same choices, though two machines never share the same moments. What
//! fails keeps its folder, with the server's messages, the database, the log and the ledger.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells"
)]

#[cfg(feature = "agent")]
mod agents;
mod checker;
mod crowd;
mod database;
mod fleet;
mod hostile;
#[cfg(feature = "agent")]
mod install_power;
mod migrate;
mod moment;
mod place;
mod power;
mod proxy;
mod rollouts;
mod server;
mod soak;
mod storm;
mod transfer;
mod trouble;
mod twins;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use place::{Outcome, Place, told};

/// The chaos harness.
#[derive(Parser)]
struct Arguments {
    /// `long` for the long runs, and parts of names: only scenarios that have one of them run
    words: Vec<String>,
    /// What all choices follow from [default: another one every time]
    #[arg(long)]
    seed: Option<u64>,
    /// How many real agents there are in `agents` [default: 50]
    #[arg(long)]
    agents: Option<u64>,
    /// Keep the folders of what went well, too
    #[arg(long)]
    keep: bool,
    /// Names only
    #[arg(long)]
    list: bool,
    // What `cargo test` and other runners hand to every test program.
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    ignored: bool,
    #[arg(long, short, hide = true)]
    quiet: bool,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(long, hide = true)]
    test_threads: Option<u32>,
}

struct Scenario {
    name: &'static str,
    run: fn(&mut Place) -> Outcome,
}

/// The short run is the same each time, so that it says the same of the same program.
const SHORT_SEED: u64 = 7;

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "storm", run: storm::run },
    Scenario { name: "power", run: power::run },
    Scenario { name: "lock", run: trouble::lock },
    Scenario { name: "disk", run: trouble::disk },
    Scenario { name: "mariadb", run: trouble::mariadb },
    Scenario { name: "migrate", run: migrate::sqlite },
    Scenario { name: "migrate-mariadb", run: migrate::mariadb },
    Scenario { name: "twins", run: twins::run },
    Scenario { name: "transfer", run: transfer::run },
    Scenario { name: "herd", run: crowd::herd },
    Scenario { name: "stop", run: crowd::stop },
    Scenario { name: "hostile", run: hostile::run },
    #[cfg(feature = "agent")]
    Scenario { name: "agents", run: agents::run },
    #[cfg(feature = "agent")]
    Scenario { name: "install-power", run: install_power::run },
    Scenario { name: "soak", run: soak::run },
];

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    let long = arguments.words.iter().any(|word| word == "long");
    arguments.words.retain(|word| word != "long");
    let wanted = |scenario: &&Scenario| {
        arguments.words.is_empty() || arguments.words.iter().any(|word| scenario.name.contains(word.as_str()))
    };
    let wanted: Vec<&Scenario> = SCENARIOS.iter().filter(wanted).filter(|_| !arguments.ignored).collect();
    if arguments.list {
        wanted.iter().for_each(|scenario| println!("{}: test", scenario.name));
        return ExitCode::SUCCESS;
    }
    let seed = arguments.seed.unwrap_or_else(|| if long { u64::from(rand::random::<u32>()) } else { SHORT_SEED });
    println!("chaos: {} scenarios, {}, seed {seed}", wanted.len(), if long { "long" } else { "short" });
    fleetward::app::raise_open_files();
    let mut rows = Vec::new();
    let failed = wanted.iter().filter(|scenario| !went_well(scenario, seed, long, &arguments, &mut rows)).count();
    if long {
        println!("\n| scenario | measured |\n| --- | --- |\n{}\n", rows.join("\n"));
    }
    if failed > 0 {
        println!("chaos: {failed} of {} FAILED; again with --seed {seed}", wanted.len());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// `rows`: of a table of what was measured, as `docs/promises.md` has it.
fn went_well(scenario: &Scenario, seed: u64, long: bool, arguments: &Arguments, rows: &mut Vec<String>) -> bool {
    let begun = Instant::now();
    let mut place = Place::new(scenario.name, seed, long);
    place.agents = arguments.agents;
    println!("{} ...", scenario.name);
    let outcome = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&mut place)));
    let seconds = begun.elapsed().as_secs();
    let well = match outcome {
        Ok(Outcome::Done) => {
            println!("{}: ok, {seconds} s", scenario.name);
            true
        }
        Ok(Outcome::Skipped(why)) => {
            println!("{}: SKIPPED: {why}", scenario.name);
            true
        }
        Err(_) => {
            println!("{}: FAILED after {seconds} s; seed {seed}; see {}", scenario.name, place.path("").display());
            false
        }
    };
    rows.push(format!("| `{}` | {} |", scenario.name, told().join("; ")));
    if well && !arguments.keep {
        place.remove();
    }
    well
}
