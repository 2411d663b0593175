//! Who acts: the registry of connected devices, one actor a connection, the updater, the status logger.
//!
//! [`Fleet`] is the door for everybody else. Nothing here decides: the rules are in `domain`, and actors own one
//! state machine each, take the time once, and carry its effects out in order.

use std::sync::{Arc, Mutex, PoisonError};

use actix::prelude::*;
use actix_web::{HttpRequest, HttpResponse};
use tokio::sync::{broadcast, mpsc};
use tracing::warn;

mod acks;
mod asking;
mod blocks;
mod counts;
mod device;
mod ending;
mod feed;
mod intake;
mod picture;
mod places;
mod post;
mod prepare;
mod registry;
mod status_logger;
mod turns;
mod updater;
mod watch;
mod way_back;

use self::asking::Asking;
use self::counts::{Count, Counts};
use self::device::Links;
use self::intake::Intake;
use self::registry::{Disconnect, Refresh, RegistryActor};
use self::status_logger::{LoggerState, Reports, StatusLoggerActor};
use self::updater::{Explain, Forget, Free, Retry, Start, Steer, TakeBack, UpdaterActor, UpdaterParts};
use self::watch::Watch;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{
    Assignment, Caller, Decision, Device, DeviceAuth, Facts, KeyId, LiveEvent, Load, ModuleName, Plan, RolloutId,
    RolloutRequest, Standing, Version, decide,
};
use crate::store::StatusLog;
use crate::store::{Blobs, KeyFolder, Store, StoreError};

#[cfg(fuzzing)]
pub use self::device::fuzz;
pub use self::device::{CanBeTaken, LINGER, Upgraded};
pub use self::feed::Feed;
pub use self::picture::Picture;
pub use self::places::{Full, Place, Places};
pub use self::status_logger::Keep;
pub use self::updater::{FleetEvent, Steering, TakenBack};

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
    counts: Counts,
    transfers_limit: usize,
    /// What the database's settings put at risk.
    warnings: Arc<[String]>,
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
    /// Who asked for a rollout can't be the second person to agree to it: 403.
    #[error("a second person must agree: whoever asked for the rollout can't")]
    SecondPerson,
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

/// What the actors are made of.
pub struct Parts {
    pub store: Store,
    pub blobs: Blobs,
    pub keys: KeyFolder,
    pub log: StatusLog,
    pub clock: Clock,
}

impl Fleet {
    /// Starts the actors, each on a thread of its own, and takes up what the last life left open.
    ///
    /// # Errors
    /// When the open rollouts can't be read.
    pub async fn start_actors(config: &Config, parts: Parts) -> Result<Self, StoreError> {
        let Parts { store, blobs, keys, log, clock } = parts;
        let (open, strikes) = (store.open_rollouts().await?, store.strikes().await?);
        let warnings: Arc<[String]> = store.at_risk().await?.into();
        let watch = Arc::new(Watch::default());
        let (feed, counts, asking) = (Feed::default(), Counts::default(), Asking::default());
        let (events, event_queue) = mpsc::channel(UPDATER_QUEUE);
        let (intake, report_queue) = Intake::new(config.limits.intake_reports, config.limits.intake_bytes);
        let registry = {
            let (store, clock, feed, events) = (store.clone(), clock.clone(), feed.clone(), events.clone());
            let actor = RegistryActor::new(store, clock, feed, events, counts.clone(), watch.clone());
            RegistryActor::start_in_arbiter(&Arbiter::new().handle(), |_| actor)
        };
        let updater = UpdaterActor::new(UpdaterParts {
            store: store.clone(),
            clock: clock.clone(),
            feed: feed.clone(),
            registry: registry.clone(),
            asking: asking.clone(),
            events: event_queue,
            open,
            strikes,
            watch: watch.clone(),
            counts: counts.clone(),
            fleet_limit: config.rollouts.max_in_flight,
            approval: config.rollouts.approval,
        });
        let updater = UpdaterActor::start_in_arbiter(&Arbiter::new().handle(), |_| updater);
        let logger_state = Arc::new(Mutex::new(LoggerState::default()));
        let logger = {
            let history = &config.history;
            let keep =
                Keep { days: history.keep_days, thin_after_h: history.thin_after_h, thin_step_s: history.thin_step_s };
            let (store, feed, clock, state) = (store.clone(), feed.clone(), clock.clone(), logger_state.clone());
            let (intake, updater) = (intake.clone(), events.clone());
            let queue = Reports { queue: report_queue, intake, watch, updater, counts: counts.clone() };
            let actor = StatusLoggerActor::new(queue, store, log, feed, clock, keep, state);
            StatusLoggerActor::start_in_arbiter(&Arbiter::new().handle(), |_| actor)
        };
        let links =
            Arc::new(Links::new(config, &registry, events, &intake, &feed, (blobs, keys), asking, &counts, &clock));
        let transfers_limit = config.limits.transfers;
        Ok(Self {
            store,
            clock,
            feed,
            intake,
            registry,
            updater,
            logger,
            logger_state,
            links,
            counts,
            transfers_limit,
            warnings,
        })
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

    /// Pauses, resumes, calls off, launches or agrees to a rollout.
    ///
    /// # Errors
    /// [`RolloutError::NotFound`], [`RolloutError::SecondPerson`], or [`RolloutError::Conflict`] where the state
    /// forbids it.
    pub async fn steer(&self, id: RolloutId, how: Steering, by: &str) -> Result<(), RolloutError> {
        let steered = self.updater.send(Steer { id, how, by: by.to_owned() }).await;
        steered.unwrap_or_else(|_| Err(RolloutError::ending()))
    }

    /// Tries again what ended badly, on these devices or on all. Returns how many assignments that were.
    ///
    /// # Errors
    /// As [`steer`](Self::steer).
    pub async fn retry(&self, id: RolloutId, only: Option<Vec<KeyId>>, by: &str) -> Result<usize, RolloutError> {
        let retried = self.updater.send(Retry { id, only, by: by.to_owned() }).await;
        retried.unwrap_or_else(|_| Err(RolloutError::ending()))
    }

    /// Takes a rollout back: plans and starts the way to what each device ran before.
    ///
    /// # Errors
    /// As [`steer`](Self::steer), and [`RolloutError::Invalid`] where nothing can go back.
    pub async fn take_back(&self, id: RolloutId, by: &str) -> Result<TakenBack, RolloutError> {
        let taken = self.updater.send(TakeBack { id, by: by.to_owned() }).await;
        taken.unwrap_or_else(|_| Err(RolloutError::ending()))
    }

    /// Frees a device from quarantine. Returns how many packages it was kept from.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn free(&self, key_id: KeyId) -> Result<u64, StoreError> {
        let freed = self.store.free_from_quarantine(key_id).await?;
        if let Err(error) = self.updater.send(Free(key_id)).await {
            warn!(%error, %key_id, "the updater hears of it at its next start");
        }
        Ok(freed)
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
        let open = self.updater.send(Explain(key_id)).await.unwrap_or_default();
        let mut whys = Vec::with_capacity(modules.len());
        for module in modules {
            let row = rows.iter().find(|row| row.module == module);
            let live = row.and_then(|row| {
                open.iter().find(|(id, of, _)| *id == row.rollout && *of == module).map(|(.., decision)| decision)
            });
            let decision = match (live, row) {
                (Some(decision), _) => decision.clone(),
                // The updater has nothing open for it: what is saved says how it ended.
                (None, Some(row)) => self.settled(&device, row).await?,
                (None, None) => decide(Facts { online: device.online, running: None }, None, self.clock.now()),
            };
            let (code, sentence) = match decision {
                Decision::Offer => ("next", "It is asked in a moment.".to_owned()),
                Decision::Nothing(reason) => (reason.code(), reason.sentence()),
            };
            let (rollout_id, target) = (row.map(|row| row.rollout), row.map(|row| row.to.clone()));
            whys.push(Why { module, code, sentence, rollout_id, target });
        }
        Ok(whys)
    }

    async fn settled(&self, device: &Device, row: &Assignment) -> Result<Decision, StoreError> {
        let facts = Facts { online: device.online, running: device.modules.get(&row.module) };
        let Some(summary) = self.store.rollout(row.rollout).await? else {
            return Ok(decide(facts, None, self.clock.now()));
        };
        let (rollout, assignment) = (&summary.rollout, row);
        let standing = Standing {
            rollout,
            assignment,
            full: None,
            opens_at: None,
            busy_elsewhere: false,
            unmet: None,
            condition: None,
        };
        Ok(decide(facts, Some(standing), self.clock.now()))
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

    /// Closes a device's connection, if it has one. The registry has heard of it when this returns.
    pub async fn disconnect(&self, key_id: KeyId, code: u16, reason: &str) {
        // Must arrive, however full the registry's mailbox is.
        if let Err(error) = self.registry.send(Disconnect { key_id, code, reason: reason.to_owned() }).await {
            warn!(%error, %key_id, "a connection could not be closed");
        }
    }

    /// A device's tags were changed: rollouts for the new ones are for it too.
    pub async fn device_changed(&self, key_id: KeyId) {
        if let Err(error) = self.registry.send(Refresh(key_id)).await {
            warn!(%error, %key_id, "new tags count from the next hello on");
        }
    }

    /// A device was deleted: its connection ends, and no rollout waits for it.
    pub async fn device_deleted(&self, key_id: KeyId) {
        self.disconnect(key_id, crate::protocol::close::REVOKED, "the device was deleted").await;
        if let Err(error) = self.updater.send(Forget(key_id)).await {
            warn!(%error, %key_id, "the updater could not be told of a deleted device");
        }
    }

    /// How loaded the server is.
    #[must_use]
    pub fn load(&self) -> Load {
        self.intake.load()
    }

    /// What the database's settings put at risk: sentences for admins.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How many seconds a device is not to be let in, because it connects too often.
    #[must_use]
    pub fn held_off(&self, auth: &DeviceAuth) -> Option<u32> {
        let DeviceAuth::Device(key_id, _) = auth else { return None };
        let held = self.links.flapping().held_off(self.clock.steady(), &Caller::Device(*key_id));
        held.inspect(|_| self.counts.add(Count::HeldOff))
    }

    /// Makes a device's connection of an HTTP upgrade whose token was checked: the answer to `GET /ws`.
    #[must_use]
    pub fn connect(&self, auth: DeviceAuth, place: Place, request: &HttpRequest) -> HttpResponse {
        device::connect(Arc::clone(&self.links), auth, place, request)
    }
}
