//! Tokens of programs and of new devices; only hashes are kept.

use diesel::prelude::*;

use super::connection::Db;
use super::dialect::last_id;
use super::schema::{api_tokens, enrolment_tokens};
use super::stored::{NAME, fit, instant, millis, optional_instant, parsed, whole};
use super::{Outcome, Result, Store};
use crate::domain::{ApiToken, EnrolmentToken, Role, Sha256Hex, Timestamp};

impl Store {
    /// Newest first.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>> {
        self.read(|db| {
            let all = api_tokens::table.order(api_tokens::id.desc()).select(ApiRow::as_select());
            all.load(db)?.into_iter().map(ApiRow::token).collect()
        })
        .await
    }

    pub async fn add_api_token(
        &self,
        name: &str,
        role: Role,
        hash: &Sha256Hex,
        by: &str,
        expires_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<ApiToken> {
        let (name, hash, by) = (fit(name, NAME), hash.clone(), fit(by, NAME));
        self.act(move |db| {
            let row = (
                api_tokens::name.eq(&name),
                api_tokens::role.eq(role.as_str()),
                api_tokens::hash.eq(hash.as_str()),
                api_tokens::created_at.eq(millis(now)),
                api_tokens::created_by.eq(&by),
                api_tokens::expires_at.eq(expires_at.map(millis)),
                api_tokens::revoked.eq(false),
            );
            diesel::insert_into(api_tokens::table).values(row).execute(db)?;
            let id = last_id(db)?;
            api_tokens::table.find(id).select(ApiRow::as_select()).get_result(db)?.token()
        })
        .await
    }

    /// Not revoked, not expired.
    pub async fn api_token(&self, hash: &Sha256Hex, now: Timestamp) -> Result<Option<ApiToken>> {
        let hash = hash.clone();
        self.read(move |db| {
            let row = api_tokens::table
                .filter(api_tokens::hash.eq(hash.as_str()))
                .filter(api_tokens::revoked.eq(false))
                .filter(api_tokens::expires_at.is_null().or(api_tokens::expires_at.gt(millis(now))));
            row.select(ApiRow::as_select()).get_result(db).optional()?.map(ApiRow::token).transpose()
        })
        .await
    }

    /// Whether a token is still good: not revoked, not expired.
    pub async fn api_token_stands(&self, id: i64, now: Timestamp) -> Result<bool> {
        self.read(move |db| {
            let row = api_tokens::table
                .find(id)
                .filter(api_tokens::revoked.eq(false))
                .filter(api_tokens::expires_at.is_null().or(api_tokens::expires_at.gt(millis(now))));
            Ok(row.count().get_result::<i64>(db)? > 0)
        })
        .await
    }

    /// `false`: no such token.
    pub async fn revoke_api_token(&self, id: i64) -> Result<bool> {
        self.act(move |db| {
            let row = api_tokens::table.find(id);
            Ok(diesel::update(row).set(api_tokens::revoked.eq(true)).execute(db)? > 0)
        })
        .await
    }

    /// Newest first.
    pub async fn enrolment_tokens(&self) -> Result<Vec<EnrolmentToken>> {
        self.read(|db| {
            let all = enrolment_tokens::table.order(enrolment_tokens::id.desc()).select(EnrolmentRow::as_select());
            all.load(db)?.into_iter().map(EnrolmentRow::token).collect()
        })
        .await
    }

    pub async fn add_enrolment_token(
        &self,
        hash: &Sha256Hex,
        uses: Option<u32>,
        expires_at: Option<Timestamp>,
        by: &str,
        now: Timestamp,
    ) -> Result<EnrolmentToken> {
        let (hash, by) = (hash.clone(), fit(by, NAME));
        self.act(move |db| {
            let row = (
                enrolment_tokens::hash.eq(hash.as_str()),
                enrolment_tokens::created_at.eq(millis(now)),
                enrolment_tokens::created_by.eq(&by),
                enrolment_tokens::uses_left.eq(uses.map(i64::from)),
                enrolment_tokens::expires_at.eq(expires_at.map(millis)),
                enrolment_tokens::revoked.eq(false),
            );
            diesel::insert_into(enrolment_tokens::table).values(row).execute(db)?;
            let id = last_id(db)?;
            enrolment_tokens::table.find(id).select(EnrolmentRow::as_select()).get_result(db)?.token()
        })
        .await
    }

    /// `false`: no such token.
    pub async fn revoke_enrolment_token(&self, id: i64) -> Result<bool> {
        self.act(move |db| {
            let row = enrolment_tokens::table.find(id);
            Ok(diesel::update(row).set(enrolment_tokens::revoked.eq(true)).execute(db)? > 0)
        })
        .await
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_tokens)]
struct ApiRow {
    id: i64,
    name: String,
    role: String,
    created_at: i64,
    created_by: String,
    expires_at: Option<i64>,
    revoked: bool,
}

impl ApiRow {
    fn token(self) -> Outcome<ApiToken> {
        Ok(ApiToken {
            id: self.id,
            name: self.name,
            role: parsed(&self.role)?,
            created_at: instant(self.created_at)?,
            created_by: self.created_by,
            expires_at: optional_instant(self.expires_at)?,
            revoked: self.revoked,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = enrolment_tokens)]
struct EnrolmentRow {
    id: i64,
    created_at: i64,
    created_by: String,
    uses_left: Option<i64>,
    expires_at: Option<i64>,
    revoked: bool,
}

impl EnrolmentRow {
    fn token(self) -> Outcome<EnrolmentToken> {
        Ok(EnrolmentToken {
            id: self.id,
            created_at: instant(self.created_at)?,
            created_by: self.created_by,
            uses_left: self.uses_left.map(whole).transpose()?,
            expires_at: optional_instant(self.expires_at)?,
            revoked: self.revoked,
        })
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        !self.revoked && self.uses_left != Some(0) && self.expires_at.is_none_or(|end| end > millis(now))
    }
}

/// The row of an enrolment token that still lets devices in.
pub(super) fn valid_enrolment(db: &mut Db, hash: &Sha256Hex, now: Timestamp) -> Outcome<Option<i64>> {
    let row = enrolment_tokens::table.filter(enrolment_tokens::hash.eq(hash.as_str()));
    let row: Option<EnrolmentRow> = row.select(EnrolmentRow::as_select()).get_result(db).optional()?;
    Ok(row.filter(|row| row.is_valid(now)).map(|row| row.id))
}

/// Uses an enrolment token once; `false`: it is not valid.
pub(super) fn use_enrolment(db: &mut Db, id: i64, now: Timestamp) -> Outcome<bool> {
    let row: Option<EnrolmentRow> =
        enrolment_tokens::table.find(id).select(EnrolmentRow::as_select()).get_result(db).optional()?;
    let Some(row) = row.filter(|row| row.is_valid(now)) else { return Ok(false) };
    if row.uses_left.is_none() {
        return Ok(true);
    }
    // Counted down where it is, so that two programs beside each other can't use the last use twice.
    let left = enrolment_tokens::table.find(id).filter(enrolment_tokens::uses_left.gt(0));
    let one_less = enrolment_tokens::uses_left.eq(enrolment_tokens::uses_left - 1);
    Ok(diesel::update(left).set(one_less).execute(db)? > 0)
}
