//! When reports are made: each device at its own phase of the interval, so that a fleet's reports stay spread.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::clock;
use super::telemetry::Telemetry;
use crate::domain::{DeviceId, Report};

/// Makes reports until nobody takes them.
pub async fn tell_time(
    mut sources: Telemetry,
    device_id: DeviceId,
    mut interval: watch::Receiver<Duration>,
    reports: mpsc::Sender<Report>,
) {
    // One soon after the start, for the first look at a device; it also gives the processors time to be measured.
    let mut wait = Duration::from_secs(1);
    loop {
        tokio::select! {
            () = sleep(wait) => {
                let report = sources.report(clock::now()).await;
                if reports.send(report).await.is_err() {
                    return;
                }
            }
            changed = interval.changed() => if changed.is_err() { return },
        }
        wait = until_phase(&device_id, *interval.borrow_and_update(), clock::now().timestamp_millis());
    }
}

/// How long from `now` (Unix milliseconds) to the device's place in the interval; never 0.
fn until_phase(device_id: &DeviceId, interval: Duration, now: i64) -> Duration {
    let mut hasher = DefaultHasher::new();
    device_id.hash(&mut hasher);
    let length = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    let (phase, now) = (hasher.finish() % length, now.max(0) as u64 % length);
    let wait = (phase + length - now) % length;
    Duration::from_millis(if wait == 0 { length } else { wait })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_keeps_its_own_phase() {
        let interval = Duration::from_secs(30);
        let phase = |id: &str, now: i64| {
            let wait = until_phase(&DeviceId::new(id).unwrap(), interval, now);
            assert!(wait > Duration::ZERO && wait <= interval);
            (now as u64 + wait.as_millis() as u64) % 30_000
        };
        assert_eq!(phase("t-001", 1_763_800_000_000), phase("t-001", 1_763_800_017_123));
        let phases: std::collections::HashSet<u64> =
            (0..100).map(|n| phase(&format!("t-{n}"), 1_763_800_000_000) / 3000).collect();
        assert_eq!(phases.len(), 10, "a hundred devices fill every tenth of the interval");
    }
}
