//! Users. There is always an admin once there was one.

use diesel::prelude::*;

use super::connection::Db;
use super::dialect::last_id;
use super::schema::{sessions, users};
use super::stored::{NAME, fit, instant, millis, parsed};
use super::{Outcome, Result, Store};
use crate::domain::{Role, Timestamp, User};

impl Store {
    /// By name.
    pub async fn users(&self) -> Result<Vec<User>> {
        self.read(|db| {
            let all = users::table.order(users::name_key).select(UserRow::as_select());
            all.load(db)?.into_iter().map(UserRow::user).collect()
        })
        .await
    }

    pub async fn user(&self, id: i64) -> Result<Option<User>> {
        self.read(move |db| {
            let row = users::table.find(id).select(UserRow::as_select());
            row.get_result(db).optional()?.map(UserRow::user).transpose()
        })
        .await
    }

    /// Whatever the case.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<User>> {
        let key = name_key(name);
        self.read(move |db| {
            let row = users::table.filter(users::name_key.eq(&key)).select(UserRow::as_select());
            row.get_result(db).optional()?.map(UserRow::user).transpose()
        })
        .await
    }

    /// `None`: the name is taken.
    pub async fn add_user(&self, name: &str, password_hash: &str, role: Role, now: Timestamp) -> Result<Option<User>> {
        let (name, password_hash) = (name.to_owned(), password_hash.to_owned());
        self.act(move |db| add(db, &name, &password_hash, role, now)).await
    }

    /// The first admin, only while there is no user at all; `None`: there is one.
    pub async fn add_first_admin(&self, name: &str, password_hash: &str, now: Timestamp) -> Result<Option<User>> {
        let (name, password_hash) = (name.to_owned(), password_hash.to_owned());
        self.act(move |db| {
            let known: i64 = users::table.count().get_result(db)?;
            if known > 0 { Ok(None) } else { add(db, &name, &password_hash, Role::Admin, now) }
        })
        .await
    }

    /// Who signed in with the password before is signed out. `false`: no such user.
    pub async fn set_password(&self, id: i64, password_hash: &str) -> Result<bool> {
        let password_hash = password_hash.to_owned();
        self.act(move |db| {
            diesel::delete(sessions::table.filter(sessions::user_id.eq(id))).execute(db)?;
            let row = users::table.find(id);
            Ok(diesel::update(row).set(users::password_hash.eq(&password_hash)).execute(db)? > 0)
        })
        .await
    }

    /// `false`: no such user, or it is the last admin.
    pub async fn set_role(&self, id: i64, role: Role) -> Result<bool> {
        self.act(move |db| {
            if role != Role::Admin && is_last_admin(db, id)? {
                return Ok(false);
            }
            Ok(diesel::update(users::table.find(id)).set(users::role.eq(role.as_str())).execute(db)? > 0)
        })
        .await
    }

    /// Its sessions end too. `false`: no such user, or it is the last admin.
    pub async fn delete_user(&self, id: i64) -> Result<bool> {
        self.act(move |db| {
            if is_last_admin(db, id)? {
                return Ok(false);
            }
            Ok(diesel::delete(users::table.find(id)).execute(db)? > 0)
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
pub(super) struct UserRow {
    id: i64,
    name: String,
    password_hash: String,
    role: String,
    created_at: i64,
}

impl UserRow {
    pub(super) fn user(self) -> Outcome<User> {
        Ok(User {
            id: self.id,
            name: self.name,
            password_hash: self.password_hash,
            role: parsed(&self.role)?,
            created_at: instant(self.created_at)?,
        })
    }
}

fn name_key(name: &str) -> String {
    fit(&fit(name, NAME).to_lowercase(), 255)
}

fn add(db: &mut Db, name: &str, password_hash: &str, role: Role, now: Timestamp) -> Outcome<Option<User>> {
    let taken: i64 = users::table.filter(users::name_key.eq(name_key(name))).count().get_result(db)?;
    if taken > 0 {
        return Ok(None);
    }
    let row = (
        users::name.eq(fit(name, NAME)),
        users::name_key.eq(name_key(name)),
        users::password_hash.eq(password_hash),
        users::role.eq(role.as_str()),
        users::created_at.eq(millis(now)),
    );
    diesel::insert_into(users::table).values(row).execute(db)?;
    let id = last_id(db)?;
    users::table.find(id).select(UserRow::as_select()).get_result(db)?.user().map(Some)
}

fn is_last_admin(db: &mut Db, id: i64) -> Outcome<bool> {
    let admins = users::table.filter(users::role.eq(Role::Admin.as_str()));
    let admins: Vec<i64> = admins.select(users::id).load(db)?;
    Ok(admins == [id])
}
