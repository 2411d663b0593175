//! How many devices there were over time, and how many of them online: a row every few minutes.

use diesel::prelude::*;

use super::connection::Db;
use super::cursor::{self, BadCursor, Page};
use super::dialect::Sql;
use super::rows::Columns;
use super::schema::{devices, fleet_course};
use super::stored::{instant, millis, whole};
use super::{Outcome, Result, Store};
use crate::domain::Timestamp;

const COURSE: Columns = Columns::new("fleet_course", &["counted_at"], &["online", "devices"]);

/// Most counts that are read at once: those of 31 days, every five minutes, and some more.
pub const COUNTS: u32 = 10_000;

/// The fleet at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct FleetPoint {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub at: Timestamp,
    pub online: u64,
    pub devices: u64,
}

impl Store {
    /// Counts the fleet and writes it down, under the beginning of the step of `step_s` seconds that `now` is in: the
    /// last count of a step stands. Forgets what is older than `keep_from`.
    pub async fn count_fleet(&self, now: Timestamp, step_s: u32, keep_from: Timestamp) -> Result<()> {
        let step = i64::from(step_s.max(1)) * 1000;
        let at = millis(now) - millis(now).rem_euclid(step);
        self.write(move |db| {
            let all: i64 = devices::table.count().get_result(db)?;
            let online: i64 = devices::table.filter(devices::online.eq(true)).count().get_result(db)?;
            COURSE.upsert(db, vec![vec![at.into(), online.into(), all.into()]])?;
            Ok(Sql::new("DELETE FROM fleet_course WHERE counted_at < ?")
                .bind(millis(keep_from))
                .execute(db)
                .map(drop)?)
        })
        .await
    }

    /// The counts from `from` on as pages, oldest first, at most [`COUNTS`] on one.
    pub async fn fleet_course_page(
        &self,
        from: Timestamp,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Page<FleetPoint>, BadCursor>> {
        let place: Option<i64> = match cursor::decode("fleet_course", after.as_deref()) {
            Ok(place) => place,
            Err(bad) => return Ok(Err(bad)),
        };
        let from = millis(from).max(place.map_or(i64::MIN, |place| place.saturating_add(1)));
        self.read(move |db| {
            let limit = cursor::clamp_to(limit, COUNTS);
            let (items, next) = cursor::page(counts(db, from, limit as i64 + 1)?, limit, |point| {
                cursor::encode("fleet_course", &millis(point.at))
            });
            Ok(Ok(Page { items, next }))
        })
        .await
    }

    /// The counts from `from` on, oldest first.
    pub async fn fleet_course(&self, from: Timestamp) -> Result<Vec<FleetPoint>> {
        self.read(move |db| counts(db, millis(from), i64::MAX)).await
    }
}

fn counts(db: &mut Db, from: i64, limit: i64) -> Outcome<Vec<FleetPoint>> {
    let rows: Vec<(i64, i64, i64)> = fleet_course::table
        .filter(fleet_course::counted_at.ge(from))
        .order(fleet_course::counted_at)
        .limit(limit)
        .select((fleet_course::counted_at, fleet_course::online, fleet_course::devices))
        .load(db)?;
    let point = |(at, online, devices): (i64, i64, i64)| -> Outcome<FleetPoint> {
        Ok(FleetPoint { at: instant(at)?, online: whole(online)?, devices: whole(devices)? })
    };
    rows.into_iter().map(point).collect()
}
