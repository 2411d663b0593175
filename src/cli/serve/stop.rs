//! SIGTERM and Ctrl-C: the first stops politely, the second at once.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::CliError;

/// The exit code of a program that a second signal has ended.
const AT_ONCE: i32 = 130;

/// Ends at the first signal. Listens from the moment it is called.
pub(super) fn asked() -> Result<impl Future<Output = ()>, CliError> {
    let listen = |kind| signal(kind).map_err(CliError::doing("signals"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        one_of(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping; a second signal stops at once");
        tokio::spawn(async move {
            one_of(&mut interrupt, &mut terminate).await;
            tracing::warn!("stopped at once; what was acknowledged is on disk");
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
