//! `fleetward token`: the tokens of programs that use the API.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::CliError;
use super::context::{Context, by};
use super::output::text;
use crate::clock::Clock;
use crate::config::parse_duration;
use crate::domain::{ApiToken, Role, Timestamp, TokenKind, check_account_name, millis_rfc3339};
use crate::store::secrets::new_token;

/// API tokens, straight in the database; a running server sees the change at once
#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, alone on a line; it is shown this once
    Create {
        /// What it is for: ci, dashboard
        #[arg(long)]
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// When it ends, from now: 24h, 90d [default: never]
        #[arg(long, value_parser = parse_duration)]
        expires: Option<std::time::Duration>,
    },
    /// List all tokens, without the secrets
    List,
    /// Make a token invalid, by its number in the list
    Revoke { id: i64 },
}

impl Token {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let store = context.store()?;
        let now = Clock::system().now();
        match self.action {
            Action::Create { name, role, expires } => {
                check_account_name(&name).map_err(|why| CliError::Usage(format!("--name {why}")))?;
                let (token, hash) = new_token(TokenKind::Api).map_err(|error| CliError::Failed(error.to_string()))?;
                let until = expires.and_then(|expires| Some(now + chrono::TimeDelta::from_std(expires).ok()?));
                let made = context.wait(by(&store, "token.add", &name, &json!({ "role": role })).add_api_token(
                    &name,
                    role,
                    &hash,
                    "command line",
                    until,
                    now,
                ))??;
                store.close();
                print_secret(context, token, document(&made, now))
            }
            Action::List => {
                let tokens = context.wait(store.api_tokens())??;
                let items = tokens.iter().map(|token| document(token, now)).collect();
                context.output().list(&["ID", "NAME", "ROLE", "VALID", "EXPIRES", "BY"], items, |token| {
                    ["/id", "/name", "/role", "/valid", "/expires_at", "/created_by"].map(|f| text(token, f)).to_vec()
                })
            }
            Action::Revoke { id } => {
                let revoked =
                    context.wait(by(&store, "token.revoke", &id.to_string(), &json!({})).revoke_api_token(id))??;
                store.close();
                if revoked { Ok(()) } else { Err(CliError::Failed(format!("there is no token {id}"))) }
            }
        }
    }
}

/// Prints a secret alone on a line, or within its document.
pub(super) fn print_secret(context: &Context, token: String, mut document: Value) -> Result<(), CliError> {
    if !context.output().is_json() {
        return context.output().line(token);
    }
    document["token"] = json!(token);
    context.output().value(&document)
}

fn document(token: &ApiToken, now: Timestamp) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "valid": !token.revoked && token.expires_at.is_none_or(|end| end > now),
        "revoked": token.revoked,
        "created_at": millis_rfc3339::text(token.created_at),
        "created_by": token.created_by,
        "expires_at": token.expires_at.map(millis_rfc3339::text),
    })
}
