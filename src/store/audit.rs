//! The audit log: rows are added, and never changed. The end of the chain is a row of its own, by which what is
//! taken away at the end is found too, and on which programs that write at the same time wait for each other.

use diesel::prelude::*;

use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::dialect::Sql;
use super::schema::{audit, audit_head};
use super::stored::{instant, millis, optional, parsed, sha256};
use super::{AddPackage, DeletePackage, Outcome, Result, Saved, Store};
use crate::domain::{ApiToken, AuditEntry, AuditHead, AuditRow, EnrolmentToken, KeyId, Role, Timestamp, User};

/// Rows checked at once.
const CHUNK: i64 = 1000;

/// Which rows of the log.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub who: Option<String>,
    /// `rollout.start`, or `rollout` for all that was done to rollouts.
    pub verb: Option<String>,
    pub subject: Option<String>,
    /// From this instant on, and before that one.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub newest_first: bool,
    pub after: Option<String>,
    /// 1 to 500.
    pub limit: u32,
}

/// What a check of the chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheck {
    /// The last row that is right.
    pub head: AuditHead,
    /// What is wrong with the first row that is not.
    pub wrong: Option<String>,
}

/// Whether a verb did anything: an act that changed nothing leaves no line.
pub(super) trait Acted {
    fn acted(&self) -> bool {
        true
    }
}

impl Acted for () {}
impl Acted for User {}
impl Acted for ApiToken {}
impl Acted for EnrolmentToken {}
impl Acted for KeyId {}
impl Acted for Saved {}
impl Acted for bool {
    fn acted(&self) -> bool {
        *self
    }
}
impl Acted for u64 {
    fn acted(&self) -> bool {
        *self > 0
    }
}
impl Acted for AddPackage {
    fn acted(&self) -> bool {
        matches!(self, Self::Added(_))
    }
}
impl Acted for DeletePackage {
    fn acted(&self) -> bool {
        matches!(self, Self::Deleted { .. })
    }
}
impl<T: Acted> Acted for Option<T> {
    fn acted(&self) -> bool {
        self.as_ref().is_some_and(Acted::acted)
    }
}

impl Store {
    /// The same store; what people do through it leaves this line in the log, in the same transaction.
    #[must_use]
    pub fn audited(&self, entry: AuditEntry) -> Self {
        Self { entry: Some(entry), ..self.clone() }
    }

    /// Adds a line of its own, for what is written elsewhere or not at all.
    pub async fn audit(&self, entry: AuditEntry) -> Result<()> {
        self.audited(entry).act(|_| Ok(())).await
    }

    /// Runs a person's or a program's verb in the writer's next transaction, and adds the line it shall leave.
    pub(super) async fn act<T, F>(&self, mut verb: F) -> Result<T>
    where
        T: Acted + Send + 'static,
        F: FnMut(&mut Db) -> Outcome<T> + Send + 'static,
    {
        let entry = self.entry.clone();
        self.write(move |db| {
            let outcome = verb(db)?;
            if let Some(entry) = entry.as_ref().filter(|_| outcome.acted()) {
                append(db, entry)?;
            }
            Ok(outcome)
        })
        .await
    }

    /// Oldest or newest first.
    pub async fn audit_rows(&self, query: AuditQuery) -> Result<Result<Page<AuditRow>, BadCursor>> {
        let list = if query.newest_first { "-audit" } else { "audit" };
        let place: Option<i64> = match cursor::decode(list, query.after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        let limit = cursor::clamp(query.limit);
        let page = self.read(move |db| {
            let mut rows = audit::table.select(Row::as_select()).limit(limit as i64 + 1).into_boxed();
            if let Some(who) = query.who {
                rows = rows.filter(audit::who.eq(who));
            }
            if let Some(verb) = query.verb {
                let kind = format!("{}.%", verb.replace(['%', '_'], ""));
                rows = rows.filter(audit::verb.eq(verb).or(audit::verb.like(kind)));
            }
            if let Some(subject) = query.subject {
                rows = rows.filter(audit::subject.eq(subject));
            }
            if let Some(from) = query.from {
                rows = rows.filter(audit::created_at.ge(millis(from)));
            }
            if let Some(to) = query.to {
                rows = rows.filter(audit::created_at.lt(millis(to)));
            }
            rows = match (query.newest_first, place) {
                (true, None) => rows.order(audit::number.desc()),
                (true, Some(place)) => rows.filter(audit::number.lt(place)).order(audit::number.desc()),
                (false, None) => rows.order(audit::number),
                (false, Some(place)) => rows.filter(audit::number.gt(place)).order(audit::number),
            };
            let (rows, next) = cursor::page(rows.load(db)?, limit, |row: &Row| cursor::encode(list, &row.number));
            let items = rows.into_iter().map(Row::row).collect::<Outcome<_>>()?;
            Ok(Page { items, next })
        });
        page.await.map(Ok)
    }

    /// Goes through the whole chain.
    pub async fn check_audit(&self) -> Result<AuditCheck> {
        // The end first: rows that are added meanwhile stand behind it.
        let end = self.read(head).await?;
        let mut head = AuditHead::empty();
        loop {
            let behind = head.number;
            let rows: Vec<Row> = self
                .read(move |db| {
                    let rows = audit::table.filter(audit::number.gt(behind)).order(audit::number).limit(CHUNK);
                    Ok(rows.select(Row::as_select()).load(db)?)
                })
                .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let number = row.number;
                let followed = match row.row() {
                    Ok(row) => head.follow(&row),
                    Err(_) => Err(format!("row {number} was changed: it can't be read")),
                };
                if let Err(wrong) = followed {
                    return Ok(AuditCheck { head, wrong: Some(wrong) });
                }
            }
        }
        let wrong = (head.number < end.number)
            .then(|| format!("row {} is missing: the log ended with row {}", head.number + 1, end.number));
        Ok(AuditCheck { head, wrong })
    }
}

fn head(db: &mut Db) -> Outcome<AuditHead> {
    let (number, hash): (i64, String) =
        audit_head::table.find(1).select((audit_head::number, audit_head::hash)).get_result(db)?;
    Ok(AuditHead { number, hash: sha256(&hash)? })
}

fn append(db: &mut Db, entry: &AuditEntry) -> Outcome<()> {
    // Takes the row's lock where a database has such: another program's line comes before or behind this one.
    Sql::new("UPDATE audit_head SET number = number WHERE id = 1").execute(db)?;
    let row = head(db)?.next(entry.clone());
    let AuditRow { number, entry, hash } = &row;
    let values = (
        audit::number.eq(number),
        audit::created_at.eq(millis(entry.at)),
        audit::who.eq(&entry.who),
        audit::via.eq(entry.via.as_str()),
        audit::role.eq(entry.role.map(|role| role.to_string())),
        audit::verb.eq(&entry.verb),
        audit::subject.eq(&entry.subject),
        audit::details.eq(&entry.details),
        audit::hash.eq(hash.as_str()),
    );
    diesel::insert_into(audit::table).values(values).execute(db)?;
    let end = (audit_head::number.eq(number), audit_head::hash.eq(hash.as_str()));
    Ok(diesel::update(audit_head::table.find(1)).set(end).execute(db).map(drop)?)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit)]
struct Row {
    number: i64,
    created_at: i64,
    who: String,
    via: String,
    role: Option<String>,
    verb: String,
    subject: String,
    details: String,
    hash: String,
}

impl Row {
    fn row(self) -> Outcome<AuditRow> {
        let role: Option<Role> = optional(self.role.as_deref())?;
        let entry = AuditEntry {
            at: instant(self.created_at)?,
            who: self.who,
            via: parsed(&self.via)?,
            role,
            verb: self.verb,
            subject: self.subject,
            details: self.details,
        };
        Ok(AuditRow { number: self.number, entry, hash: sha256(&self.hash)? })
    }
}
