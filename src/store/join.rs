//! Hello and goodbye: who may come in, what a device runs, and since when it is there.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::connection::Db;
use super::devices::search_key;
use super::dialect::{Value, last_id};
use super::matching::readings_of;
use super::rows::{Columns, statements};
use super::schema::{device_modules, device_tags, devices};
use super::stored::{millis, parsed};
use super::{Outcome, Result, Store, connections, tokens};
use crate::domain::{ConnectionCause, DeviceAuth, DeviceId, KeyId, Modules, Readings, Sha256Hex, Tags, Timestamp};

/// A device says hello.
#[derive(Debug, Clone)]
pub struct JoinRequest {
    pub device_id: DeviceId,
    pub auth: DeviceAuth,
    pub modules: Modules,
    /// Whether its program can install several modules as one.
    pub sets: bool,
    /// Whether what its last report says is asked for.
    pub readings: bool,
    /// Stored as the device's own token if it enrols now.
    pub new_token_hash: Sha256Hex,
    pub now: Timestamp,
}

/// The answer to a hello.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinOutcome {
    Joined {
        key_id: KeyId,
        name: String,
        tags: Tags,
        /// What its last report says, where one has come and it was asked for.
        readings: Option<Box<Readings>>,
        /// The device enrolled: `new_token_hash` is now its token's, and is to be told once.
        enrolled: bool,
    },
    Refused(JoinRefusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRefusal {
    /// The device's own token belongs to another `device_id`.
    WrongDevice,
    /// The token was revoked, has run out, or is used up.
    TokenNotValid,
    /// An enrolment token for a `device_id` that exists and that no admin has allowed to enrol again.
    AlreadyEnrolled,
}

statements!(UpsertModule, InsertChange, Comes, Goes);

/// A device comes: whether it is there, and since when.
const THERE: Columns = Columns::new("devices", &["key_id"], &["online", "since"]);
/// A device goes, where it is there.
const GONE: Columns = Columns::new("devices", &["key_id", "online"], &["online", "since"]);

const MODULES: Columns<UpsertModule> =
    Columns::new("device_modules", &["key_id", "module"], &["version", "previous", "since"]);
const CHANGES: Columns<InsertChange> =
    Columns::new("version_changes", &[], &["key_id", "module", "old_version", "new_version", "changed_at"]);

impl Store {
    /// Known or enrolled: the device is online, runs these modules (each change of a version is kept). One transaction.
    pub async fn join(&self, request: JoinRequest) -> Result<JoinOutcome> {
        self.write(move |db| join(db, &request)).await
    }

    /// The device tells other versions on the same connection.
    pub async fn set_modules(&self, key_id: KeyId, modules: Modules, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let known: i64 = devices::table.find(key_id.0).count().get_result(db)?;
            if known == 0 {
                return Ok(());
            }
            save_modules(db, key_id, &modules, now)
        })
        .await
    }

    /// The device went, and why.
    pub async fn leave(&self, key_id: KeyId, cause: ConnectionCause, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            let gone = [key_id.0.into(), true.into(), false.into(), millis(now).into()];
            if GONE.change::<Goes>(db, &gone)? {
                connections::append(db, key_id.0, false, cause, now)?;
            }
            Ok(())
        })
        .await
    }

    /// At start: whoever was online when the server ended is offline now.
    pub async fn all_offline(&self, now: Timestamp) -> Result<()> {
        self.write(move |db| {
            connections::append_all_gone(db, ConnectionCause::ServerEnded, now)?;
            let gone = (devices::online.eq(false), devices::since.eq(millis(now)));
            Ok(diesel::update(devices::table.filter(devices::online.eq(true))).set(gone).execute(db).map(drop)?)
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = devices)]
struct KnownRow {
    key_id: i64,
    name: String,
    online: bool,
    may_enrol_again: bool,
    sets: bool,
    token_hash: Option<String>,
}

fn join(db: &mut Db, request: &JoinRequest) -> Outcome<JoinOutcome> {
    let row = devices::table.filter(devices::device_id.eq(request.device_id.as_str()));
    let known: Option<KnownRow> = row.select(KnownRow::as_select()).get_result(db).optional()?;
    if let Some(refusal) = refusal(db, request, known.as_ref())? {
        return Ok(JoinOutcome::Refused(refusal));
    }
    let enrolled = matches!(request.auth, DeviceAuth::Enrolment(_));
    let token = enrolled.then(|| request.new_token_hash.as_str());
    let took_over = known.as_ref().is_some_and(|row| row.online);
    let (key_id, name, readings) = match known {
        Some(row) => {
            let key_id = welcome_back(db, &row, token, request)?;
            let asked: &[i64] = if request.readings { &[key_id.0] } else { &[] };
            (key_id, row.name, readings_of(db, Some(asked), true)?.remove(&key_id.0).map(Box::new))
        }
        None => (create(db, request, token)?, request.device_id.to_string(), None),
    };
    let cause = match (enrolled, took_over) {
        (true, _) => ConnectionCause::Enrolled,
        (false, true) => ConnectionCause::TookOver,
        (false, false) => ConnectionCause::Hello,
    };
    connections::append(db, key_id.0, true, cause, request.now)?;
    save_modules(db, key_id, &request.modules, request.now)?;
    let tags: Vec<(String, String)> = device_tags::table
        .filter(device_tags::key_id.eq(key_id.0))
        .select((device_tags::name, device_tags::value))
        .load(db)?;
    Ok(JoinOutcome::Joined { key_id, name, tags: tags.into_iter().collect(), readings, enrolled })
}

/// Why the device may not come in; an enrolment token that lets it in has been used once more.
fn refusal(db: &mut Db, request: &JoinRequest, known: Option<&KnownRow>) -> Outcome<Option<JoinRefusal>> {
    Ok(match &request.auth {
        DeviceAuth::Open => None,
        // Revoked or replaced since the upgrade, when nobody was connected who could be told so.
        DeviceAuth::Device(key, hash) => match known {
            Some(row) if row.key_id == key.0 => {
                let holds = row.token_hash.as_deref() == Some(hash.as_str());
                (!holds).then_some(JoinRefusal::TokenNotValid)
            }
            _ => Some(JoinRefusal::WrongDevice),
        },
        DeviceAuth::Enrolment(_) if known.is_some_and(|row| !row.may_enrol_again) => Some(JoinRefusal::AlreadyEnrolled),
        DeviceAuth::Enrolment(id) if tokens::use_enrolment(db, *id, request.now)? => None,
        DeviceAuth::Enrolment(_) => Some(JoinRefusal::TokenNotValid),
    })
}

/// `since` is touched only when the device was offline; nothing is written when nothing changed.
fn welcome_back(db: &mut Db, row: &KnownRow, token: Option<&str>, request: &JoinRequest) -> Outcome<KeyId> {
    if row.sets != request.sets {
        diesel::update(devices::table.find(row.key_id)).set(devices::sets.eq(request.sets)).execute(db)?;
    }
    if !row.online {
        THERE.change::<Comes>(db, &[row.key_id.into(), true.into(), millis(request.now).into()])?;
    }
    if let Some(hash) = token {
        let own = (devices::token_hash.eq(hash), devices::may_enrol_again.eq(false));
        diesel::update(devices::table.find(row.key_id)).set(own).execute(db)?;
    }
    Ok(KeyId(row.key_id))
}

fn create(db: &mut Db, request: &JoinRequest, token: Option<&str>) -> Outcome<KeyId> {
    let name = request.device_id.as_str();
    let row = (
        devices::device_id.eq(name),
        devices::name.eq(name),
        devices::search_key.eq(search_key(name, &request.device_id)),
        devices::online.eq(true),
        devices::since.eq(millis(request.now)),
        devices::created_at.eq(millis(request.now)),
        devices::token_hash.eq(token),
        devices::may_enrol_again.eq(false),
        devices::sets.eq(request.sets),
    );
    diesel::insert_into(devices::table).values(row).execute(db)?;
    Ok(KeyId(last_id(db)?))
}

/// Writes down what differs from what is stored, and keeps each change.
fn save_modules(db: &mut Db, key_id: KeyId, modules: &Modules, now: Timestamp) -> Outcome<()> {
    let stored: Vec<(String, String)> = device_modules::table
        .filter(device_modules::key_id.eq(key_id.0))
        .select((device_modules::module, device_modules::version))
        .load(db)?;
    let stored: BTreeMap<String, String> = stored.into_iter().collect();
    let mut changes: Vec<(&str, Option<&str>, Option<&str>)> = Vec::new();
    for (module, version) in modules {
        let old = stored.get(module.as_str()).map(String::as_str);
        if old != Some(version.as_str()) {
            changes.push((module.as_str(), old, Some(version.as_str())));
        }
    }
    for (module, version) in &stored {
        if !modules.contains_key(&parsed(module)?) {
            changes.push((module, Some(version), None));
        }
    }
    if changes.is_empty() { Ok(()) } else { save_changes(db, key_id, &changes, now) }
}

type Change<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

fn save_changes(db: &mut Db, key_id: KeyId, changes: &[Change<'_>], now: Timestamp) -> Outcome<()> {
    let at = millis(now);
    let gone: Vec<&str> = changes.iter().filter(|(_, _, new)| new.is_none()).map(|(module, ..)| *module).collect();
    if !gone.is_empty() {
        let of_device = device_modules::table.filter(device_modules::key_id.eq(key_id.0));
        diesel::delete(of_device.filter(device_modules::module.eq_any(gone))).execute(db)?;
    }
    let row = |(module, old, new): &Change<'_>| -> Option<Vec<Value>> {
        Some(vec![key_id.0.into(), (*module).into(), (*new)?.into(), (*old).into(), at.into()])
    };
    MODULES.upsert(db, changes.iter().filter_map(row).collect())?;
    let row = |(module, old, new): &Change<'_>| -> Vec<Value> {
        vec![key_id.0.into(), (*module).into(), (*old).into(), (*new).into(), at.into()]
    };
    Ok(CHANGES.insert(db, changes.iter().map(row).collect())?)
}
