//! Groups: filters saved under a name.

use diesel::prelude::*;

use super::dialect::Value;
use super::rows::Columns;
use super::schema::device_groups;
use super::stored::{NAME, fit, instant, millis, parsed};
use super::{Outcome, Result, Store};
use crate::domain::{Filter, Groups, Timestamp};

const GROUPS: Columns = Columns::new("device_groups", &["name"], &["filter", "created_at", "created_by"]);

/// A filter that was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    pub name: String,
    pub filter: Filter,
    /// When and by whom it was saved last.
    pub created_at: Timestamp,
    pub created_by: String,
}

impl Store {
    /// Every group with its filter, to look names up in.
    pub async fn groups(&self) -> Result<Groups> {
        Ok(self.group_list().await?.into_iter().map(|group| (group.name, group.filter)).collect())
    }

    /// By name.
    pub async fn group_list(&self) -> Result<Vec<Group>> {
        self.read(|db| {
            let rows: Vec<GroupRow> =
                device_groups::table.order(device_groups::name).select(GroupRow::as_select()).load(db)?;
            rows.into_iter().map(GroupRow::group).collect()
        })
        .await
    }

    /// Saves a group, or another filter under its name; whether the name is new.
    pub async fn save_group(&self, group: Group) -> Result<Saved> {
        self.act(move |db| {
            let known: i64 = device_groups::table.find(&group.name).count().get_result(db)?;
            let row: Vec<Value> = vec![
                group.name.as_str().into(),
                group.filter.as_str().into(),
                millis(group.created_at).into(),
                fit(&group.created_by, NAME).into(),
            ];
            GROUPS.upsert(db, vec![row])?;
            Ok(if known == 0 { Saved::New } else { Saved::Changed })
        })
        .await
    }

    /// `false`: there is no such group.
    pub async fn delete_group(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.act(move |db| Ok(diesel::delete(device_groups::table.find(&name)).execute(db)? > 0)).await
    }
}

/// What saving came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    New,
    Changed,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = device_groups)]
struct GroupRow {
    name: String,
    filter: String,
    created_at: i64,
    created_by: String,
}

impl GroupRow {
    fn group(self) -> Outcome<Group> {
        Ok(Group {
            name: self.name,
            filter: parsed(&self.filter)?,
            created_at: instant(self.created_at)?,
            created_by: self.created_by,
        })
    }
}
