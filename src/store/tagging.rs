//! Tags of many devices at once.

use std::collections::HashMap;

use diesel::prelude::*;

use super::connection::Db;
use super::devices::{TAGS, in_chunks, tags_of};
use super::dialect::{CHUNK, Value};
use super::schema::{device_tags, devices};
use super::stored::{NAME, fit};
use super::{DeviceQuery, Outcome, Result, Store, StoreError};
use crate::domain::{DeviceId, KeyId, Tags};

/// What becomes of the tags of each device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// Set; a tag of that name has this value afterwards.
    pub set: Tags,
    /// Taken away.
    pub remove: Vec<String>,
    /// Most tags of one device: one that would have more is left as it is.
    pub most: usize,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Tagged {
    /// Devices whose tags are others now.
    pub changed: Vec<KeyId>,
    /// Devices that had them already.
    pub same: u64,
    /// Devices that would have had too many.
    pub full: u64,
    /// Why the rest was not come to.
    pub stopped: Option<StoreError>,
}

impl Store {
    /// Changes the tags of these devices; those that are not known are passed over.
    pub async fn tag_devices(&self, ids: Vec<DeviceId>, change: TagChange) -> Result<Tagged> {
        let keys = self
            .read(move |db| {
                let mut keys = Vec::new();
                for chunk in ids.chunks(CHUNK) {
                    let named: Vec<String> = chunk.iter().map(ToString::to_string).collect();
                    let named = devices::table.filter(devices::device_id.eq_any(named));
                    keys.extend(named.select(devices::key_id).load::<i64>(db)?);
                }
                Ok(keys)
            })
            .await?;
        Ok(self.tag_keys(keys, change).await)
    }

    /// Changes the tags of all that match.
    ///
    /// What stopped it half-way is in what is returned.
    pub async fn tag_matching(&self, query: DeviceQuery, change: TagChange) -> Result<Tagged> {
        let keys = self.matching_keys(query).await?;
        Ok(self.tag_keys(keys, change).await)
    }

    /// In transactions that are short enough for reports to hardly wait.
    async fn tag_keys(&self, keys: Vec<i64>, change: TagChange) -> Tagged {
        let mut all = Tagged::default();
        for chunk in keys.chunks(CHUNK) {
            let (chunk, change) = (chunk.to_vec(), change.clone());
            match self.write(move |db| tag(db, &chunk, &change)).await {
                Ok(mut part) => {
                    all.changed.append(&mut part.changed);
                    (all.same, all.full) = (all.same + part.same, all.full + part.full);
                }
                Err(error) => {
                    all.stopped = Some(error);
                    break;
                }
            }
        }
        all
    }
}

fn tag(db: &mut Db, keys: &[i64], change: &TagChange) -> Outcome<Tagged> {
    // Some may have been deleted since they were chosen.
    let keys: Vec<i64> =
        in_chunks(keys, |chunk| devices::table.filter(devices::key_id.eq_any(chunk)).select(devices::key_id).load(db))?;
    let mut stored: HashMap<i64, Tags> = tags_of(db, Some(&keys))?;
    let mut tagged = Tagged::default();
    let (mut rows, mut bare) = (Vec::new(), Vec::new());
    for key in keys {
        let before = stored.remove(&key).unwrap_or_default();
        let mut after = before.clone();
        after.retain(|name, _| !change.remove.contains(name));
        after.extend(change.set.iter().map(|(name, value)| (fit(name, NAME), fit(value, NAME))));
        if after == before {
            tagged.same += 1;
        } else if after.len() > change.most && after.len() > before.len() {
            tagged.full += 1;
        } else {
            tagged.changed.push(KeyId(key));
            bare.push(key);
            let row = |(name, value): (String, String)| -> Vec<Value> { vec![key.into(), name.into(), value.into()] };
            rows.extend(after.into_iter().map(row));
        }
    }
    diesel::delete(device_tags::table.filter(device_tags::key_id.eq_any(bare))).execute(db)?;
    TAGS.upsert(db, rows)?;
    Ok(tagged)
}
