//! What a filter says of one device.

use std::cmp::Ordering;

use serde_json::Value;

use super::{
    Comparison, FieldTest, NumberField, NumberTest, PlaceTest, Subject, TextField, TextTest, Tree, VersionTest,
};
use crate::domain::{Readings, Sample, Version};

impl Tree {
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.matches(subject)),
            Self::And(parts) => parts.iter().all(|part| part.matches(subject)),
            Self::Not(part) => !part.matches(subject),
            Self::Online(online) => subject.online == *online,
            Self::Text(field, test) => test.matches(field.of(subject)),
            Self::Module(module, test) => test.matches(subject.modules.get(module)),
            Self::Number(field, test) => test.matches(subject.readings.and_then(|last| field.of(&last.sample))),
            Self::Location(test) => test.matches(subject.readings.and_then(position)),
            Self::Field(path, test) => test.matches(subject.readings.and_then(|last| last.field(path))),
        }
    }

    /// Whether any of its conditions is such a one.
    pub(super) fn has(&self, wanted: &dyn Fn(&Self) -> bool) -> bool {
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().any(|part| part.has(wanted)),
            Self::Not(part) => part.has(wanted),
            leaf => wanted(leaf),
        }
    }
}

fn position(last: &Readings) -> Option<(f64, f64)> {
    Some((last.sample.latitude?, last.sample.longitude?))
}

impl TextField {
    fn of<'a>(&self, subject: &Subject<'a>) -> Option<&'a str> {
        match self {
            Self::Id => Some(subject.device_id.as_str()),
            Self::Name => Some(subject.name),
            Self::Tag(name) => subject.tags.get(name).map(String::as_str),
        }
    }
}

impl NumberField {
    fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Cpu => sample.cpu_utilization,
            Self::Load => sample.load_average,
            Self::Temperature => sample.temperature,
            Self::Disk => sample.disk_used_percent,
            Self::Speed => sample.speed,
            Self::Latitude => sample.latitude,
            Self::Longitude => sample.longitude,
        }
    }
}

impl TextTest {
    fn matches(&self, text: Option<&str>) -> bool {
        match self {
            Self::Is(wanted) => text == Some(wanted),
            Self::IsNot(wanted) => text != Some(wanted),
            Self::Contains(part) => text.is_some_and(|text| contains(text, part)),
            Self::In(wanted) => text.is_some_and(|text| wanted.iter().any(|one| one == text)),
            Self::Absent => text.is_none(),
            Self::Present => text.is_some(),
        }
    }
}

impl VersionTest {
    /// Whether a device with this version of the module, or without the module, is meant.
    #[must_use]
    pub fn matches(&self, version: Option<&Version>) -> bool {
        match self {
            Self::Compare(how, wanted) => how.holds(version.map(|version| version.compare(wanted))),
            Self::Contains(part) => version.is_some_and(|version| contains(version.as_str(), part)),
            Self::In(wanted) => {
                version.is_some_and(|version| wanted.iter().any(|one| version.compare(one) == Ordering::Equal))
            }
            Self::Absent => version.is_none(),
            Self::Present => version.is_some(),
        }
    }
}

impl NumberTest {
    fn matches(&self, number: Option<f64>) -> bool {
        match self {
            Self::Compare(how, wanted) => how.holds(number.and_then(|number| number.partial_cmp(&wanted.0))),
            Self::In(wanted) => number.is_some_and(|number| wanted.iter().any(|one| one.0 == number)),
            Self::Absent => number.is_none(),
            Self::Present => number.is_some(),
        }
    }
}

impl PlaceTest {
    fn matches(&self, position: Option<(f64, f64)>) -> bool {
        match self {
            Self::In(area) => position.is_some_and(|(latitude, longitude)| area.has(latitude, longitude)),
            Self::Absent => position.is_none(),
            Self::Present => position.is_some(),
        }
    }
}

impl FieldTest {
    fn matches(&self, value: Option<&Value>) -> bool {
        let is = |wanted: &str| value.is_some_and(|value| is_same(value, wanted));
        match self {
            Self::Number(how, wanted) => {
                how.holds(value.and_then(Value::as_f64).and_then(|number| number.partial_cmp(&wanted.0)))
            }
            Self::Text(TextTest::Is(wanted)) => is(wanted),
            Self::Text(TextTest::IsNot(wanted)) => !is(wanted),
            Self::Text(TextTest::In(wanted)) => wanted.iter().any(|one| is(one)),
            Self::Text(TextTest::Contains(part)) => {
                value.and_then(Value::as_str).is_some_and(|text| contains(text, part))
            }
            Self::Text(TextTest::Absent) => value.is_none(),
            Self::Text(TextTest::Present) => value.is_some(),
        }
    }
}

fn is_same(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(truth) => wanted == if *truth { "true" } else { "false" },
        Value::Number(number) => number.as_f64().is_some_and(|number| wanted.parse() == Ok(number)),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

impl Comparison {
    /// How a device's value stands to the wanted one; `None` where the device has none.
    fn holds(self, order: Option<Ordering>) -> bool {
        let Some(order) = order else { return self == Self::IsNot };
        match self {
            Self::Is => order.is_eq(),
            Self::IsNot => order.is_ne(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// Whatever the case.
fn contains(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}
