//! Which devices a rollout changed, and what they run now: what its way back is made of.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::devices::{in_chunks, modules_of};
use super::rollout_list::AssignmentRow;
use super::schema::{assignments, devices, rollouts};
use super::stored::parsed;
use super::{Result, Store};
use crate::domain::{Assignment, AssignmentState, DeviceId, KeyId, Modules, RolloutId};

/// A device that a rollout gave something, or may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    pub device_id: DeviceId,
    /// Its assignments in that rollout.
    pub rows: Vec<Assignment>,
    /// What it runs now.
    pub modules: Modules,
}

impl Store {
    /// The rollouts that take this one back, oldest first.
    pub async fn way_back_of(&self, id: RolloutId) -> Result<Vec<RolloutId>> {
        self.read(move |db| {
            let back = rollouts::table.filter(rollouts::takes_back.eq(id.0)).order(rollouts::id);
            let ids: Vec<i64> = back.select(rollouts::id).load(db)?;
            Ok(ids.into_iter().map(RolloutId).collect())
        })
        .await
    }

    /// The devices that were given anything by a rollout, by key_id.
    pub async fn changed_by(&self, id: RolloutId) -> Result<Vec<Changed>> {
        self.read(move |db| {
            let untouched = [AssignmentState::Waiting, AssignmentState::Offered, AssignmentState::Excluded];
            let rows: Vec<AssignmentRow> = assignments::table
                .filter(assignments::rollout_id.eq(id.0))
                .filter(assignments::state.ne_all(untouched.map(AssignmentState::as_str)))
                .order((assignments::key_id, assignments::module))
                .select(AssignmentRow::as_select())
                .load(db)?;
            let mut by_device: BTreeMap<KeyId, Vec<Assignment>> = BTreeMap::new();
            for row in rows {
                let row = row.assignment()?;
                by_device.entry(row.key_id).or_default().push(row);
            }
            let keys: Vec<i64> = by_device.keys().map(|key| key.0).collect();
            let names: Vec<(i64, String)> = in_chunks(&keys, |chunk| {
                devices::table
                    .filter(devices::key_id.eq_any(chunk))
                    .select((devices::key_id, devices::device_id))
                    .load(db)
            })?;
            let mut modules = modules_of(db, Some(&keys))?;
            let mut found = Vec::with_capacity(names.len());
            for (key, name) in names {
                let Some(rows) = by_device.remove(&KeyId(key)) else { continue };
                let modules = modules.remove(&key).unwrap_or_default();
                found.push(Changed { device_id: parsed(&name)?, rows, modules });
            }
            Ok(found)
        })
        .await
    }
}
