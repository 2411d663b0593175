//! A live stream as a page reads it.

use std::io::{BufRead as _, BufReader, Read};
use std::time::Duration;

use crate::helpers::{TestApp, bearer};

/// An open stream, read line by line.
pub struct Stream(BufReader<Box<dyn Read>>);

impl Stream {
    pub fn open(app: &TestApp, token: &str, path: &str) -> Self {
        Self::with(app, path, ("authorization", &bearer(token)))
    }

    pub fn with_cookie(app: &TestApp, cookie: &str) -> Self {
        Self::with(app, "/api/v1/live", ("cookie", cookie))
    }

    fn with(app: &TestApp, path: &str, (name, value): (&str, &str)) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        let response = agent
            .get(format!("{}{path}", app.url))
            .header(name, value)
            .header("accept-encoding", "gzip")
            .call()
            .unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(response.headers().get("content-encoding").is_none_or(|encoding| encoding == "identity"));
        let mut stream = Self::of(response.into_body().into_reader());
        assert_eq!(stream.line().unwrap(), "retry: 3000");
        stream
    }

    pub fn of(body: impl Read + 'static) -> Self {
        Self(BufReader::new(Box::new(body)))
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event's name and data; `None` at the end.
    pub fn event(&mut self) -> Option<(String, serde_json::Value)> {
        let (mut name, mut data) = (String::new(), None);
        while let Some(line) = self.line() {
            if let Some(text) = line.strip_prefix("event: ") {
                name = text.to_owned();
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if line.is_empty()
                && let Some(data) = data.take()
            {
                return Some((name, data));
            }
        }
        None
    }
}
