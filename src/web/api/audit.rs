//! `/api/v1/audit`: who did what.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;

use super::list;
use crate::domain::{AuditRow, Role, Timestamp, millis_rfc3339};
use crate::store::AuditQuery;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::error::{Answer, ApiError};
use crate::web::params::Params;

/// JSON, one document a line.
const LINES: &str = "application/x-ndjson";

/// `GET /api/v1/audit?who=&verb=&subject=&from=&to=&limit=&after=`: oldest first; as JSON lines for who accepts `application/x-ndjson`, and
/// then the place of the next page is in the header `X-Next`.
///
/// # Errors
/// 422
pub async fn all(request: HttpRequest, state: web::Data<WebState>, _: Admin, mut params: Params) -> Answer {
    let query = AuditQuery {
        who: params.text("who"),
        verb: params.text("verb"),
        subject: params.text("subject"),
        from: params.time("from"),
        to: params.time("to"),
        newest_first: false,
        after: params.text("after"),
        limit: params.limit(),
    };
    params.finish()?;
    let page = state.store.audit_rows(query).await??;
    let rows: Vec<AuditView<'_>> = page.items.iter().map(AuditView::new).collect();
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.contains(LINES) {
        return Ok(list(&rows, page.next.as_deref()));
    }
    let lines = rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>().map_err(ApiError::internal)?;
    let body: String = lines.into_iter().map(|line| line + "\n").collect();
    let mut answer = HttpResponse::Ok();
    answer.content_type(LINES);
    if let Some(next) = page.next {
        answer.insert_header(("x-next", next));
    }
    Ok(answer.body(body))
}

/// A line of the log.
#[derive(Debug, Serialize)]
pub struct AuditView<'a> {
    number: i64,
    #[serde(with = "millis_rfc3339")]
    at: Timestamp,
    who: &'a str,
    via: &'static str,
    role: Option<Role>,
    verb: &'a str,
    subject: &'a str,
    /// As it was hashed; `null` where that is no JSON any more.
    details: Option<&'a RawValue>,
    hash: &'a str,
}

impl<'a> AuditView<'a> {
    /// A row as programs read it.
    #[must_use]
    pub fn new(row: &'a AuditRow) -> Self {
        let entry = &row.entry;
        Self {
            number: row.number,
            at: entry.at,
            who: &entry.who,
            via: entry.via.as_str(),
            role: entry.role,
            verb: &entry.verb,
            subject: &entry.subject,
            details: serde_json::from_str(&entry.details).ok(),
            hash: row.hash.as_str(),
        }
    }
}
