//! Flags that every command takes, before or after its name.

use std::path::PathBuf;

use clap::Args;

/// Values stay text here: `config` reads and refuses them, whichever way they came.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// Folder of the database, packages and logs [default: ./data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub data_dir: Option<String>,
    /// sqlite:PATH or mysql://USER:PASSWORD@HOST/DATABASE [default: sqlite:DIR/fleetward.db]
    #[arg(long, global = true, value_name = "URL", help_heading = "Everywhere")]
    pub database_url: Option<String>,
    /// Settings in a TOML file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub config: Option<PathBuf>,
    /// text or json: how messages are written on standard error [default: text]
    #[arg(long, global = true, value_name = "FORMAT", help_heading = "Everywhere")]
    pub log_format: Option<String>,
    /// Print data as JSON
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
}
