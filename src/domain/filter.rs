//! A small language that says which devices are meant: `module.app1 < 1.3.0 and tag.region = east and not online`.
//!
//! Wanted: a filter is read once and never fails afterwards; what cannot be read is answered with the place and with
//! what would fit there; nothing that people type overflows the stack; and of a device that lacks the thing that is
//! asked for, nothing is true but `!=` and `= none`.

mod area;
mod evaluate;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};

pub use area::{Area, Point};

use super::{DeviceId, ModuleName, Modules, Readings, Tags, Version};

/// What a filter is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    pub device_id: &'a DeviceId,
    pub name: &'a str,
    pub online: bool,
    pub tags: &'a Tags,
    pub modules: &'a Modules,
    /// What the last report says, where one has come.
    pub readings: Option<&'a Readings>,
}

/// A filter that was read. Two filters are equal when they mean the same in the same words, spaces aside.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    /// As it was typed: what people are shown again.
    text: String,
    tree: Tree,
}

/// Why a text is not a filter: at which place, what would fit there, and what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {at}: expected {expected}, found {found}")]
pub struct FilterError {
    /// In characters, from 1.
    pub at: usize,
    /// The bytes that are wrong; empty at the end of the text.
    pub bytes: std::ops::Range<usize>,
    pub expected: String,
    pub found: String,
}

/// Bytes of the longest filter.
pub const MAX_FILTER_BYTES: usize = 4096;

/// Parentheses and `not`s within each other.
pub(super) const MAX_DEPTH: usize = 32;

/// What was read: a condition on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// Two or more.
    Or(Vec<Tree>),
    /// Two or more.
    And(Vec<Tree>),
    Not(Box<Tree>),
    Online(bool),
    Text(TextField, TextTest),
    Module(ModuleName, VersionTest),
    Number(NumberField, NumberTest),
    /// Where it is.
    Location(PlaceTest),
    /// A field of its last report that the protocol has no name for, by name or path.
    Field(String, FieldTest),
}

/// A text of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextField {
    Id,
    Name,
    Tag(String),
}

/// What a text is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextTest {
    Is(String),
    IsNot(String),
    Contains(String),
    In(Vec<String>),
    Absent,
    Present,
}

/// What a module's version is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionTest {
    Compare(Comparison, Version),
    Contains(String),
    In(Vec<Version>),
    Absent,
    Present,
}

/// A number of the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberField {
    Cpu,
    Load,
    Temperature,
    Disk,
    Speed,
    Latitude,
    Longitude,
}

/// What a number is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberTest {
    Compare(Comparison, Finite),
    In(Vec<Finite>),
    Absent,
    Present,
}

/// What a position is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaceTest {
    In(Area),
    Absent,
    Present,
}

/// What a field of a report is held to, whose kind is the device's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldTest {
    /// As a text; a number that is written otherwise is the same number, and `true` and `false` are words.
    Text(TextTest),
    /// As a number: below, at most, above, at least.
    Number(Comparison, Finite),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A number that equals itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finite(f64);

impl Finite {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Finite {}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`] with the place.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Ok(Self { text: text.to_owned(), tree: parse::parse(text)? })
    }

    /// As it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How it was understood: in one spelling, with the parentheses that are needed and no others.
    #[must_use]
    pub fn reading(&self) -> String {
        self.tree.to_string()
    }

    /// Whether it asks for anything of the last report.
    #[must_use]
    pub fn asks_for_readings(&self) -> bool {
        self.tree.has(&|leaf| matches!(leaf, Tree::Number(..) | Tree::Location(_) | Tree::Field(..)))
    }

    /// Whether it asks for fields of the last report that are not among its numbers.
    #[must_use]
    pub fn asks_for_fields(&self) -> bool {
        self.tree.has(&|leaf| matches!(leaf, Tree::Field(..)))
    }

    /// What was read.
    #[must_use]
    pub const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether this device is meant.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.tree.matches(subject)
    }
}

impl Comparison {
    const ALL: [(&'static str, Self); 6] = [
        ("=", Self::Is),
        ("!=", Self::IsNot),
        ("<", Self::Below),
        ("<=", Self::AtMost),
        (">", Self::Above),
        (">=", Self::AtLeast),
    ];
}

impl NumberField {
    const ALL: [(&'static str, Self); 7] = [
        ("cpu", Self::Cpu),
        ("load", Self::Load),
        ("temperature", Self::Temperature),
        ("disk", Self::Disk),
        ("speed", Self::Speed),
        ("latitude", Self::Latitude),
        ("longitude", Self::Longitude),
    ];
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.tree == other.tree
    }
}

impl Eq for Filter {}

impl TryFrom<String> for Filter {
    type Error = FilterError;
    fn try_from(text: String) -> Result<Self, FilterError> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Filter {
    type Err = FilterError;
    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> String {
        filter.text
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
