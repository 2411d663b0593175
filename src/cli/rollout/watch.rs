//! `fleetward rollout show ID --watch`: follows a rollout until it is over.

use std::time::Duration;

use super::{Api, Context, counts};
use crate::cli::CliError;
use crate::cli::output::text;
use crate::domain::{RolloutId, RolloutState};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Prints a line whenever something has changed. Ends well when the rollout has completed.
pub(super) fn watch(context: &Context, api: &Api, id: RolloutId) -> Result<(), CliError> {
    let mut told = String::new();
    loop {
        let rollout = api.get(&format!("rollouts/{id}"), &[])?;
        let state: RolloutState = text(&rollout, "/state").parse().map_err(CliError::Failed)?;
        let line = match context.output().is_json() {
            true => rollout.to_string(),
            false => format!("{state}: {}", counts(&rollout)),
        };
        if line != told {
            context.output().line(&line)?;
            told = line;
        }
        match state {
            RolloutState::Completed => return Ok(()),
            RolloutState::Paused | RolloutState::Cancelled | RolloutState::RolledBack => {
                let why = rollout["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
                return Err(CliError::Failed(format!("rollout {id} is {state}{why}")));
            }
            _ => std::thread::sleep(EVERY),
        }
    }
}
