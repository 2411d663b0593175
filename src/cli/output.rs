//! Printing data: a table for people, JSON for programs.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

use serde_json::Value;

use super::CliError;

/// Standard output.
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether `--json` was given.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// One line.
    pub fn line(&self, text: impl Display) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => CliError::NobodyReads,
            _ => CliError::Failed(format!("standard output: {error}")),
        })
    }

    /// A JSON document.
    pub fn value(&self, value: &Value) -> Result<(), CliError> {
        self.line(format!("{value:#}"))
    }

    /// A table, or with `--json` `{"items":[...]}` of the same rows in full.
    pub fn list(&self, head: &[&str], items: Vec<Value>, row: fn(&Value) -> Vec<String>) -> Result<(), CliError> {
        if self.json {
            return self.value(&serde_json::json!({ "items": items }));
        }
        let rows: Vec<Vec<String>> = items.iter().map(row).collect();
        self.table(head, &rows)
    }

    /// Rows in columns as wide as they need.
    pub fn table(&self, head: &[&str], rows: &[Vec<String>]) -> Result<(), CliError> {
        let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
        let shown: Vec<Vec<String>> =
            std::iter::once(&head).chain(rows).map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
        let width = |column: usize| {
            shown.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        for row in &shown {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            self.line(cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A device may name itself anything: what would steer a terminal is shown as `?`.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The text at a path within a JSON document (`/report/speed`); `-` where there is none.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_steer_the_terminal() {
        assert_eq!(visible("a\u{1b}[2Jb\n"), "a?[2Jb?");
    }
}
