//! The list of devices: filters, orders, pages.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use serde::{Deserialize, Serialize};

use super::attention::Watched;
use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::devices::{DeviceRow, with_details};
use super::dialect::{Sql, Value, containing};
use super::filtering::For;
use super::matching::Facts;
use super::stored::whole;
use super::{Outcome, Result, Store, attention, filtering};
use crate::domain::{Device, Filter, ModuleName, Version};

/// Which devices, in which order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceQuery {
    /// Part of the name or `device_id`, whatever the case.
    pub q: Option<String>,
    pub online: Option<bool>,
    /// `region=east`, or `region` for any value.
    pub tag: Option<(String, Option<String>)>,
    pub module: Option<ModuleName>,
    /// Of `module`, or of any module when that is `None`.
    pub version: Option<Version>,
    /// ... and fit this.
    pub filter: Option<Filter>,
    /// ... and are in this trouble.
    pub attention: Option<Watched>,
    pub sort: DeviceSort,
    pub descending: bool,
    pub after: Option<String>,
    /// 1 to 500.
    pub limit: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceSort {
    #[default]
    Name,
    DeviceId,
    /// Online first (ascending), then since when.
    Online,
    /// When the last report came.
    LastReport,
}

/// A stretch of an order: rows that one index has in this order, which a page walks one after the other.
struct Stretch {
    from: &'static str,
    which: &'static str,
    /// What is sorted by, before the key_id.
    column: Option<&'static str>,
}

const ALL: Stretch = Stretch { from: DEVICES, which: "1 = 1", column: None };
const DEVICES: &str = "devices d LEFT JOIN device_status s ON s.key_id = d.key_id";
/// The status first: its index has the order.
const STATUSES: &str = "device_status s CROSS JOIN devices d ON d.key_id = s.key_id";
const UNREPORTED: &str = "d.key_id NOT IN (SELECT key_id FROM device_status WHERE received_at >= 0)";

impl DeviceSort {
    /// Ascending; descending it is the last stretch first, each from its end.
    fn stretches(self) -> Vec<Stretch> {
        match self {
            Self::Name => vec![Stretch { column: Some("d.search_key"), ..ALL }],
            Self::DeviceId => vec![Stretch { column: Some("d.device_id"), ..ALL }],
            Self::Online => vec![
                Stretch { which: "d.online = 1", column: Some("d.since"), ..ALL },
                Stretch { which: "d.online = 0", column: Some("d.since"), ..ALL },
            ],
            Self::LastReport => vec![
                Stretch { which: UNREPORTED, ..ALL },
                Stretch { from: STATUSES, which: "1 = 1", column: Some("s.received_at") },
            ],
        }
    }

    /// The cursor's list: an order is a list of its own.
    fn list(self, descending: bool) -> &'static str {
        match (self, descending) {
            (Self::Name, false) => "name",
            (Self::Name, true) => "-name",
            (Self::DeviceId, false) => "device_id",
            (Self::DeviceId, true) => "-device_id",
            (Self::Online, false) => "online",
            (Self::Online, true) => "-online",
            (Self::LastReport, false) => "last_report",
            (Self::LastReport, true) => "-last_report",
        }
    }
}

/// Where a page ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Place {
    /// Which stretch, as walked.
    stretch: usize,
    /// The value of the sorted column; `None` where the key_id alone is the order.
    value: Option<Sorted>,
    key: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Sorted {
    Number(i64),
    Text(String),
}

impl From<Sorted> for Value {
    fn from(sorted: Sorted) -> Self {
        match sorted {
            Sorted::Number(number) => number.into(),
            Sorted::Text(text) => text.into(),
        }
    }
}

impl Store {
    pub async fn devices(&self, query: DeviceQuery) -> Result<Result<Page<Device>, BadCursor>> {
        let list = query.sort.list(query.descending);
        let place: Option<Place> = match cursor::decode(list, query.after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        let stretches = query.sort.stretches();
        let fits = |place: &Place| stretches.get(place.stretch).is_some();
        if !place.as_ref().is_none_or(fits) {
            return Ok(Err(BadCursor));
        }
        self.read(move |db| page(db, &query, place)).await.map(Ok)
    }

    /// How many match, paging aside.
    pub async fn device_count(&self, query: DeviceQuery) -> Result<u64> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            devices: i64,
        }
        self.read(move |db| {
            let condition = said(db, &query, For::Count)?;
            if let Some(filter) = query.filter.as_ref().filter(|_| condition.is_none()) {
                let rows = rows_that_fit(db, &query, filter)?;
                return Ok(rows.len() as u64);
            }
            let sql = Sql::new(&format!("SELECT COUNT(*) AS devices FROM {DEVICES} WHERE 1 = 1"));
            let sql = filtered(db, sql, &query, For::Count)?;
            let rows: Vec<Row> = and(sql, condition).load(db)?;
            rows.first().map_or(Ok(0), |row| whole(row.devices))
        })
        .await
    }

    /// The keys of all that match, in no order.
    pub(super) async fn matching_keys(&self, query: DeviceQuery) -> Result<Vec<i64>> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            key_id: i64,
        }
        self.read(move |db| {
            let condition = said(db, &query, For::Count)?;
            if let Some(filter) = query.filter.as_ref().filter(|_| condition.is_none()) {
                let rows = rows_that_fit(db, &query, filter)?;
                return Ok(rows.into_iter().map(|row| row.key_id).collect());
            }
            let sql = Sql::new(&format!("SELECT d.key_id FROM {DEVICES} WHERE 1 = 1"));
            let sql = filtered(db, sql, &query, For::Count)?;
            let rows: Vec<Row> = and(sql, condition).load(db)?;
            Ok(rows.into_iter().map(|row| row.key_id).collect())
        })
        .await
    }
}

/// The query's filter as a condition, where it can be said as one.
fn said(db: &mut Db, query: &DeviceQuery, purpose: For) -> Outcome<Option<Sql>> {
    query.filter.as_ref().map_or(Ok(None), |filter| filtering::condition(db, filter, purpose))
}

fn and(sql: Sql, condition: Option<Sql>) -> Sql {
    match condition {
        Some(condition) => sql.push(" AND (").append(condition).push(")"),
        None => sql,
    }
}

fn rows_that_fit(db: &mut Db, query: &DeviceQuery, filter: &Filter) -> Outcome<Vec<DeviceRow>> {
    let sql = Sql::new(&format!("SELECT {COLUMNS} FROM {DEVICES} WHERE 1 = 1"));
    let rows: Vec<ListRow> = filtered(db, sql, query, For::Count)?.load(db)?;
    let rows: Vec<DeviceRow> = rows.into_iter().map(ListRow::device_row).collect();
    Facts::of(db, &rows, filter)?.fitting(filter, rows)
}

const COLUMNS: &str = "d.key_id, d.device_id, d.name, d.search_key, d.online, d.since, d.created_at, \
                       d.may_enrol_again, d.sets, COALESCE(s.received_at, 0) AS last_report";

/// Rows that are read at once to be held against a filter.
const SCAN: usize = 1000;

#[derive(Clone, QueryableByName)]
struct ListRow {
    #[diesel(sql_type = BigInt)]
    key_id: i64,
    #[diesel(sql_type = Text)]
    device_id: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    search_key: String,
    #[diesel(sql_type = Bool)]
    online: bool,
    #[diesel(sql_type = BigInt)]
    since: i64,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = Bool)]
    may_enrol_again: bool,
    #[diesel(sql_type = Bool)]
    sets: bool,
    #[diesel(sql_type = BigInt)]
    last_report: i64,
}

impl ListRow {
    fn place(&self, sort: DeviceSort, stretch: usize, sorted: bool) -> Place {
        let value = sorted.then(|| match sort {
            DeviceSort::Name => Sorted::Text(self.search_key.clone()),
            DeviceSort::DeviceId => Sorted::Text(self.device_id.clone()),
            DeviceSort::Online => Sorted::Number(self.since),
            DeviceSort::LastReport => Sorted::Number(self.last_report),
        });
        Place { stretch, value, key: self.key_id }
    }

    fn device_row(self) -> DeviceRow {
        DeviceRow {
            key_id: self.key_id,
            device_id: self.device_id,
            name: self.name,
            online: self.online,
            since: self.since,
            created_at: self.created_at,
            may_enrol_again: self.may_enrol_again,
            sets: self.sets,
        }
    }
}

fn page(db: &mut Db, query: &DeviceQuery, place: Option<Place>) -> Outcome<Page<Device>> {
    let limit = cursor::clamp(query.limit);
    let condition = said(db, query, For::Page)?;
    // A filter that is no condition is held against the rows, more of which are read.
    let held = query.filter.as_ref().filter(|_| condition.is_none());
    let most = if held.is_some() { SCAN } else { limit + 1 };
    let mut stretches = query.sort.stretches();
    if query.descending {
        stretches.reverse();
    }
    let begin = place.as_ref().map_or(0, |place| place.stretch);
    let mut place = place;
    let mut found: Vec<(ListRow, Place)> = Vec::new();
    for (number, stretch) in stretches.iter().enumerate().skip(begin) {
        while found.len() <= limit {
            let rows = rows_behind(db, query, stretch, condition.clone(), place.take(), most)?;
            let at_the_end = rows.len() < most;
            let place_of = |row: &ListRow| row.place(query.sort, number, stretch.column.is_some());
            place = rows.last().map(place_of);
            let rows = match held {
                Some(filter) => fitting(db, filter, rows)?,
                None => rows,
            };
            found.extend(rows.into_iter().map(|row| {
                let place = place_of(&row);
                (row, place)
            }));
            if at_the_end {
                break;
            }
        }
        place = None;
    }
    let list = query.sort.list(query.descending);
    let (rows, next) = cursor::page(found, limit, |(_, place)| cursor::encode(list, place));
    let items = with_details(db, rows.into_iter().map(|(row, _)| row.device_row()).collect())?;
    Ok(Page { items, next })
}

fn rows_behind(
    db: &mut Db,
    query: &DeviceQuery,
    stretch: &Stretch,
    condition: Option<Sql>,
    place: Option<Place>,
    most: usize,
) -> Outcome<Vec<ListRow>> {
    let Stretch { from, which, column } = *stretch;
    let sql = Sql::new(&format!("SELECT {COLUMNS} FROM {from} WHERE {which}"));
    let sql = filtered(db, sql, query, For::Page)?;
    let mut sql = and(sql, condition);
    let (than, direction) = if query.descending { ("<", " DESC") } else { (">", "") };
    if let Some(Place { value, key, .. }) = place {
        sql = match (column, value) {
            (Some(column), Some(value)) => sql
                // The first part alone finds the place in an index.
                .push(&format!(" AND {column} {than}= ? AND ({column} {than} ? OR d.key_id {than} ?)"))
                .bind(value.clone())
                .bind(value)
                .bind(key),
            _ => sql.push(&format!(" AND d.key_id {than} ?")).bind(key),
        };
    }
    let order = column.map(|column| format!("{column}{direction}, ")).unwrap_or_default();
    Ok(sql.push(&format!(" ORDER BY {order}d.key_id{direction} LIMIT {most}")).load(db)?)
}

fn fitting(db: &mut Db, filter: &Filter, rows: Vec<ListRow>) -> Outcome<Vec<ListRow>> {
    let plain: Vec<DeviceRow> = rows.iter().cloned().map(ListRow::device_row).collect();
    let facts = Facts::of(db, &plain, filter)?;
    let mut fitting = Vec::new();
    for (row, plain) in rows.into_iter().zip(&plain) {
        if facts.fits(filter, plain)? {
            fitting.push(row);
        }
    }
    Ok(fitting)
}

fn filtered(db: &mut Db, mut sql: Sql, query: &DeviceQuery, purpose: For) -> Outcome<Sql> {
    if let Some(q) = query.q.as_deref().filter(|q| !q.is_empty()) {
        sql = sql.push(" AND d.search_key LIKE ? ESCAPE '!'").bind(containing(&q.to_lowercase()));
    }
    if let Some(online) = query.online {
        sql = sql.push(" AND d.online = ?").bind(online);
    }
    if let Some(watched) = query.attention {
        sql = attention::condition(sql, watched);
    }
    if let Some((name, value)) = &query.tag {
        let mut fits = Sql::new("name = ?").bind(name.as_str());
        if let Some(value) = value {
            fits = fits.push(" AND value = ?").bind(value.as_str());
        }
        sql = sql.push(" AND ").append(filtering::has_row(db, purpose, true, "device_tags", fits)?);
    }
    if query.module.is_some() || query.version.is_some() {
        let mut fits = Sql::new("1 = 1");
        if let Some(module) = &query.module {
            fits = fits.push(" AND module = ?").bind(module.as_str());
        }
        if let Some(version) = &query.version {
            fits = fits.push(" AND version = ?").bind(version.as_str());
        }
        sql = sql.push(" AND ").append(filtering::has_row(db, purpose, true, "device_modules", fits)?);
    }
    Ok(sql)
}
