//! `/audit`: who did what, newest first.

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{NaiveDate, TimeDelta};
use futures_util::StreamExt as _;
use futures_util::stream::{once, unfold};
use serde::Serialize;
use std::future::ready;

use super::answer::show;
use super::form::{Pairs, query};
use super::shell::{View, shown};
use crate::domain::{AuditRow, Role, Timestamp, millis_rfc3339};
use crate::store::AuditQuery;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::api::audit::AuditView;
use crate::web::error::{Answer, ApiError};

/// Rows of one page.
const PAGE: u32 = 100;
/// Rows read at once for an export.
const EXPORTED_AT_ONCE: u32 = 500;

#[derive(Debug, Serialize)]
pub struct Audit {
    pub filter: Filter,
    pub filtered: bool,
    pub as_csv: String,
    pub as_json_lines: String,
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
            only: Filter { who: entry.who.clone(), ..Filter::default() }.path("/audit", ("", "")),
            who: entry.who,
            via: entry.via.as_str(),
            role: entry.role,
            verb: entry.verb,
            subject: entry.subject,
            details: if entry.details == "{}" { String::new() } else { shown(&entry.details) },
        }
    }
}

/// What is asked of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Only what this one did; empty for all.
    pub who: String,
    pub verb: String,
    pub subject: String,
    /// Days, the last one included: `2026-11-22`.
    pub from: String,
    pub to: String,
}

impl Filter {
    fn of(pairs: &Pairs) -> Self {
        let text = |name| shown(pairs.text(name));
        let day = |name| Some(text(name)).filter(|text| midnight(text).is_some()).unwrap_or_default();
        let (who, verb, subject) = (text("who"), text("verb"), text("subject"));
        Self { who, verb, subject, from: day("from"), to: day("to") }
    }

    fn query(&self, after: Option<String>, limit: u32) -> AuditQuery {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        AuditQuery {
            who: some(&self.who),
            verb: some(&self.verb),
            subject: some(&self.subject),
            from: midnight(&self.from),
            to: midnight(&self.to).and_then(|day| day.checked_add_signed(TimeDelta::days(1))),
            newest_first: true,
            after,
            limit,
        }
    }

    fn path(&self, path: &str, more: (&str, &str)) -> String {
        let Self { who, verb, subject, from, to } = self;
        let own = [("who", who), ("verb", verb), ("subject", subject), ("from", from), ("to", to)];
        let pairs: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).chain([more]).collect();
        format!("{path}{}", query(&pairs))
    }
}

fn midnight(day: &str) -> Option<Timestamp> {
    Some(day.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?.and_utc())
}

/// `GET /audit?who=&verb=&subject=&from=&to=&after=`
///
/// # Errors
/// 403 for others than admins, 422 for a place that the list does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Admin) -> Answer {
    let pairs = Pairs::of_query(&request);
    let filter = Filter::of(&pairs);
    let after = Some(pairs.text("after").to_owned()).filter(|text| !text.is_empty());
    let further = after.is_some();
    let page = state.store.audit_rows(filter.query(after, PAGE)).await??;
    let body = Audit {
        rows: page.items.into_iter().map(Line::new).collect(),
        first: further.then(|| filter.path("/audit", ("", ""))),
        next: page.next.as_deref().map(|next| filter.path("/audit", ("after", next))),
        as_csv: filter.path("/audit/export", ("format", "csv")),
        as_json_lines: filter.path("/audit/export", ("format", "jsonl")),
        filtered: filter != Filter::default(),
        filter,
    };
    show(&request, body)
}

/// `GET /audit/export?format=csv|jsonl`, and the filter of the page: all of it, a page of rows at a time.
///
/// # Errors
/// 403 for others than admins, 422 for another format.
pub async fn export(request: HttpRequest, state: web::Data<WebState>, _: Admin) -> Answer {
    let pairs = Pairs::of_query(&request);
    let (write, head, kind, name): (fn(&AuditRow) -> String, _, _, _) = match pairs.text("format") {
        "csv" => (csv_line, CSV_HEAD, "text/csv; charset=utf-8", "audit.csv"),
        "jsonl" => (json_line, "", "application/x-ndjson", "audit.jsonl"),
        _ => return Err(ApiError::field("format", "is csv or jsonl")),
    };
    let (store, filter) = (state.store.clone(), Filter::of(&pairs));
    let rows = unfold(Some(None), move |place: Option<Option<String>>| {
        let (store, query) = (store.clone(), place.map(|after| filter.query(after, EXPORTED_AT_ONCE)));
        async move {
            let page = match store.audit_rows(query?).await {
                Ok(Ok(page)) => page,
                Ok(Err(bad)) => return Some((Err(ApiError::from(bad)), None)),
                Err(error) => return Some((Err(ApiError::from(error)), None)),
            };
            let text: String = page.items.iter().map(write).collect();
            Some((Ok(Bytes::from(text)), page.next.map(Some)))
        }
    });
    let begin = once(ready(Ok::<_, ApiError>(Bytes::from_static(head.as_bytes()))));
    let disposition = format!("attachment; filename=\"{name}\"");
    let mut answer = HttpResponse::Ok();
    answer.content_type(kind).insert_header((header::CONTENT_DISPOSITION, disposition));
    Ok(answer.streaming(begin.chain(rows)))
}

const CSV_HEAD: &str = "number,at,who,via,role,verb,subject,details,hash\r\n";

fn csv_line(row: &AuditRow) -> String {
    let entry = &row.entry;
    let (number, at) = (row.number.to_string(), millis_rfc3339::text(entry.at));
    let role = entry.role.map(|role| role.to_string()).unwrap_or_default();
    let via = entry.via.as_str();
    let fields: [&str; 9] =
        [&number, &at, &entry.who, via, &role, &entry.verb, &entry.subject, &entry.details, row.hash.as_str()];
    format!("{}\r\n", fields.map(csv_field).join(","))
}

/// Quoted; what a spreadsheet would take for a formula gets an apostrophe before it.
fn csv_field(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, text.replace('"', "\"\""))
}

fn json_line(row: &AuditRow) -> String {
    // A row is plain text and numbers; if it can't be written, an empty line shows where it stood.
    serde_json::to_string(&AuditView::new(row)).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula_and_none_breaks_out_of_its_quotes() {
        assert_eq!(csv_field("=1+1"), "\"'=1+1\"");
        assert_eq!(csv_field("@x"), "\"'@x\"");
        assert_eq!(csv_field("a \"b\", c"), "\"a \"\"b\"\", c\"");
    }

    #[test]
    fn a_day_ends_with_the_next_midnight_and_nonsense_is_no_day() {
        let pairs = [("from", "2026-11-22"), ("to", "2026-11-22"), ("who", "ann")];
        let filter = Filter::of(&Pairs(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()));
        let query = filter.query(None, 1);
        assert_eq!(query.to.unwrap() - query.from.unwrap(), TimeDelta::days(1));
        assert_eq!(filter.path("/audit", ("after", "x")), "/audit?who=ann&from=2026-11-22&to=2026-11-22&after=x");
        assert_eq!(Filter::of(&Pairs(vec![("from".to_owned(), "soon".to_owned())])), Filter::default());
    }
}
