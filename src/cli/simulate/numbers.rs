//! Plausible numbers of a vehicle on its round: they drift, they do not jump.

use serde_json::{Map, json};

use super::chance::Chance;
use crate::domain::{BootId, Location, Modules, ProcessStatus, Report, SdCard, Temperature, Timestamp, millis_rfc3339};

/// The middle of the town that simulated vehicles drive in.
const TOWN: (f64, f64) = (31.2304, 121.4737);
/// Metres of one degree of latitude.
const METRES_A_DEGREE: f64 = 111_320.0;
const WEATHER: [&str; 5] = ["sunny", "cloudy", "overcast", "rain", "fog"];

/// How a simulated device is.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    chance: Chance,
    cpu: f64,
    degrees: f64,
    card_used: f64,
    latitude: f64,
    longitude: f64,
    altitude: f64,
    /// Radians, north is 0.
    heading: f64,
    speed: f64,
    weather: usize,
    since: Option<Timestamp>,
}

impl Numbers {
    pub fn new(mut chance: Chance) -> Self {
        Self {
            cpu: chance.between(5.0, 60.0),
            degrees: chance.between(38.0, 55.0),
            card_used: chance.between(1_000.0, 20_000.0),
            latitude: TOWN.0 + chance.between(-0.12, 0.12),
            longitude: TOWN.1 + chance.between(-0.15, 0.15),
            altitude: chance.between(2.0, 20.0),
            heading: chance.between(0.0, std::f64::consts::TAU),
            speed: chance.between(0.0, 60.0),
            weather: chance.number() as usize % WEATHER.len(),
            since: None,
            chance,
        }
    }

    /// Lets time pass and tells how things are now.
    pub fn report(&mut self, now: Timestamp, modules: &Modules, seq: u64, boot_id: &BootId) -> Report {
        let elapsed =
            self.since.map_or(0.0, |since| (now - since).num_milliseconds() as f64 / 1000.0).clamp(0.0, 600.0);
        self.since = Some(now);
        self.drive(elapsed);
        self.cpu = (self.cpu + self.chance.between(-6.0, 6.0)).clamp(1.0, 99.0);
        self.degrees = (self.degrees + self.chance.between(-0.8, 0.8) + (self.cpu - 40.0) * 0.01).clamp(30.0, 88.0);
        self.card_used = (self.card_used + self.chance.between(0.0, 0.4)).min(31_000.0);
        if self.chance.share() < 0.01 {
            self.weather = self.chance.number() as usize % WEATHER.len();
        }
        self.told(now, modules, seq, boot_id)
    }

    fn drive(&mut self, seconds: f64) {
        self.speed = (self.speed + self.chance.between(-9.0, 9.0)).clamp(0.0, 80.0);
        self.heading += self.chance.between(-0.5, 0.5);
        let metres = self.speed / 3.6 * seconds;
        self.latitude += metres * self.heading.cos() / METRES_A_DEGREE;
        self.longitude += metres * self.heading.sin() / (METRES_A_DEGREE * self.latitude.to_radians().cos());
        // Whoever leaves town turns round.
        if (self.latitude - TOWN.0).abs() > 0.25 || (self.longitude - TOWN.1).abs() > 0.3 {
            let (north, east) = (TOWN.0 - self.latitude, TOWN.1 - self.longitude);
            self.heading = east.atan2(north);
        }
    }

    fn told(&self, now: Timestamp, modules: &Modules, seq: u64, boot_id: &BootId) -> Report {
        let round = |number: f64, digits: i32| (number * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
        let load = round(self.cpu / 25.0, 2);
        let status = |(module, version): (&_, &_)| ProcessStatus {
            process: format!("{module}"),
            status: format!("running {version} since {}", millis_rfc3339::text(now)),
        };
        let mut extra = Map::new();
        extra.insert("simulated".to_owned(), json!(true));
        Report {
            timestamp: now,
            cpu_utilization: Some(round(self.cpu, 1)),
            load_average: vec![load, round(load * 0.9, 2), round(load * 0.8, 2)],
            sd_card: vec![SdCard {
                name: "sdcard0".to_owned(),
                total: Some(32_000.0),
                used: Some(self.card_used.round()),
                free: Some(32_000.0 - self.card_used.round()),
            }],
            temperature: vec![
                Temperature { kind: "cpu".to_owned(), degree: round(self.degrees, 1) },
                Temperature { kind: "board".to_owned(), degree: round(self.degrees - 6.5, 1) },
            ],
            status: modules.iter().map(status).collect(),
            location: Some(Location {
                latitude: round(self.latitude, 6),
                longitude: round(self.longitude, 6),
                altitude: Some(round(self.altitude, 1)),
            }),
            weather: Some(json!(WEATHER[self.weather])),
            speed: Some(round(self.speed, 1)),
            seq: Some(seq),
            boot_id: boot_id.clone(),
            extra,
        }
    }
}
