//! A form that came when its session had ended: kept on the sign-in page, and sent again by its owner afterwards.
//!
//! Nothing of it is stored before the sign-in: it stands in the sign-in page itself. What a form must not hand on is
//! left out, and a form with a password is not kept at all.

use actix_web::HttpMessage as _;
use actix_web::HttpRequest;
use actix_web::dev::ServiceRequest;
use serde::Serialize;

use super::csrf::local_path;
use super::params;

/// Longer ones are not kept, bytes.
const LONGEST: usize = 64 * 1024;
/// Fields that are not repeated.
const SECRET: [&str; 5] = ["password", "repeat", "current", "code", "token"];

/// A form and where it was going.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Interrupted {
    /// Empty: there is none.
    pub action: String,
    /// As a form's body.
    pub body: String,
}

impl Interrupted {
    /// One that a sign-in page carried, if it leads to a page of ours.
    #[must_use]
    pub fn carried(action: &str, body: &str) -> Option<Self> {
        let action = local_path(action).filter(|path| !path.starts_with("/login"))?;
        (body.len() <= LONGEST).then(|| Self { action: action.to_owned(), body: body.to_owned() })
    }

    /// What its owner would send again, in its order.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, String)> {
        let fields = params::pairs(&self.body).into_iter();
        fields.filter(|(name, _)| name != "csrf").collect()
    }
}

/// Leaves a form with its request, whose session has ended.
pub fn keep(request: &ServiceRequest, form: Option<&[u8]>) {
    let Some(form) = form.filter(|form| form.len() <= LONGEST) else { return };
    let body = String::from_utf8_lossy(form).into_owned();
    let secret = params::pairs(&body).iter().any(|(name, _)| SECRET.contains(&name.as_str()));
    let action = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let kept = Interrupted::carried(&action, &body).filter(|kept| !secret && !kept.fields().is_empty());
    if let Some(kept) = kept {
        request.extensions_mut().insert(kept);
    }
}

/// The form that was kept with this request.
#[must_use]
pub fn kept(request: &HttpRequest) -> Option<Interrupted> {
    request.extensions().get::<Interrupted>().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_carried_to_a_page_of_ours_only_and_without_its_old_token() {
        let kept = Interrupted::carried("/devices/t-1", "csrf=x&name=a+b&tags=c%0Ad").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(kept.fields(), [pair("name", "a b"), pair("tags", "c\nd")]);
        for elsewhere in ["", "//evil", "https://evil/", "/login", "/login/code"] {
            assert_eq!(Interrupted::carried(elsewhere, "a=b"), None, "{elsewhere}");
        }
        assert_eq!(Interrupted::carried("/x", &"a".repeat(LONGEST + 1)), None);
    }
}
