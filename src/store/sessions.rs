//! Who is signed in, in which browser.

use diesel::prelude::*;

use super::accounts::UserRow;
use super::connection::Db;
use super::dialect::Value;
use super::rows::Columns;
use super::schema::{sessions, users};
use super::stored::{fit, instant, millis, optional_instant};
use super::{Outcome, Result, Store};
use crate::domain::{Sha256Hex, SignIn, Timestamp, User};

const SESSIONS: Columns = Columns::new("sessions", &["key_hash"], &["user_id", "state", "expires_at"]);

const ADDRESS: usize = 64;
const BROWSER: usize = 190;
/// Characters of a key's hash that a session is called by: enough to tell any two apart.
const ID: usize = 16;

/// Where a session is used from.
#[derive(Debug, Clone, Default)]
pub struct SeenFrom {
    pub address: String,
    pub browser: String,
}

/// A session that is being used.
#[derive(Debug, Clone)]
pub struct SessionInUse {
    pub user: User,
    pub state: String,
    pub seen_at: Option<Timestamp>,
}

impl Store {
    /// Prolongs a session. `false`: it has been ended meanwhile, and stays so.
    pub async fn prolong_session(&self, key_hash: &Sha256Hex, state: &str, expires_at: Timestamp) -> Result<bool> {
        let (key, state) = (key_hash.clone(), state.to_owned());
        self.write(move |db| {
            let own = sessions::table.filter(sessions::key_hash.eq(key.as_str()));
            let longer = (sessions::state.eq(state.as_str()), sessions::expires_at.eq(millis(expires_at)));
            Ok(diesel::update(own).set(longer).execute(db)? > 0)
        })
        .await
    }

    /// Begins a session. Those that have expired are forgotten.
    pub async fn save_session(
        &self,
        key_hash: &Sha256Hex,
        user_id: Option<i64>,
        state: &str,
        expires_at: Timestamp,
    ) -> Result<()> {
        let row: Vec<Value> = vec![key_hash.as_str().into(), user_id.into(), state.into(), millis(expires_at).into()];
        self.write(move |db| {
            // A session of a user deleted meanwhile is not kept.
            if let Some(id) = user_id
                && users::table.find(id).count().get_result::<i64>(db)? == 0
            {
                return Ok(());
            }
            Ok(SESSIONS.upsert(db, vec![row.clone()])?)
        })
        .await
    }

    /// Notes that a session is used now, and from where.
    pub async fn session_seen(&self, key_hash: &Sha256Hex, now: Timestamp, from: &SeenFrom) -> Result<()> {
        let (key, now) = (key_hash.clone(), millis(now));
        let (address, browser) = (fit(&from.address, ADDRESS), fit(&from.browser, BROWSER));
        self.write(move |db| {
            let row = || sessions::table.find(key.as_str());
            let begun = row().filter(sessions::began_at.is_null());
            diesel::update(begun).set(sessions::began_at.eq(now)).execute(db)?;
            let seen = (sessions::seen_at.eq(now), sessions::address.eq(&address), sessions::browser.eq(&browser));
            Ok(diesel::update(row()).set(seen).execute(db).map(drop)?)
        })
        .await
    }

    /// The state, unless it has expired.
    pub async fn session(&self, key_hash: &Sha256Hex, now: Timestamp) -> Result<Option<String>> {
        let key = key_hash.clone();
        self.read(move |db| {
            let row = sessions::table.find(key.as_str()).filter(sessions::expires_at.gt(millis(now)));
            Ok(row.select(sessions::state).get_result(db).optional()?)
        })
        .await
    }

    /// A session and its user, unless it has expired.
    pub async fn session_in_use(&self, key_hash: &Sha256Hex, now: Timestamp) -> Result<Option<SessionInUse>> {
        let key = key_hash.clone();
        self.read(move |db| {
            let row = sessions::table
                .inner_join(users::table.on(sessions::user_id.eq(users::id.nullable())))
                .filter(sessions::key_hash.eq(key.as_str()))
                .filter(sessions::expires_at.gt(millis(now)));
            let columns = (UserRow::as_select(), sessions::state, sessions::seen_at);
            let found: Option<(UserRow, String, Option<i64>)> = row.select(columns).get_result(db).optional()?;
            let Some((user, state, seen_at)) = found else { return Ok(None) };
            Ok(Some(SessionInUse { user: user.user()?, state, seen_at: optional_instant(seen_at)? }))
        })
        .await
    }

    /// Who is signed in, or where one user is; used last first.
    pub async fn sign_ins(&self, user_id: Option<i64>, now: Timestamp) -> Result<Vec<SignIn>> {
        self.read(move |db| {
            let mut rows = sessions::table
                .inner_join(users::table.on(sessions::user_id.eq(users::id.nullable())))
                .filter(sessions::expires_at.gt(millis(now)))
                .order((sessions::seen_at.desc(), sessions::key_hash))
                .select((SignInRow::as_select(), users::id, users::name))
                .into_boxed();
            if let Some(id) = user_id {
                rows = rows.filter(sessions::user_id.eq(id));
            }
            let rows: Vec<(SignInRow, i64, String)> = rows.load(db)?;
            rows.into_iter().map(|(row, user_id, user_name)| row.sign_in(user_id, user_name)).collect()
        })
        .await
    }

    pub async fn delete_session(&self, key_hash: &Sha256Hex) -> Result<()> {
        let key = key_hash.clone();
        self.write(move |db| Ok(diesel::delete(sessions::table.find(key.as_str())).execute(db).map(drop)?)).await
    }

    /// Ends a session by what it is called, of this user where one is named. `false`: no such session.
    pub async fn end_session(&self, id: &str, user_id: Option<i64>) -> Result<bool> {
        if id.len() != ID || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let pattern = format!("{id}%");
        self.act(move |db: &mut Db| {
            let called = sessions::table.filter(sessions::key_hash.like(&pattern));
            let ended = match user_id {
                Some(user) => diesel::delete(called.filter(sessions::user_id.eq(user))).execute(db)?,
                None => diesel::delete(called.filter(sessions::user_id.is_not_null())).execute(db)?,
            };
            Ok(ended > 0)
        })
        .await
    }

    /// Ends every session of a user but one. How many ended.
    pub async fn end_sessions(&self, user_id: i64, but: Option<&Sha256Hex>) -> Result<u64> {
        let but = but.map_or_else(String::new, |key| key.as_str().to_owned());
        self.act(move |db| {
            let others = sessions::table.filter(sessions::user_id.eq(user_id)).filter(sessions::key_hash.ne(&but));
            Ok(diesel::delete(others).execute(db)? as u64)
        })
        .await
    }

    /// Forgets sessions that have expired. How many.
    pub async fn prune_sessions(&self, now: Timestamp) -> Result<u64> {
        self.write(move |db| {
            let expired = sessions::table.filter(sessions::expires_at.le(millis(now)));
            Ok(diesel::delete(expired).execute(db)? as u64)
        })
        .await
    }
}

/// What a session is called where people see it.
#[must_use]
pub fn session_id(key_hash: &Sha256Hex) -> &str {
    &key_hash.as_str()[..ID]
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions)]
struct SignInRow {
    key_hash: String,
    expires_at: i64,
    began_at: Option<i64>,
    seen_at: Option<i64>,
    address: Option<String>,
    browser: Option<String>,
}

impl SignInRow {
    fn sign_in(self, user_id: i64, user_name: String) -> Outcome<SignIn> {
        Ok(SignIn {
            id: self.key_hash.chars().take(ID).collect(),
            user_id,
            user_name,
            began_at: optional_instant(self.began_at)?,
            seen_at: optional_instant(self.seen_at)?,
            address: self.address.unwrap_or_default(),
            browser: self.browser.unwrap_or_default(),
            expires_at: instant(self.expires_at)?,
        })
    }
}
