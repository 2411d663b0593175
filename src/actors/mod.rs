//! Who acts: the registry of connected devices, one actor a connection, the updater, the status logger.
//!
//! [`Fleet`] is the door for everybody else. Nothing here decides: the rules are in `domain`, and actors own one
//! state machine each, take the time once, and carry its effects out in order.

use std::sync::{Arc, Mutex, PoisonError};

use actix::prelude::*;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tracing::{info, warn};

mod device;
mod feed;
mod intake;
mod prepare;
mod registry;
mod status_logger;
mod updater;

use self::device::Links;
use self::intake::Intake;
use self::registry::{CountConnections, Disconnect, Drain, Refresh, RegistryActor};
use self::status_logger::{Finish, LoggerState, StatusLoggerActor};
use self::updater::{CountLive, Forget, Start, Steer, Steering, UpdaterActor};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    Decision, DeviceAuth, Facts, KeyId, LiveEvent, ModuleName, Plan, RolloutId, RolloutRequest, SessionLimits,
    Standing, Version, decide,
};
use crate::store::StatusLog;
use crate::store::{Blobs, Store, StoreError};

#[cfg(fuzzing)]
pub use self::device::fuzz;
pub use self::feed::Feed;
pub use self::status_logger::Keep;
pub use self::updater::FleetEvent;

/// Events of devices that may wait for the updater.
const UPDATER_QUEUE: usize = 64 * 1024;

/// Assignments of one device that are looked through for the newest of each module.
const ASSIGNMENTS_LOOKED_AT: u32 = 500;

/// The door to the actors for everybody else: pages, API, command line. Cheap to clone.
#[derive(Clone)]
pub struct Fleet {
    store: Store,
    clock: Clock,
    feed: Feed,
    intake: Intake,
    registry: Addr<RegistryActor>,
    updater: Addr<UpdaterActor>,
    logger: Addr<StatusLoggerActor>,
    logger_state: Arc<Mutex<LoggerState>>,
    links: Arc<Links>,
    transfers_limit: usize,
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

impl RolloutError {
    fn ending() -> Self {
        Self::Unavailable("the server is ending; try again".to_owned())
    }
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
    /// Connections that are not read because the intake is full.
    pub intake_waiting: usize,
    pub reports_stored: u64,
    pub transfers_active: usize,
    pub transfers_limit: usize,
    pub rollouts_live: usize,
    /// The last write to the database failed, with the reason.
    pub trouble: Option<String>,
}

/// Turns to send: so many transfers at once, the others in the order in which they asked.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Turns {
    /// The next turn that is free; `None` when the server ends.
    fn take(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + 'static {
        let turns = Arc::clone(&self.0);
        async move { turns.acquire_owned().await.ok() }
    }
}

/// What the actors are made of.
pub struct Parts {
    pub store: Store,
    pub blobs: Blobs,
    pub log: StatusLog,
    pub clock: Clock,
}

impl Fleet {
    /// Starts the actors, each on a thread of its own, and takes up what the last life left open.
    ///
    /// # Errors
    /// When the open rollouts can't be read.
    pub async fn start_actors(config: &Config, parts: Parts) -> Result<Self, StoreError> {
        let Parts { store, blobs, log, clock } = parts;
        let open = store.open_rollouts().await?;
        let feed = Feed::default();
        let (events, event_queue) = mpsc::channel(UPDATER_QUEUE);
        let (intake, report_queue) = Intake::new(config.limits.intake_reports, config.limits.intake_bytes);
        let registry = {
            let actor = RegistryActor::new(store.clone(), clock.clone(), feed.clone(), events.clone());
            RegistryActor::start_in_arbiter(&Arbiter::new().handle(), |_| actor)
        };
        let updater = {
            let (store, clock, feed, registry) = (store.clone(), clock.clone(), feed.clone(), registry.clone());
            let actor = UpdaterActor::new(store, clock, feed, registry, event_queue, open);
            UpdaterActor::start_in_arbiter(&Arbiter::new().handle(), |_| actor)
        };
        let logger_state = Arc::new(Mutex::new(LoggerState::default()));
        let logger = {
            let history = &config.history;
            let keep =
                Keep { days: history.keep_days, thin_after_h: history.thin_after_h, thin_step_s: history.thin_step_s };
            let (store, feed, clock, state) = (store.clone(), feed.clone(), clock.clone(), logger_state.clone());
            let actor = StatusLoggerActor::new(report_queue, store, log, feed, clock, keep, state);
            StatusLoggerActor::start_in_arbiter(&Arbiter::new().handle(), |_| actor)
        };
        let seconds = |n: u32| chrono::TimeDelta::seconds(i64::from(n));
        let links = Arc::new(Links {
            registry: registry.clone(),
            updater: events,
            intake: intake.clone(),
            feed: feed.clone(),
            blobs,
            turns: Turns(Arc::new(Semaphore::new(config.limits.transfers))),
            clock: clock.clone(),
            limits: SessionLimits {
                hello: seconds(config.limits.hello_s),
                dead_after: seconds(config.limits.dead_after_s),
            },
            ping: seconds(config.limits.ping_s),
            report_interval_s: config.report_interval_s,
        });
        let transfers_limit = config.limits.transfers;
        Ok(Self { store, clock, feed, intake, registry, updater, logger, logger_state, links, transfers_limit })
    }

    /// Who would change what; creates nothing.
    ///
    /// # Errors
    /// [`RolloutError::Invalid`] with every field that is wrong.
    pub async fn plan(&self, request: RolloutRequest) -> Result<Plan, RolloutError> {
        Ok(prepare::make_plan(&self.store, &request, self.clock.now()).await?.plan)
    }

    /// Starts a rollout; it is on disk when this returns.
    ///
    /// # Errors
    /// See [`RolloutError`].
    pub async fn start(&self, request: RolloutRequest) -> Result<RolloutId, RolloutError> {
        self.updater.send(Start(request)).await.unwrap_or_else(|_| Err(RolloutError::ending()))
    }

    /// Offers nothing new; what is under way goes on.
    ///
    /// # Errors
    /// [`RolloutError::NotFound`], or [`RolloutError::Conflict`] where the state forbids it.
    pub async fn pause(&self, id: RolloutId, by: &str) -> Result<(), RolloutError> {
        self.steer(id, Steering::Pause, by).await
    }

    /// Goes on.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, id: RolloutId, by: &str) -> Result<(), RolloutError> {
        self.steer(id, Steering::Resume, by).await
    }

    /// Calls a rollout off, transfers under way too.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    pub async fn cancel(&self, id: RolloutId, by: &str) -> Result<(), RolloutError> {
        self.steer(id, Steering::Cancel, by).await
    }

    async fn steer(&self, id: RolloutId, how: Steering, by: &str) -> Result<(), RolloutError> {
        let steered = self.updater.send(Steer { id, how, by: by.to_owned() }).await;
        steered.unwrap_or_else(|_| Err(RolloutError::ending()))
    }

    /// For every module that the device runs or should run: what is to be done, and if nothing, why.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn why(&self, key_id: KeyId) -> Result<Vec<Why>, StoreError> {
        let Some(device) = self.store.device_by_key(key_id).await? else { return Ok(Vec::new()) };
        let rows = self.store.assignments_of(key_id, ASSIGNMENTS_LOOKED_AT).await?;
        let mut modules: Vec<ModuleName> = device.modules.keys().cloned().collect();
        modules.extend(rows.iter().map(|row| row.module.clone()));
        modules.sort();
        modules.dedup();
        let mut whys = Vec::with_capacity(modules.len());
        for module in modules {
            let row = rows.iter().find(|row| row.module == module);
            let summary = match row {
                Some(row) => self.store.rollout(row.rollout).await?,
                None => None,
            };
            let held = |row: &&crate::domain::Assignment| row.module == module && row.state.holds_a_lease();
            let standing = row.zip(summary.as_ref()).map(|(assignment, summary)| Standing {
                rollout: &summary.rollout,
                assignment,
                slots_free: summary.counts.sum(crate::domain::AssignmentState::holds_a_lease)
                    < u64::from(summary.rollout.policy.max_in_flight),
                busy_elsewhere: rows.iter().find(held).is_some_and(|other| other.rollout != assignment.rollout),
            });
            let facts = Facts { online: device.online, running: device.modules.get(&module) };
            let (code, sentence) = match decide(facts, standing, self.clock.now()) {
                Decision::Offer => ("next", "It is asked in a moment.".to_owned()),
                Decision::Nothing(reason) => (reason.code(), reason.sentence()),
            };
            let (rollout_id, target) = (row.map(|row| row.rollout), row.map(|row| row.to.clone()));
            whys.push(Why { module, code, sentence, rollout_id, target });
        }
        Ok(whys)
    }

    /// Bytes received of a transfer under way, and its size.
    #[must_use]
    pub fn transfer(&self, key_id: KeyId, module: &ModuleName) -> Option<(u64, u64)> {
        self.feed.transfer(key_id, module)
    }

    /// What happens from now on. A reader that falls behind loses the oldest (`Lagged`) and should read anew.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<LiveEvent>> {
        self.feed.subscribe()
    }

    /// Closes a device's connection, if it has one.
    pub fn disconnect(&self, key_id: KeyId, code: u16, reason: &str) {
        let message = Disconnect { key_id, code, reason: reason.to_owned() };
        let registry = self.registry.clone();
        // Must arrive, however full the registry's mailbox is.
        actix::spawn(async move {
            if let Err(error) = registry.send(message).await {
                warn!(%error, %key_id, "a connection could not be closed");
            }
        });
    }

    /// A device's tags were changed: rollouts for the new ones are for it too.
    pub async fn device_changed(&self, key_id: KeyId) {
        if let Err(error) = self.registry.send(Refresh(key_id)).await {
            warn!(%error, %key_id, "new tags count from the next hello on");
        }
    }

    /// A device was deleted: its connection ends, and no rollout waits for it.
    pub async fn device_deleted(&self, key_id: KeyId) {
        self.disconnect(key_id, crate::protocol::close::REVOKED, "the device was deleted");
        if let Err(error) = self.updater.send(Forget(key_id)).await {
            warn!(%error, %key_id, "the updater could not be told of a deleted device");
        }
    }

    /// What the actors are at.
    pub async fn picture(&self) -> Picture {
        let (reports_stored, trouble) = {
            let logger = self.logger_state.lock().unwrap_or_else(PoisonError::into_inner);
            (logger.stored, logger.trouble.clone())
        };
        Picture {
            connections: self.registry.send(CountConnections).await.unwrap_or_default(),
            intake_reports: self.intake.queued(),
            intake_capacity: self.intake.capacity(),
            intake_waiting: self.intake.waiting(),
            reports_stored,
            transfers_active: self.feed.transfers_active(),
            transfers_limit: self.transfers_limit,
            rollouts_live: self.updater.send(CountLive).await.unwrap_or_default(),
            trouble,
        }
    }

    /// Makes a device's connection of an HTTP upgrade whose token was checked: the answer to `GET /ws`.
    #[must_use]
    pub fn connect(&self, auth: DeviceAuth, request: &HttpRequest, payload: web::Payload) -> HttpResponse {
        device::connect(Arc::clone(&self.links), auth, request, payload)
    }

    /// Sends every device away for a restart, in batches. Returns when all have gone or `patience` is over.
    pub async fn drain(&self, window_s: u32, patience: std::time::Duration) {
        let drained = async {
            let _ = self.registry.send(Drain { window_s }).await;
            while self.registry.send(CountConnections).await.is_ok_and(|left| left > 0) {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(patience, drained).await.is_err() {
            info!("some devices did not take their leave in time");
        }
    }

    /// Writes what is in the intake; nothing more comes in.
    pub async fn finish(&self) {
        if let Err(error) = self.logger.send(Finish).await {
            warn!(%error, "the status logger had ended already");
        }
    }
}
