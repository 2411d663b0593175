//! How many terminals were online over the last day, drawn.

use chrono::TimeDelta;
use serde::Serialize;

use crate::domain::Timestamp;
use crate::store::FleetPoint;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 100.0;
/// Counts further apart than this are not joined: the server did not run.
const GAP: TimeDelta = TimeDelta::minutes(16);

/// One picture: what was online as areas, and all there were as a line above.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Day {
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub from: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub to: Timestamp,
    /// Points of each unbroken area.
    pub online: Vec<String>,
    /// Points of each unbroken line.
    pub devices: Vec<String>,
    pub least: u64,
    pub most: u64,
    /// What the upper edge stands for.
    pub top: u64,
}

impl Day {
    /// How far back it goes.
    pub const SPAN: TimeDelta = TimeDelta::days(1);

    /// From the counts, oldest first, and the one that was just made; `None` before there is anything to draw.
    #[must_use]
    pub fn new(course: &[FleetPoint], now: FleetPoint) -> Option<Self> {
        let mut points: Vec<FleetPoint> = course.iter().copied().filter(|point| point.at < now.at).collect();
        points.push(now);
        if points.len() < 2 {
            return None;
        }
        let from = now.at - Self::SPAN;
        let top = points.iter().map(|point| point.devices.max(point.online)).max()?.max(1);
        let x = |at: Timestamp| (at - from).num_seconds() as f64 / Self::SPAN.num_seconds() as f64 * WIDTH;
        let y = |count: u64| HEIGHT - count as f64 / top as f64 * HEIGHT;
        let (mut online, mut devices) = (Vec::new(), Vec::new());
        for stretch in points.chunk_by(|before, next| next.at - before.at <= GAP) {
            let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
            // A single count is drawn as a bar of its own.
            let end = x(last.at).max(x(first.at) + 1.0);
            let line = |count: fn(&FleetPoint) -> u64| {
                let mut places: Vec<String> =
                    stretch.iter().map(|point| format!("{:.1},{:.1}", x(point.at), y(count(point)))).collect();
                places.push(format!("{end:.1},{:.1}", y(count(last))));
                places.join(" ")
            };
            let area = line(|point| point.online);
            online.push(format!("{:.1},{HEIGHT} {area} {end:.1},{HEIGHT}", x(first.at)));
            devices.push(line(|point| point.devices));
        }
        let least = points.iter().map(|point| point.online).min()?;
        let most = points.iter().map(|point| point.online).max()?;
        Some(Self { from, to: now.at, online, devices, least, most, top })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_counts_is_a_gap_and_the_last_count_stands_at_the_end() {
        let at = |minutes| Timestamp::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let point = |minutes, online| FleetPoint { at: at(minutes), online, devices: 10 };
        let course = [point(0, 5), point(5, 10), point(720, 0)];
        let day = Day::new(&course, point(1440, 10)).unwrap();
        assert_eq!(day.online.len(), 3);
        assert_eq!(day.online[0], "0.0,100 0.0,50.0 2.5,0.0 2.5,0.0 2.5,100");
        assert!(day.online[2].ends_with("721.0,0.0 721.0,100"), "{:?}", day.online);
        assert_eq!((day.least, day.most, day.top), (0, 10, 10));
        assert_eq!(Day::new(&[], point(0, 1)), None);
    }
}
