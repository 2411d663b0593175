//! Who did what: lines that hold each other, so that none can be changed or taken away unseen.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::{Role, Sha256Hex, Timestamp};

/// Something that a person or a program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    /// The name of the user or of the token.
    pub who: String,
    pub via: AuditVia,
    /// `None` for who has none: the command line, a stranger.
    pub role: Option<Role>,
    /// `rollout.start`, `user.delete`.
    pub verb: String,
    /// What it was done to.
    pub subject: String,
    /// A JSON object, as text: the text is what is hashed.
    pub details: String,
}

/// By which way somebody acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditVia {
    /// A person, signed in.
    User,
    /// A program, by an API token.
    Token,
    /// Somebody with the data folder in hand.
    CommandLine,
    /// Nobody that is known: a sign-in that failed.
    Stranger,
}

impl AuditVia {
    /// The one spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::CommandLine => "command_line",
            Self::Stranger => "stranger",
        }
    }
}

impl fmt::Display for AuditVia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AuditVia {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::User, Self::Token, Self::CommandLine, Self::Stranger];
        all.into_iter().find(|via| via.as_str() == text).ok_or_else(|| format!("{text:?} is no way to act"))
    }
}

/// Characters kept of a name, and of what was acted on.
const WHO: usize = 190;
const SUBJECT: usize = 255;

impl AuditEntry {
    /// An entry by somebody with the data folder in hand.
    #[must_use]
    pub fn new(at: Timestamp, verb: &str, subject: &str, details: &Value) -> Self {
        Self {
            at,
            who: "command line".to_owned(),
            via: AuditVia::CommandLine,
            role: None,
            verb: verb.to_owned(),
            subject: subject.chars().take(SUBJECT).collect(),
            details: details.to_string(),
        }
    }

    /// The same by somebody else.
    #[must_use]
    pub fn by(self, who: &str, via: AuditVia, role: Option<Role>) -> Self {
        Self { who: who.chars().take(WHO).collect(), via, role, ..self }
    }
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// From 1, without gaps.
    pub number: i64,
    pub entry: AuditEntry,
    /// See `docs/api.md`: over the hash before and this line.
    pub hash: Sha256Hex,
}

/// The end of the chain: number and hash of its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    pub number: i64,
    pub hash: Sha256Hex,
}

impl AuditHead {
    /// The end of a chain without rows.
    #[must_use]
    pub fn empty() -> Self {
        Self { number: 0, hash: Sha256Hex::from_digest(&[0; 32]) }
    }

    /// The row that an entry becomes behind this.
    #[must_use]
    pub fn next(&self, entry: AuditEntry) -> AuditRow {
        let number = self.number + 1;
        let hash = AuditRow::hash_behind(&self.hash, number, &entry);
        AuditRow { number, entry, hash }
    }

    /// Whether a row stands rightly behind this, which then is the end.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn follow(&mut self, row: &AuditRow) -> Result<(), String> {
        if row.number != self.number + 1 {
            return Err(format!("row {} is missing: row {} stands in its place", self.number + 1, row.number));
        }
        if AuditRow::hash_behind(&self.hash, row.number, &row.entry) != row.hash {
            return Err(format!("row {} was changed, or what stands before it", row.number));
        }
        *self = Self { number: row.number, hash: row.hash.clone() };
        Ok(())
    }
}

impl AuditRow {
    /// The SHA-256 of the hash before, a line feed, and the row as a JSON array without spaces:
    /// `[number,milliseconds,who,via,role,verb,subject,details]`, with `details` as text.
    fn hash_behind(previous: &Sha256Hex, number: i64, entry: &AuditEntry) -> Sha256Hex {
        let AuditEntry { at, who, via, role, verb, subject, details } = entry;
        let role = role.map(|role| role.to_string());
        let row = serde_json::json!([number, at.timestamp_millis(), who, via.as_str(), role, verb, subject, details]);
        Sha256Hex::of(format!("{previous}\n{row}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<AuditRow> {
        let mut head = AuditHead::empty();
        let mut rows = Vec::new();
        for number in 0..5 {
            let at = Timestamp::from_timestamp(1_800_000_000 + number, 0).unwrap();
            let entry = AuditEntry::new(at, "device.change", "t-1", &serde_json::json!({ "name": number }));
            let row = head.next(entry.by("ann", AuditVia::User, Some(Role::Operator)));
            head.follow(&row).unwrap();
            rows.push(row);
        }
        rows
    }

    fn first_wrong(rows: &[AuditRow]) -> Option<String> {
        let mut head = AuditHead::empty();
        rows.iter().find_map(|row| head.follow(row).err())
    }

    #[test]
    fn a_row_that_was_changed_or_taken_away_is_found() {
        assert_eq!(first_wrong(&chain()), None);
        let changes: [fn(&mut AuditRow); 6] = [
            |row| row.entry.who = "bob".to_owned(),
            |row| row.entry.details = "{}".to_owned(),
            |row| row.entry.at += chrono::TimeDelta::milliseconds(1),
            |row| row.entry.role = None,
            |row| row.entry.subject.push('x'),
            |row| row.hash = Sha256Hex::of(b"x"),
        ];
        for change in changes {
            let mut rows = chain();
            change(&mut rows[2]);
            assert_eq!(first_wrong(&rows).unwrap(), "row 3 was changed, or what stands before it");
        }
        let mut rows = chain();
        rows.remove(1);
        assert_eq!(first_wrong(&rows).unwrap(), "row 2 is missing: row 3 stands in its place");
    }
}
