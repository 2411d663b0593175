//! `fleetward log`: reading the status log back.

use chrono::DateTime;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::CliError;
use super::context::Context;
use crate::domain::{KeyId, Timestamp};
use crate::store::{self, DataDir};

/// The status log, straight from the data folder
#[derive(Debug, Args)]
pub(super) struct Log {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the log lines of one device, oldest first
    Show {
        /// The device's key_id, as `fleetward device show` and the pages tell it
        key_id: KeyId,
        /// Not before this: 2026-11-22 or 2026-11-22T08:48:00Z
        #[arg(long, value_name = "TIME", value_parser = time)]
        from: Option<Timestamp>,
        /// Not after this
        #[arg(long, value_name = "TIME", value_parser = time)]
        to: Option<Timestamp>,
    },
}

impl Log {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let Action::Show { key_id, from, to } = self.action;
        let dir = DataDir::log_in(&context.config(&[])?.data_dir);
        if !dir.is_dir() {
            return Err(CliError::Failed(format!("there is no log folder {}; is --data-dir right?", dir.display())));
        }
        let doing = || CliError::doing(format!("the log in {}", dir.display()));
        let out = context.output();
        for line in store::show(&dir, key_id, from, to).map_err(doing())? {
            let line = line.map_err(doing())?;
            if out.is_json() { out.line(document(&line))? } else { out.line(line)? }
        }
        Ok(())
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let read = DateTime::parse_from_rfc3339(&whole);
    read.map(|time| time.to_utc()).map_err(|_| format!("write 2026-11-22 or 2026-11-22T08:48:00Z, not {text:?}"))
}

/// `timestamp, key_id, report`; the report is missing where the log keeps none.
fn document(line: &str) -> Value {
    let mut columns = line.splitn(3, ", ");
    let mut next = || columns.next().unwrap_or_default();
    let (timestamp, key_id, report) = (next(), next(), next());
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    json!({ "timestamp": timestamp, "key_id": key_id.parse::<i64>().ok(), "report": report })
}
