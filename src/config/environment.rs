//! The program's environment, read once: the one place that looks at it.

use std::collections::BTreeMap;

/// What every variable of ours begins with.
const PREFIX: &str = "FLEETWARD_";

/// The variables that begin with `FLEETWARD_`, without that. Empty ones count as not set.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process's own. A value that is not UTF-8 is taken with replacement characters, and so is refused by
    /// whatever setting it is for.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn read() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        Self::of(std::env::vars_os().map(|(name, value)| (text(name), text(value))))
    }

    /// Of these variables, by their full names.
    #[must_use]
    pub fn of(variables: impl IntoIterator<Item = (impl AsRef<str>, impl Into<String>)>) -> Self {
        let ours = |(name, value): (_, _)| {
            let name = AsRef::<str>::as_ref(&name).strip_prefix(PREFIX)?.to_owned();
            let value: String = Into::into(value);
            (!value.is_empty()).then_some((name, value))
        };
        Self(variables.into_iter().filter_map(ours).collect())
    }

    /// `get("TOKEN")` is the value of `FLEETWARD_TOKEN`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}
