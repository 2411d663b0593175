//! The command line: one file a subcommand, all of one shape.
//!
//! A subcommand's file has its arguments and `run(self, &Context)`. `user`, `token`, `enrolment-token`, `keys`,
//! `log`, `audit`, `backup` and `doctor` work on the data folder and the database themselves; `package`, `rollout` and
//! `device` go through a server's API; `simulate` speaks the device protocol.

mod api;
mod audit;
mod backup;
mod context;
mod device;
mod doctor;
mod enrolment_token;
mod error;
mod global;
mod keys;
mod log;
mod output;
mod package;
mod rollout;
mod serve;
pub mod simulate;
mod token;
mod user;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use error::CliError;

use crate::config::Environment;
use context::Context;
use global::Global;

/// Knows what every terminal of a fleet runs and how it is, and moves the fleet to new versions.
#[derive(Debug, Parser)]
#[command(name = "fleetward", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "Without a command, fleetward serves. Exit codes: 0 done, 1 failed, 2 wrong usage.")]
pub struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    serve: serve::Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    User(user::User),
    Token(token::Token),
    EnrolmentToken(enrolment_token::EnrolmentToken),
    Package(package::Package),
    Rollout(rollout::Rollout),
    Device(device::Device),
    Keys(keys::Keys),
    Log(log::Log),
    Audit(audit::Audit),
    Simulate(simulate::Simulate),
    Backup(backup::Backup),
    Doctor(doctor::Doctor),
}

/// Runs the program on these arguments, the first of which is its name.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(help_or_misuse) => {
            // Nobody is left to be told when this cannot be written.
            let _ = help_or_misuse.print();
            return ExitCode::from(u8::try_from(help_or_misuse.exit_code()).unwrap_or(2));
        }
    };
    match arguments.run(Environment::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.tell(),
    }
}

impl Arguments {
    fn run(self, environment: Environment) -> Result<(), CliError> {
        let context = Context::new(self.global, environment);
        let Some(command) = self.command else { return self.serve.run(&context) };
        if self.serve != serve::Serve::default() {
            return Err(CliError::Usage("write the flags of serve behind it: fleetward serve --demo 12".to_owned()));
        }
        match command {
            Command::Serve(command) => command.run(&context),
            Command::User(command) => command.run(&context),
            Command::Token(command) => command.run(&context),
            Command::EnrolmentToken(command) => command.run(&context),
            Command::Package(command) => command.run(&context),
            Command::Rollout(command) => command.run(&context),
            Command::Device(command) => command.run(&context),
            Command::Keys(command) => command.run(&context),
            Command::Log(command) => command.run(&context),
            Command::Audit(command) => command.run(&context),
            Command::Simulate(command) => command.run(&context),
            Command::Backup(command) => command.run(&context),
            Command::Doctor(command) => command.run(&context),
        }
    }
}

/// The names of all subcommands, for the check that the documentation has them.
#[must_use]
pub fn subcommands() -> Vec<String> {
    use clap::CommandFactory as _;
    let mut names = Vec::new();
    for command in Arguments::command().get_subcommands() {
        names.push(command.get_name().to_owned());
        names.extend(command.get_subcommands().map(|inner| format!("{} {}", command.get_name(), inner.get_name())));
    }
    names
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_argument_table_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after_the_subcommand() {
        for line in ["fleetward --json --data-dir d user list", "fleetward user list --data-dir d --json"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert!(arguments.global.json);
            assert_eq!(arguments.global.data_dir.as_deref(), Some("d"));
        }
    }

    #[test]
    fn without_a_command_it_serves() {
        let arguments = Arguments::try_parse_from(["fleetward", "--demo", "3"]).unwrap();
        assert!(arguments.command.is_none());
        let mixed = Arguments::try_parse_from(["fleetward", "--demo", "3", "user", "list"]).unwrap();
        assert!(matches!(mixed.run(Environment::default()), Err(CliError::Usage(_))));
    }
}
