//! Makes a few updates of many events: of each thing only the newest state is worth sending. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{KeyId, LiveEvent, ModuleName, RolloutId};

/// Events that wait for the next flush, one for each thing they are about, in the order the things came up.
#[derive(Debug, Default)]
pub struct Coalescer {
    order: Vec<Thing>,
    newest: HashMap<Thing, Arc<LiveEvent>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Thing {
    Device(KeyId),
    Report(KeyId),
    Assignment(RolloutId, KeyId, ModuleName),
    Transfer(KeyId, ModuleName),
    Rollout(RolloutId),
}

impl Coalescer {
    /// Takes an event in; it replaces what waited about the same thing.
    pub fn push(&mut self, event: Arc<LiveEvent>) {
        let thing = Thing::of(&event);
        match self.newest.get_mut(&thing) {
            Some(before) => *before = merged(before, event),
            None => {
                self.order.push(thing.clone());
                self.newest.insert(thing, event);
            }
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Everything that waits.
    pub fn drain(&mut self) -> Vec<Arc<LiveEvent>> {
        let order = std::mem::take(&mut self.order);
        order.iter().filter_map(|thing| self.newest.remove(thing)).collect()
    }
}

impl Thing {
    fn of(event: &LiveEvent) -> Self {
        match event {
            LiveEvent::Device { key_id, .. } => Self::Device(*key_id),
            LiveEvent::Report { key_id, .. } => Self::Report(*key_id),
            LiveEvent::Assignment { rollout_id, key_id, module, .. } => {
                Self::Assignment(*rollout_id, *key_id, module.clone())
            }
            LiveEvent::Transfer { key_id, module, .. } => Self::Transfer(*key_id, module.clone()),
            LiveEvent::Rollout { rollout_id, .. } => Self::Rollout(*rollout_id),
        }
    }
}

/// The newer event; a device that told its versions and went keeps what it told.
fn merged(before: &LiveEvent, event: Arc<LiveEvent>) -> Arc<LiveEvent> {
    match (before, event.as_ref()) {
        (
            LiveEvent::Device { modules: Some(told), .. },
            LiveEvent::Device { key_id, device_id, online, since, modules: None },
        ) => Arc::new(LiveEvent::Device {
            key_id: *key_id,
            device_id: device_id.clone(),
            online: *online,
            since: *since,
            modules: Some(told.clone()),
        }),
        _ => event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DeviceId, Modules, Timestamp, Version};

    fn device(key: i64, online: bool, version: Option<&str>) -> Arc<LiveEvent> {
        let modules =
            version.map(|version| Modules::from([(ModuleName::new("app1").unwrap(), Version::new(version).unwrap())]));
        let device_id = DeviceId::new(&format!("t-{key}")).unwrap();
        let since = Timestamp::from_timestamp(1_800_000_000, 0).unwrap();
        Arc::new(LiveEvent::Device { key_id: KeyId(key), device_id, online, since, modules })
    }

    fn transfer(key: i64, received: u64) -> Arc<LiveEvent> {
        let module = ModuleName::new("app1").unwrap();
        Arc::new(LiveEvent::Transfer { key_id: KeyId(key), module, received, size: 100 })
    }

    #[test]
    fn of_each_thing_only_the_newest_is_sent_and_things_keep_their_order() {
        let mut coalescer = Coalescer::default();
        for received in 0..50 {
            coalescer.push(transfer(2, received));
            coalescer.push(transfer(1, received + 1));
            coalescer.push(device(1, received % 2 == 0, Some("1.0.0")));
        }
        assert_eq!(coalescer.drain(), [transfer(2, 49), transfer(1, 50), device(1, false, Some("1.0.0"))]);
        assert!(coalescer.is_empty() && coalescer.drain().is_empty());
    }

    #[test]
    fn a_device_that_told_its_versions_and_went_keeps_what_it_told() {
        let mut coalescer = Coalescer::default();
        coalescer.push(device(1, true, Some("1.0.0")));
        coalescer.push(device(1, true, Some("2.0.0")));
        coalescer.push(device(1, false, None));
        assert_eq!(coalescer.drain(), [device(1, false, Some("2.0.0"))]);
    }
}
