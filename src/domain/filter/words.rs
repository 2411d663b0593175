//! The words of a filter, with the places they stand at.

use std::ops::Range;

use super::FilterError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything without spaces, signs and quotes: `and`, `tag.region`, `1.3.0`.
    Word(String),
    /// What stood between quotes, its escapes undone.
    Quoted(String),
    /// `( ) , = != < <= > >= ~`
    Sign(&'static str),
    End,
}

#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) kind: Kind,
    pub(super) bytes: Range<usize>,
}

/// Longer signs before those they begin with.
const SIGNS: [&str; 10] = ["!=", "<=", ">=", "(", ")", ",", "=", "<", ">", "~"];

/// Whether a character may stand in a word that is not quoted.
pub(super) fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"()=!<>~,\"'".contains(c)
}

/// All words of a text, the last of which is its end.
pub(super) fn words(text: &str) -> Result<Vec<Word>, FilterError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, length) = if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Kind::Sign(sign), sign.len())
        } else if c == '"' || c == '\'' {
            quoted(text, at, c)?
        } else {
            let length = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            if length == 0 {
                let wrong = Word { kind: Kind::End, bytes: at..at + c.len_utf8() };
                return Err(FilterError::new(text, &wrong, "a word, a sign or a text in quotes"));
            }
            (Kind::Word(rest[..length].to_owned()), length)
        };
        words.push(Word { kind, bytes: at..at + length });
        at += length;
    }
    words.push(Word { kind: Kind::End, bytes: text.len()..text.len() });
    Ok(words)
}

/// The text from the quote at `begin` to its fellow; a backslash keeps the character behind it.
fn quoted(text: &str, begin: usize, quote: char) -> Result<(Kind, usize), FilterError> {
    let mut inner = String::new();
    let mut characters = text[begin..].char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => inner.extend(characters.next().map(|(_, kept)| kept)),
            c if c == quote => return Ok((Kind::Quoted(inner), at + c.len_utf8())),
            c => inner.push(c),
        }
    }
    let end = Word { kind: Kind::End, bytes: text.len()..text.len() };
    Err(FilterError::new(text, &end, &format!("{quote} to end the text that begins at {}", place(text, begin))))
}

/// A place in characters, from 1.
fn place(text: &str, byte: usize) -> usize {
    text[..byte].chars().count() + 1
}

impl FilterError {
    pub(super) fn new(text: &str, word: &Word, expected: &str) -> Self {
        let found = match text[word.bytes.clone()].chars().take(40).collect::<String>() {
            nothing if nothing.is_empty() => "the end".to_owned(),
            control if control.chars().any(char::is_control) => format!("{control:?}"),
            plain => format!("`{plain}`"),
        };
        Self { at: place(text, word.bytes.start), bytes: word.bytes.clone(), expected: expected.to_owned(), found }
    }
}
