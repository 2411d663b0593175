//! Which devices a rollout is for.

use serde::{Deserialize, Serialize};

use super::{DeviceId, Tags};

/// The devices a rollout is for. On the wire an object with exactly one of `all`, `device_ids`, `tags`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TargetFields", into = "TargetFields")]
pub enum Target {
    /// Every device, and those that join later.
    All,
    /// These.
    DeviceIds(Vec<DeviceId>),
    /// Those that have every one of these tags, and those that come to have them.
    Tags(Tags),
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct TargetFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_ids: Option<Vec<DeviceId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Tags>,
}

impl TryFrom<TargetFields> for Target {
    type Error = &'static str;
    fn try_from(fields: TargetFields) -> Result<Self, Self::Error> {
        match (fields.all, fields.device_ids, fields.tags) {
            (Some(true), None, None) => Ok(Self::All),
            (None, Some(ids), None) if !ids.is_empty() => Ok(Self::DeviceIds(ids)),
            (None, Some(_), None) => Err("device_ids must name at least one device"),
            (None, None, Some(tags)) if !tags.is_empty() => Ok(Self::Tags(tags)),
            (None, None, Some(_)) => Err("tags must name at least one tag"),
            _ => Err("a target is exactly one of {\"all\":true}, {\"device_ids\":[...]} and {\"tags\":{...}}"),
        }
    }
}

impl From<Target> for TargetFields {
    fn from(target: Target) -> Self {
        match target {
            Target::All => Self { all: Some(true), ..Self::default() },
            Target::DeviceIds(ids) => Self { device_ids: Some(ids), ..Self::default() },
            Target::Tags(tags) => Self { tags: Some(tags), ..Self::default() },
        }
    }
}

impl Target {
    /// Whether it includes a device of this name with these tags.
    #[must_use]
    pub fn includes(&self, device_id: &DeviceId, tags: &Tags) -> bool {
        match self {
            Self::All => true,
            Self::DeviceIds(ids) => ids.contains(device_id),
            Self::Tags(wanted) => wanted.iter().all(|(name, value)| tags.get(name) == Some(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_exactly_one_thing() {
        for good in [r#"{"all":true}"#, r#"{"device_ids":["a"]}"#, r#"{"tags":{"region":"east"}}"#] {
            let target: Target = serde_json::from_str(good).unwrap();
            assert_eq!(serde_json::to_string(&target).unwrap(), good);
        }
        for bad in [
            "{}",
            r#"{"all":false}"#,
            r#"{"all":true,"device_ids":["a"]}"#,
            r#"{"device_ids":[]}"#,
            r#"{"tags":{}}"#,
            r#"{"tag":{"a":"b"}}"#,
            r#"{"device_ids":["a b"]}"#,
        ] {
            assert!(serde_json::from_str::<Target>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_must_all_match() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let id = DeviceId::new("a").unwrap();
        let target = Target::Tags(tags(&[("region", "east"), ("kind", "bus")]));
        assert!(target.includes(&id, &tags(&[("region", "east"), ("kind", "bus"), ("x", "y")])));
        assert!(!target.includes(&id, &tags(&[("region", "east")])));
    }
}
