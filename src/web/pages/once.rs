//! What pages need from start to stop: the templates, the files, and secrets that wait to be shown once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;

use super::users::Once;
use crate::domain::{Sha256Hex, Timestamp};
use crate::web::assets::Assets;
use crate::web::templates::{TemplateError, Templates};

/// A secret waits this long for the page that shows it.
const WAITS: TimeDelta = TimeDelta::minutes(5);

/// One for all workers.
pub struct Pages {
    pub assets: Arc<Assets>,
    templates: Result<Templates, TemplateError>,
    /// By session: a token that was just made, for the next page of that session. In memory only: what is stored of
    /// a token is its hash.
    once: Mutex<HashMap<Sha256Hex, (Timestamp, Once)>>,
}

impl Default for Pages {
    fn default() -> Self {
        let assets = Arc::new(Assets::new());
        Self { templates: Templates::new(assets.clone()), assets, once: Mutex::default() }
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

    /// Keeps a secret for the next page of a session.
    pub fn keep(&self, session: Sha256Hex, secret: Once, now: Timestamp) {
        let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        once.retain(|_, (since, _)| now - *since < WAITS);
        once.insert(session, (now, secret));
    }

    /// Takes the secret that the session's request before this one made.
    #[must_use]
    pub fn take(&self, session: &Sha256Hex, now: Timestamp) -> Option<Once> {
        let mut once = self.once.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, secret) = once.remove(session)?;
        (now - since < WAITS).then_some(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_once_and_only_to_its_session() {
        let pages = Pages::default();
        let session = Sha256Hex::of(b"a");
        let secret = Once { api: true, name: "ci".to_owned(), token: "fwa_x".to_owned() };
        let now = Timestamp::UNIX_EPOCH;
        pages.keep(session.clone(), secret.clone(), now);
        assert_eq!(pages.take(&Sha256Hex::of(b"b"), now), None);
        assert_eq!(pages.take(&session, now), Some(secret.clone()));
        assert_eq!(pages.take(&session, now), None);
        pages.keep(session.clone(), secret, now);
        assert_eq!(pages.take(&session, now + WAITS), None);
    }
}
