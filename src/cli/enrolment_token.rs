//! `fleetward enrolment-token`: the tokens that let new devices in.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::CliError;
use super::context::{Context, by};
use super::output::text;
use super::token::print_secret;
use crate::clock::Clock;
use crate::config::parse_duration;
use crate::domain::{self, Timestamp, TokenKind, millis_rfc3339};
use crate::store::secrets::new_token;

/// Tokens that let new devices in, straight in the database; a running server sees the change at once
#[derive(Debug, Args)]
pub(super) struct EnrolmentToken {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, alone on a line; it is shown this once
    Create {
        /// How many devices it lets in [default: any number]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        uses: Option<u32>,
        /// When it ends, from now: 24h, 90d [default: never]
        #[arg(long, value_parser = parse_duration)]
        expires: Option<std::time::Duration>,
    },
    /// List all tokens, without the secrets
    List,
    /// Make a token invalid, by its number in the list; devices it let in stay
    Revoke { id: i64 },
}

impl EnrolmentToken {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let store = context.store()?;
        let now = Clock::system().now();
        match self.action {
            Action::Create { uses, expires } => {
                let made = new_token(TokenKind::Enrolment);
                let (token, hash) = made.map_err(|error| CliError::Failed(error.to_string()))?;
                let until = expires.and_then(|expires| Some(now + chrono::TimeDelta::from_std(expires).ok()?));
                let made = context.wait(
                    by(&store, "enrolment_token.add", "", &json!({ "uses": uses })).add_enrolment_token(
                        &hash,
                        uses,
                        until,
                        "command line",
                        now,
                    ),
                )??;
                store.close();
                print_secret(context, token, document(&made, now))
            }
            Action::List => {
                let tokens = context.wait(store.enrolment_tokens())??;
                let items = tokens.iter().map(|token| document(token, now)).collect();
                context.output().list(&["ID", "VALID", "USES LEFT", "EXPIRES", "CREATED", "BY"], items, |token| {
                    let fields = ["/id", "/valid", "/uses_left", "/expires_at", "/created_at", "/created_by"];
                    fields.map(|field| text(token, field)).to_vec()
                })
            }
            Action::Revoke { id } => {
                let revoked = context.wait(
                    by(&store, "enrolment_token.revoke", &id.to_string(), &json!({})).revoke_enrolment_token(id),
                )??;
                store.close();
                if revoked { Ok(()) } else { Err(CliError::Failed(format!("there is no enrolment token {id}"))) }
            }
        }
    }
}

fn document(token: &domain::EnrolmentToken, now: Timestamp) -> Value {
    let in_time = token.expires_at.is_none_or(|end| end > now);
    json!({
        "id": token.id,
        "valid": !token.revoked && in_time && token.uses_left != Some(0),
        "revoked": token.revoked,
        "uses_left": token.uses_left,
        "created_at": millis_rfc3339::text(token.created_at),
        "created_by": token.created_by,
        "expires_at": token.expires_at.map(millis_rfc3339::text),
    })
}
