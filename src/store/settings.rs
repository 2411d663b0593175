//! Settings: named texts that outlive the program.

use diesel::prelude::*;

use super::connection::Db;
use super::dialect::Value;
use super::rows::{Columns, statements};
use super::schema::settings;
use super::{Outcome, Result, Store};

statements!(UpsertSetting);

const SETTINGS: Columns<UpsertSetting> = Columns::new("settings", &["name"], &["value"]);

impl Store {
    pub async fn setting(&self, key: &str) -> Result<Option<String>> {
        let key = key.to_owned();
        self.read(move |db| get(db, &key)).await
    }

    /// `None` removes it.
    pub async fn set_setting(&self, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.write(move |db| match &value {
            Some(value) => put(db, &key, value),
            None => Ok(diesel::delete(settings::table.find(&key)).execute(db).map(drop)?),
        })
        .await
    }
}

pub(super) fn get(db: &mut Db, key: &str) -> Outcome<Option<String>> {
    Ok(settings::table.find(key).select(settings::value).get_result(db).optional()?)
}

pub(super) fn put(db: &mut Db, key: &str, value: &str) -> Outcome<()> {
    Ok(SETTINGS.upsert(db, vec![vec![Value::from(key), Value::from(value)]])?)
}
