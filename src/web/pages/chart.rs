//! A terminal's numbers over time, drawn: one picture each, so that none hides another. With scripts the browser
//! draws them anew, to be zoomed.

use chrono::TimeDelta;
use serde::Serialize;

use crate::domain::{Sample, Timestamp};

/// Drawn in a box of 720 by 100.
const WIDTH: f64 = 720.0;
/// Points of a line.
const POINTS: i64 = 360;
/// Samples further apart than this are not joined, seconds; or than some steps, where those are longer.
const GAP_S: i64 = 30 * 60;
const GAP_STEPS: i64 = 3;

/// The spans that can be chosen: as in addresses, and in seconds.
pub const RANGES: [(&str, i64); 5] =
    [("1h", 3600), ("6h", 6 * 3600), ("24h", 86_400), ("7d", 7 * 86_400), ("30d", 30 * 86_400)];
const USUAL: (&str, i64) = RANGES[2];

/// Which span is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub name: &'static str,
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Range {
    /// The span of this name that ends now; a day when there is none such.
    #[must_use]
    pub fn of(name: &str, now: Timestamp) -> Self {
        let (name, seconds) = RANGES.into_iter().find(|(known, _)| *known == name).unwrap_or(USUAL);
        Self { name, from: now - TimeDelta::seconds(seconds), to: now }
    }

    /// Seconds between two points.
    #[must_use]
    pub fn step_s(&self) -> u32 {
        u32::try_from((self.to - self.from).num_seconds() / POINTS).unwrap_or(0)
    }
}

/// What the template draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Charts {
    pub range: &'static str,
    pub ranges: Vec<&'static str>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub from: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub to: Timestamp,
    /// Those that have any value.
    pub panels: Vec<Panel>,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panel {
    /// `cpu`, `load`, `temperature`, `disk`, `speed`: the template has the words and the unit.
    pub kind: &'static str,
    /// The points of each unbroken line.
    pub lines: Vec<String>,
    pub least: f64,
    pub most: f64,
    pub last: f64,
    /// What the edges of the picture stand for.
    pub bottom: f64,
    pub top: f64,
}

type Number = fn(&Sample) -> Option<f64>;

const NUMBERS: [(&str, Number, Option<f64>); 5] = [
    ("cpu", |sample| sample.cpu_utilization, Some(100.0)),
    ("load", |sample| sample.load_average, None),
    ("temperature", |sample| sample.temperature, None),
    ("disk", |sample| sample.disk_used_percent, Some(100.0)),
    ("speed", |sample| sample.speed, None),
];

impl Charts {
    /// Pictures of the samples, which come oldest first.
    #[must_use]
    pub fn new(samples: &[(Timestamp, Sample)], range: Range) -> Self {
        let panel = |(kind, number, top): (&'static str, Number, Option<f64>)| {
            let points: Vec<(Timestamp, f64)> =
                samples.iter().filter_map(|(at, sample)| Some((*at, number(sample)?))).collect();
            Panel::new(kind, &points, top, range)
        };
        let panels = NUMBERS.into_iter().filter_map(panel).collect();
        let ranges = RANGES.map(|(name, _)| name).to_vec();
        Self { range: range.name, ranges, from: range.from, to: range.to, panels }
    }
}

impl Panel {
    fn new(kind: &'static str, points: &[(Timestamp, f64)], top: Option<f64>, range: Range) -> Option<Self> {
        let last = points.last()?.1;
        let values = points.iter().map(|(_, value)| *value);
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        let bottom = least.min(0.0);
        let top = top.unwrap_or(0.0).max(round_up(most)).max(bottom + 1.0);
        let lines = lines(points, bottom, top, range);
        Some(Self { kind, lines, least, most, last, bottom, top })
    }
}

fn lines(points: &[(Timestamp, f64)], bottom: f64, top: f64, range: Range) -> Vec<String> {
    let span = (range.to - range.from).num_seconds().max(1) as f64;
    let gap = GAP_S.max(GAP_STEPS * i64::from(range.step_s()));
    let mut lines: Vec<String> = Vec::new();
    let mut before: Option<Timestamp> = None;
    for (at, value) in points {
        let x = ((*at - range.from).num_seconds() as f64 / span * WIDTH).clamp(0.0, WIDTH);
        let y = 100.0 - (value - bottom) / (top - bottom) * 100.0;
        let point = format!("{x:.1},{y:.1}");
        match (lines.last_mut(), before) {
            (Some(line), Some(before)) if (*at - before).num_seconds() <= gap => {
                line.push(' ');
                line.push_str(&point);
            }
            // A point alone is drawn as a short line.
            _ => lines.push(format!("{point} {:.1},{y:.1}", x + 0.8)),
        }
        before = Some(*at);
    }
    lines
}

/// The next of 1, 2, 5, 10, 20, ... for an edge that reads well.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let unit = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * unit).find(|edge| *edge >= value).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_breaks_the_line_and_values_stay_in_the_box() {
        let range = Range::of("1h", Timestamp::UNIX_EPOCH + TimeDelta::hours(1));
        let at = |minutes| Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let sample = |cpu| Sample { cpu_utilization: Some(cpu), ..Sample::default() };
        let charts = Charts::new(&[(at(0), sample(0.0)), (at(6), sample(50.0)), (at(60), sample(200.0))], range);
        assert_eq!(charts.panels.len(), 1, "what has no value has no picture");
        let panel = &charts.panels[0];
        assert_eq!(panel.lines, ["0.0,100.0 0.8,100.0 72.0,75.0", "720.0,0.0 720.8,0.0"]);
        assert_eq!((panel.least, panel.most, panel.last, panel.top), (0.0, 200.0, 200.0, 200.0));
        assert!(Charts::new(&[], range).panels.is_empty());
    }

    #[test]
    fn edges_read_well_and_an_unknown_span_is_a_day() {
        assert_eq!([0.0, 0.3, 1.0, 42.0, 51.0].map(round_up), [0.0, 0.5, 1.0, 50.0, 100.0]);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(Range::of("<b>", now), Range::of("24h", now));
        assert_eq!(Range::of("30d", now).step_s(), 7200);
    }
}
