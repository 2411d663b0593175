//! Which devices a rollout is for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DeviceId, Filter, Subject, Tags};

/// The devices a rollout is for. On the wire an object with exactly one of `all`, `device_ids`, `tags`, `filter`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TargetRequest", into = "TargetRequest")]
pub enum Target {
    /// Every device, and those that join later.
    All,
    /// These.
    DeviceIds(Vec<DeviceId>),
    /// Those that have every one of these tags, and those that come to have them.
    Tags(Tags),
    /// Those that fit, and those that fit when they say hello later.
    Filter(Filter),
    /// Those that have the tags or fit the filter when the rollout starts, and no others later.
    Static(Box<Target>),
}

/// Filters that were saved under a name.
pub type Groups = BTreeMap<String, Filter>;

/// A target as it is asked for: `group` stands for the filter that was saved under this name.
#[derive(Debug, Clone, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct TargetRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_ids: Option<Vec<DeviceId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(rename = "static", skip_serializing_if = "Option::is_none")]
    pub fixed: Option<bool>,
}

/// Why a target can't be had as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TargetError {
    /// `target`, or a part of it: `target.filter`.
    pub field: &'static str,
    pub message: String,
}

impl TargetRequest {
    /// Reads filters, and looks groups up.
    ///
    /// # Errors
    /// [`TargetError`] with the field that is wrong.
    pub fn target(self, groups: &Groups) -> Result<Target, TargetError> {
        let fixed = self.fixed == Some(true);
        let wrong = |field, message: &str| Err(TargetError { field, message: message.to_owned() });
        let target = match (self.all, self.device_ids, self.tags, self.filter, self.group) {
            (Some(true), None, None, None, None) => Target::All,
            (None, Some(ids), None, None, None) if !ids.is_empty() => Target::DeviceIds(ids),
            (None, Some(_), None, None, None) => {
                return wrong("target.device_ids", "device_ids must name at least one device");
            }
            (None, None, Some(tags), None, None) if !tags.is_empty() => Target::Tags(tags),
            (None, None, Some(_), None, None) => return wrong("target.tags", "tags must name at least one tag"),
            (None, None, None, Some(text), None) => {
                let error = |error| TargetError { field: "target.filter", message: format!("{error}") };
                Target::Filter(Filter::parse(&text).map_err(error)?)
            }
            (None, None, None, None, Some(name)) => match groups.get(&name) {
                Some(filter) => Target::Filter(filter.clone()),
                None => return wrong("target.group", "there is no such group"),
            },
            _ => {
                let message = "a target is exactly one of {\"all\":true}, {\"device_ids\":[...]}, {\"tags\":{...}}, \
                               {\"filter\":\"...\"} and {\"group\":\"...\"}";
                return wrong("target", message);
            }
        };
        match (fixed, target) {
            (false, target) => Ok(target),
            (true, target @ (Target::Tags(_) | Target::Filter(_))) => Ok(Target::Static(Box::new(target))),
            (true, _) => wrong("target.static", "goes with tags, filter or group"),
        }
    }
}

impl TryFrom<TargetRequest> for Target {
    type Error = TargetError;
    fn try_from(request: TargetRequest) -> Result<Self, TargetError> {
        request.target(&Groups::new())
    }
}

impl From<Target> for TargetRequest {
    fn from(target: Target) -> Self {
        match target {
            Target::All => Self { all: Some(true), ..Self::default() },
            Target::DeviceIds(ids) => Self { device_ids: Some(ids), ..Self::default() },
            Target::Tags(tags) => Self { tags: Some(tags), ..Self::default() },
            Target::Filter(filter) => Self { filter: Some(filter.into()), ..Self::default() },
            Target::Static(target) => Self { fixed: Some(true), ..Self::from(*target) },
        }
    }
}

impl Target {
    /// Whether what a device reported last decides on whether it joins.
    #[must_use]
    pub fn asks_for_readings(&self) -> bool {
        matches!(self, Self::Filter(filter) if filter.asks_for_readings())
    }

    /// Whether a device that says hello while the rollout is under way joins it.
    #[must_use]
    pub fn includes(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::All => true,
            Self::DeviceIds(ids) => ids.contains(subject.device_id),
            Self::Tags(wanted) => wanted.iter().all(|(name, value)| subject.tags.get(name) == Some(value)),
            Self::Filter(filter) => filter.matches(subject),
            Self::Static(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Modules;

    #[test]
    fn a_target_is_exactly_one_thing() {
        for good in [
            r#"{"all":true}"#,
            r#"{"device_ids":["a"]}"#,
            r#"{"tags":{"region":"east"}}"#,
            r#"{"filter":"module.app1 < 1.3.0  and online"}"#,
            r#"{"tags":{"region":"east"},"static":true}"#,
            r#"{"filter":"online","static":true}"#,
        ] {
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
            r#"{"filter":""}"#,
            r#"{"filter":"online","all":true}"#,
            r#"{"all":true,"static":true}"#,
            r#"{"device_ids":["a"],"static":true}"#,
            r#"{"group":"unknown"}"#,
        ] {
            assert!(serde_json::from_str::<Target>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_group_stands_for_its_filter() {
        let groups = Groups::from([("old".to_owned(), Filter::parse("module.app1 < 2").unwrap())]);
        let group = |name: &str| TargetRequest { group: Some(name.to_owned()), ..TargetRequest::default() };
        assert_eq!(group("old").target(&groups), Ok(Target::Filter(groups["old"].clone())));
        assert_eq!(group("new").target(&groups).unwrap_err().field, "target.group");
        let wrong = TargetRequest { filter: Some("online and".to_owned()), ..TargetRequest::default() };
        let error = wrong.target(&groups).unwrap_err();
        assert_eq!(error.field, "target.filter");
        assert!(error.message.starts_with("at 11: expected"), "{error}");
    }

    #[test]
    fn tags_must_all_match_and_a_static_target_takes_nobody_in_later() {
        let tags = |pairs: &[(&str, &str)]| -> Tags {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let id = DeviceId::new("a").unwrap();
        let includes = |target: &Target, tags: &Tags| {
            let modules = Modules::new();
            target.includes(&Subject {
                device_id: &id,
                name: "a",
                online: true,
                tags,
                modules: &modules,
                readings: None,
            })
        };
        let target = Target::Tags(tags(&[("region", "east"), ("kind", "bus")]));
        assert!(includes(&target, &tags(&[("region", "east"), ("kind", "bus"), ("x", "y")])));
        assert!(!includes(&target, &tags(&[("region", "east")])));
        let filter = Target::Filter(Filter::parse("tag.region = east").unwrap());
        assert!(includes(&filter, &tags(&[("region", "east")])));
        assert!(!includes(&filter, &tags(&[])));
        assert!(!includes(&Target::Static(Box::new(filter)), &tags(&[("region", "east")])));
    }
}
