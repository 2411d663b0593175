//! What a package asks of the device it goes to: versions of other modules, a version to come from, a kind of hardware.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ModuleName, Modules, Tags, Version};

/// The tag that names a device's kind of hardware.
pub const HARDWARE: &str = "hardware";

/// The word before the version that a module must come from.
const FROM: &str = "from";

/// Bounds of one range, and entries of one list.
const MOST: usize = 20;

/// What a package asks for; empty: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requirements {
    /// Versions of other modules that must run before: `{"app1": ">= 1.2"}`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<ModuleName, Range>,
    /// What the module itself must run before, where the device has it: a stepping stone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Range>,
    /// The device's tag `hardware` must be one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hardware: Vec<String>,
}

/// Bounds that a version must keep to, all of them: `>= 1.2, < 2`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range(Vec<(Bound, Version)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    AtLeast,
    AtMost,
    Above,
    Below,
    Exactly,
    Not,
}

impl Bound {
    const ALL: [(&'static str, Self); 6] = [
        (">=", Self::AtLeast),
        ("<=", Self::AtMost),
        ("!=", Self::Not),
        (">", Self::Above),
        ("<", Self::Below),
        ("=", Self::Exactly),
    ];
}

impl FromStr for Range {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut bounds = Vec::new();
        for part in text.split(',').map(str::trim) {
            let found = Bound::ALL.into_iter().find_map(|(sign, bound)| Some((bound, part.strip_prefix(sign)?)));
            let (bound, version) = found.ok_or_else(|| format!("{part:?}: write a range as \">= 1.2, < 2\""))?;
            bounds.push((bound, Version::new(version.trim()).map_err(|error| format!("{part:?}: {error}"))?));
        }
        if bounds.len() > MOST { Err(format!("at most {MOST} bounds")) } else { Ok(Self(bounds)) }
    }
}

impl TryFrom<String> for Range {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.to_string()
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (bound, version)) in self.0.iter().enumerate() {
            let sign = Bound::ALL.into_iter().find(|(_, known)| known == bound).map_or("", |(sign, _)| sign);
            write!(f, "{}{sign} {version}", if n == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Range {
    /// Whether a version keeps to every bound.
    #[must_use]
    pub fn includes(&self, version: &Version) -> bool {
        self.0.iter().all(|(bound, limit)| {
            let order = version.compare(limit);
            match bound {
                Bound::AtLeast => order.is_ge(),
                Bound::AtMost => order.is_le(),
                Bound::Above => order.is_gt(),
                Bound::Below => order.is_lt(),
                Bound::Exactly => order.is_eq(),
                Bound::Not => order.is_ne(),
            }
        })
    }
}

/// As people write them: `app1 >= 1.2, < 2; from >= 1.0; hardware rev-b, rev-c`.
impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.modules.iter().map(|(module, range)| format!("{module} {range}")).collect();
        parts.extend(self.from.iter().map(|range| format!("{FROM} {range}")));
        if !self.hardware.is_empty() {
            parts.push(format!("{HARDWARE} {}", self.hardware.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}

/// As written above, or as JSON; an empty text asks for nothing.
impl FromStr for Requirements {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|error| format!("can't be read: {error}"));
        }
        let mut wants = Self::default();
        for part in text.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty()) {
            let wrong = || format!("{part:?}: write it as app1 >= 1.2; from >= 1.0; hardware rev-b, rev-c");
            let (word, rest) = part.split_once(char::is_whitespace).ok_or_else(wrong)?;
            let twice = match word {
                FROM => wants.from.replace(rest.parse()?).is_some(),
                HARDWARE => {
                    let kinds = rest.split(',').map(|kind| kind.trim().to_owned()).filter(|kind| !kind.is_empty());
                    !std::mem::replace(&mut wants.hardware, kinds.collect()).is_empty()
                }
                _ => {
                    let module = ModuleName::new(word).map_err(|error| error.to_string())?;
                    wants.modules.insert(module, rest.parse()?).is_some()
                }
            };
            if twice {
                return Err(format!("{word} is given twice; put its bounds behind each other: >= 1.2, < 2"));
            }
        }
        Ok(wants)
    }
}

/// What a device lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmet {
    /// Another module's version; the package may follow when that is there.
    Module {
        module: ModuleName,
        range: Range,
    },
    /// The module's own version to come from.
    From(Range),
    Hardware(Vec<String>),
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module { module, range } => write!(f, "needs {module} {range}"),
            Self::From(range) => write!(f, "needs a version {range} to come from"),
            Self::Hardware(kinds) => write!(f, "needs hardware {}", kinds.join(" or ")),
        }
    }
}

impl Requirements {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with them.
    #[must_use]
    pub fn error(&self, own: &ModuleName) -> Option<String> {
        if self.modules.contains_key(own) {
            return Some(format!("{own} can't require itself: say what it must come from with \"from\""));
        }
        (self.modules.len() > MOST || self.hardware.len() > MOST).then(|| format!("at most {MOST} of a kind"))
    }

    /// What a device lacks, that runs `own` of the module itself and `others` of all.
    #[must_use]
    pub fn unmet(&self, own: Option<&Version>, others: &Modules, tags: &Tags) -> Option<Unmet> {
        let kind = tags.get(HARDWARE);
        if !self.hardware.is_empty() && !kind.is_some_and(|kind| self.hardware.contains(kind)) {
            return Some(Unmet::Hardware(self.hardware.clone()));
        }
        if let (Some(range), Some(own)) = (&self.from, own)
            && !range.includes(own)
        {
            return Some(Unmet::From(range.clone()));
        }
        let lacks = |(module, range): &(&ModuleName, &Range)| !others.get(*module).is_some_and(|v| range.includes(v));
        let (module, range) = self.modules.iter().find(lacks)?;
        Some(Unmet::Module { module: module.clone(), range: range.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    fn module(text: &str) -> ModuleName {
        ModuleName::new(text).unwrap()
    }

    #[test]
    fn a_range_is_read_written_and_kept_to() {
        let range: Range = ">=1.2 , < 2, != 1.5".parse().unwrap();
        assert_eq!(range.to_string(), ">= 1.2, < 2, != 1.5");
        assert!(range.includes(&v("1.10")) && !range.includes(&v("1.1")) && !range.includes(&v("2")));
        assert!(!range.includes(&v("1.5")));
        for bad in ["", "1.2", ">=", ">= a b", ",", ">= 1,"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn requirements_are_written_as_people_say_them() {
        let text = "app1 >= 1.2, < 2; from >= 1.0; hardware rev-b, rev-c";
        let wants: Requirements = text.parse().unwrap();
        assert_eq!(wants.to_string(), text);
        let json = serde_json::to_string(&wants).unwrap();
        assert_eq!(json.parse::<Requirements>().unwrap(), wants);
        assert!(" ".parse::<Requirements>().unwrap().is_empty());
        for bad in ["app1", "app1 1.2", "from >= 1; from < 2", "a/b >= 1", "{\"x\":1}"] {
            assert!(bad.parse::<Requirements>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_device_lacks_is_named() {
        let text = r#"{"modules":{"app1":">= 1.2"},"from":">= 7","hardware":["rev-b"]}"#;
        let wants: Requirements = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&wants).unwrap(), text);
        let tags: Tags = [(HARDWARE.to_owned(), "rev-b".to_owned())].into();
        let others: Modules = [(module("app1"), v("1.2"))].into();
        assert_eq!(wants.unmet(Some(&v("7")), &others, &tags), None);
        assert_eq!(wants.unmet(None, &others, &tags), None, "a device without the module comes from nothing");
        let said =
            |own: &str, others: &Modules, tags: &Tags| wants.unmet(Some(&v(own)), others, tags).unwrap().to_string();
        assert_eq!(said("6", &others, &tags), "needs a version >= 7 to come from");
        assert_eq!(said("7", &others, &Tags::new()), "needs hardware rev-b");
        assert_eq!(said("7", &Modules::new(), &tags), "needs app1 >= 1.2");
        assert!(wants.error(&module("app1")).is_some() && wants.error(&module("app2")).is_none());
    }
}
