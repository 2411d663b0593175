//! The fleet in figures, counted at most so often that the counting costs a tenth of the time.
//!
//! A small fleet is counted for every page. Counting a large one takes longer than a page may: such pages are given
//! the last count, with its age, while the next is made beside them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web;
use tracing::warn;

use super::WebState;
use crate::domain::{AttentionLimits, Timestamp};
use crate::store::{FleetState, ModuleSummary, RolloutSummary, StoreError};

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
    made: Instant,
    took: Duration,
}

/// One for all workers.
#[derive(Debug, Default)]
pub struct FleetCounts {
    kept: Mutex<Option<Arc<Counted>>>,
    busy: AtomicBool,
}

impl FleetCounts {
    fn kept(&self) -> Option<Arc<Counted>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, counted: &Arc<Counted>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(counted.clone());
    }
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
    let Some(kept) = state.counts.kept() else { return count(state).await };
    let age = kept.made.elapsed();
    if age < kept.took * GOOD_FOR {
        return Ok(kept);
    }
    if kept.took < SLOW || age > OLDEST {
        return count(state).await;
    }
    if !state.counts.busy.swap(true, Ordering::AcqRel) {
        let state = state.clone();
        actix_web::rt::spawn(async move {
            if let Err(error) = count(&state).await {
                warn!(%error, "the fleet could not be counted; pages show the last count");
            }
            state.counts.busy.store(false, Ordering::Release);
        });
    }
    Ok(kept)
}

async fn count(state: &WebState) -> Result<Arc<Counted>, StoreError> {
    let (at, made) = (state.clock.now(), Instant::now());
    let (fleet, modules, tags, rollouts) = futures_util::try_join!(
        state.store.fleet_state(at, limits(state)),
        state.store.modules(),
        state.store.tag_values(),
        state.store.rollouts(None, ROLLOUTS)
    )?;
    // The first page needs no place, so that none can be wrong.
    let rollouts = rollouts.map(|page| page.items).unwrap_or_default();
    let counted = Arc::new(Counted { at, fleet, modules, tags, rollouts, made, took: made.elapsed() });
    state.counts.keep(&counted);
    Ok(counted)
}
