//! Devices as the API shows them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use crate::actors::Why;
use crate::domain::{
    Assignment, AssignmentState, Device, DeviceId, KeyId, ModuleName, Report, RolloutId, Sample, Tags, Timestamp,
    Version, VersionChange, millis_rfc3339,
};
use crate::store::StoreError;
use crate::web::WebState;

/// The newest assignment of each module of some devices.
pub type Newest = HashMap<(KeyId, ModuleName), Assignment>;

/// A device, as lists show it.
#[derive(Debug, Serialize)]
pub struct DeviceView<'a> {
    device_id: &'a DeviceId,
    key_id: KeyId,
    name: &'a str,
    online: bool,
    #[serde(with = "millis_rfc3339")]
    since: Timestamp,
    #[serde(with = "millis_rfc3339")]
    created_at: Timestamp,
    tags: &'a Tags,
    modules: BTreeMap<&'a ModuleName, ModuleView<'a>>,
    /// The last one, correctly spelled.
    report: Option<&'a Report>,
    #[serde(with = "millis_rfc3339::option")]
    reported_at: Option<Timestamp>,
    #[serde(with = "millis_rfc3339::option")]
    received_at: Option<Timestamp>,
    may_enrol_again: bool,
}

#[derive(Debug, Serialize)]
struct ModuleView<'a> {
    /// What the device says it runs; `null` while it has not got the module.
    version: Option<&'a Version>,
    /// What the newest rollout wants, where one included it.
    target: Option<&'a Version>,
    state: Option<AssignmentState>,
    reason: Option<&'a str>,
}

impl<'a> DeviceView<'a> {
    /// A device with what the rollouts want of it.
    #[must_use]
    pub fn new(device: &'a Device, newest: &'a Newest) -> Self {
        let wanted = newest.keys().filter(|(key, _)| *key == device.key_id).map(|(_, module)| module);
        Self::of_modules(device, newest, wanted)
    }

    /// Many devices, without looking at every assignment for each.
    #[must_use]
    pub fn all(devices: &'a [Device], newest: &'a Newest) -> Vec<Self> {
        let mut wanted: HashMap<KeyId, Vec<&ModuleName>> = HashMap::new();
        for (key, module) in newest.keys() {
            wanted.entry(*key).or_default().push(module);
        }
        let of = |device: &Device| wanted.get(&device.key_id).cloned().unwrap_or_default();
        devices.iter().map(|device| Self::of_modules(device, newest, of(device).into_iter())).collect()
    }

    fn of_modules(device: &'a Device, newest: &'a Newest, wanted: impl Iterator<Item = &'a ModuleName>) -> Self {
        let names: BTreeSet<&ModuleName> = device.modules.keys().chain(wanted).collect();
        let module = |name: &'a ModuleName| {
            let assignment = newest.get(&(device.key_id, name.clone()));
            let view = ModuleView {
                version: device.modules.get(name),
                target: assignment.map(|a| &a.to),
                state: assignment.map(|a| a.state),
                reason: assignment.and_then(|a| a.reason.as_deref()),
            };
            (name, view)
        };
        Self {
            device_id: &device.device_id,
            key_id: device.key_id,
            name: &device.name,
            online: device.online,
            since: device.since,
            created_at: device.created_at,
            tags: &device.tags,
            modules: names.into_iter().map(module).collect(),
            report: device.status.as_ref().map(|status| &status.report),
            reported_at: device.status.as_ref().map(|status| status.report.timestamp),
            received_at: device.status.as_ref().map(|status| status.received_at),
            may_enrol_again: device.may_enrol_again,
        }
    }
}

/// A device with everything that is known of it.
#[derive(Debug, Serialize)]
pub struct DevicePage<'a> {
    #[serde(flatten)]
    device: DeviceView<'a>,
    /// Why each module is where it is, by the module's name.
    why: BTreeMap<&'a ModuleName, &'a Why>,
    /// Newest rollout first.
    assignments: Vec<AssignmentView<'a>>,
    /// Changes of versions, newest first.
    versions: Vec<VersionView<'a>>,
}

#[derive(Debug, Serialize)]
struct AssignmentView<'a> {
    rollout_id: RolloutId,
    module: &'a ModuleName,
    from: Option<&'a Version>,
    to: &'a Version,
    state: AssignmentState,
    reason: Option<&'a str>,
    /// From 1.
    stage: u32,
    attempts: u32,
    #[serde(with = "millis_rfc3339")]
    updated_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct VersionView<'a> {
    module: &'a ModuleName,
    from: Option<&'a Version>,
    to: Option<&'a Version>,
    #[serde(with = "millis_rfc3339")]
    at: Timestamp,
}

/// What a device's page of the API is made of.
#[derive(Debug)]
pub struct Known {
    pub device: Device,
    pub newest: Newest,
    pub why: Vec<Why>,
    pub assignments: Vec<Assignment>,
    pub versions: Vec<VersionChange>,
}

impl Known {
    /// Reads everything known of a device.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(state: &WebState, device: Device) -> Result<Self, StoreError> {
        let key = device.key_id;
        Ok(Self {
            newest: state.store.newest_assignments(vec![key]).await?,
            why: state.fleet.why(key).await?,
            assignments: state.store.assignments_of(key, 100).await?,
            versions: state.store.version_changes(key, 100).await?,
            device,
        })
    }

    /// As the API shows it.
    #[must_use]
    pub fn page(&self) -> DevicePage<'_> {
        DevicePage {
            device: DeviceView::new(&self.device, &self.newest),
            why: self.why.iter().map(|why| (&why.module, why)).collect(),
            assignments: self.assignments.iter().map(AssignmentView::from).collect(),
            versions: self.versions.iter().map(VersionView::from).collect(),
        }
    }
}

impl<'a> From<&'a Assignment> for AssignmentView<'a> {
    fn from(assignment: &'a Assignment) -> Self {
        Self {
            rollout_id: assignment.rollout,
            module: &assignment.module,
            from: assignment.from.as_ref(),
            to: &assignment.to,
            state: assignment.state,
            reason: assignment.reason.as_deref(),
            stage: assignment.stage + 1,
            attempts: assignment.attempts,
            updated_at: assignment.updated_at,
        }
    }
}

impl<'a> From<&'a VersionChange> for VersionView<'a> {
    fn from(change: &'a VersionChange) -> Self {
        Self { module: &change.module, from: change.from.as_ref(), to: change.to.as_ref(), at: change.at }
    }
}

/// One point of a device's history.
#[derive(Debug, Serialize)]
pub struct SampleView {
    #[serde(with = "millis_rfc3339")]
    pub at: Timestamp,
    #[serde(flatten)]
    pub sample: Sample,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_module_that_is_only_wanted_is_shown_beside_those_that_run() {
        let module = |name| ModuleName::new(name).unwrap();
        let version = |text| Version::new(text).unwrap();
        let device = Device {
            key_id: KeyId(1),
            device_id: DeviceId::new("t-1").unwrap(),
            name: "bus".to_owned(),
            online: true,
            since: at(),
            created_at: at(),
            tags: Tags::new(),
            modules: [(module("app1"), version("1"))].into(),
            may_enrol_again: false,
            status: None,
        };
        let wanted = Assignment {
            rollout: RolloutId(7),
            key_id: KeyId(1),
            module: module("app2"),
            from: None,
            to: version("2"),
            state: AssignmentState::Waiting,
            reason: None,
            stage: 0,
            attempts: 0,
            until: None,
            seen_since: None,
            updated_at: at(),
        };
        let newest = Newest::from([((KeyId(1), module("app2")), wanted)]);
        let json = serde_json::to_value(DeviceView::new(&device, &newest)).unwrap();
        assert_eq!(json["modules"]["app1"]["version"], "1");
        assert_eq!(json["modules"]["app1"]["state"], serde_json::Value::Null);
        assert_eq!(json["modules"]["app2"]["target"], "2");
        assert_eq!(json["modules"]["app2"]["state"], "waiting");
        assert_eq!(json["received_at"], serde_json::Value::Null);
        assert_eq!(serde_json::to_value(&DeviceView::all(&[device], &newest)[0]).unwrap(), json);
    }
}
