//! `fleetward user`: the people who may sign in.

use std::io::{BufRead as _, IsTerminal as _};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::CliError;
use super::context::{Context, by};
use super::output::text;
use crate::clock::Clock;
use crate::domain::{self, Role, check_account_name, check_password, millis_rfc3339};
use crate::store::Store;
use crate::store::secrets::hash_password;

/// People who may sign in, straight in the database; a running server sees the change at once
#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a user
    Add {
        name: String,
        /// viewer, operator or admin
        #[arg(long)]
        role: Role,
        /// Read the password from standard input, up to the end of the line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    List,
    /// Remove a user; open sessions end
    Remove { name: String },
    /// Give a user another password; open sessions end
    SetPassword {
        name: String,
        /// Read the password from standard input, up to the end of the line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Take a user's second factor away, for one who lost the telephone and the recovery codes
    ResetSecondFactor { name: String },
    /// Sign a user out everywhere
    SignOut { name: String },
    /// Give a user another role
    SetRole {
        name: String,
        /// viewer, operator or admin
        role: Role,
    },
}

impl User {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let action = self.action.with_password()?;
        let store = context.store()?;
        let done = context.wait(carry_out(&store, action))?;
        store.close();
        match done? {
            Done::Said(sentence) if context.output().is_json() => context.output().value(&json!({ "done": sentence })),
            Done::Said(sentence) => context.output().line(sentence),
            Done::Listed(users) => context.output().list(&["NAME", "ROLE", "CREATED"], users, |user| {
                ["/name", "/role", "/created_at"].iter().map(|field| text(user, field)).collect()
            }),
        }
    }
}

/// An action, with the password's hash where it needs one.
type Prepared = (Action, String);

impl Action {
    /// Reads and checks what can be checked without the database.
    fn with_password(self) -> Result<Prepared, CliError> {
        let (Self::Add { name, password_stdin, .. } | Self::SetPassword { name, password_stdin }) = &self else {
            return Ok((self, String::new()));
        };
        check_account_name(name).map_err(|why| CliError::Usage(format!("the name {why}")))?;
        let password = read_password(*password_stdin)?;
        check_password(&password).map_err(|why| CliError::Usage(format!("the password {why}")))?;
        let hash = hash_password(&password).map_err(|error| CliError::Failed(error.to_string()))?;
        Ok((self, hash))
    }
}

fn read_password(from_stdin: bool) -> Result<String, CliError> {
    if !from_stdin {
        let how = "printf %s \"$PASSWORD\" | fleetward user add NAME --role ROLE --password-stdin";
        return Err(CliError::Usage(format!("a password is read from standard input only: {how}")));
    }
    let mut line = String::new();
    let input = std::io::stdin();
    if input.is_terminal() {
        tracing::debug!("waiting for a line with the password");
    }
    input.lock().read_line(&mut line).map_err(CliError::doing("standard input"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

enum Done {
    Said(String),
    Listed(Vec<Value>),
}

async fn carry_out(store: &Store, (action, hash): Prepared) -> Result<Done, CliError> {
    match action {
        Action::Add { name, role, .. } => match by(store, "user.add", &name, &json!({ "role": role }))
            .add_user(&name, &hash, role, Clock::system().now())
            .await?
        {
            Some(_) => Ok(Done::Said(format!("{name} may sign in as {role}"))),
            None => Err(CliError::Failed(format!("there is a user {name} already"))),
        },
        Action::List => {
            let with_factor = store.second_factor_users().await?;
            let users = store.users().await?;
            Ok(Done::Listed(users.iter().map(|user| document(user, with_factor.contains(&user.id))).collect()))
        }
        Action::Remove { name } => {
            let removed = by(store, "user.delete", &name, &json!({})).delete_user(find(store, &name).await?.id).await?;
            said(removed, format!("{name} is removed"), format!("{name} is the last admin and stays"))
        }
        Action::SetPassword { name, .. } => {
            let set = by(store, "user.set_password", &name, &json!({}))
                .set_password(find(store, &name).await?.id, &hash)
                .await?;
            said(set, format!("{name} has a new password"), format!("there is no user {name}"))
        }
        Action::ResetSecondFactor { name } => {
            let id = find(store, &name).await?.id;
            let reset = by(store, "second_factor.reset", &name, &json!({})).delete_second_factor(id).await?;
            said(reset, format!("{name} signs in with the password alone"), format!("{name} has no second factor"))
        }
        Action::SignOut { name } => {
            let id = find(store, &name).await?.id;
            let ended = by(store, "session.end", &name, &json!({ "all": true })).end_sessions(id, None).await?;
            Ok(Done::Said(format!("{name} is signed out of {ended} browsers")))
        }
        Action::SetRole { name, role } => {
            let set = by(store, "user.set_role", &name, &json!({ "role": role }))
                .set_role(find(store, &name).await?.id, role)
                .await?;
            said(set, format!("{name} is {role} now"), format!("{name} is the last admin and stays one"))
        }
    }
}

async fn find(store: &Store, name: &str) -> Result<domain::User, CliError> {
    let found = store.user_by_name(name).await?;
    found.ok_or_else(|| CliError::Failed(format!("there is no user {name}")))
}

fn said(done: bool, yes: String, no: String) -> Result<Done, CliError> {
    if done { Ok(Done::Said(yes)) } else { Err(CliError::Failed(no)) }
}

fn document(user: &domain::User, second_factor: bool) -> Value {
    let created_at = millis_rfc3339::text(user.created_at);
    json!({ "name": user.name, "role": user.role, "second_factor": second_factor, "created_at": created_at })
}
