//! A filter as it is typed into a page: what it was understood as, or the place at which it was not.

use serde::Serialize;

use super::shell::shown;
use crate::domain::{Filter, FilterError};

#[derive(Debug, Clone, Default, Serialize)]
pub struct FilterBox {
    /// As typed.
    pub text: String,
    pub fault: Option<Fault>,
    /// How it was understood, where that is not what was typed.
    pub reading: Option<String>,
    #[serde(skip)]
    pub filter: Option<Filter>,
}

/// What was typed, cut at the place that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    pub before: String,
    /// Empty at the end of the text.
    pub marked: String,
    pub after: String,
    pub message: String,
}

impl FilterBox {
    /// Reads a text; an empty one is no filter.
    #[must_use]
    pub fn typed(text: &str) -> Self {
        let typed = shown(text);
        if text.trim().is_empty() {
            return Self { text: typed, ..Self::default() };
        }
        match Filter::parse(text) {
            Ok(filter) => {
                let reading = Some(filter.reading()).filter(|reading| reading != text.trim());
                Self { text: typed, fault: None, reading, filter: Some(filter) }
            }
            Err(error) => Self { text: typed, fault: Some(Fault::new(text, &error)), reading: None, filter: None },
        }
    }
}

impl Fault {
    fn new(text: &str, error: &FilterError) -> Self {
        let part = |range: std::ops::Range<usize>| shown(text.get(range).unwrap_or_default());
        Self {
            before: part(0..error.bytes.start),
            marked: part(error.bytes.clone()),
            after: part(error.bytes.end..text.len()),
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_marked_and_what_was_typed_is_kept() {
        let typed = FilterBox::typed("name ~ bus and and online");
        let fault = typed.fault.unwrap();
        assert_eq!(
            (fault.before.as_str(), fault.marked.as_str(), fault.after.as_str()),
            ("name ~ bus and ", "and", " online")
        );
        assert_eq!(typed.text, "name ~ bus and and online");
        assert!(FilterBox::typed("ONLINE").reading.is_some_and(|reading| reading == "online"));
        assert!(FilterBox::typed(" ").filter.is_none());
    }
}
