//! The second factor of those who have one: a shared secret, and codes for the day the telephone is lost.

use diesel::prelude::*;

use super::connection::Db;
use super::dialect::Value;
use super::rows::Columns;
use super::schema::{recovery_codes, second_factors};
use super::stored::{instant, millis, whole};
use super::{Outcome, Result, Store};
use crate::domain::{SecondFactor, Sha256Hex, Timestamp};

const FACTORS: Columns = Columns::new("second_factors", &["user_id"], &["secret", "since", "last_step"]);
const CODES: Columns = Columns::new("recovery_codes", &["hash"], &["user_id"]);

impl Store {
    /// `None`: the user signs in with a password alone.
    pub async fn second_factor(&self, user_id: i64) -> Result<Option<SecondFactor>> {
        self.read(move |db| {
            let row = second_factors::table.find(user_id);
            let columns = (second_factors::secret, second_factors::since, second_factors::last_step);
            let found: Option<(String, i64, i64)> = row.select(columns).get_result(db).optional()?;
            let Some((secret, since, last_step)) = found else { return Ok(None) };
            let codes: i64 =
                recovery_codes::table.filter(recovery_codes::user_id.eq(user_id)).count().get_result(db)?;
            let (since, last_step, recovery_codes) = (instant(since)?, whole(last_step)?, whole(codes)?);
            Ok(Some(SecondFactor { secret, since, last_step, recovery_codes }))
        })
        .await
    }

    /// Which users have one.
    pub async fn second_factor_users(&self) -> Result<Vec<i64>> {
        self.read(|db| Ok(second_factors::table.select(second_factors::user_id).load(db)?)).await
    }

    /// Turns it on, with these recovery codes; the code of this step has been used. `false`: it was on already.
    pub async fn set_second_factor(
        &self,
        user_id: i64,
        secret: &str,
        step: u64,
        codes: &[Sha256Hex],
        now: Timestamp,
    ) -> Result<bool> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let row: Vec<Value> = vec![user_id.into(), secret.into(), millis(now).into(), step.into()];
        let codes = codes.to_vec();
        self.act(move |db| {
            if second_factors::table.find(user_id).count().get_result::<i64>(db)? > 0 {
                return Ok(false);
            }
            FACTORS.insert(db, vec![row.clone()])?;
            replace_codes(db, user_id, &codes)?;
            Ok(true)
        })
        .await
    }

    /// Gives new recovery codes; the ones before are void. `false`: there is no second factor.
    pub async fn set_recovery_codes(&self, user_id: i64, codes: &[Sha256Hex]) -> Result<bool> {
        let codes = codes.to_vec();
        self.act(move |db| {
            if second_factors::table.find(user_id).count().get_result::<i64>(db)? == 0 {
                return Ok(false);
            }
            replace_codes(db, user_id, &codes)?;
            Ok(true)
        })
        .await
    }

    /// Takes it away, with its recovery codes. `false`: there was none.
    pub async fn delete_second_factor(&self, user_id: i64) -> Result<bool> {
        self.act(move |db| {
            diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))).execute(db)?;
            Ok(diesel::delete(second_factors::table.find(user_id)).execute(db)? > 0)
        })
        .await
    }

    /// Uses the code of a step up. `false`: it, or a later one, was used already.
    pub async fn use_step(&self, user_id: i64, step: u64) -> Result<bool> {
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        self.write(move |db| {
            let row = second_factors::table.find(user_id).filter(second_factors::last_step.lt(step));
            Ok(diesel::update(row).set(second_factors::last_step.eq(step)).execute(db)? > 0)
        })
        .await
    }

    /// Uses a recovery code up. `false`: it is none, or was used already.
    pub async fn use_recovery_code(&self, user_id: i64, hash: &Sha256Hex) -> Result<bool> {
        let hash = hash.clone();
        self.write(move |db| {
            let row = recovery_codes::table.find(hash.as_str()).filter(recovery_codes::user_id.eq(user_id));
            Ok(diesel::delete(row).execute(db)? > 0)
        })
        .await
    }
}

fn replace_codes(db: &mut Db, user_id: i64, codes: &[Sha256Hex]) -> Outcome<()> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))).execute(db)?;
    let rows = codes.iter().map(|code| vec![code.as_str().into(), user_id.into()]).collect();
    Ok(CODES.insert(db, rows)?)
}
