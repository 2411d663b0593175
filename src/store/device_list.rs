//! The list of devices: filters, orders, pages.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use serde::{Deserialize, Serialize};

use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::devices::{DeviceRow, with_details};
use super::dialect::{Sql, Value, containing};
use super::matching::Facts;
use super::stored::whole;
use super::{Outcome, Result, Store};
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

impl DeviceSort {
    /// What is sorted by, before the key_id: a text and two numbers, of which a sort uses what it needs.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Name => &["d.search_key"],
            Self::DeviceId => &["d.device_id"],
            Self::Online => &["1 - d.online", "d.since"],
            Self::LastReport => &["COALESCE(s.received_at, 0)"],
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

/// Where a page ended: the values of the sorted columns, then the key_id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Place {
    Number(i64),
    Text(String),
}

impl From<Place> for Value {
    fn from(place: Place) -> Self {
        match place {
            Place::Number(number) => number.into(),
            Place::Text(text) => text.into(),
        }
    }
}

impl Store {
    pub async fn devices(&self, query: DeviceQuery) -> Result<Result<Page<Device>, BadCursor>> {
        let list = query.sort.list(query.descending);
        let place: Option<Vec<Place>> = match cursor::decode(list, query.after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        if place.as_ref().is_some_and(|place| place.len() != query.sort.columns().len() + 1) {
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
            if let Some(filter) = &query.filter {
                let rows: Vec<ListRow> = filtered(Sql::new(ROWS), &query).load(db)?;
                let rows: Vec<DeviceRow> = rows.into_iter().map(ListRow::device_row).collect();
                return Ok(Facts::of(db, &rows, filter)?.fitting(filter, rows)?.len() as u64);
            }
            let sql = filtered(Sql::new("SELECT COUNT(*) AS devices FROM devices d WHERE 1 = 1"), &query);
            let rows: Vec<Row> = sql.load(db)?;
            rows.first().map_or(Ok(0), |row| whole(row.devices))
        })
        .await
    }
}

const ROWS: &str = "SELECT d.key_id, d.device_id, d.name, d.search_key, d.online, d.since, d.created_at, \
                    d.may_enrol_again, d.sets, COALESCE(s.received_at, 0) AS last_report \
                    FROM devices d LEFT JOIN device_status s ON s.key_id = d.key_id WHERE 1 = 1";

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
    fn place(&self, sort: DeviceSort) -> Vec<Place> {
        let mut place = match sort {
            DeviceSort::Name => vec![Place::Text(self.search_key.clone())],
            DeviceSort::DeviceId => vec![Place::Text(self.device_id.clone())],
            DeviceSort::Online => vec![Place::Number(i64::from(!self.online)), Place::Number(self.since)],
            DeviceSort::LastReport => vec![Place::Number(self.last_report)],
        };
        place.push(Place::Number(self.key_id));
        place
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

fn page(db: &mut Db, query: &DeviceQuery, mut place: Option<Vec<Place>>) -> Outcome<Page<Device>> {
    let limit = cursor::clamp(query.limit);
    let mut found = Vec::new();
    loop {
        let most = if query.filter.is_some() { SCAN } else { limit + 1 };
        let rows = rows_behind(db, query, place.take(), most)?;
        let last = if rows.len() < most { None } else { rows.last().map(|row| row.place(query.sort)) };
        found.extend(match &query.filter {
            Some(filter) => fitting(db, filter, rows)?,
            None => rows,
        });
        place = last;
        if found.len() > limit || place.is_none() {
            break;
        }
    }
    let list = query.sort.list(query.descending);
    let (rows, next) = cursor::page(found, limit, |row| cursor::encode(list, &row.place(query.sort)));
    let items = with_details(db, rows.into_iter().map(ListRow::device_row).collect())?;
    Ok(Page { items, next })
}

fn rows_behind(db: &mut Db, query: &DeviceQuery, place: Option<Vec<Place>>, most: usize) -> Outcome<Vec<ListRow>> {
    let columns: Vec<&str> = query.sort.columns().iter().copied().chain(["d.key_id"]).collect();
    let direction = if query.descending { " DESC" } else { "" };
    let order: Vec<String> = columns.iter().map(|column| format!("{column}{direction}")).collect();
    let mut sql = filtered(Sql::new(ROWS), query);
    if let Some(place) = place {
        sql = behind(sql, &columns, place, query.descending);
    }
    Ok(sql.push(&format!(" ORDER BY {} LIMIT {most}", order.join(", "))).load(db)?)
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

/// `(a > ?) OR (a = ? AND b > ?) ...`, led by `a >= ?`, by which an index on `a` finds the place.
fn behind(sql: Sql, columns: &[&str], place: Vec<Place>, descending: bool) -> Sql {
    let than = if descending { "<" } else { ">" };
    let Some((first, start)) = columns.first().zip(place.first()) else { return sql };
    let mut sql = sql.push(&format!(" AND {first} {than}= ?")).bind(start.clone()).push(" AND (1 = 0");
    for (index, column) in columns.iter().enumerate() {
        sql = sql.push(" OR (");
        for (same, value) in columns.iter().zip(&place).take(index) {
            sql = sql.push(&format!("{same} = ? AND ")).bind(value.clone());
        }
        sql = sql.push(&format!("{column} {than} ?)"));
        if let Some(value) = place.get(index) {
            sql = sql.bind(value.clone());
        }
    }
    sql.push(")")
}

fn filtered(mut sql: Sql, query: &DeviceQuery) -> Sql {
    if let Some(q) = query.q.as_deref().filter(|q| !q.is_empty()) {
        sql = sql.push(" AND d.search_key LIKE ? ESCAPE '!'").bind(containing(&q.to_lowercase()));
    }
    if let Some(online) = query.online {
        sql = sql.push(" AND d.online = ?").bind(online);
    }
    if let Some((name, value)) = &query.tag {
        sql = sql.push(" AND EXISTS (SELECT 1 FROM device_tags t WHERE t.key_id = d.key_id AND t.name = ?");
        sql = sql.bind(name.as_str());
        if let Some(value) = value {
            sql = sql.push(" AND t.value = ?").bind(value.as_str());
        }
        sql = sql.push(")");
    }
    if query.module.is_some() || query.version.is_some() {
        sql = sql.push(" AND EXISTS (SELECT 1 FROM device_modules m WHERE m.key_id = d.key_id");
        if let Some(module) = &query.module {
            sql = sql.push(" AND m.module = ?").bind(module.as_str());
        }
        if let Some(version) = &query.version {
            sql = sql.push(" AND m.version = ?").bind(version.as_str());
        }
        sql = sql.push(")");
    }
    sql
}
