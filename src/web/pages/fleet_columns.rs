//! The columns of the fleet table: modules, tags, and what the last report says.

use serde::Serialize;

use super::devices::Beside;
use super::modules::ModuleCell;
use super::shell::shown;
use crate::domain::{Device, DeviceId, ModuleName, Sample, Timestamp, millis_rfc3339};

/// One column that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Two columns: the version, and where its update stands.
    Module(ModuleName),
    Tag(String),
    Fact(Fact),
}

/// What of a device is not a module or a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    DeviceId,
    Since,
    Created,
    LastReport,
    Cpu,
    Load,
    Temperature,
    Disk,
    Speed,
}

impl Fact {
    /// In the order in which they are offered.
    pub const ALL: [Self; 9] = [
        Self::LastReport,
        Self::Since,
        Self::Cpu,
        Self::Load,
        Self::Temperature,
        Self::Disk,
        Self::Speed,
        Self::DeviceId,
        Self::Created,
    ];

    const fn key(self) -> &'static str {
        match self {
            Self::DeviceId => "id",
            Self::Since => "since",
            Self::Created => "created",
            Self::LastReport => "last_report",
            Self::Cpu => "cpu",
            Self::Load => "load",
            Self::Temperature => "temperature",
            Self::Disk => "disk",
            Self::Speed => "speed",
        }
    }

    fn number(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::Cpu => sample.cpu_utilization,
            Self::Load => sample.load_average,
            Self::Temperature => sample.temperature,
            Self::Disk => sample.disk_used_percent,
            Self::Speed => sample.speed,
            Self::DeviceId | Self::Since | Self::Created | Self::LastReport => None,
        }
    }

    fn time(self, device: &Device) -> Option<Timestamp> {
        match self {
            Self::Since => Some(device.since),
            Self::Created => Some(device.created_at),
            Self::LastReport => device.status.as_ref().map(|status| status.received_at),
            _ => None,
        }
    }
}

impl Column {
    /// Reads `module.app1`, `tag.region`, `cpu`; what is none of these is no column.
    #[must_use]
    pub fn read(key: &str) -> Option<Self> {
        if let Some(name) = key.strip_prefix("module.") {
            return ModuleName::new(name).ok().map(Self::Module);
        }
        if let Some(name) = key.strip_prefix("tag.") {
            // Tags are named as devices are.
            return DeviceId::new(name).ok().map(|name| Self::Tag(name.to_string()));
        }
        Fact::ALL.into_iter().find(|fact| fact.key() == key).map(Self::Fact)
    }

    /// As it stands in addresses.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Module(name) => format!("module.{name}"),
            Self::Tag(name) => format!("tag.{name}"),
            Self::Fact(fact) => fact.key().to_owned(),
        }
    }

    /// Its heading.
    #[must_use]
    pub fn head(&self, shown: bool) -> Head {
        let (kind, name) = match self {
            Self::Module(name) => ("module", name.to_string()),
            Self::Tag(name) => ("tag", name.clone()),
            Self::Fact(fact) => (fact.key(), String::new()),
        };
        Head { key: self.key(), kind, name, shown }
    }

    /// What it shows of a device.
    #[must_use]
    pub fn cell(&self, device: &Device, beside: &Beside<'_>) -> Cell {
        match self {
            Self::Module(module) => {
                let assignment = beside.newest.get(&(device.key_id, module.clone()));
                let transfer = (beside.transfer)(device.key_id, module);
                let cell = ModuleCell::new(module, device.modules.get(module), assignment, transfer);
                Cell { kind: "module", module: Some(cell), ..Cell::default() }
            }
            Self::Tag(name) => {
                let text = device.tags.get(name).map(|value| shown(value)).unwrap_or_default();
                Cell { kind: "text", text, ..Cell::default() }
            }
            Self::Fact(Fact::DeviceId) => Cell { kind: "text", text: device.device_id.to_string(), ..Cell::default() },
            Self::Fact(fact @ (Fact::Since | Fact::Created | Fact::LastReport)) => {
                let kind = if *fact == Fact::LastReport { "last_report" } else { "time" };
                Cell { kind, at: fact.time(device).map(millis_rfc3339::text), ..Cell::default() }
            }
            Self::Fact(fact) => {
                let sample = device.status.as_ref().map(|status| status.report.sample());
                Cell { kind: fact.key(), number: sample.and_then(|sample| fact.number(&sample)), ..Cell::default() }
            }
        }
    }
}

/// A heading, and a box to tick.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    pub key: String,
    /// `module`, `tag`, or the fact: the template has the words.
    pub kind: &'static str,
    pub name: String,
    /// Whether the table has it now.
    pub shown: bool,
}

/// One cell.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cell {
    pub kind: &'static str,
    pub module: Option<ModuleCell>,
    pub text: String,
    pub number: Option<f64>,
    pub at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_read_as_it_is_written() {
        for key in ["module.app1", "tag.region", "cpu", "last_report", "id"] {
            assert_eq!(Column::read(key).map(|column| column.key()).as_deref(), Some(key));
        }
        assert!(["", "module.", "module.a b", "tag.<b>", "colour"].into_iter().all(|key| Column::read(key).is_none()));
        assert!(Fact::ALL.into_iter().all(|fact| Column::read(fact.key()) == Some(Column::Fact(fact))));
    }
}
