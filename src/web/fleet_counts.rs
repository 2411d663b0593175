//! The fleet in figures, counted at most so often that the counting costs a tenth of the time.
//!
//! A small fleet is counted for every page. Counting a large one takes longer than a page may: such pages are given
//! the last count, with its age, while the next is made beside them.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use tracing::warn;

use super::WebState;
use super::kept::Kept;
use super::pages::course;
use crate::domain::{AttentionLimits, Filter, Rollout, RolloutId, Timestamp};
use crate::store::{CoursePoint, DeviceQuery, FleetState, ModuleSummary, RolloutSummary, StoreError};

/// Rollouts that are summed up.
const ROLLOUTS: u32 = 50;
/// A count that took longer is not waited for, where there is an older one.
const SLOW: Duration = Duration::from_millis(50);
/// ... unless the older one is older than this: nobody has looked for a while.
const OLDEST: Duration = Duration::from_secs(60);
/// A count is good for so many times as long as it took.
const GOOD_FOR: u32 = 10;

/// What was counted, and when.
#[derive(Debug)]
pub struct Counted {
    pub at: Timestamp,
    pub fleet: FleetState,
    pub modules: Vec<ModuleSummary>,
    /// Names with values.
    pub tags: Vec<(String, String)>,
    /// The newest, with the sum of their assignments.
    pub rollouts: Vec<RolloutSummary>,
}

impl Counted {
    /// How long ago the counting began.
    #[must_use]
    pub fn ago_ms(&self, state: &WebState) -> i64 {
        (state.clock.now() - self.at).num_milliseconds().max(0)
    }
}

/// One for all workers.
#[derive(Debug, Default)]
pub struct FleetCounts {
    whole: Kept<(), Arc<Counted>>,
    modules: Kept<(), Arc<Vec<ModuleSummary>>>,
    /// Devices that fit a filter, by its text; empty: all.
    fitting: Kept<String, u64>,
    summaries: Kept<RolloutId, RolloutSummary>,
    courses: Kept<RolloutId, Arc<Course>>,
}

/// How a rollout went, up to when.
#[derive(Debug)]
pub struct Course {
    pub points: Vec<CoursePoint>,
    pub until: Timestamp,
}

/// The limits that the configuration sets.
#[must_use]
pub fn limits(state: &WebState) -> AttentionLimits {
    let set = &state.config.attention;
    AttentionLimits {
        silent_s: set.silent_s,
        hot_degrees: f64::from(set.hot_degrees),
        disk_percent: f64::from(set.disk_percent),
    }
}

/// The fleet as it was counted last, or now.
///
/// # Errors
/// Those of the store.
pub async fn counted(state: &web::Data<WebState>) -> Result<Arc<Counted>, StoreError> {
    let Some(last) = state.counts.whole.last(()) else { return count(state).await };
    if last.age < last.took * GOOD_FOR {
        return Ok(last.answer);
    }
    if last.took < SLOW || last.age > OLDEST {
        return count(state).await;
    }
    if !last.is_worked_out {
        let state = state.clone();
        actix_web::rt::spawn(async move {
            if let Err(error) = count(&state).await {
                warn!(%error, "the fleet could not be counted; pages show the last count");
            }
        });
    }
    Ok(last.answer)
}

/// Modules with their packages and with the devices that run them.
///
/// # Errors
/// Those of the store.
pub async fn modules(state: &WebState) -> Result<Arc<Vec<ModuleSummary>>, StoreError> {
    state.counts.modules.fresh((), async || state.store.modules().await.map(Arc::new)).await
}

/// The same, of a moment ago: for what is asked while somebody types.
///
/// # Errors
/// Those of the store.
pub async fn recent_modules(state: &WebState) -> Result<Arc<Vec<ModuleSummary>>, StoreError> {
    state.counts.modules.recent((), async || state.store.modules().await.map(Arc::new)).await
}

/// How many devices fit a filter, or how many there are, or were a moment ago.
///
/// # Errors
/// Those of the store.
pub async fn fitting(state: &WebState, filter: Option<Filter>) -> Result<u64, StoreError> {
    let question = filter.as_ref().map(|filter| filter.as_str().to_owned()).unwrap_or_default();
    let query = DeviceQuery { filter, limit: 1, ..DeviceQuery::default() };
    state.counts.fitting.recent(question, async || state.store.device_count(query).await).await
}

/// A rollout with its tally; `None` where there is no such.
///
/// # Errors
/// Those of the store.
pub async fn summary(state: &WebState, id: RolloutId) -> Result<Option<RolloutSummary>, StoreError> {
    let worked_out =
        state.counts.summaries.fresh(id, async || state.store.rollout(id).await.map_err(Some)?.ok_or(None));
    match worked_out.await {
        Ok(summary) => Ok(Some(summary)),
        Err(None) => Ok(None),
        Err(Some(error)) => Err(error),
    }
}

/// How a rollout went until now, or until a moment ago.
///
/// # Errors
/// Those of the store.
pub async fn course_of(state: &WebState, rollout: &Rollout) -> Result<Arc<Course>, StoreError> {
    let work = async || {
        let until = rollout.ended_at.unwrap_or_else(|| state.clock.now());
        let points = state.store.rollout_course(rollout.id, course::step(rollout.created_at, until)).await?;
        Ok(Arc::new(Course { points, until }))
    };
    state.counts.courses.recent(rollout.id, work).await
}

async fn count(state: &WebState) -> Result<Arc<Counted>, StoreError> {
    state.counts.whole.fresh((), async || count_now(state).await).await
}

async fn count_now(state: &WebState) -> Result<Arc<Counted>, StoreError> {
    let at = state.clock.now();
    let (fleet, modules, tags, rollouts) = futures_util::try_join!(
        state.store.fleet_state(at, limits(state)),
        state.store.modules(),
        state.store.tag_values(),
        state.store.rollouts(None, ROLLOUTS)
    )?;
    // The first page needs no place, so that none can be wrong.
    let rollouts = rollouts.map(|page| page.items).unwrap_or_default();
    Ok(Arc::new(Counted { at, fleet, modules, tags, rollouts }))
}
