//! What the machine itself tells: processors, load, disks, sensors. Behind a trait, so that nothing else knows how.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use sysinfo::{Components, CpuRefreshKind, DiskRefreshKind, Disks, RefreshKind, System};

use crate::domain::{SdCard, Temperature};

/// One reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// Percent of all processors since the reading before.
    pub cpu_utilization: Option<f64>,
    pub load_average: Vec<f64>,
    /// MB.
    pub disks: Vec<SdCard>,
    pub temperatures: Vec<Temperature>,
}

/// Something that can be read.
pub trait Gauges: Send + Sync {
    /// Reads everything; may block for a moment.
    fn read(&mut self) -> Reading;
}

/// The gauges of this machine.
pub struct Machine {
    system: Option<System>,
    components: Option<Components>,
    /// Name to a path on the disk; every disk when empty.
    named: BTreeMap<String, PathBuf>,
}

impl Machine {
    /// Opens the gauges; one that this machine has not got stays silent.
    #[must_use]
    pub fn new(named: BTreeMap<String, PathBuf>) -> Self {
        let what = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
        let system = System::new_with_specifics(what).ok();
        Self { system, components: Components::new_with_refreshed_list().ok(), named }
    }

    fn disks(&self) -> Vec<SdCard> {
        let Ok(disks) = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage()) else {
            return Vec::new();
        };
        if !self.named.is_empty() {
            return self.named.iter().filter_map(|(name, path)| named_disk(name, path)).collect();
        }
        let mut seen = HashSet::new();
        let real = disks.iter().filter(|disk| disk.total_space() > 0 && !disk.is_read_only());
        let once = real.filter(|disk| seen.insert(disk.name().to_owned()));
        once.map(|disk| card(mount_name(disk.mount_point()), disk.total_space(), disk.available_space())).collect()
    }

    fn temperatures(&mut self) -> Vec<Temperature> {
        let Some(components) = &mut self.components else { return Vec::new() };
        components.refresh(true);
        let of = |component: &sysinfo::Component| {
            let degree = component.temperature().filter(|degree| degree.is_finite())?;
            let kind = component.label().chars().take(64).collect();
            Some(Temperature { kind, degree: rounded(f64::from(degree)) })
        };
        components.iter().filter_map(of).take(32).collect()
    }
}

impl Gauges for Machine {
    fn read(&mut self) -> Reading {
        let cpu_utilization = self.system.as_mut().map(|system| {
            system.refresh_cpu_usage();
            rounded(f64::from(system.global_cpu_usage()).clamp(0.0, 100.0))
        });
        let load_average = System::load_average().map_or_else(|_| Vec::new(), |l| vec![l.one, l.five, l.fifteen]);
        Reading { cpu_utilization, load_average, disks: self.disks(), temperatures: self.temperatures() }
    }
}

fn named_disk(name: &str, path: &Path) -> Option<SdCard> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(card(name.to_owned(), disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize))
}

/// `sdcard0` for `/sdcard0`, `root` for `/`.
fn mount_name(mount: &Path) -> String {
    mount.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn card(name: String, total: u64, free: u64) -> SdCard {
    let megabytes = |bytes: u64| Some((bytes / 1_000_000) as f64);
    SdCard { name, total: megabytes(total), used: megabytes(total.saturating_sub(free)), free: megabytes(free) }
}

fn rounded(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_read() {
        let mut machine = Machine::new(BTreeMap::from([("card".to_owned(), PathBuf::from("/"))]));
        let reading = machine.read();
        assert_eq!(reading.load_average.len(), 3);
        assert!((0.0..=100.0).contains(&reading.cpu_utilization.unwrap()));
        let card = &reading.disks[0];
        assert_eq!(card.name, "card");
        assert!(card.total.unwrap() >= card.free.unwrap() && card.total.unwrap() > 0.0);
    }

    #[test]
    fn a_disk_is_named_by_where_it_is_mounted() {
        assert_eq!(mount_name(Path::new("/sdcard0")), "sdcard0");
        assert_eq!(mount_name(Path::new("/")), "root");
    }
}
