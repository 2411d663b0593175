//! Areas on the earth, and whether a position is in one.

use std::fmt::{self, Display, Formatter};

use super::Finite;

/// Mean radius of the earth, kilometres (IUGG).
const EARTH_KM: f64 = 6371.0088;

/// Half the way round the earth, kilometres: no two places are farther apart.
pub(super) const FARTHEST_KM: f64 = 20_016.0;

/// Most corners of a polygon.
pub(super) const MAX_CORNERS: usize = 100;

/// Where something is: degrees, WGS-84.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub latitude: Finite,
    pub longitude: Finite,
}

/// A part of the earth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Area {
    /// So many kilometres round a point, along the great circle.
    Circle(Point, Finite),
    /// Three corners or more, joined by straight lines on a map of latitude and longitude, the short way round where
    /// that crosses the 180th meridian.
    Polygon(Vec<Point>),
}

impl Area {
    pub(super) fn has(&self, latitude: f64, longitude: f64) -> bool {
        match self {
            Self::Circle(centre, km) => kilometres(*centre, latitude, longitude) <= km.0,
            Self::Polygon(corners) => is_within(corners, latitude, longitude),
        }
    }
}

/// By the haversine formula.
fn kilometres(from: Point, latitude: f64, longitude: f64) -> f64 {
    let (a, b) = (from.latitude.0.to_radians(), latitude.to_radians());
    let turn = (longitude - from.longitude.0).to_radians();
    let half = ((b - a) / 2.0).sin().powi(2) + a.cos() * b.cos() * (turn / 2.0).sin().powi(2);
    2.0 * EARTH_KM * half.clamp(0.0, 1.0).sqrt().asin()
}

/// A ray from the place to the east meets the border an odd number of times. Longitudes are unrolled from the first
/// corner on, so that the 180th meridian is none of its own.
fn is_within(corners: &[Point], latitude: f64, longitude: f64) -> bool {
    let Some(first) = corners.first() else { return false };
    let (mut east, mut before) = (0.0, first);
    let mut unrolled: Vec<(f64, f64)> = Vec::with_capacity(corners.len());
    for corner in corners {
        east += east_of(before.longitude.0, corner.longitude.0);
        unrolled.push((corner.latitude.0, east));
        before = corner;
    }
    let place = east_of(first.longitude.0, longitude);
    let ends = || unrolled.iter().cycle().skip(1);
    [place - 360.0, place, place + 360.0].into_iter().any(|place| {
        let meets = unrolled.iter().zip(ends()).filter(|((y1, x1), (y2, x2))| {
            (*y1 > latitude) != (*y2 > latitude) && x1 + (latitude - y1) / (y2 - y1) * (x2 - x1) > place
        });
        meets.count() % 2 == 1
    })
}

/// Degrees from one meridian to another, the short way: -180 to 180.
fn east_of(from: f64, to: f64) -> f64 {
    (to - from + 180.0).rem_euclid(360.0) - 180.0
}

impl Display for Point {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.latitude.0, self.longitude.0)
    }
}

impl Display for Area {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Circle(centre, km) => write!(f, "circle({centre}, {})", km.0),
            Self::Polygon(corners) => {
                let corners: Vec<String> = corners.iter().map(Point::to_string).collect();
                write!(f, "polygon({})", corners.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(latitude: f64, longitude: f64) -> Point {
        Point { latitude: Finite(latitude), longitude: Finite(longitude) }
    }

    #[test]
    fn a_circle_is_measured_along_the_earth() {
        // Paris and London are 343.6 km apart, a degree of a meridian is 111.195 km long.
        let paris = point(48.8566, 2.3522);
        let around = |km| Area::Circle(paris, Finite(km));
        assert!(around(344.0).has(51.5074, -0.1278) && !around(343.0).has(51.5074, -0.1278));
        assert!((kilometres(point(10.0, 20.0), 11.0, 20.0) - 111.195).abs() < 0.001);
        // Across the 180th meridian, and from pole to pole.
        assert!(Area::Circle(point(0.0, 179.9), Finite(30.0)).has(0.0, -179.9));
        assert!((kilometres(point(90.0, 0.0), -90.0, 77.0) - 20_015.1).abs() < 1.0);
    }

    #[test]
    fn a_polygon_has_what_is_between_its_sides() {
        // An L: the square of 2 degrees without its upper right quarter.
        let l = Area::Polygon(vec![
            point(30.0, 120.0),
            point(30.0, 122.0),
            point(31.0, 122.0),
            point(31.0, 121.0),
            point(32.0, 121.0),
            point(32.0, 120.0),
        ]);
        for (latitude, longitude, within) in [
            (30.5, 121.5, true),
            (31.5, 120.5, true),
            (31.5, 121.5, false),
            (29.9, 121.0, false),
            (30.5, 119.9, false),
            (30.5, 122.1, false),
            (31.5, -60.0, false),
            (30.5, -58.5, false),
        ] {
            assert_eq!(l.has(latitude, longitude), within, "{latitude} {longitude}");
        }
    }

    #[test]
    fn a_polygon_may_lie_across_the_180th_meridian() {
        let fiji =
            Area::Polygon(vec![point(-20.0, 177.0), point(-20.0, -178.0), point(-15.0, -178.0), point(-15.0, 177.0)]);
        for (longitude, within) in [
            (178.5, true),
            (-179.0, true),
            (180.0, true),
            (-180.0, true),
            (176.0, false),
            (-177.0, false),
            (0.0, false),
        ] {
            assert_eq!(fiji.has(-17.0, longitude), within, "{longitude}");
        }
    }
}
