//! Reading what devices mean. Each function takes one JSON value and a field's name for the error.

use chrono::{DateTime, TimeZone as _, Utc};
use serde_json::Value;

use super::{ErrorCode, MAX_DEPTH, MAX_KEYS, ProtocolError};
use crate::domain::{DeviceId, Location, ProcessStatus, SdCard, Temperature, Timestamp};

type Result<T> = std::result::Result<T, ProtocolError>;

/// Refuses what is nested too deep or has too many keys.
pub(super) fn check_size(value: &Value, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(ProtocolError::new(ErrorCode::TooLarge, format!("JSON nested deeper than {MAX_DEPTH}")));
    }
    match value {
        Value::Object(map) if map.len() > MAX_KEYS => {
            Err(ProtocolError::new(ErrorCode::TooLarge, format!("a JSON object with more than {MAX_KEYS} keys")))
        }
        Value::Object(map) => map.values().try_for_each(|inner| check_size(inner, depth + 1)),
        Value::Array(items) => items.iter().try_for_each(|inner| check_size(inner, depth + 1)),
        _ => Ok(()),
    }
}

/// A string or an integer.
pub(super) fn device_id(value: Option<&Value>) -> Result<DeviceId> {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(n)) if n.is_i64() || n.is_u64() => n.to_string(),
        Some(_) => return Err(ProtocolError::bad("device_id must be text or an integer")),
        None => return Err(ProtocolError::bad("device_id is missing")),
    };
    DeviceId::new(&text).map_err(|error| ProtocolError::bad(error.to_string()))
}

/// From here on a Unix time is taken for milliseconds: as seconds it would be the year 5138.
const MILLISECONDS_FROM: f64 = 1e11;

/// Unix seconds or milliseconds, integer or float, or RFC 3339.
pub(super) fn timestamp(value: &Value) -> Result<Timestamp> {
    let wrong =
        || ProtocolError::bad("timestamp must be Unix seconds or milliseconds, or RFC 3339 text, from 1970 to 9999");
    let time = match value {
        Value::String(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => time.with_timezone(&Utc),
            Err(_) => unix(text.trim().parse().map_err(|_| wrong())?).ok_or_else(wrong)?,
        },
        Value::Number(n) => unix(n.as_f64().ok_or_else(wrong)?).ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    let year = chrono::Datelike::year(&time);
    if (1970..=9999).contains(&year) { Ok(time) } else { Err(wrong()) }
}

fn unix(n: f64) -> Option<Timestamp> {
    let millis = if n.abs() >= MILLISECONDS_FROM { n } else { n * 1000.0 };
    if !millis.is_finite() || millis.abs() > 1e15 {
        return None;
    }
    Utc.timestamp_millis_opt(millis.round() as i64).single()
}

/// A number or a numeric string; `null` is absent.
pub(super) fn number(value: &Value, field: &str) -> Result<Option<f64>> {
    let n = match value {
        Value::Null => return Ok(None),
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.trim().trim_end_matches('%').trim_end().parse().ok(),
        _ => None,
    };
    match n.filter(|n| n.is_finite()) {
        Some(n) => Ok(Some(n)),
        None => Err(ProtocolError::bad(format!("{field} must be a number"))),
    }
}

/// A number, or an array of up to three.
pub(super) fn load_average(value: &Value) -> Result<Vec<f64>> {
    let items = many(value);
    if items.len() > 3 {
        return Err(ProtocolError::bad("load_average must be a number or an array of three"));
    }
    items.into_iter().filter_map(|item| number(item, "load_average").transpose()).collect()
}

/// Cards: an array of objects, or one object.
pub(super) fn sd_cards(value: &Value) -> Result<Vec<SdCard>> {
    let card = |item: &Value| -> Result<SdCard> {
        let field = |name: &str| item.get(name).map_or(Ok(None), |v| number(v, &format!("sd_card.{name}")));
        Ok(SdCard {
            name: text(item, "sd_card", "name")?,
            total: field("total")?,
            used: field("used")?,
            free: field("free")?,
        })
    };
    many(value).into_iter().map(card).collect()
}

/// Sensors: an array of objects, or one object.
pub(super) fn temperatures(value: &Value) -> Result<Vec<Temperature>> {
    let sensor = |item: &Value| -> Result<Option<Temperature>> {
        let degree = item.get("degree").map_or(Ok(None), |v| number(v, "temperature.degree"))?;
        let kind = text(item, "temperature", "type")?;
        Ok(degree.map(|degree| Temperature { kind, degree }))
    };
    many(value).into_iter().filter_map(|item| sensor(item).transpose()).collect()
}

/// Process texts: an array of objects, or one object.
pub(super) fn statuses(value: &Value) -> Result<Vec<ProcessStatus>> {
    let status = |item: &Value| -> Result<ProcessStatus> {
        Ok(ProcessStatus { process: text(item, "status", "process")?, status: text(item, "status", "status")? })
    };
    many(value).into_iter().map(status).collect()
}

/// An object, an array of one object, or `[latitude, longitude, altitude]`. A position that is not on Earth is
/// taken for a receiver without a fix: absent.
pub(super) fn location(value: &Value) -> Result<Option<Location>> {
    let found = match value {
        Value::Null => return Ok(None),
        Value::Array(items) if items.is_empty() => return Ok(None),
        Value::Array(items) if items.len() == 1 && items[0].is_object() => of_object(&items[0])?,
        Value::Array(items) if items.len() == 2 || items.len() == 3 => of_three(&items[0], &items[1], items.get(2))?,
        Value::Object(map) if map.is_empty() => return Ok(None),
        Value::Object(_) => of_object(value)?,
        _ => return Err(ProtocolError::bad("location must be an object or [latitude, longitude, altitude]")),
    };
    Ok(found.filter(is_on_earth))
}

pub(super) fn is_on_earth(place: &Location) -> bool {
    place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0
}

fn of_object(object: &Value) -> Result<Option<Location>> {
    let null = Value::Null;
    let longitude = object.get("longitude").or_else(|| object.get("longtitude")).unwrap_or(&null);
    of_three(object.get("latitude").unwrap_or(&null), longitude, object.get("altitude"))
}

fn of_three(latitude: &Value, longitude: &Value, altitude: Option<&Value>) -> Result<Option<Location>> {
    let latitude = number(latitude, "location.latitude")?;
    let longitude = number(longitude, "location.longitude")?;
    let altitude = altitude.map_or(Ok(None), |v| number(v, "location.altitude"))?;
    Ok(latitude.zip(longitude).map(|(latitude, longitude)| Location { latitude, longitude, altitude }))
}

/// The items of an array; one item for anything else; none for `null`.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// Text, or a number or boolean as text; `null` and absent are empty.
fn text(item: &Value, list: &str, field: &str) -> Result<String> {
    if !item.is_object() {
        return Err(ProtocolError::bad(format!("{list} must be an array of objects")));
    }
    match item.get(field) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(n)) => Ok(n.to_string()),
        Some(Value::Bool(b)) => Ok(b.to_string()),
        Some(_) => Err(ProtocolError::bad(format!("{list}.{field} must be text"))),
    }
}
