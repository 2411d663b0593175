//! `/audit`: who did what, newest first.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::show;
use super::form::{Pairs, query};
use super::shell::{View, shown};
use crate::domain::{AuditRow, Role, Timestamp};
use crate::store::AuditQuery;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::error::Answer;

/// Rows of one page.
const PAGE: u32 = 100;

#[derive(Debug, Serialize)]
pub struct Audit {
    /// Only what this one did; empty for all.
    pub who: String,
    pub rows: Vec<Line>,
    pub first: Option<String>,
    pub next: Option<String>,
}

impl View for Audit {
    const TEMPLATE: &'static str = "audit";
}

#[derive(Debug, Serialize)]
pub struct Line {
    pub number: i64,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
    pub who: String,
    /// The list of what this one did.
    pub only: String,
    pub via: &'static str,
    pub role: Option<Role>,
    pub verb: String,
    pub subject: String,
    /// Empty where there is nothing to say.
    pub details: String,
}

impl Line {
    /// A row as the page shows it.
    #[must_use]
    pub fn new(row: AuditRow) -> Self {
        let entry = row.entry;
        Self {
            number: row.number,
            at: entry.at,
            only: page_of(&entry.who, None),
            who: entry.who,
            via: entry.via.as_str(),
            role: entry.role,
            verb: entry.verb,
            subject: entry.subject,
            details: if entry.details == "{}" { String::new() } else { shown(&entry.details) },
        }
    }
}

fn page_of(who: &str, after: Option<&str>) -> String {
    format!("/audit{}", query(&[("who", who), ("after", after.unwrap_or_default())]))
}

/// `GET /audit?who=&after=`
///
/// # Errors
/// 403 for others than admins, 422 for a place that the list does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Admin) -> Answer {
    let pairs = Pairs::of_query(&request);
    let who = shown(pairs.text("who"));
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let after = some(pairs.text("after"));
    let further = after.is_some();
    let page = state.store.audit_rows(AuditQuery { who: some(&who), newest_first: true, after, limit: PAGE }).await??;
    let body = Audit {
        rows: page.items.into_iter().map(Line::new).collect(),
        first: further.then(|| page_of(&who, None)),
        next: page.next.as_deref().map(|next| page_of(&who, Some(next))),
        who,
    };
    show(&request, body)
}
