//! What a device says to the server: read by shape or `type`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{ErrorCode, MAX_TEXT, ProtocolError, lenient, plain_report};
use crate::domain::{BootId, DeviceId, ModuleName, Modules, Report, Timestamp, Version};

type Result<T> = std::result::Result<T, ProtocolError>;

/// One text message from device to server.
#[derive(Debug, Clone, PartialEq)]
pub enum DeviceMessage {
    Hello(Hello),
    Report(Box<ReportMessage>),
    UpdateReply(UpdateReply),
    Progress(Progress),
    Result(UpdateResult),
}

/// Who it is and what it runs; also sent again whenever the versions change.
#[derive(Debug, Clone, PartialEq)]
pub struct Hello {
    pub device_id: DeviceId,
    pub modules: Modules,
    /// When it said so, by its own clock; `None` where that is missing or can't be read.
    pub timestamp: Option<Timestamp>,
    /// Of a device that checks signatures.
    pub trust: Option<TrustClaim>,
    /// Whether it takes several packages all or not at all.
    pub sets: bool,
}

/// What a device that checks signatures says in its hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustClaim {
    /// The trust document that it has; 0: none yet.
    pub version: u64,
    /// A number it made up for this connection, which the server's freshness has to name.
    pub nonce: String,
}

/// One status message.
#[derive(Debug, Clone, PartialEq)]
pub struct ReportMessage {
    pub device_id: DeviceId,
    pub report: Report,
}

/// The part of an `update_list` that the device wants, in the order it wants it, and what it declines.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UpdateReply {
    pub wanted: Vec<Wanted>,
    pub declined: Vec<Declined>,
}

/// A package that the device wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub module: ModuleName,
    pub version: Version,
    /// Bytes of this very package that the device already has.
    pub offset: u64,
}

/// A package that the device does not want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declined {
    pub module: ModuleName,
    pub version: Version,
    pub reason: DeclineReason,
    /// More, in the device's own words.
    pub error: Option<String>,
}

/// Why a device does not want a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    NotNewer,
    KnownBad,
    Busy,
    NoSpace,
    Incompatible,
    BadSignature,
    /// Another package of an all-or-nothing list cannot be had.
    SetIncomplete,
    #[serde(other)]
    Other,
}

impl DeclineReason {
    /// The word of the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotNewer => "not_newer",
            Self::KnownBad => "known_bad",
            Self::Busy => "busy",
            Self::NoSpace => "no_space",
            Self::Incompatible => "incompatible",
            Self::BadSignature => "bad_signature",
            Self::SetIncomplete => "set_incomplete",
            Self::Other => "other",
        }
    }
}

/// Bytes received so far, offset included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub module: ModuleName,
    pub version: Version,
    pub received: u64,
}

/// What became of an install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateResult {
    pub module: ModuleName,
    pub version: Version,
    pub outcome: Outcome,
    /// The device's own words.
    pub error: Option<String>,
}

/// How an install ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Installed,
    /// Received, checked and unpacked; waits for the rest of an all-or-nothing list.
    Staged,
    Failed,
    /// Installed, failed its health check, and the old version is running again.
    RolledBack,
}

/// Longest text kept of an `error`, bytes.
const MAX_ERROR: usize = 4096;

/// Reads one text message.
///
/// # Errors
/// [`ProtocolError`] with the code and sentence to answer; and the `seq` of a report that could be read so far.
pub fn decode(text: &str) -> std::result::Result<DeviceMessage, (ProtocolError, Option<u64>)> {
    if text.len() > MAX_TEXT {
        let message = format!("a message is at most {MAX_TEXT} bytes");
        return Err((ProtocolError::new(ErrorCode::TooLarge, message), None));
    }
    match plain_report::read(text) {
        Some(report) => Ok(DeviceMessage::Report(Box::new(report))),
        None => decode_any(text),
    }
}

/// The whole protocol, with all its leniency.
pub(super) fn decode_any(text: &str) -> std::result::Result<DeviceMessage, (ProtocolError, Option<u64>)> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| (ProtocolError::new(ErrorCode::BadJson, format!("not JSON: {error}")), None))?;
    let seq = value.get("seq").and_then(Value::as_u64);
    let fail = |error| (error, seq);
    lenient::check_size(&value, 1).map_err(fail)?;
    let Value::Object(fields) = value else {
        return Err((ProtocolError::new(ErrorCode::BadJson, "a message must be a JSON object"), None));
    };
    read(fields, text).map_err(fail)
}

fn read(fields: Map<String, Value>, text: &str) -> Result<DeviceMessage> {
    let kind = match fields.get("type") {
        None => None,
        Some(Value::String(kind)) => Some(kind.as_str()),
        Some(_) => return Err(ProtocolError::bad("type must be text")),
    };
    match kind {
        Some("hello") => hello(&fields, text),
        Some("report") => report(fields),
        Some("update_list" | "update_reply") => update_reply(text),
        Some("progress") => progress(text),
        Some("result") => result(text),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            let known = "hello, report, update_list, progress, result";
            Err(ProtocolError::new(ErrorCode::UnknownType, format!("unknown type {other:?}; known: {known}")))
        }
        None if fields.contains_key("version_list") => hello(&fields, text),
        None if fields.contains_key("update_list") => update_reply(text),
        None if fields.contains_key("device_id") => report(fields),
        None => Err(ProtocolError::bad("a message has a type, a version_list, an update_list or a device_id")),
    }
}

/// What may be said of a package in a list, or in a message of its own; fields that a message has no use for are not
/// looked at. Versions are read as they were written, so that the number `1.10` stays `1.10`.
#[derive(Deserialize)]
struct Entry<'a> {
    app_name: Option<String>,
    name: Option<String>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    offset: Option<Value>,
    reason: Option<Value>,
    received: Option<Value>,
    outcome: Option<Value>,
    error: Option<Value>,
}

impl Entry<'_> {
    fn module(&self) -> Result<ModuleName> {
        let name = self.app_name.as_deref().or(self.name.as_deref());
        let name = name.ok_or_else(|| ProtocolError::bad("app_name is missing"))?;
        ModuleName::new(name).map_err(|error| ProtocolError::bad(error.to_string()))
    }

    fn version(&self) -> Result<Version> {
        let raw = self.version.ok_or_else(|| ProtocolError::bad("version is missing"))?.get().trim();
        let text = match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str::<String>(raw).map_err(unreadable)?,
            Some(b'0'..=b'9' | b'-') => raw.to_owned(),
            _ => return Err(ProtocolError::bad("version must be text or a number")),
        };
        Version::new(&text).map_err(|error| ProtocolError::bad(error.to_string()))
    }
}

/// An `error` of any kind as text that is not too long.
fn words(error: Option<&Value>) -> Option<String> {
    error.filter(|e| !e.is_null()).map(|error| {
        let mut text = error.as_str().map_or_else(|| error.to_string(), str::to_owned);
        text.truncate(text.floor_char_boundary(MAX_ERROR));
        text
    })
}

/// One of a few words; `None` for any other.
fn word<T: serde::de::DeserializeOwned>(value: Option<&Value>) -> Option<T> {
    T::deserialize(value?).ok()
}

fn whole(value: Option<&Value>, field: &str) -> Result<u64> {
    match value.map(Value::as_f64) {
        None => Ok(0),
        Some(Some(n)) if n >= 0.0 && n.fract() == 0.0 && n < 9e15 => Ok(n as u64),
        Some(_) => Err(ProtocolError::bad(format!("{field} must be a whole number from 0"))),
    }
}

fn unreadable(error: serde_json::Error) -> ProtocolError {
    ProtocolError::bad(error.to_string())
}

fn hello(fields: &Map<String, Value>, text: &str) -> Result<DeviceMessage> {
    #[derive(Deserialize)]
    struct Lists<'a> {
        #[serde(borrow, default)]
        version_list: Option<Vec<Entry<'a>>>,
    }
    let device_id = lenient::device_id(fields.get("device_id"))?;
    let list = serde_json::from_str::<Lists>(text).map_err(unreadable)?.version_list.unwrap_or_default();
    let mut modules = Modules::new();
    for entry in list {
        let (module, version) = (entry.module()?, entry.version()?);
        if modules.insert(module.clone(), version).is_some() {
            return Err(ProtocolError::bad(format!("version_list names {module} twice")));
        }
    }
    let timestamp = fields.get("timestamp").and_then(|value| lenient::timestamp(value).ok());
    let (trust, sets) = (trust_claim(fields), supports(fields, "sets"));
    Ok(DeviceMessage::Hello(Hello { device_id, modules, timestamp, trust, sets }))
}

/// Longest nonce, bytes.
const MAX_NONCE: usize = 128;

/// What is not of the right kind is passed over: such fields may mean something else to a client that checks nothing.
fn trust_claim(fields: &Map<String, Value>) -> Option<TrustClaim> {
    let version = fields.get("trust_version")?.as_u64()?;
    let nonce = fields.get("nonce")?.as_str().filter(|nonce| nonce.len() <= MAX_NONCE)?;
    Some(TrustClaim { version, nonce: nonce.to_owned() })
}

/// Words that are not known are passed over: a later device supports more.
fn supports(fields: &Map<String, Value>, word: &str) -> bool {
    fields.get("supports").and_then(Value::as_array).is_some_and(|words| words.iter().any(|known| known == word))
}

fn update_reply(text: &str) -> Result<DeviceMessage> {
    #[derive(Deserialize)]
    struct Lists<'a> {
        #[serde(borrow, default)]
        update_list: Option<Vec<Entry<'a>>>,
        #[serde(borrow, default)]
        declined: Option<Vec<Entry<'a>>>,
    }
    let lists: Lists = serde_json::from_str(text).map_err(unreadable)?;
    let want = |e: Entry| {
        Ok(Wanted { module: e.module()?, version: e.version()?, offset: whole(e.offset.as_ref(), "offset")? })
    };
    let decline = |e: Entry| {
        let reason = word(e.reason.as_ref()).unwrap_or(DeclineReason::Other);
        Ok(Declined { module: e.module()?, version: e.version()?, reason, error: words(e.error.as_ref()) })
    };
    let wanted = lists.update_list.unwrap_or_default().into_iter().map(want).collect::<Result<_>>()?;
    let declined = lists.declined.unwrap_or_default().into_iter().map(decline).collect::<Result<_>>()?;
    Ok(DeviceMessage::UpdateReply(UpdateReply { wanted, declined }))
}

fn progress(text: &str) -> Result<DeviceMessage> {
    let entry: Entry = serde_json::from_str(text).map_err(unreadable)?;
    if entry.received.is_none() {
        return Err(ProtocolError::bad("received is missing"));
    }
    let received = whole(entry.received.as_ref(), "received")?;
    Ok(DeviceMessage::Progress(Progress { module: entry.module()?, version: entry.version()?, received }))
}

fn result(text: &str) -> Result<DeviceMessage> {
    let entry: Entry = serde_json::from_str(text).map_err(unreadable)?;
    let outcome = word(entry.outcome.as_ref())
        .ok_or_else(|| ProtocolError::bad("outcome must be installed, staged, failed or rolled_back"))?;
    let error = words(entry.error.as_ref());
    Ok(DeviceMessage::Result(UpdateResult { module: entry.module()?, version: entry.version()?, outcome, error }))
}

fn report(mut fields: Map<String, Value>) -> Result<DeviceMessage> {
    let device_id = lenient::device_id(fields.get("device_id"))?;
    let mut take = |names: &[&str]| -> Option<Value> {
        // Every spelling is taken out; the first one that is there counts.
        names.iter().map(|name| fields.shift_remove(*name)).fold(None, Option::or)
    };
    take(&["device_id"]);
    take(&["type"]);
    let timestamp = take(&["timestamp"]).ok_or_else(|| ProtocolError::bad("timestamp is missing"))?;
    let number = |value: Option<Value>, field: &str| value.map_or(Ok(None), |v| lenient::number(&v, field));
    let report = Report {
        timestamp: lenient::timestamp(&timestamp)?,
        cpu_utilization: number(take(&["cpu_utilization"]), "cpu_utilization")?,
        load_average: take(&["load_average"]).map_or(Ok(Vec::new()), |v| lenient::load_average(&v))?,
        sd_card: take(&["sd_card"]).map_or(Ok(Vec::new()), |v| lenient::sd_cards(&v))?,
        temperature: take(&["temperature", "temprature"]).map_or(Ok(Vec::new()), |v| lenient::temperatures(&v))?,
        status: take(&["status"]).map_or(Ok(Vec::new()), |v| lenient::statuses(&v))?,
        location: take(&["location"]).map_or(Ok(None), |v| lenient::location(&v))?,
        weather: take(&["weather"]).filter(|v| !v.is_null()),
        speed: number(take(&["speed"]), "speed")?,
        seq: seq(take(&["seq"]))?,
        boot_id: boot_id(take(&["boot_id"]))?,
        extra: fields,
    };
    Ok(DeviceMessage::Report(Box::new(ReportMessage { device_id, report })))
}

fn seq(value: Option<Value>) -> Result<Option<u64>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|n| (1..=i64::MAX as u64).contains(n)) {
            Some(n) => Ok(Some(n)),
            None => Err(ProtocolError::bad("seq must be an integer from 1")),
        },
    }
}

fn boot_id(value: Option<Value>) -> Result<BootId> {
    match value {
        None | Some(Value::Null) => Ok(BootId::default()),
        Some(Value::String(text)) => BootId::new(&text).map_err(ProtocolError::bad),
        Some(Value::Number(n)) => BootId::new(&n.to_string()).map_err(ProtocolError::bad),
        Some(_) => Err(ProtocolError::bad("boot_id must be text")),
    }
}
