//! What conditions on a device's last report are asked of: the charted numbers, and the fields the protocol has no
//! name for.

use serde_json::{Map, Value};

use super::{Report, Sample};

/// See the module.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings {
    pub sample: Sample,
    /// By name: what the device sent beside the fields of the protocol, and the weather.
    pub fields: Map<String, Value>,
}

impl Readings {
    /// Those of a report.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let weather = report.weather.iter().map(|weather| ("weather".to_owned(), weather.clone()));
        let extra = report.extra.iter().map(|(name, value)| (name.clone(), value.clone()));
        Self { sample: report.sample(), fields: weather.chain(extra).collect() }
    }

    /// The field of this name, or the one that a path leads to: `power.battery`. A `null` is none.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&Value> {
        within(&self.fields, path).filter(|value| !value.is_null())
    }
}

/// A name with a full stop in it goes before a path.
fn within<'a>(fields: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = fields.get(path) {
        return Some(value);
    }
    let (name, rest) = path.split_once('.')?;
    within(fields.get(name)?.as_object()?, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_is_found_by_its_name_or_its_path() {
        let said = json!({"battery": 20, "power": {"grid": {"on": true}}, "a.b": 1, "a": {"b": 2}, "gone": null});
        let readings = Readings { fields: said.as_object().unwrap().clone(), ..Readings::default() };
        let found = |path| readings.field(path).cloned();
        assert_eq!(found("battery"), Some(json!(20)));
        assert_eq!(found("power.grid.on"), Some(json!(true)));
        assert_eq!(found("a.b"), Some(json!(1)));
        for nothing in ["gone", "power.battery", "battery.x", "", "."] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn the_fields_of_the_protocol_are_not_among_them() {
        let text =
            r#"{"timestamp":"2026-11-22T08:48:00.000Z","cpu_utilization":3.5,"weather":"rain","battery":80,"seq":1}"#;
        let readings = Readings::of(&serde_json::from_str(text).unwrap());
        assert_eq!(readings.fields.keys().collect::<Vec<_>>(), ["weather", "battery"]);
        assert_eq!(readings.sample.cpu_utilization, Some(3.5));
    }
}
