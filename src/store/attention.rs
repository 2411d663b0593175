//! What needs a person: which devices are in which trouble, as a condition that lists and counts share.

use diesel::sql_types::BigInt;

use super::connection::Db;
use super::dialect::Sql;
use super::rows::Columns;
use super::stored::{millis, whole};
use super::{Outcome, Result, Store};
use crate::domain::{AssignmentState, Attention, AttentionLimits, KeyId, QUARANTINE_AFTER, Timestamp};

const ALARMS: Columns = Columns::new("alarms", &["key_id", "kind"], &["raised_at"]);

/// How long a name that two devices seem to have is shown after it was last noticed, milliseconds.
const ALARM_LASTS: i64 = 24 * 3600 * 1000;

/// What trouble is looked for, when, and from where on it is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watched {
    pub what: Attention,
    pub now: Timestamp,
    pub limits: AttentionLimits,
}

/// The fleet in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetState {
    pub devices: u64,
    pub online: u64,
    /// Devices in each kind of trouble, in the order of [`Attention::ALL`].
    pub attention: Vec<(Attention, u64)>,
}

impl Store {
    /// Counts the fleet and its troubles.
    pub async fn fleet_state(&self, now: Timestamp, limits: AttentionLimits) -> Result<FleetState> {
        self.read(move |db| {
            let devices = count(db, Sql::new("SELECT COUNT(*) AS n FROM devices"))?;
            let online = count(db, Sql::new("SELECT COUNT(*) AS n FROM devices d WHERE d.online = ?").bind(true))?;
            let mut attention = Vec::new();
            for what in Attention::ALL {
                let sql = Sql::new("SELECT COUNT(*) AS n FROM devices d WHERE 1 = 1");
                attention.push((what, count(db, condition(sql, Watched { what, now, limits }))?));
            }
            Ok(FleetState { devices, online, attention })
        })
        .await
    }

    /// Two devices seem to have this one's name.
    pub async fn raise_clone_alarm(&self, key_id: KeyId, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let known = count(db, Sql::new("SELECT COUNT(*) AS n FROM devices WHERE key_id = ?").bind(key_id.0))?;
            if known > 0 {
                let row = vec![key_id.0.into(), Attention::Cloned.as_str().into(), millis(now).into()];
                ALARMS.upsert(db, vec![row])?;
            }
            Ok(())
        })
        .await
    }
}

fn count(db: &mut Db, sql: Sql) -> Outcome<u64> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let rows: Vec<Row> = sql.load(db)?;
    rows.first().map_or(Ok(0), |row| whole(row.n))
}

/// Appends what a device `d` in this trouble fulfils. Each reads what is wrong by an index that has little else, and
/// not every device.
pub(super) fn condition(sql: Sql, Watched { what, now, limits }: Watched) -> Sql {
    let now = millis(now);
    match what {
        Attention::Failed => newest_is(sql, &[AssignmentState::Failed, AssignmentState::TimedOut]),
        Attention::Reverted => newest_is(sql, &[AssignmentState::Reverted]),
        Attention::Quarantined => {
            sql.push(" AND d.key_id IN (SELECT key_id FROM strikes WHERE failures >= ?)").bind(QUARANTINE_AFTER)
        }
        Attention::Silent => {
            let before = now - i64::from(limits.silent_s) * 1000;
            sql.push(" AND d.online = ? AND d.since < ?")
                .bind(true)
                .bind(before)
                .push(" AND d.key_id NOT IN (SELECT key_id FROM device_status WHERE received_at >= ?)")
                .bind(before)
        }
        Attention::Hot => sql
            .push(" AND d.online = ? AND d.key_id IN (SELECT key_id FROM device_status WHERE temperature > ?)")
            .bind(true)
            .bind(Some(limits.hot_degrees)),
        Attention::FullDisk => sql
            .push(" AND d.key_id IN (SELECT key_id FROM device_status WHERE disk_used_percent > ?)")
            .bind(Some(limits.disk_percent)),
        Attention::Cloned => sql
            .push(" AND d.key_id IN (SELECT key_id FROM alarms WHERE kind = ? AND raised_at >= ?)")
            .bind(what.as_str())
            .bind(now - ALARM_LASTS),
        Attention::Unsigned => sql.push(
            " AND d.key_id IN (SELECT m.key_id FROM packages p JOIN device_modules m \
             ON m.module = p.name AND m.version = p.version WHERE p.signed_by IS NULL)",
        ),
    }
}

/// A module's newest assignment is in one of these states, all of which are failures.
fn newest_is(sql: Sql, states: &[AssignmentState]) -> Sql {
    // Written out as the index has it: SQLite takes an index of some rows only for a query that says which.
    let failures = AssignmentState::ALL.into_iter().filter(|state| state.is_failure());
    let failures: Vec<String> = failures.map(|state| format!("'{state}'")).collect();
    sql.push(&format!(
        " AND d.key_id IN (SELECT a.key_id FROM assignments a WHERE a.state IN ({}) AND a.state IN ",
        failures.join(", ")
    ))
    .list(states.iter().map(|state| state.as_str()))
    .push(
        " AND NOT EXISTS (SELECT 1 FROM assignments b WHERE b.key_id = a.key_id AND b.module = a.module \
         AND b.rollout_id > a.rollout_id))",
    )
}
