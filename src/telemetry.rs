//! What the program tells about itself on standard error. (Its numbers are `web::metrics`'s.)
//!
//! Installed once a process, by whoever starts it; a second call keeps the first.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Environment, LogFormat};

/// What is written when `FLEETWARD_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_web=warn";

/// Starts writing messages. `FLEETWARD_LOG` is a filter such as `debug` or `fleetward::actors=debug,warn`.
///
/// # Errors
/// A sentence when the filter can't be read.
pub fn start(format: LogFormat, environment: &Environment) -> Result<(), String> {
    let wanted = environment.get("LOG").unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::try_new(wanted)
        .map_err(|error| format!("FLEETWARD_LOG is not a filter such as info or fleetward=debug: {error}"))?;
    let colours = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // An error means that messages are already written: a test, or a second server in this process.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
