//! By what right the bearer of a token may connect.
//!
//! When a fleet comes back at once thousands ask this. They are answered by one reader, many at a time: a task
//! and a change of threads for each would take longer than the looking up.

use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;
use tokio::sync::oneshot;

use super::connection::Db;
use super::schema::devices;
use super::{Outcome, Result, Store, StoreError, tokens};
use crate::domain::{DeviceAuth, KeyId, Sha256Hex, Timestamp};

/// Questions that are looked up before any of them is answered.
const AT_ONCE: usize = 100;

/// Those who wait to be let in.
#[derive(Default)]
pub(super) struct Bearers(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    asked: Vec<Question>,
    /// Somebody is answering, and comes to all of them.
    is_answered: bool,
}

struct Question {
    token_hash: Sha256Hex,
    now: Timestamp,
    reply: Reply,
}

impl Store {
    /// By what right the bearer of a token may connect: a device's own, or a valid enrolment token. By hash.
    pub async fn device_auth(&self, token_hash: &Sha256Hex, now: Timestamp) -> Result<Option<DeviceAuth>> {
        let (reply, answer) = oneshot::channel();
        if self.inner.bearers.ask(Question { token_hash: token_hash.clone(), now, reply }) {
            let store = self.clone();
            tokio::task::spawn_blocking(move || store.answer_bearers());
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("nobody came to it".to_owned())))
    }

    /// Until nobody waits.
    fn answer_bearers(&self) {
        let _end = End(&self.inner.bearers);
        while let Some(asked) = self.inner.bearers.take(AT_ONCE) {
            let mut db = match self.inner.readers.get() {
                Ok(db) => db,
                Err(error) => {
                    // Whoever else waits would wait as long again, for the same answer.
                    let rest = self.inner.bearers.take(usize::MAX).unwrap_or_default();
                    let unavailable = StoreError::Unavailable(error.to_string());
                    tell(asked.into_iter().chain(rest).map(|question| (question.reply, Err(unavailable.clone()))));
                    continue;
                }
            };
            let answer =
                |Question { token_hash, now, reply }| (reply, auth(&mut db, token_hash, now).map_err(StoreError::from));
            // All are looked up, and then told: threads that wait are woken once.
            tell(asked.into_iter().map(answer).collect::<Vec<_>>());
        }
    }
}

type Reply = oneshot::Sender<Result<Option<DeviceAuth>>>;

fn tell(answers: impl IntoIterator<Item = (Reply, Result<Option<DeviceAuth>>)>) {
    for (reply, answer) in answers {
        // Who has gone meanwhile needs none.
        let _ = reply.send(answer);
    }
}

impl Bearers {
    /// Whether somebody must begin to answer.
    fn ask(&self, question: Question) -> bool {
        let mut waiting = self.waiting();
        waiting.asked.push(question);
        !std::mem::replace(&mut waiting.is_answered, true)
    }

    /// Some that wait; with none the answering is over.
    fn take(&self, most: usize) -> Option<Vec<Question>> {
        let mut waiting = self.waiting();
        let some = waiting.asked.len().min(most);
        waiting.is_answered = some > 0;
        (some > 0).then(|| waiting.asked.drain(..some).collect())
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Each use is one step: a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever waits when the answering ends by a panic is told so, and the next that asks is answered again.
struct End<'a>(&'a Bearers);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            *self.0.waiting() = Waiting::default();
        }
    }
}

fn auth(db: &mut Db, token_hash: Sha256Hex, now: Timestamp) -> Outcome<Option<DeviceAuth>> {
    let own = devices::table.filter(devices::token_hash.eq(token_hash.as_str())).select(devices::key_id);
    if let Some(key) = own.get_result(db).optional()? {
        return Ok(Some(DeviceAuth::Device(KeyId(key), token_hash)));
    }
    Ok(tokens::valid_enrolment(db, &token_hash, now)?.map(DeviceAuth::Enrolment))
}
