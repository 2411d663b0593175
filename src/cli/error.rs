//! Why a command ended badly, and with which exit code.

use std::process::ExitCode;

use crate::config::ConfigError;
use crate::store::StoreError;

/// One sentence for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Asked wrongly; nothing was tried. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Tried, and failed. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Whoever reads our output has stopped. Not a failure: `fleetward device list | head`.
    #[error("the output was closed")]
    NobodyReads,
}

impl CliError {
    /// What failed while doing what.
    pub(super) fn doing(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Failed(format!("{what}: {error}"))
    }

    /// Says why on standard error, in one line, and gives the exit code.
    #[expect(clippy::print_stderr, reason = "the one place that tells why a command failed")]
    pub(super) fn tell(&self) -> ExitCode {
        let code = match self {
            Self::NobodyReads => return ExitCode::SUCCESS,
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        };
        let sentence = self.to_string();
        let line: Vec<&str> = sentence.split_whitespace().collect();
        eprintln!("fleetward: {}", line.join(" "));
        ExitCode::from(code)
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}
