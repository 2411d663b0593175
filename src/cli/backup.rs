//! `fleetward backup`: a consistent copy of the database, whether the server runs or not.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::CliError;
use super::context::Context;

/// Write a consistent copy of the database to FILE, which must not exist; the server may run meanwhile
///
/// Package files and logs are ordinary files below the data folder: copy packages/ and log/ after this.
#[derive(Debug, Args)]
pub(super) struct Backup {
    file: PathBuf,
}

impl Backup {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let shown = self.file.display().to_string();
        if self.file.exists() {
            return Err(CliError::Failed(format!("{shown} is there already; a backup overwrites nothing")));
        }
        let store = context.store()?;
        context.wait(store.backup_to(&self.file))??;
        store.close();
        let size = std::fs::metadata(&self.file).map_err(CliError::doing(&shown))?.len();
        match context.output().is_json() {
            true => context.output().value(&json!({ "file": shown, "size": size })),
            false => context.output().line(format!("{shown}: {size} bytes")),
        }
    }
}
