//! Who did what: the one place where handlers say it.
//!
//! What goes through the store is done with [`WebState::acting`], and its line is in the same transaction. What an
//! actor writes is told by [`WebState::tell`] as soon as it is done.

use serde_json::Value;

use super::WebState;
use super::access::{Via, Who};
use crate::domain::{AuditEntry, AuditVia, User};
use crate::store::Store;

impl WebState {
    fn entry(&self, who: &Who, verb: &str, subject: &str, details: &Value) -> AuditEntry {
        let via = match who.via {
            Via::Session { .. } => AuditVia::User,
            Via::Token { .. } => AuditVia::Token,
        };
        AuditEntry::new(self.clock.now(), verb, subject, details).by(&who.name, via, Some(who.role))
    }

    /// The store, to do one thing through; if it does anything, the log has this line.
    #[must_use]
    pub fn acting(&self, who: &Who, verb: &str, subject: &str, details: &Value) -> Store {
        self.store.audited(self.entry(who, verb, subject, details))
    }

    /// Adds a line about what was just done elsewhere. It is done whatever becomes of the line, so a failure is only
    /// logged.
    pub async fn tell(&self, who: &Who, verb: &str, subject: &str, details: &Value) {
        self.add(self.entry(who, verb, subject, details)).await;
    }

    /// Adds a line about a user who has no session yet, or about somebody who only claims a name.
    pub async fn tell_of(&self, user: Result<&User, &str>, verb: &str, details: &Value) {
        let (name, via, role) = match user {
            Ok(user) => (user.name.as_str(), AuditVia::User, Some(user.role)),
            Err(claimed) => (claimed, AuditVia::Stranger, None),
        };
        self.add(AuditEntry::new(self.clock.now(), verb, name, details).by(name, via, role)).await;
    }

    async fn add(&self, entry: AuditEntry) {
        let (who, verb) = (entry.who.clone(), entry.verb.clone());
        if let Err(error) = self.store.audit(entry).await {
            tracing::error!(%error, who, verb, "an act could not be put into the audit log");
        }
    }
}
