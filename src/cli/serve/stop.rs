//! SIGTERM and Ctrl-C: the first stops politely, the second at once.

use std::future::Future;
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::CliError;
use crate::telemetry::Messages;

/// The exit code of a program that a second signal has ended.
const AT_ONCE: i32 = 130;

/// A stop may take 15 s. What hangs longer is left behind.
const AT_LAST: Duration = Duration::from_secs(13);
/// The exit code of a program that left something behind.
const TOO_LATE: i32 = 1;

/// Ends at the first signal. Listens from the moment it is called.
pub(super) fn asked(messages: &Messages) -> Result<impl Future<Output = ()>, CliError> {
    let listen = |kind| signal(kind).map_err(CliError::doing("signals"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let (at_last, at_once) = (messages.clone(), messages.clone());
    Ok(async move {
        one_of(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping; a second signal stops at once");
        // A thread of its own: what hangs may be the runtime.
        thread::spawn(move || {
            thread::sleep(AT_LAST);
            tracing::error!("stopped before all was done; what was acknowledged is on disk");
            at_last.end();
            std::process::exit(TOO_LATE);
        });
        tokio::spawn(async move {
            one_of(&mut interrupt, &mut terminate).await;
            tracing::warn!("stopped at once; what was acknowledged is on disk");
            at_once.end();
            std::process::exit(AT_ONCE);
        });
    })
}

async fn one_of(a: &mut Signal, b: &mut Signal) {
    tokio::select! {
        _ = a.recv() => {}
        _ = b.recv() => {}
    }
}
