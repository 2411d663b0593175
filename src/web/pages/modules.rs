//! How one module stands on one device: the cell that the fleet table, a rollout's table and a device's page share.

use serde::Serialize;

use crate::domain::{Assignment, AssignmentState, KeyId, ModuleName, Version};

use super::shell::shown;

/// Bytes received of a transfer under way, and its size.
pub type Transfers<'a> = dyn Fn(KeyId, &ModuleName) -> Option<(u64, u64)> + 'a;

/// One module on one device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModuleCell {
    pub module: ModuleName,
    pub version: Option<Version>,
    /// What it shall run, where that is another version.
    pub target: Option<Version>,
    pub state: Option<AssignmentState>,
    pub reason: Option<String>,
    /// Percent of the bytes, while they go out.
    pub percent: Option<u64>,
}

impl ModuleCell {
    /// From what the device runs, its newest assignment, and the transfer under way (received, size).
    #[must_use]
    pub fn new(
        module: &ModuleName,
        version: Option<&Version>,
        assignment: Option<&Assignment>,
        transfer: Option<(u64, u64)>,
    ) -> Self {
        let target = assignment.filter(|a| aims(a.state)).map(|a| &a.to).filter(|to| Some(*to) != version);
        let downloading = assignment.is_some_and(|a| a.state == AssignmentState::Downloading);
        Self {
            module: module.clone(),
            version: version.cloned(),
            target: target.cloned(),
            state: assignment.map(|a| a.state),
            reason: assignment.and_then(|a| a.reason.as_deref()).map(shown),
            percent: transfer.filter(|_| downloading).map(percent),
        }
    }
}

/// Whether an assignment in this state still says what the device should run.
fn aims(state: AssignmentState) -> bool {
    !matches!(state, AssignmentState::Cancelled | AssignmentState::Superseded | AssignmentState::Excluded)
}

fn percent((received, size): (u64, u64)) -> u64 {
    received.min(size).saturating_mul(100).checked_div(size).unwrap_or(100)
}

/// One word of an assignment state and how many are in it: the parts of a rollout's bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    pub state: AssignmentState,
    pub count: u64,
    /// Where its part of the bar begins and how wide it is, of 1000.
    pub x: u64,
    pub width: u64,
}

/// The bar of a rollout: every state that has assignments, in the order of [`AssignmentState::ALL`], but what is
/// done comes first so that the bar fills from the left.
#[must_use]
pub fn shares(counts: &crate::domain::Counts) -> Vec<Share> {
    let order = |state: &AssignmentState| match state {
        AssignmentState::Verified => 0,
        AssignmentState::Waiting => 9,
        state if state.is_failure() => 8,
        state if state.holds_a_lease() => 1,
        _ => 10,
    };
    let mut states = AssignmentState::ALL.to_vec();
    states.sort_by_key(order);
    let total = counts.sum(|_| true).max(1);
    let mut begin = 0;
    let mut parts = Vec::new();
    for state in states {
        let count = counts.of(state);
        if count == 0 {
            continue;
        }
        let x = begin * 1000 / total;
        begin += count;
        parts.push(Share { state, count, x, width: begin * 1000 / total - x });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Counts;

    #[test]
    fn the_bar_is_filled_whole_by_its_parts() {
        let mut counts = Counts::default();
        counts.add(AssignmentState::Waiting, 1);
        counts.add(AssignmentState::Verified, 1);
        counts.add(AssignmentState::Failed, 1);
        let parts = shares(&counts);
        assert_eq!(parts.iter().map(|p| p.width).sum::<u64>(), 1000);
        assert_eq!(parts[0].state, AssignmentState::Verified);
        assert!(shares(&Counts::default()).is_empty());
    }

    #[test]
    fn percent_never_leaves_its_scale() {
        assert_eq!([percent((0, 0)), percent((5, 10)), percent((11, 10))], [100, 50, 100]);
    }
}
