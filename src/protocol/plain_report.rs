//! The quick way for the message that comes most: a report in the shapes that this house itself writes.
//!
//! It is read straight into its fields, without a tree of JSON between. Whatever is out of the ordinary (another
//! kind of value, an unknown field that is a list or an object, a field twice, something wrong) is left to the whole
//! protocol, so that there is one place for leniency and one for errors; where this reads something, it reads the same.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::device_message::ReportMessage;
use super::lenient;
use crate::domain::{BootId, DeviceId, Location, ProcessStatus, Report, SdCard, Temperature};

/// More fields than a plain report has.
const MAX_FIELDS: usize = 64;

/// A report, if the text is one of the plain shape.
pub(super) fn read(text: &str) -> Option<ReportMessage> {
    let mut json = serde_json::Deserializer::from_str(text);
    let message = json.deserialize_map(Plain).ok()?;
    json.end().ok()?;
    Some(message)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    name: String,
    total: Option<f64>,
    used: Option<f64>,
    free: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sensor {
    #[serde(rename = "type")]
    kind: String,
    degree: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Process {
    process: String,
    status: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    latitude: f64,
    #[serde(alias = "longtitude")]
    longitude: f64,
    altitude: Option<f64>,
}

/// The fields so far.
#[derive(Default)]
struct Fields {
    device_id: Option<DeviceId>,
    timestamp: Option<crate::domain::Timestamp>,
    cpu_utilization: Option<f64>,
    load_average: Option<Vec<f64>>,
    sd_card: Option<Vec<Card>>,
    temperature: Option<Vec<Sensor>>,
    status: Option<Vec<Process>>,
    location: Option<Place>,
    weather: Option<String>,
    speed: Option<f64>,
    seq: Option<u64>,
    boot_id: Option<BootId>,
    extra: Map<String, Value>,
}

struct Plain;

impl<'de> Visitor<'de> for Plain {
    type Value = ReportMessage;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a plain report")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ReportMessage, A::Error> {
        let mut fields = Fields::default();
        let mut count = 0;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            count += 1;
            if count > MAX_FIELDS {
                return Err(A::Error::custom("many fields"));
            }
            fields.take(&key.0, &mut map)?;
        }
        fields.message().ok_or_else(|| A::Error::custom("something is missing or wrong"))
    }
}

/// A text, borrowed where it holds nothing that is escaped.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a field that has not been there yet.
fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(field: &mut Option<T>, map: &mut A) -> Result<(), A::Error> {
    match field.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(A::Error::custom("a field is there twice")),
    }
}

impl Fields {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "device_id" => {
                let text: Key<'de> = map.next_value()?;
                set(&mut self.device_id, DeviceId::new(&text.0).ok())
            }
            "timestamp" => {
                let time = lenient::timestamp(&map.next_value()?).ok();
                set(&mut self.timestamp, time)
            }
            "boot_id" => {
                let text: Key<'de> = map.next_value()?;
                set(&mut self.boot_id, BootId::new(&text.0).ok())
            }
            "cpu_utilization" => once(&mut self.cpu_utilization, map),
            "load_average" => once(&mut self.load_average, map),
            "sd_card" => once(&mut self.sd_card, map),
            "temperature" | "temprature" => once(&mut self.temperature, map),
            "status" => once(&mut self.status, map),
            "location" => once(&mut self.location, map),
            "weather" => once(&mut self.weather, map),
            "speed" => once(&mut self.speed, map),
            "seq" => once(&mut self.seq, map),
            "type" | "version_list" | "update_list" => Err(A::Error::custom("perhaps no report")),
            _ => self.keep(key, map),
        }
    }

    /// An unknown field that is a single value.
    fn keep<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let value: Value = map.next_value()?;
        if value.is_array() || value.is_object() || self.extra.insert(key.to_owned(), value).is_some() {
            return Err(A::Error::custom("a field that is not plain"));
        }
        Ok(())
    }

    fn message(self) -> Option<ReportMessage> {
        let is_number = |seq: &u64| (1..=i64::MAX as u64).contains(seq);
        let load_average = self.load_average.unwrap_or_default();
        if load_average.len() > 3 || self.seq.is_some_and(|seq| !is_number(&seq)) {
            return None;
        }
        let card = |c: Card| SdCard { name: c.name, total: c.total, used: c.used, free: c.free };
        let sensor = |s: Sensor| Temperature { kind: s.kind, degree: s.degree };
        let process = |p: Process| ProcessStatus { process: p.process, status: p.status };
        let place = |p: Place| Location { latitude: p.latitude, longitude: p.longitude, altitude: p.altitude };
        let report = Report {
            timestamp: self.timestamp?,
            cpu_utilization: self.cpu_utilization,
            load_average,
            sd_card: self.sd_card.into_iter().flatten().map(card).collect(),
            temperature: self.temperature.into_iter().flatten().map(sensor).collect(),
            status: self.status.into_iter().flatten().map(process).collect(),
            location: self.location.map(place).filter(lenient::is_on_earth),
            weather: self.weather.map(Value::String),
            speed: self.speed,
            seq: self.seq,
            boot_id: self.boot_id.unwrap_or_default(),
            extra: self.extra,
        };
        Some(ReportMessage { device_id: self.device_id?, report })
    }
}

/// Notes what was read; wrong, or there twice, it is not plain.
fn set<T, E: serde::de::Error>(field: &mut Option<T>, value: Option<T>) -> Result<(), E> {
    match (value, &field) {
        (Some(value), None) => {
            *field = Some(value);
            Ok(())
        }
        _ => Err(E::custom("a field that is not plain")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::DeviceMessage;
    use super::super::device_message::decode_any;
    use super::super::encode;
    use super::*;

    const PLAIN: &str = r#"{"timestamp":"2026-11-22T08:48:00.123Z","device_id":"t-001","cpu_utilization":12.5,
        "load_average":[0.2,0.1,0.1],"sd_card":[{"name":"sdcard0","total":32000,"used":1200,"free":30800}],
        "temperature":[{"type":"cpu","degree":51.2}],"status":[{"process":"app1","status":"text \u00e9"}],
        "location":{"latitude":31.2304,"longtitude":121.4737,"altitude":4.5},"weather":"rain","speed":42.0,
        "seq":7,"boot_id":"b-1","battery":80,"name":"bus"}"#;

    fn whole(text: &str) -> Option<ReportMessage> {
        match decode_any(text) {
            Ok(DeviceMessage::Report(report)) => Some(*report),
            _ => None,
        }
    }

    #[test]
    fn a_plain_report_is_read_the_quick_way_and_as_the_protocol_says() {
        let message = read(PLAIN).unwrap();
        assert_eq!(Some(&message), whole(PLAIN).as_ref());
        let said = encode(&DeviceMessage::Report(Box::new(message.clone())));
        assert_eq!(read(&said).as_ref(), Some(&message));
    }

    #[test]
    fn what_is_out_of_the_ordinary_is_left_to_the_whole_protocol() {
        for (plain, other) in [
            (r#""speed":42.0"#, r#""speed":"42""#),
            (r#""seq":7"#, r#""seq":0"#),
            (r#""device_id":"t-001""#, r#""device_id":17"#),
            (r#""battery":80"#, r#""battery":[80]"#),
            (r#""battery":80"#, r#""speed":80"#),
            (r#""battery":80"#, r#""temprature":[]"#),
            (r#""battery":80"#, r#""type":"report""#),
            (r#""free":30800"#, r#""free":30800,"unit":"MB""#),
            (r#""boot_id":"b-1""#, r#""boot_id":null"#),
        ] {
            let text = PLAIN.replace(plain, other);
            assert_ne!(text, PLAIN);
            assert_eq!(read(&text), None, "{other}");
        }
        assert_eq!(read(&format!("{PLAIN} x")), None);
    }

    /// Values of every kind, likely and unlikely.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            (-100_i64..200).prop_map(|n| n.to_string()),
            (-1e3..1e12).prop_map(|n: f64| n.to_string()),
            Just("\"17\"".to_owned()),
            Just("\"rain\"".to_owned()),
            Just("\"2026-11-22T08:48:00Z\"".to_owned()),
            Just("[]".to_owned()),
            Just("[1,2.5,3]".to_owned()),
            Just("[1,2,3,4]".to_owned()),
            Just(r#"[{"type":"cpu","degree":5}]"#.to_owned()),
            Just(r#"[{"name":"a","total":5,"used":null}]"#.to_owned()),
            Just(r#"[{"process":"a","status":"b"},{"process":"c"}]"#.to_owned()),
            Just(r#"{"latitude":1,"longitude":200}"#.to_owned()),
            Just(r#"{"latitude":1,"longtitude":2,"longitude":3}"#.to_owned()),
        ]
    }

    fn key() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "timestamp",
            "device_id",
            "cpu_utilization",
            "load_average",
            "sd_card",
            "temperature",
            "temprature",
            "status",
            "location",
            "weather",
            "speed",
            "seq",
            "boot_id",
            "battery",
            "update_list",
        ])
    }

    proptest! {
        #[test]
        fn what_the_quick_way_reads_the_whole_protocol_reads_the_same(
            fields in prop::collection::vec((key(), value()), 0..8),
        ) {
            let base = [("timestamp", "1763800000".to_owned()), ("device_id", "\"t-1\"".to_owned())];
            let all = base.into_iter().chain(fields).map(|(key, value)| format!("\"{key}\":{value}"));
            let text = format!("{{{}}}", all.collect::<Vec<_>>().join(","));
            if let Some(message) = read(&text) {
                prop_assert_eq!(Some(message), whole(&text), "{}", text);
            }
        }
    }
}
