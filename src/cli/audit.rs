//! `fleetward audit`: who did what, straight from the database.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::CliError;
use super::context::Context;
use crate::domain::{AuditRow, millis_rfc3339};
use crate::store::AuditQuery;

/// The audit log: who did what
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the log as JSON lines, oldest first
    Export {
        /// Only what this user or token did
        #[arg(long, value_name = "NAME")]
        who: Option<String>,
    },
    /// Recompute the chain, and name the first line that does not fit
    Verify,
}

impl Audit {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        match self.action {
            Action::Export { who } => export(context, who),
            Action::Verify => verify(context),
        }
    }
}

fn export(context: &Context, who: Option<String>) -> Result<(), CliError> {
    let store = context.store()?;
    let mut query = AuditQuery { who, limit: 500, ..AuditQuery::default() };
    loop {
        let place = |bad: crate::store::BadCursor| CliError::Failed(bad.to_string());
        let page = context.wait(store.audit_rows(query.clone()))??.map_err(place)?;
        for row in &page.items {
            context.output().line(document(row))?;
        }
        query.after = page.next;
        if query.after.is_none() {
            return Ok(());
        }
    }
}

fn verify(context: &Context) -> Result<(), CliError> {
    let check = context.wait(context.store()?.check_audit())??;
    if let Some(wrong) = check.wrong {
        return Err(CliError::Failed(format!("the audit log does not hold: {wrong}")));
    }
    let (number, hash) = (check.head.number, check.head.hash);
    if context.output().is_json() {
        return context.output().value(&json!({ "rows": number, "hash": hash.as_str() }));
    }
    context.output().line(format!("{number} lines hold; the last one's hash is {hash}"))
}

fn document(row: &AuditRow) -> Value {
    let entry = &row.entry;
    json!({
        "number": row.number,
        "at": millis_rfc3339::text(entry.at),
        "who": entry.who,
        "via": entry.via.as_str(),
        "role": entry.role,
        "verb": entry.verb,
        "subject": entry.subject,
        "details": serde_json::from_str::<Value>(&entry.details).unwrap_or_default(),
        "hash": row.hash,
    })
}
