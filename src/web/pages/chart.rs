//! A chart of a day: processor and temperature as lines in one SVG, on one scale from 0 to 100 (percent, degrees).

use serde::Serialize;

use crate::domain::{Sample, Timestamp};

/// Drawn in a box of 720 by 100.
const WIDTH: f64 = 720.0;
/// Samples further apart than this are not joined, seconds.
const GAP_S: i64 = 30 * 60;

/// What the template draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub from: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub to: Timestamp,
    /// The points of each line.
    pub cpu: Vec<String>,
    pub temperature: Vec<String>,
}

impl Chart {
    /// Lines through the samples, which come oldest first; `None` when there is nothing to draw.
    #[must_use]
    pub fn new(samples: &[(Timestamp, Sample)], from: Timestamp, to: Timestamp) -> Option<Self> {
        let span = (to - from).num_seconds().max(1) as f64;
        let lines = |value: &dyn Fn(&Sample) -> Option<f64>| {
            let mut lines: Vec<String> = Vec::new();
            let mut last: Option<Timestamp> = None;
            for (at, sample) in samples {
                let Some(value) = value(sample) else { continue };
                let x = (*at - from).num_seconds() as f64 / span * WIDTH;
                let point = format!("{x:.1},{:.1}", 100.0 - value.clamp(0.0, 100.0));
                match (lines.last_mut(), last) {
                    (Some(line), Some(last)) if (*at - last).num_seconds() <= GAP_S => {
                        line.push(' ');
                        line.push_str(&point);
                    }
                    _ => lines.push(point),
                }
                last = Some(*at);
            }
            lines
        };
        let chart =
            Self { from, to, cpu: lines(&|sample| sample.cpu_utilization), temperature: lines(&|s| s.temperature) };
        let has_a_line = chart.cpu.iter().chain(&chart.temperature).any(|line| line.contains(' '));
        has_a_line.then_some(chart)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_gap_breaks_the_line_and_values_stay_in_the_box() {
        let from = Timestamp::UNIX_EPOCH;
        let at = |minutes| from + TimeDelta::minutes(minutes);
        let sample = |cpu| Sample { cpu_utilization: Some(cpu), ..Sample::default() };
        let samples = [(at(0), sample(0.0)), (at(10), sample(50.0)), (at(100), sample(400.0))];
        let chart = Chart::new(&samples, from, at(100)).unwrap();
        assert_eq!(chart.cpu, ["0.0,100.0 72.0,50.0", "720.0,0.0"]);
        assert_eq!(Chart::new(&[], from, at(1)), None);
    }
}
