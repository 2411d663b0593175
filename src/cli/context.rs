//! What every command is given: the global flags, the environment, and the ways to the store and to the API.

use std::future::Future;
use std::path::PathBuf;

use serde_json::Value;

use super::CliError;
use super::global::Global;
use super::output::Output;
use crate::clock::Clock;
use crate::config::{self, Config, Environment};
use crate::domain::AuditEntry;
use crate::store::{Store, StoreConfig};

/// Made once, at start.
pub(super) struct Context {
    global: Global,
    environment: Environment,
}

impl Context {
    pub fn new(global: Global, environment: Environment) -> Self {
        Self { global, environment }
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where data is printed.
    pub fn output(&self) -> Output {
        Output::new(self.global.json)
    }

    /// The configuration, with a command's own flags on top: settings by name.
    pub fn config(&self, flags: &[(&'static str, Option<String>)]) -> Result<Config, CliError> {
        let global = [
            ("data_dir", self.global.data_dir.clone()),
            ("database_url", self.global.database_url.clone()),
            ("log_format", self.global.log_format.clone()),
        ];
        let given = |(name, text): &(&'static str, Option<String>)| Some((*name, text.clone()?));
        let flags: Vec<_> = global.iter().chain(flags).filter_map(given).collect();
        let file = self.global.config.clone().or_else(|| self.environment.get("CONFIG").map(PathBuf::from));
        Ok(config::load(file.as_deref(), &self.environment, &flags)?)
    }

    /// The store of the data folder, whether or not a server runs on it.
    pub fn store(&self) -> Result<Store, CliError> {
        let config = self.config(&[])?;
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(CliError::doing(format!("data folder {}", dir.display())))?;
        Ok(Store::open(&StoreConfig { database_url: config.store_url(), readers: 1 })?)
    }

    /// Runs a future of the store to its end.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(CliError::doing("starting"))?.block_on(future))
    }
}

/// The store, to do one thing through that the audit log then has under the command line's name.
pub(super) fn by(store: &Store, verb: &str, subject: &str, details: &Value) -> Store {
    store.audited(AuditEntry::new(Clock::system().now(), verb, subject, details))
}
