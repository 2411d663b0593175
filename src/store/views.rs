//! Saved views: what the fleet page was asked (filter, order, columns), under a name.

use diesel::prelude::*;

use super::dialect::Value;
use super::rows::Columns;
use super::schema::saved_views;
use super::stored::{NAME, fit, instant, millis};
use super::{Outcome, Result, Saved, Store};
use crate::domain::Timestamp;

const VIEWS: Columns = Columns::new("saved_views", &["name"], &["query", "created_at", "created_by"]);

/// A view that was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedView {
    pub name: String,
    /// The query of the page's address, without the question mark.
    pub query: String,
    /// When and by whom it was saved last.
    pub created_at: Timestamp,
    pub created_by: String,
}

impl Store {
    /// By name.
    pub async fn views(&self) -> Result<Vec<SavedView>> {
        self.read(|db| {
            let rows: Vec<(String, String, i64, String)> = saved_views::table.order(saved_views::name).load(db)?;
            let view = |(name, query, created_at, created_by): (String, String, i64, String)| -> Outcome<SavedView> {
                Ok(SavedView { name, query, created_at: instant(created_at)?, created_by })
            };
            rows.into_iter().map(view).collect()
        })
        .await
    }

    /// Saves a view, or another under its name; whether the name is new.
    pub async fn save_view(&self, view: SavedView) -> Result<Saved> {
        self.act(move |db| {
            let known: i64 = saved_views::table.find(&view.name).count().get_result(db)?;
            let row: Vec<Value> = vec![
                view.name.as_str().into(),
                view.query.as_str().into(),
                millis(view.created_at).into(),
                fit(&view.created_by, NAME).into(),
            ];
            VIEWS.upsert(db, vec![row])?;
            Ok(if known == 0 { Saved::New } else { Saved::Changed })
        })
        .await
    }

    /// `false`: there is no such view.
    pub async fn delete_view(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.act(move |db| Ok(diesel::delete(saved_views::table.find(&name)).execute(db)? > 0)).await
    }
}
