//! Pages that stand between: an error with a way on, and the question before something is deleted.

use serde::Serialize;

use super::shell::View;

/// An error, for people.
#[derive(Debug, Serialize)]
pub struct ErrorPage {
    pub status: u16,
    /// The status, where it has a title of its own, or `other`.
    pub title: &'static str,
    /// What happened, and what to do.
    pub messages: Vec<String>,
    /// Seconds after which another try makes sense.
    pub retry_after_s: Option<u32>,
    /// Whether it is the reader's role that does not allow it, and who can give another.
    pub role_lacking: bool,
    pub admins: Vec<String>,
    /// By what the log has the request.
    pub reference: Option<String>,
}

impl ErrorPage {
    /// Those with a title of their own.
    const TITLED: [&str; 9] = ["400", "403", "404", "409", "413", "422", "429", "500", "503"];

    /// What the templates call the title of a status.
    #[must_use]
    pub fn title(status: u16) -> &'static str {
        Self::TITLED.into_iter().find(|titled| *titled == status.to_string()).unwrap_or("other")
    }
}

impl View for ErrorPage {
    const TEMPLATE: &'static str = "error";
}

/// The question before something is deleted for good.
#[derive(Debug, Serialize)]
pub struct ConfirmPage {
    /// `device`, `user`, `package`, `rollout_cancel`, `rollout_rollback`, `device_token`: the template has the words.
    pub what: &'static str,
    pub name: String,
    /// Where the answer yes is posted.
    pub action: String,
    /// Where the answer no leads.
    pub back: String,
}

impl View for ConfirmPage {
    const TEMPLATE: &'static str = "confirm";
}
