//! A server's HTTP API, from the command line.

use std::time::Duration;

use clap::Args;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::CliError;
use super::context::Context;

/// Which server, and by what right.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// The server's URL, or FLEETWARD_SERVER [default: http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// An API token, or FLEETWARD_TOKEN
    #[arg(long, global = true, value_name = "TOKEN", hide_env_values = true, help_heading = "Server")]
    token: Option<String>,
}

/// Longest wait for a connection and for an answer; sending a package is not limited.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(120);

/// The most items of one page.
const PAGE: &str = "500";

impl Server {
    /// The way to it.
    pub fn api(&self, context: &Context) -> Result<Api, CliError> {
        let given =
            |flag: &Option<String>, name| flag.clone().or_else(|| context.environment().get(name).map(Into::into));
        let server = given(&self.server, "SERVER").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let token = given(&self.token, "TOKEN").ok_or_else(|| {
            let how = "fleetward token create --name NAME --role operator";
            CliError::Usage(format!("give an API token with --token or FLEETWARD_TOKEN; {how} makes one"))
        })?;
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(CliError::Usage(format!("--server must begin with http:// or https://, not {server:?}")));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("fleetward/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Api { agent, base: server.trim_end_matches('/').to_owned(), bearer: format!("Bearer {token}") })
    }
}

/// Calls to one server.
pub(super) struct Api {
    agent: Agent,
    base: String,
    bearer: String,
}

impl Api {
    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    /// One document.
    pub fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, CliError> {
        let query = query.iter().map(|(name, value)| (*name, value.as_str()));
        let request = self.agent.get(self.url(path)).header("authorization", &self.bearer).query_pairs(query);
        self.answer(request.call())
    }

    /// Every item of a list, page by page.
    pub fn all(&self, path: &str, query: &[(&str, String)]) -> Result<Vec<Value>, CliError> {
        let mut query = query.to_vec();
        query.push(("limit", PAGE.to_owned()));
        let given = query.len();
        let mut items = Vec::new();
        loop {
            let mut page = self.get(path, &query)?;
            if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                items.extend(found);
            }
            let Some(next) = page.get("next").and_then(Value::as_str) else { return Ok(items) };
            query.truncate(given);
            query.push(("after", next.to_owned()));
        }
    }

    /// Sends a document.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.answer(self.agent.post(self.url(path)).header("authorization", &self.bearer).send_json(body))
    }

    /// Sends a form with a file.
    pub fn upload(&self, path: &str, form: ureq::unversioned::multipart::Form<'_>) -> Result<Value, CliError> {
        self.answer(self.agent.post(self.url(path)).header("authorization", &self.bearer).send(form))
    }

    /// Deletes.
    pub fn delete(&self, path: &str) -> Result<(), CliError> {
        self.answer(self.agent.delete(self.url(path)).header("authorization", &self.bearer).call()).map(drop)
    }

    fn answer(&self, result: Result<Response<Body>, ureq::Error>) -> Result<Value, CliError> {
        let unreachable = |error: ureq::Error| CliError::Failed(format!("{} does not answer: {error}", self.base));
        let mut response = result.map_err(unreachable)?;
        let text = response.body_mut().with_config().limit(256 * 1024 * 1024).read_to_string().map_err(unreachable)?;
        let status = response.status();
        let document: Option<Value> = serde_json::from_str(&text).ok();
        match (status.is_success(), document) {
            (true, Some(document)) => Ok(document),
            (true, None) if text.is_empty() => Ok(Value::Null),
            (true, None) => Err(CliError::Failed(format!("{} answered something that is not JSON", self.base))),
            (false, document) => Err(CliError::Failed(refusal(status.as_u16(), document.as_ref()))),
        }
    }
}

/// The server's own sentence, with the fields it finds fault with.
fn refusal(status: u16, document: Option<&Value>) -> String {
    let error = document.and_then(|d| d.get("error"));
    let Some(message) = error.and_then(|e| e.get("message")).and_then(Value::as_str) else {
        return format!("the server answered {status}");
    };
    let fields = error.and_then(|e| e.get("fields")).and_then(Value::as_object);
    let told: Vec<String> = fields
        .into_iter()
        .flatten()
        .map(|(field, why)| format!("{field}: {}", why.as_str().map_or_else(|| why.to_string(), str::to_owned)))
        .collect();
    let hint = if status == 401 { "; is --token an API token that is still valid?" } else { "" };
    let message = super::output::visible(message);
    // What the sentence says already is not said twice.
    let told: Vec<String> = told.into_iter().filter(|one| !message.contains(one.as_str())).collect();
    if told.is_empty() { format!("{message}{hint}") } else { format!("{message} ({})", told.join("; ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let document = json!({"error": {"code": "invalid", "message": "the rollout cannot be carried out as asked",
            "fields": {"policy.attempts": "must be 1 to 100, not 0"}}});
        let told = refusal(422, Some(&document));
        assert_eq!(told, "the rollout cannot be carried out as asked (policy.attempts: must be 1 to 100, not 0)");
        let named = json!({"error": {"message": "a: is wrong", "fields": {"a": "is wrong"}}});
        assert_eq!(refusal(422, Some(&named)), "a: is wrong");
        assert_eq!(refusal(502, None), "the server answered 502");
    }
}
