//! Who acts.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::broadcast;

use crate::domain::*;
use crate::store::Store;

/// The door to the actors for everybody else: pages, API, command line. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    store: Store,
}

/// A field that is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// `policy.max_in_flight`, `packages`, `target.device_ids`.
    pub field: String,
    pub message: String,
}

/// Why a rollout could not be planned, started or steered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RolloutError {
    /// Readable but wrong: 422 with the fields.
    #[error("the rollout cannot be carried out as asked")]
    Invalid(Vec<FieldError>),
    /// 404
    #[error("there is no such rollout")]
    NotFound,
    /// The state forbids it, or the same rollout is live: 409.
    #[error("{0}")]
    Conflict(String),
    /// The database, or the updater, is not there just now: 503.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a module of a device is where it is: what `decide` says.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Why {
    pub module: ModuleName,
    /// `up_to_date`, `offline`, `stage_not_open`, ...
    pub code: &'static str,
    /// A sentence, with what would change it.
    pub sentence: String,
    pub rollout_id: Option<RolloutId>,
    /// What the device should run, where any rollout says so.
    pub target: Option<Version>,
}

/// What the ops page shows of the actors.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Picture {
    pub connections: usize,
    pub intake_reports: usize,
    pub intake_capacity: usize,
    pub reports_stored: u64,
    pub transfers_active: usize,
    pub transfers_limit: usize,
    pub rollouts_live: usize,
    /// The last write to the database failed, with the reason.
    pub trouble: Option<String>,
}

impl Fleet {
    /// Who would change what; creates nothing.
    pub async fn plan(&self, request: RolloutRequest) -> Result<crate::domain::Plan, RolloutError> {
        todo!()
    }
    /// Starts a rollout; it is on disk when this returns.
    pub async fn start(&self, request: RolloutRequest) -> Result<RolloutId, RolloutError> {
        todo!()
    }
    pub async fn pause(&self, id: RolloutId, by: &str) -> Result<(), RolloutError> {
        todo!()
    }
    pub async fn resume(&self, id: RolloutId, by: &str) -> Result<(), RolloutError> {
        todo!()
    }
    pub async fn cancel(&self, id: RolloutId, by: &str) -> Result<(), RolloutError> {
        todo!()
    }
    /// For every module that the device runs or should run.
    pub async fn why(&self, key_id: KeyId) -> Result<Vec<Why>, crate::store::StoreError> {
        todo!()
    }
    /// Bytes received of a transfer under way, and its size.
    pub fn transfer(&self, key_id: KeyId, module: &ModuleName) -> Option<(u64, u64)> {
        todo!()
    }
    /// What happens from now on. A reader that falls behind loses the oldest (`Lagged`) and should read anew.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        todo!()
    }
    /// Closes a device's connection, if it has one: its token was revoked, or it was deleted.
    pub fn disconnect(&self, key_id: KeyId, code: u16, reason: &str) {
        todo!()
    }
    /// The device's tags or name changed.
    pub fn device_changed(&self, key_id: KeyId) {
        todo!()
    }
    pub fn picture(&self) -> Picture {
        todo!()
    }
    /// Makes a device's connection of an HTTP upgrade whose token was checked: the answer to `GET /ws`.
    pub fn connect(&self, auth: DeviceAuth, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        todo!()
    }
}
