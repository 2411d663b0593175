//! What surrounds every page: who is signed in, the theme, the form token, and what was just done.

use serde::Serialize;

use crate::domain::Role;
use crate::web::words::Language;

/// A page: typed data for one template. All words are in the template.
pub trait View: Serialize {
    /// The template's name.
    const TEMPLATE: &'static str;

    /// Where a reader can come back to, where the page as the answer to a form knows it better than the form's address.
    fn here(&self) -> Option<String> {
        None
    }
}

/// A page with its surroundings, as the template sees it.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    pub shell: Shell,
    #[serde(flatten)]
    pub body: T,
}

/// What every page shows or carries.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Shell {
    /// `None` on the pages before signing in.
    pub user: Option<Signed>,
    /// Goes into every form.
    pub csrf: String,
    /// What the reader chose; `None`: as their system has it.
    pub theme: Option<&'static str>,
    pub language: Language,
    /// What the reader may change to.
    pub other_languages: Vec<Language>,
    /// Path and query of this page, to come back to.
    pub here: String,
    /// What the request before this one did, as a code that the layout has a sentence for.
    pub done: Option<&'static str>,
}

/// Who is signed in.
#[derive(Debug, Clone, Serialize)]
pub struct Signed {
    pub name: String,
    pub role: Role,
    /// Whether to show what operators may do.
    pub operates: bool,
    /// Whether to show what admins may do.
    pub administers: bool,
}

impl Signed {
    /// By name and role.
    #[must_use]
    pub fn new(name: &str, role: Role) -> Self {
        Self { name: name.to_owned(), role, operates: role >= Role::Operator, administers: role >= Role::Admin }
    }
}

/// What a page may say was just done: the only values of `?done=` that are heeded.
const DONE: [&str; 33] = [
    "saved",
    "session_ended",
    "sessions_ended",
    "second_factor_on",
    "second_factor_off",
    "recovery_codes_made",
    "password_changed",
    "device_deleted",
    "device_token_revoked",
    "enrolment_allowed",
    "enrolment_disallowed",
    "package_added",
    "package_same",
    "package_deleted",
    "rollout_started",
    "rollout_paused",
    "rollout_resumed",
    "rollout_cancelled",
    "rollout_launched",
    "rollout_approved",
    "rollout_retried",
    "rollout_retried_none",
    "rollout_rolled_back",
    "device_freed",
    "user_added",
    "user_deleted",
    "devices_tagged",
    "devices_tagged_some",
    "view_saved",
    "view_deleted",
    "group_saved",
    "group_deleted",
    "token_revoked",
];

/// The code among the known ones.
#[must_use]
pub fn done(code: &str) -> Option<&'static str> {
    DONE.into_iter().find(|known| *known == code)
}

/// The theme a cookie names.
#[must_use]
pub fn theme(cookie: &str) -> Option<&'static str> {
    ["light", "dark"].into_iter().find(|known| *known == cookie)
}

/// Text of a device or a user, cut to what a page shows of it: 4 KiB.
#[must_use]
pub fn shown(text: &str) -> String {
    const MOST: usize = 4096;
    if text.len() <= MOST {
        return text.to_owned();
    }
    let mut end = MOST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_whole_character() {
        let cut = shown(&"é".repeat(3000));
        assert_eq!(cut.chars().count(), 2049);
        assert_eq!(shown("short"), "short");
    }

    #[test]
    fn only_known_codes_are_heeded() {
        assert_eq!(done("saved"), Some("saved"));
        assert_eq!(done("<script>"), None);
    }
}
