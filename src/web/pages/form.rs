//! Forms: what was typed is kept, and what is wrong is said at the field.

use serde::Serialize;

/// The fields of a form as they came, in their order; a name may come more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, String)>);

impl Pairs {
    /// Those of a form's body.
    #[must_use]
    pub fn of_form(body: &[u8]) -> Self {
        Self(crate::web::params::pairs(&String::from_utf8_lossy(body)))
    }

    /// Those of the request's query.
    #[must_use]
    pub fn of_query(request: &actix_web::HttpRequest) -> Self {
        Self(crate::web::params::pairs(request.query_string()))
    }

    /// Those of a text like a query's.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self(crate::web::params::pairs(text))
    }

    /// Every value of a name, in their order.
    pub fn every<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, without spaces around it; empty when there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The first value of a name, as typed.
    #[must_use]
    pub fn raw(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether a box was ticked.
    #[must_use]
    pub fn ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Whether the form has the field at all.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// One field: what was typed, and what is wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Field {
    pub value: String,
    /// A code that the template `parts/error` has a sentence for (`required`, `number`), or a sentence.
    pub error: Option<String>,
}

impl Field {
    /// Nothing wrong with it so far.
    #[expect(clippy::needless_pass_by_value, reason = "callers hand in texts, names, numbers and errors alike")]
    #[must_use]
    pub fn new(value: impl ToString) -> Self {
        Self { value: value.to_string(), error: None }
    }

    /// As typed into a form.
    #[must_use]
    pub fn typed(form: &Pairs, name: &str) -> Self {
        Self::new(super::shell::shown(form.raw(name)))
    }

    /// Says what is wrong; the first word counts.
    #[expect(clippy::needless_pass_by_value, reason = "callers hand in texts, names, numbers and errors alike")]
    pub fn refuse(&mut self, error: impl ToString) {
        self.error.get_or_insert_with(|| error.to_string());
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.value.trim().is_empty()
    }

    /// Reads the value; what can't be read is said at the field.
    pub fn read<T: std::str::FromStr>(&mut self) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        if self.is_empty() {
            self.refuse("required");
            return None;
        }
        match self.value.trim().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(error);
                None
            }
        }
    }

    /// Reads a whole number.
    pub fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        let value = self.value.trim().parse().ok();
        if value.is_none() {
            self.refuse(if self.is_empty() { "required" } else { "number" });
        }
        value
    }

    /// Reads a whole number, where there is one.
    pub fn optional_number<T: std::str::FromStr>(&mut self) -> Option<T> {
        if self.is_empty() { None } else { self.number() }
    }
}

/// Percent-encodes a part of a URL.
#[must_use]
pub fn url_part(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A query of the pairs that have a value: `?q=a&online=true`, or nothing.
#[must_use]
pub fn query(pairs: &[(&str, &str)]) -> String {
    let parts: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{}={}", url_part(name), url_part(value)))
        .collect();
    if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_kept_beside_what_is_wrong() {
        let mut field = Field::new("many");
        assert_eq!(field.number::<u32>(), None);
        assert_eq!((field.value.as_str(), field.error.as_deref()), ("many", Some("number")));
        let mut empty = Field::default();
        assert_eq!(empty.read::<crate::domain::DeviceId>(), None);
        assert_eq!(empty.error.as_deref(), Some("required"));
    }

    #[test]
    fn a_query_holds_any_text() {
        assert_eq!(query(&[("q", "a&b=c d"), ("online", "")]), "?q=a%26b%3Dc%20d");
        assert_eq!(query(&[("q", "")]), "");
    }
}
