//! What pages need from start to stop: the templates, the files, and what waits for the next page of a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use super::users::Once;
use crate::domain::{Sha256Hex, Timestamp};
use crate::web::assets::Assets;
use crate::web::interrupted::Interrupted;
use crate::web::templates::{TemplateError, Templates};

/// Something waits this long for the page that shows it.
const WAITS: TimeDelta = TimeDelta::minutes(5);

/// So many sessions may have something waiting; beyond it those that have waited longest are forgotten.
const MOST: usize = 1000;

/// One for all workers.
pub struct Pages {
    pub assets: Arc<Assets>,
    templates: Result<Templates, TemplateError>,
    /// A token that was just made: what is stored of it is its hash.
    pub once: Waiting<Once>,
    /// A form that came when its session had ended, for the session that followed.
    pub interrupted: Waiting<Interrupted>,
    /// A secret of a second factor that is not on yet.
    pub proposed: Waiting<String>,
    /// Recovery codes that were just made.
    pub recovery_codes: Waiting<Vec<String>>,
}

impl Default for Pages {
    fn default() -> Self {
        let assets = Arc::new(Assets::new());
        Self {
            templates: Templates::new(assets.clone()),
            assets,
            once: Waiting::default(),
            interrupted: Waiting::default(),
            proposed: Waiting::default(),
            recovery_codes: Waiting::default(),
        }
    }
}

impl Pages {
    /// The templates.
    ///
    /// # Errors
    /// What is wrong with them; no page can be shown then.
    pub fn templates(&self) -> Result<&Templates, &TemplateError> {
        self.templates.as_ref()
    }
}

/// What waits for the next page of its session. In memory only.
pub struct Waiting<T>(Mutex<HashMap<Sha256Hex, (Timestamp, T)>>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Waiting<T> {
    /// Keeps something for the next page of a session.
    pub fn keep(&self, session: Sha256Hex, what: T, now: Timestamp) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (since, _)| now - *since < WAITS);
        if waiting.len() >= MOST
            && let Some(oldest) = waiting.iter().min_by_key(|(_, (since, _))| *since).map(|(key, _)| key.clone())
        {
            waiting.remove(&oldest);
        }
        waiting.insert(session, (now, what));
    }

    /// Takes what the session's request before this one left.
    #[must_use]
    pub fn take(&self, session: &Sha256Hex, now: Timestamp) -> Option<T> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, what) = waiting.remove(session)?;
        (now - since < WAITS).then_some(what)
    }

    /// Takes it where it is what the page shows; anything else waits on.
    #[must_use]
    pub fn take_if(&self, session: &Sha256Hex, now: Timestamp, shows: impl Fn(&T) -> bool) -> Option<T> {
        if self.look(session, now).is_some_and(|what| shows(&what)) { self.take(session, now) } else { None }
    }

    /// Looks at it, and leaves it for the page after.
    #[must_use]
    pub fn look(&self, session: &Sha256Hex, now: Timestamp) -> Option<T> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, what) = waiting.get(session)?;
        (now - *since < WAITS).then(|| what.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_once_and_only_to_its_session() {
        let once = Waiting::default();
        let session = Sha256Hex::of(b"a");
        let secret = Once { page: "/users".to_owned(), name: "ci".to_owned(), token: "fwa_x".to_owned() };
        let now = Timestamp::UNIX_EPOCH;
        once.keep(session.clone(), secret.clone(), now);
        assert_eq!(once.take(&Sha256Hex::of(b"b"), now), None);
        assert_eq!(once.look(&session, now), Some(secret.clone()));
        assert_eq!(once.take_if(&session, now, |secret| secret.page == "/enrol"), None, "another page's");
        assert_eq!(once.take_if(&session, now, |secret| secret.page == "/users"), Some(secret.clone()));
        assert_eq!(once.take(&session, now), None);
        once.keep(session.clone(), secret, now);
        assert_eq!(once.take(&session, now + WAITS), None);
    }

    #[test]
    fn what_waits_is_bounded() {
        let waiting = Waiting::default();
        for n in 0..2 * MOST {
            waiting.keep(Sha256Hex::of(&n.to_be_bytes()), n, Timestamp::UNIX_EPOCH);
        }
        assert!(waiting.0.lock().unwrap().len() <= MOST);
    }
}
