//! The device's own token, kept in the state folder from the moment it is given.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::durable;

/// The token to connect with: the device's own where there is one, else the one from the configuration.
#[derive(Debug, Clone)]
pub struct Tokens {
    path: PathBuf,
    now: Arc<Mutex<State>>,
}

#[derive(Clone)]
struct State {
    own: Option<String>,
    enrolment: Option<String>,
    /// Given, but not on disk yet.
    unsaved: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("own", &self.own.is_some())
            .field("unsaved", &self.unsaved)
            .finish_non_exhaustive()
    }
}

impl Tokens {
    /// Reads the stored token, where there is one.
    ///
    /// # Errors
    /// When there is a file that cannot be read.
    pub fn open(state_dir: &Path, enrolment: Option<String>) -> io::Result<Self> {
        let path = state_dir.join("device.token");
        let own = match fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().to_owned()).filter(|token| !token.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path, now: Arc::new(Mutex::new(State { own, enrolment, unsaved: false })) })
    }

    /// What to connect with; `None` where the server asks for no token.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        let state = self.state();
        state.own.clone().or_else(|| state.enrolment.clone())
    }

    /// Keeps the token that the server gave; it counts from now on, and is on disk when this returns well.
    ///
    /// # Errors
    /// Those of the file system; it is kept in memory then, and [`Tokens::save_again`] tries once more.
    pub fn keep(&self, token: &str) -> io::Result<()> {
        {
            let mut state = self.state();
            state.own = Some(token.to_owned());
            state.unsaved = true;
        }
        self.save_again()
    }

    /// Puts a token on disk that could not be put there before.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn save_again(&self) -> io::Result<()> {
        let mut state = self.state();
        if let (true, Some(token)) = (state.unsaved, &state.own) {
            durable::replace_file(&self.path, format!("{token}\n").as_bytes(), 0o600)?;
            state.unsaved = false;
        }
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_own_token_outranks_the_enrolment_token_and_is_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::open(folder.path(), Some("enrol".into())).unwrap();
        assert_eq!(tokens.current().as_deref(), Some("enrol"));
        tokens.keep("own").unwrap();
        assert_eq!(tokens.current().as_deref(), Some("own"));
        let mode = fs::metadata(folder.path().join("device.token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Tokens::open(folder.path(), Some("enrol".into())).unwrap();
        assert_eq!(again.current().as_deref(), Some("own"));
    }

    #[test]
    fn a_token_that_could_not_be_saved_is_used_and_saved_later() {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = folder.path().join("state");
        let tokens = Tokens::open(&state_dir, None).unwrap();
        assert!(tokens.keep("own").is_err());
        assert_eq!(tokens.current().as_deref(), Some("own"));
        fs::create_dir(&state_dir).unwrap();
        tokens.save_again().unwrap();
        assert_eq!(Tokens::open(&state_dir, None).unwrap().current().as_deref(), Some("own"));
    }
}
