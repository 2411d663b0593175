//! English sentences of the program, known by their own messages.

use regex::Regex;

use super::WordsError;

/// What the names of such messages begin with.
const PREFIX: &str = "sentence-";

/// Every sentence that is known, those with the most words of their own first.
pub(super) struct Sentences(Vec<Known>);

struct Known {
    message: String,
    pattern: Regex,
    own: usize,
    names: Vec<String>,
}

/// A sentence that is known, with what stands in its gaps.
pub(super) struct Found<'a> {
    pub message: &'a str,
    pub with: Vec<(&'a str, &'a str)>,
}

impl Sentences {
    /// Those of the English files, each of one line: `sentence-paused-by = paused by { $name }`.
    pub fn new(files: &[(String, String)]) -> Result<Self, WordsError> {
        let mut known = Vec::new();
        for (file, text) in files {
            for (message, words) in text.lines().filter_map(|line| line.strip_prefix(PREFIX)?.split_once(" = ")) {
                let broken = |why: regex::Error| WordsError::Broken { file: file.clone(), why: why.to_string() };
                known.push(Known::new(&format!("{PREFIX}{message}"), words).map_err(broken)?);
            }
        }
        known.sort_by_key(|known| std::cmp::Reverse(known.own));
        Ok(Self(known))
    }

    pub fn find<'a>(&'a self, text: &'a str) -> Option<Found<'a>> {
        self.0.iter().find_map(|known| {
            let parts = known.pattern.captures(text.trim())?;
            let part = |(index, name): (usize, &'a String)| Some((name.as_str(), parts.get(index + 1)?.as_str()));
            Some(Found { message: &known.message, with: known.names.iter().enumerate().filter_map(part).collect() })
        })
    }
}

impl Known {
    fn new(message: &str, words: &str) -> Result<Self, regex::Error> {
        let (mut pattern, mut own, mut names) = ("^".to_owned(), 0, Vec::new());
        let mut rest = words;
        while let Some((before, behind)) = rest.split_once("{ $") {
            let (name, after) = behind.split_once(" }").unwrap_or((behind, ""));
            pattern += &format!("{}(.*?)", regex::escape(before));
            own += before.len();
            names.push(name.to_owned());
            rest = after;
        }
        pattern += &format!("{}$", regex::escape(rest));
        own += rest.len();
        Ok(Self { message: message.to_owned(), pattern: Regex::new(&pattern)?, own, names })
    }
}
