//! `/rollouts`: every update, newest first.

use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::show;
use super::form::Pairs;
use super::modules::{Share, shares};
use super::shell::View;
use crate::domain::{AssignmentState, Counts, Release, Rollout, RolloutId, RolloutState, Timestamp};
use crate::store::RolloutSummary;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::Answer;

/// Rows of one page.
const PAGE: u32 = 50;

#[derive(Debug, Serialize)]
pub struct Rollouts {
    pub rollouts: Vec<RolloutRow>,
    /// The page behind this one.
    pub next: Option<String>,
    /// Whether this is not the first page.
    pub further: bool,
}

impl View for Rollouts {
    const TEMPLATE: &'static str = "rollouts";
}

/// A rollout, as lists show it.
#[derive(Debug, Serialize)]
pub struct RolloutRow {
    pub id: RolloutId,
    pub state: RolloutState,
    pub packages: String,
    pub devices: u64,
    /// Assignments that change something, and how many of them are there.
    pub wanted: u64,
    pub verified: u64,
    pub failed: u64,
    pub bar: Vec<Share>,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
}

impl From<&RolloutSummary> for RolloutRow {
    fn from(summary: &RolloutSummary) -> Self {
        let counts = changing(summary);
        Self {
            id: summary.rollout.id,
            state: summary.rollout.state,
            packages: written_packages(&summary.rollout),
            devices: summary.devices,
            wanted: counts.sum(|_| true),
            verified: counts.of(AssignmentState::Verified),
            failed: counts.sum(AssignmentState::is_failure),
            bar: shares(&counts),
            created_at: summary.rollout.created_at,
            created_by: summary.rollout.created_by.clone(),
        }
    }
}

/// The tally without what was left out from the start: that is no part of the way.
#[must_use]
pub fn changing(summary: &RolloutSummary) -> Counts {
    let mut counts = Counts::default();
    for state in AssignmentState::ALL.into_iter().filter(|state| *state != AssignmentState::Excluded) {
        counts.add(state, summary.counts.of(state));
    }
    counts
}

/// `app1 1.3.0, app2 8`
#[must_use]
pub fn written_packages(rollout: &Rollout) -> String {
    let one = |release: &Release| format!("{} {}", release.module, release.version);
    rollout.packages.iter().map(|package| one(&package.release)).collect::<Vec<_>>().join(", ")
}

/// `GET /rollouts?after=`
///
/// # Errors
/// 422 for a place that the list does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer) -> Answer {
    let after = Some(Pairs::of_query(&request).text("after").to_owned()).filter(|after| !after.is_empty());
    let further = after.is_some();
    let page = state.store.rollouts(after, PAGE).await??;
    let rollouts = page.items.iter().map(RolloutRow::from).collect();
    show(&request, Rollouts { rollouts, next: page.next, further })
}
