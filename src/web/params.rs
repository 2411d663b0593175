//! What a caller sends beside the path: query strings, forms and JSON objects, taken field by field, so that
//! every complaint names its field and nothing unknown is passed over in silence.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::domain::Timestamp;

/// Largest body of JSON or of a form.
const BODY_BYTES: usize = 1024 * 1024;
/// ... and how long it may take.
const BODY_WITHIN: Duration = Duration::from_secs(20);

/// The fields of a query string or of a form.
#[derive(Debug, Default)]
pub struct Params {
    left: BTreeMap<String, String>,
    wrong: BTreeMap<String, String>,
}

/// Name and value pairs of `a=b&c=d`.
#[must_use]
pub fn pairs(text: &str) -> Vec<(String, String)> {
    web::Query::<Vec<(String, String)>>::from_query(text).map(web::Query::into_inner).unwrap_or_default()
}

impl Params {
    /// Those of `a=b&c=d`. A field without a value is as good as absent, as forms send them.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut params = Self::default();
        for (name, value) in pairs(text) {
            match params.left.entry(name) {
                Entry::Vacant(free) => _ = free.insert(value),
                Entry::Occupied(taken) => _ = params.wrong.insert(shown(taken.key()), "is given twice".to_owned()),
            }
        }
        params.left.retain(|_, value| !value.is_empty());
        params
    }

    /// A field as text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.left.remove(name)
    }

    /// A field as whatever it should be; what is wrong with it is said by [`Params::finish`].
    pub fn take<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        self.take_with(name, |text| text.parse::<T>().map_err(|e| e.to_string()))
    }

    /// The same with a parser of the caller's.
    pub fn take_with<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.left.remove(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong.insert(name.to_owned(), message);
                None
            }
        }
    }

    /// An instant, RFC 3339.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.take_with(name, |text| {
            let time = chrono::DateTime::parse_from_rfc3339(text);
            time.map(|t| t.to_utc()).map_err(|_| "must be a time such as 2026-11-22T08:48:00Z".to_owned())
        })
    }

    /// `limit`, 1 to 500, 100 when absent.
    pub fn limit(&mut self) -> u32 {
        self.limit_or(100)
    }

    /// `limit`, 1 to 500; for lists that once had no pages, what their callers get who say none.
    pub fn limit_or(&mut self, absent: u32) -> u32 {
        let parse = |text: &str| match text.parse() {
            Ok(n @ 1..=500) => Ok(n),
            _ => Err(format!("must be 1 to 500, not {text:?}")),
        };
        self.take_with("limit", parse).unwrap_or(absent)
    }

    /// A field that must be there; empty when it is not, which [`Params::finish`] says.
    pub fn required(&mut self, name: &str) -> String {
        self.left.remove(name).unwrap_or_else(|| {
            self.complain(name, "is missing");
            String::new()
        })
    }

    /// Notes that a field is wrong.
    pub fn complain(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.entry(name.to_owned()).or_insert(message.into());
    }

    /// The end of the reading.
    ///
    /// # Errors
    /// 422 that names every field that was wrong, or that nobody took.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for name in self.left.into_keys() {
            self.wrong.entry(shown(&name)).or_insert_with(|| "is not known here".to_owned());
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(ApiError::of_fields(self.wrong)) }
    }
}

impl FromRequest for Params {
    type Error = actix_web::Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self::read(request.query_string())))
    }
}

/// The fields of a form that a page sent as the body; its `csrf` has been checked and is left out.
#[derive(Debug, Default)]
pub struct FormBody(pub Params);

impl FromRequest for FormBody {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read_body(request, payload, "application/x-www-form-urlencoded");
        Box::pin(async move {
            let mut params = Params::read(&String::from_utf8_lossy(&body.await?));
            params.text("csrf");
            Ok(Self(params))
        })
    }
}

/// The bytes of a body of one content type, at most 1 MiB.
fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
    wanted: &'static str,
) -> impl Future<Output = Result<web::Bytes, ApiError>> + use<> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let payload = web::Payload::from_request(request, payload);
    async move {
        if given != wanted {
            return Err(ApiError::wrong_type(wanted));
        }
        let unreadable = || ApiError::unreadable("The body could not be read to its end.");
        let payload = payload.await.map_err(|_| unreadable())?;
        let body = in_time(payload.to_bytes_limited(BODY_BYTES)).await?;
        body.map_err(|_| ApiError::too_large("The body is larger than 1 MiB."))?.map_err(|_| unreadable())
    }
}

/// Waits for a small body, but not for ever: whoever sends it a byte a minute holds a connection.
///
/// # Errors
/// 408
pub async fn in_time<T>(body: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(BODY_WITHIN, body).await.map_err(|_| {
        let message = format!("The body took longer than {} s.", BODY_WITHIN.as_secs());
        ApiError::new(actix_web::http::StatusCode::REQUEST_TIMEOUT, "too_slow", message)
    })
}

/// A JSON object sent as the body, at most 1 MiB.
#[derive(Debug, Default)]
pub struct JsonBody {
    left: Map<String, Value>,
    wrong: BTreeMap<String, String>,
}

impl JsonBody {
    /// Reads an object.
    ///
    /// # Errors
    /// 400 when it is not JSON, 422 when it is JSON but no object.
    pub fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(left)) => Ok(Self { left, wrong: BTreeMap::new() }),
            Ok(_) => Err(ApiError::invalid("The body must be a JSON object.")),
            Err(error) => Err(ApiError::unreadable(format!("The body is not JSON: {error}."))),
        }
    }

    /// Whether the caller named a field within a field.
    #[must_use]
    pub fn names(&self, outer: &str, inner: &str) -> bool {
        self.left.get(outer).and_then(|value| value.get(inner)).is_some_and(|value| !value.is_null())
    }

    /// A field as whatever it should be; what is wrong with it is said by [`JsonBody::finish`]. `null` is absent.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.left.shift_remove(name).filter(|value| !value.is_null())?;
        match T::deserialize(&value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let field = culprit::<T>(&value).map_or_else(|| name.to_owned(), |inner| format!("{name}.{inner}"));
                self.wrong.insert(shown(&field), error.to_string());
                None
            }
        }
    }

    /// The same for a field that must be there.
    pub fn require<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.take(name);
        if value.is_none() {
            self.wrong.entry(name.to_owned()).or_insert_with(|| "is missing".to_owned());
        }
        value
    }

    /// Notes that a field is wrong.
    pub fn complain(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.insert(name.to_owned(), message.into());
    }

    /// Checks a value that was taken.
    pub fn check<T>(&mut self, name: &str, value: Option<&T>, rule: impl FnOnce(&T) -> Result<(), String>) {
        if let Some(Err(message)) = value.map(rule) {
            self.complain(name, message);
        }
    }

    /// The end of the reading.
    ///
    /// # Errors
    /// 422 that names every field that was wrong, or that nobody took.
    pub fn finish(mut self) -> Result<(), ApiError> {
        for (name, _) in self.left {
            self.wrong.entry(shown(&name)).or_insert_with(|| "is not known here".to_owned());
        }
        if self.wrong.is_empty() { Ok(()) } else { Err(ApiError::of_fields(self.wrong)) }
    }
}

/// The field within an object without which the object could be read, if there is one such.
fn culprit<T: DeserializeOwned>(value: &Value) -> Option<String> {
    let object = value.as_object().filter(|object| object.len() <= 50)?;
    object.keys().find_map(|name| {
        let mut without = object.clone();
        without.shift_remove(name);
        T::deserialize(Value::Object(without)).ok().map(|_| name.clone())
    })
}

/// A name that a caller made up, cut to what is worth repeating.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

impl FromRequest for JsonBody {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read_body(request, payload, "application/json");
        Box::pin(async move { Ok(Self::read(&body.await?)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Policy;

    #[test]
    fn a_query_that_is_wrong_names_every_field() {
        let mut params = Params::read("limit=0&online=maybe&color=red&q=&q2=1&q2=2&since=yesterday");
        assert_eq!(params.text("q"), None, "an empty field is no field");
        assert_eq!(params.limit(), 100);
        assert_eq!(params.take::<bool>("online"), None);
        assert_eq!(params.time("since"), None);
        let error = params.finish().unwrap_err();
        assert_eq!(error.status.as_u16(), 422);
        assert_eq!(error.fields.keys().collect::<Vec<_>>(), ["color", "limit", "online", "q2", "since"]);
    }

    #[test]
    fn a_body_that_is_wrong_names_the_field_within_the_field() {
        let mut body = JsonBody::read(br#"{"policy":{"attempts":"many","max_in_flight":3},"x":1,"n":null}"#).unwrap();
        assert_eq!(body.take::<Policy>("policy"), None);
        assert_eq!(body.take::<u32>("n"), None);
        assert_eq!(body.require::<u32>("m"), None);
        let error = body.finish().unwrap_err();
        assert_eq!(error.fields.keys().collect::<Vec<_>>(), ["m", "policy.attempts", "x"]);
    }

    #[test]
    fn what_is_no_json_is_unreadable_and_what_is_no_object_is_wrong() {
        assert_eq!(JsonBody::read(b"{").unwrap_err().status.as_u16(), 400);
        assert_eq!(JsonBody::read(&b"[".repeat(100_000)).unwrap_err().status.as_u16(), 400);
        assert_eq!(JsonBody::read(b"[]").unwrap_err().status.as_u16(), 422);
    }
}
