//! From tree to text, in one spelling: what is printed is read as the same tree.

use std::fmt::{self, Display, Formatter};

use super::parse::RESERVED;
use super::words::is_plain;
use super::{Comparison, FieldTest, NumberField, NumberTest, PlaceTest, TextField, TextTest, Tree, VersionTest};

impl Tree {
    /// Tighter binding is higher.
    fn binds(&self) -> u8 {
        match self {
            Self::Or(_) => 0,
            Self::And(_) => 1,
            _ => 2,
        }
    }

    fn chain(&self, f: &mut Formatter<'_>, parts: &[Self], keyword: &str) -> fmt::Result {
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                write!(f, " {keyword} ")?;
            }
            part.within(f, self.binds() + 1)?;
        }
        Ok(())
    }

    /// In parentheses where it binds less than what is around it.
    fn within(&self, f: &mut Formatter<'_>, around: u8) -> fmt::Result {
        if self.binds() < around { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl Display for Tree {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Or(parts) => self.chain(f, parts, "or"),
            Self::And(parts) => self.chain(f, parts, "and"),
            Self::Not(part) => {
                f.write_str("not ")?;
                part.within(f, 2)
            }
            Self::Online(true) => f.write_str("online"),
            Self::Online(false) => f.write_str("offline"),
            Self::Text(TextField::Id, test) => write!(f, "id {test}"),
            Self::Text(TextField::Name, test) => write!(f, "name {test}"),
            Self::Text(TextField::Tag(name), test) => write!(f, "tag.{name} {test}"),
            Self::Module(module, test) => write!(f, "module.{module} {test}"),
            Self::Number(field, test) => write!(f, "{field} {test}"),
            Self::Location(test) => write!(f, "location {test}"),
            Self::Field(path, test) => write!(f, "report.{path} {test}"),
        }
    }
}

impl Display for TextTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => write!(f, "= {}", Value(text)),
            Self::IsNot(text) => write!(f, "!= {}", Value(text)),
            Self::Contains(text) => write!(f, "~ {}", Value(text)),
            Self::In(texts) => list(f, texts),
            Self::Absent => f.write_str("= none"),
            Self::Present => f.write_str("!= none"),
        }
    }
}

impl Display for VersionTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(how, version) => write!(f, "{how} {}", Value(version.as_str())),
            Self::Contains(text) => write!(f, "~ {}", Value(text)),
            Self::In(versions) => list(f, versions),
            Self::Absent => f.write_str("= none"),
            Self::Present => f.write_str("!= none"),
        }
    }
}

impl Display for NumberTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare(how, number) => write!(f, "{how} {}", number.0),
            Self::In(numbers) => list(f, &numbers.iter().map(|number| number.0).collect::<Vec<_>>()),
            Self::Absent => f.write_str("= none"),
            Self::Present => f.write_str("!= none"),
        }
    }
}

impl Display for PlaceTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(area) => write!(f, "in {area}"),
            Self::Absent => f.write_str("= none"),
            Self::Present => f.write_str("!= none"),
        }
    }
}

impl Display for FieldTest {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(test) => test.fmt(f),
            Self::Number(how, number) => write!(f, "{how} {}", number.0),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, how)| how == self).map_or("", |(sign, _)| sign))
    }
}

impl Display for NumberField {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, field)| field == self).map_or("", |(name, _)| name))
    }
}

fn list<T: Display>(f: &mut Formatter<'_>, values: &[T]) -> fmt::Result {
    f.write_str("in (")?;
    for (index, value) in values.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{}", Value(&value.to_string()))?;
    }
    f.write_str(")")
}

/// A value, in quotes where it would not be read as one without.
struct Value<'a>(&'a str);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = !self.0.is_empty()
            && self.0.chars().all(is_plain)
            && !RESERVED.contains(&self.0.to_ascii_lowercase().as_str());
        if plain {
            return f.write_str(self.0);
        }
        write!(f, "\"{}\"", self.0.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
