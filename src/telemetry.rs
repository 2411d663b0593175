//! What the program tells about itself on standard error. (Its numbers are `web::metrics`'s.)
//!
//! Installed once a process, by whoever starts it; a second call keeps the first.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{Environment, LogFormat};

/// What is written when `FLEETWARD_LOG` says nothing.
const DEFAULT_FILTER: &str = "info,actix_server=warn,actix_web=warn";

/// Lines that may wait for whoever reads standard error; more are lost, and counted.
const LINES: usize = 8192;

/// What writes messages, until [`end`](Self::end). Cheap to clone.
#[derive(Clone)]
#[must_use = "whoever has started it ends it, so that the last lines are not lost"]
pub struct Messages(Arc<Mutex<Option<(ErrorCounter, WorkerGuard)>>>);

impl Messages {
    /// Writes what waits, for a second at most, and no more.
    pub fn end(&self) {
        let Some((lost, thread)) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let lost = lost.dropped_lines();
        if lost > 0 {
            tracing::warn!(lost, "lines are missing here: standard error was not read fast enough");
        }
        drop(thread);
    }
}

/// Starts writing messages. `FLEETWARD_LOG` is a filter such as `debug` or `fleetward::actors=debug,warn`.
///
/// A thread of its own does the writing: a full pipe, or a slow disk behind it, keeps no device waiting.
///
/// # Errors
/// A sentence when the filter can't be read.
pub fn start(format: LogFormat, environment: &Environment) -> Result<Messages, String> {
    let wanted = environment.get("LOG").unwrap_or(DEFAULT_FILTER);
    let filter = EnvFilter::try_new(wanted)
        .map_err(|error| format!("FLEETWARD_LOG is not a filter such as info or fleetward=debug: {error}"))?;
    let colours = std::io::stderr().is_terminal();
    let (lines, thread) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("messages")
        .finish(std::io::stderr());
    let messages = Messages(Arc::new(Mutex::new(Some((lines.error_counter(), thread)))));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines).with_ansi(colours);
    // An error means that messages are already written: a test, or a second server in this process.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(messages)
}
