//! The door to the agent; see `fleetward::agent`.

#![expect(clippy::print_stderr, reason = "the place where the agent tells why it ends")]

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use fleetward::agent::config::{Args, Config};
use fleetward::agent::itself::START_AGAIN;
use fleetward::agent::run::Ended;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let config = match Config::new(Args::parse()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let Ok(filter) = EnvFilter::try_new(&config.log) else {
        return refuse(&format!("--log must be like info or fleetward=debug, not {:?}", config.log));
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match fleetward::agent::run::run(config) {
        Ok(Ended::Stopped) => ExitCode::SUCCESS,
        Ok(Ended::StartAgain) => ExitCode::from(START_AGAIN),
        Err(error) => {
            eprintln!("fleetward-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(error: &str) -> ExitCode {
    eprintln!("fleetward-agent: {error}");
    ExitCode::from(2)
}
