//! What a swarm has done so far: counters that many tasks add to, and the spread of acknowledgement times.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::usage::Usage;
use crate::domain::Timestamp;

/// Counters of a whole swarm.
#[derive(Debug)]
pub struct Tally {
    pub(super) connected: AtomicU64,
    pub(super) welcomed: AtomicU64,
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
    asked: AtomicU64,
    waits: Spread,
    begun: Instant,
    /// The same, milliseconds since 1970.
    begun_ms: u128,
    marks: Mutex<Marks>,
}

/// What is more than a number, behind one lock.
#[derive(Debug)]
struct Marks {
    connecting: Option<Instant>,
    last_welcome: Option<Instant>,
    asked_last: Option<Instant>,
    /// The first and the last package bytes.
    bytes: Option<(Instant, Instant)>,
    measured: Option<(Instant, u64)>,
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
    /// Devices that have been welcomed, now.
    pub welcomed: u64,
    /// From the first try to connect to the last welcome.
    pub connected_in_s: Option<f64>,
    /// Lists of packages that the server asked about.
    pub asked: u64,
    /// When the last of them came: milliseconds since 1970.
    pub asked_last_at_ms: Option<u64>,
    /// From the first package bytes to the last.
    pub package_s: Option<f64>,
    /// Since all devices were in and had settled, where that was asked for; `ack_ms` is of this time then.
    pub measured: Option<Measured>,
    /// What the server used in that time, where its processes were named.
    pub server: Option<Usage>,
}

/// What was counted in a time that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    pub seconds: f64,
    pub reports_acked: u64,
    pub reports_per_s: f64,
}

/// Half, nearly all, and all but one in a hundred are at most this.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Tally {
    pub(super) fn new(now: Timestamp) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            connected: zero(),
            welcomed: zero(),
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
            asked: zero(),
            waits: Spread::new(),
            begun: Instant::now(),
            begun_ms: now.timestamp_millis().max(0).unsigned_abs().into(),
            marks: Mutex::new(Marks {
                connecting: None,
                last_welcome: None,
                asked_last: None,
                bytes: None,
                measured: None,
            }),
        }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn acknowledged(&self, micros: u64) {
        self.reports_acked.fetch_add(1, Relaxed);
        self.waits.add(micros);
    }

    pub(super) fn connecting_begins(&self) {
        self.marks().connecting.get_or_insert_with(Instant::now);
    }

    pub(super) fn welcome(&self) {
        self.welcomed.fetch_add(1, Relaxed);
        self.marks().last_welcome = Some(Instant::now());
    }

    pub(super) fn welcomed(&self) -> u64 {
        self.welcomed.load(Relaxed)
    }

    pub(super) fn asked(&self) {
        self.asked.fetch_add(1, Relaxed);
        self.marks().asked_last = Some(Instant::now());
    }

    pub(super) fn received(&self, bytes: u64) {
        if bytes > 0 {
            self.bytes.fetch_add(bytes, Relaxed);
            let (mut marks, now) = (self.marks(), Instant::now());
            marks.bytes.get_or_insert((now, now)).1 = now;
        }
    }

    pub(super) fn measure(&self) {
        self.waits.forget();
        self.marks().measured = Some((Instant::now(), self.reports_acked.load(Relaxed)));
    }

    /// As it is now.
    #[must_use]
    pub fn summary(&self, devices: u64) -> Summary {
        let marks = self.marks();
        let acked = self.reports_acked.load(Relaxed);
        let unix_ms = |at: Instant| (self.begun_ms + (at - self.begun).as_millis()) as u64;
        Summary {
            devices,
            connected: self.connected.load(Relaxed),
            connects: self.connects.load(Relaxed),
            hellos: self.hellos.load(Relaxed),
            reports_sent: self.reports_sent.load(Relaxed),
            reports_acked: acked,
            reports_given_up: self.reports_given_up.load(Relaxed),
            ack_ms: Percentiles::of(&self.waits),
            packages_installed: self.installed.load(Relaxed),
            installs_failed: self.installs_failed.load(Relaxed),
            package_bytes: self.bytes.load(Relaxed),
            lost: self.lost.load(Relaxed),
            refused: self.refused.load(Relaxed),
            replaced: self.replaced.load(Relaxed),
            sent_away: self.sent_away.load(Relaxed),
            errors: self.errors.load(Relaxed),
            welcomed: self.welcomed(),
            connected_in_s: marks.connecting.zip(marks.last_welcome).map(|(from, to)| (to - from).as_secs_f64()),
            asked: self.asked.load(Relaxed),
            asked_last_at_ms: marks.asked_last.map(unix_ms),
            package_s: marks.bytes.map(|(from, to)| (to - from).as_secs_f64()),
            measured: marks.measured.map(|(from, before)| Measured::of(from.elapsed(), acked - before)),
            server: None,
        }
    }
}

impl Measured {
    fn of(time: Duration, reports_acked: u64) -> Self {
        let seconds = time.as_secs_f64();
        Self { seconds, reports_acked, reports_per_s: reports_acked as f64 / seconds.max(f64::MIN_POSITIVE) }
    }
}

impl Percentiles {
    fn of(waits: &Spread) -> Self {
        let milliseconds = |share| waits.at(share) / 1000.0;
        let max = waits.longest.load(Relaxed) as f64 / 1000.0;
        Self {
            p50: milliseconds(0.5),
            p95: milliseconds(0.95),
            p99: milliseconds(0.99),
            p999: milliseconds(0.999),
            max,
        }
    }
}

impl Summary {
    /// One line for a person.
    #[must_use]
    pub fn line(&self) -> String {
        let Percentiles { p50, p95, p99, .. } = self.ack_ms;
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

/// Counts in buckets that grow by a hundredth: any wait up to an hour is told within 1%, in 18 KB and without a lock.
#[derive(Debug)]
struct Spread {
    counts: Vec<AtomicU64>,
    longest: AtomicU64,
}

const BUCKETS: usize = 2212;
const GROWTH: f64 = 1.01;

impl Spread {
    fn new() -> Self {
        Self { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), longest: AtomicU64::new(0) }
    }

    fn add(&self, micros: u64) {
        let bucket = ((micros.max(1) as f64).ln() / GROWTH.ln()) as usize;
        self.counts[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
        self.longest.fetch_max(micros, Relaxed);
    }

    fn forget(&self) {
        self.counts.iter().chain([&self.longest]).for_each(|count| count.store(0, Relaxed));
    }

    /// The upper end of the bucket that holds this share of all; 0 for none.
    fn at(&self, share: f64) -> f64 {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        let wanted = counts.iter().sum::<u64>() as f64 * share;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return GROWTH.powi(bucket as i32 + 1).min(self.longest.load(Relaxed) as f64);
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn percentiles_are_right_within_a_hundredth() {
        let tally = Tally::new(DateTime::UNIX_EPOCH);
        for milliseconds in 1..=1000 {
            tally.acknowledged(milliseconds * 1000);
        }
        let Percentiles { p50, p95, p99, p999, max } = tally.summary(1).ack_ms;
        for (found, wanted) in [(p50, 500.0), (p95, 950.0), (p99, 990.0), (p999, 999.0), (max, 1000.0)] {
            assert!((found - wanted).abs() <= wanted * 0.01, "{found} for {wanted}");
        }
    }
}
