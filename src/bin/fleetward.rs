//! The server and its command line: a door.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleetward::cli::main(std::env::args_os())
}
