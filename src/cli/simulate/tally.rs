//! What a swarm has done so far: counters that many tasks add to, and the spread of acknowledgement times.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

/// Counters of a whole swarm.
#[derive(Debug)]
pub struct Tally {
    pub(super) connected: AtomicU64,
    pub(super) connects: AtomicU64,
    pub(super) hellos: AtomicU64,
    pub(super) reports_sent: AtomicU64,
    pub(super) reports_acked: AtomicU64,
    pub(super) reports_given_up: AtomicU64,
    pub(super) installed: AtomicU64,
    pub(super) installs_failed: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) replaced: AtomicU64,
    pub(super) sent_away: AtomicU64,
    pub(super) errors: AtomicU64,
    waits: Spread,
}

/// A tally at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub devices: u64,
    /// Now.
    pub connected: u64,
    /// Connections that were ever opened.
    pub connects: u64,
    pub hellos: u64,
    /// Again and again counts.
    pub reports_sent: u64,
    pub reports_acked: u64,
    pub reports_given_up: u64,
    /// Milliseconds from sending a report to its acknowledgement.
    pub ack_ms: Percentiles,
    pub packages_installed: u64,
    pub installs_failed: u64,
    pub package_bytes: u64,
    /// Connections lost without our doing, or not made.
    pub lost: u64,
    pub refused: u64,
    pub replaced: u64,
    /// Connections that the server closed because it restarts.
    pub sent_away: u64,
    /// Messages of the server that told of an error, or could not be read.
    pub errors: u64,
}

/// Half, nearly all, and all but one in a hundred are at most this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
}

impl Tally {
    pub(super) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            connected: zero(),
            connects: zero(),
            hellos: zero(),
            reports_sent: zero(),
            reports_acked: zero(),
            reports_given_up: zero(),
            installed: zero(),
            installs_failed: zero(),
            bytes: zero(),
            lost: zero(),
            refused: zero(),
            replaced: zero(),
            sent_away: zero(),
            errors: zero(),
            waits: Spread::new(),
        }
    }

    pub(super) fn acknowledged(&self, micros: u64) {
        self.reports_acked.fetch_add(1, Relaxed);
        self.waits.add(micros);
    }

    /// As it is now.
    #[must_use]
    pub fn summary(&self, devices: u64) -> Summary {
        let milliseconds = |share| self.waits.at(share) / 1000.0;
        Summary {
            devices,
            connected: self.connected.load(Relaxed),
            connects: self.connects.load(Relaxed),
            hellos: self.hellos.load(Relaxed),
            reports_sent: self.reports_sent.load(Relaxed),
            reports_acked: self.reports_acked.load(Relaxed),
            reports_given_up: self.reports_given_up.load(Relaxed),
            ack_ms: Percentiles { p50: milliseconds(0.5), p95: milliseconds(0.95), p99: milliseconds(0.99) },
            packages_installed: self.installed.load(Relaxed),
            installs_failed: self.installs_failed.load(Relaxed),
            package_bytes: self.bytes.load(Relaxed),
            lost: self.lost.load(Relaxed),
            refused: self.refused.load(Relaxed),
            replaced: self.replaced.load(Relaxed),
            sent_away: self.sent_away.load(Relaxed),
            errors: self.errors.load(Relaxed),
        }
    }
}

impl Summary {
    /// One line for a person.
    #[must_use]
    pub fn line(&self) -> String {
        let Percentiles { p50, p95, p99 } = self.ack_ms;
        format!(
            "{}/{} connected, {} hellos, {} reports ({} acknowledged in {p50:.0}/{p95:.0}/{p99:.0} ms), \
             {} installed, {} failed, {} MB, {} lost, {} refused, {} errors",
            self.connected,
            self.devices,
            self.hellos,
            self.reports_sent,
            self.reports_acked,
            self.packages_installed,
            self.installs_failed,
            self.package_bytes / 1_000_000,
            self.lost,
            self.refused,
            self.errors,
        )
    }
}

/// Counts in buckets that grow by a tenth: any wait is told within 10%, in 2 KB.
#[derive(Debug)]
struct Spread(Vec<AtomicU64>);

const BUCKETS: usize = 256;
const GROWTH: f64 = 1.1;

impl Spread {
    fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, micros: u64) {
        let bucket = (micros.max(1) as f64).log(GROWTH) as usize;
        self.0[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// The upper end of the bucket that holds this share of all; 0 for none.
    fn at(&self, share: f64) -> f64 {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Relaxed)).collect();
        let wanted = counts.iter().sum::<u64>() as f64 * share;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return GROWTH.powi(bucket as i32 + 1);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_within_a_tenth() {
        let tally = Tally::new();
        for milliseconds in 1..=1000 {
            tally.acknowledged(milliseconds * 1000);
        }
        let Percentiles { p50, p95, p99 } = tally.summary(1).ack_ms;
        for (found, wanted) in [(p50, 500.0), (p95, 950.0), (p99, 990.0)] {
            assert!(found >= wanted * 0.99 && found <= wanted * 1.11, "{found} for {wanted}");
        }
    }
}
