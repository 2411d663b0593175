//! How a rollout went, drawn: verified and failed assignments over time, as two lines of one picture.

use serde::Serialize;

use crate::domain::Timestamp;
use crate::store::CoursePoint;

/// The picture's size in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;
/// Points of a line.
const POINTS: i64 = 300;

/// The lines as SVG points, and the numbers that a reader who does not see them is told.
#[derive(Debug, Serialize)]
pub struct Drawing {
    pub verified_line: String,
    pub failed_line: String,
    pub verified: i64,
    pub failed: i64,
    /// What the upper edge stands for.
    pub most: i64,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub from: Timestamp,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub to: Timestamp,
}

/// Seconds between two points, so that there are not too many.
#[must_use]
pub fn step(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from((to - from).num_seconds() / POINTS).unwrap_or(u32::MAX).max(1)
}

impl Drawing {
    /// `None` before anything has ended.
    #[must_use]
    pub fn new(points: &[CoursePoint], from: Timestamp, to: Timestamp, wanted: u64) -> Option<Self> {
        let last = points.last()?;
        let most = i64::try_from(wanted).unwrap_or(i64::MAX).max(last.verified).max(last.failed).max(1);
        let to = to.max(last.at);
        let span = ((to - from).num_milliseconds().max(1)) as f64;
        let place = |at: Timestamp, value: i64| {
            let x = ((at - from).num_milliseconds() as f64 / span).clamp(0.0, 1.0) * WIDTH;
            let y = HEIGHT - value as f64 / most as f64 * HEIGHT;
            format!("{x:.1},{y:.1}")
        };
        let line = |value: fn(&CoursePoint) -> i64| {
            let mut places = vec![place(from, 0)];
            let mut before = 0;
            for point in points {
                // Steps, as counts are: nothing lies between two of them.
                places.push(place(point.at, before));
                before = value(point);
                places.push(place(point.at, before));
            }
            places.push(place(to, before));
            places.join(" ")
        };
        Some(Self {
            verified_line: line(|point| point.verified),
            failed_line: line(|point| point.failed),
            verified: last.verified,
            failed: last.failed,
            most,
            from,
            to,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_is_drawn_in_steps_from_its_begin_to_its_end() {
        let at = |s: i64| Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(s);
        let points =
            [CoursePoint { at: at(10), verified: 1, failed: 0 }, CoursePoint { at: at(20), verified: 2, failed: 1 }];
        assert!(Drawing::new(&[], at(0), at(40), 4).is_none());
        let drawing = Drawing::new(&points, at(0), at(40), 4).unwrap();
        assert_eq!(drawing.verified_line, "0.0,120.0 150.0,120.0 150.0,90.0 300.0,90.0 300.0,60.0 600.0,60.0");
        assert_eq!((drawing.verified, drawing.failed, drawing.most), (2, 1, 4));
    }
}
