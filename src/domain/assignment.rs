//! An assignment: one module on one device within a rollout, and the one table of its transitions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{KeyId, ModuleName, RolloutId, Timestamp, Version};

/// Where an assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentState {
    /// Its turn has not come: stage not open, limit reached, device offline, or backing off.
    Waiting,
    /// A slot is reserved and the device has been asked.
    Offered,
    /// The device wants it; its bytes go out, or wait for the package before it.
    Downloading,
    /// The device has every byte.
    Installing,
    /// The device said it is installed; it must be seen to run it, and to stay well for the health window.
    Verifying,
    /// The device was seen to run it and stayed well.
    Verified,
    /// The device does not want it.
    Declined,
    /// The device could not install it, as often as the policy allows.
    Failed,
    /// The device went back to the version before.
    Reverted,
    /// The device was given it and was not heard of in time.
    TimedOut,
    /// An admin called the rollout off.
    Cancelled,
    /// A newer rollout took the device's module over.
    Superseded,
    /// Left out when the rollout was planned.
    Excluded,
}

impl AssignmentState {
    /// Every state, in the order people see them.
    pub const ALL: [Self; 13] = [
        Self::Waiting,
        Self::Offered,
        Self::Downloading,
        Self::Installing,
        Self::Verifying,
        Self::Verified,
        Self::Declined,
        Self::Failed,
        Self::Reverted,
        Self::TimedOut,
        Self::Cancelled,
        Self::Superseded,
        Self::Excluded,
    ];

    /// The one spelling, in code, tables, URLs and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Offered => "offered",
            Self::Downloading => "downloading",
            Self::Installing => "installing",
            Self::Verifying => "verifying",
            Self::Verified => "verified",
            Self::Declined => "declined",
            Self::Failed => "failed",
            Self::Reverted => "reverted",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Excluded => "excluded",
        }
    }

    /// Whether it holds one of the rollout's slots.
    #[must_use]
    pub const fn holds_a_lease(self) -> bool {
        matches!(self, Self::Offered | Self::Downloading | Self::Installing | Self::Verifying)
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Waiting) && !self.holds_a_lease()
    }

    /// Whether it speaks against the package.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Reverted | Self::TimedOut)
    }

    /// The transition table: whether `self` may become `next`.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use AssignmentState as S;
        match (self, next) {
            // Seen to run the target without our doing, left for a newer rollout, or called off: from anywhere open.
            (from, S::Verifying | S::Verified | S::Superseded | S::Cancelled) => !from.is_final(),
            (S::Waiting, S::Offered | S::Declined) => true,
            (S::Offered, S::Waiting | S::Downloading | S::Installing | S::Declined) => true,
            (S::Offered, S::Failed | S::Reverted | S::TimedOut) => true,
            (S::Downloading, S::Waiting | S::Installing | S::Failed | S::Reverted | S::TimedOut) => true,
            // The device came back without having said how it went: it is asked again under the same lease.
            (S::Installing, S::Offered | S::Waiting | S::Failed | S::Reverted | S::TimedOut) => true,
            (S::Verifying, S::Waiting | S::Failed | S::Reverted | S::TimedOut) => true,
            // An admin asks for another try.
            (S::Failed | S::Reverted | S::TimedOut | S::Declined, S::Waiting) => true,
            // The rollout that took it over was called off.
            (S::Superseded, S::Waiting) => true,
            // The device came back with another version: another turn, or given up on.
            (S::Verified, S::Waiting | S::Reverted) => true,
            _ => false,
        }
    }
}

impl fmt::Display for AssignmentState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AssignmentState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not an assignment state"))
    }
}

/// One assignment, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub rollout: RolloutId,
    pub key_id: KeyId,
    pub module: ModuleName,
    /// What the device ran when the rollout was planned; `None` when it had not got the module.
    pub from: Option<Version>,
    pub to: Version,
    pub state: AssignmentState,
    /// Why it is where it is, where that is not plain from the state: `not_newer`, or a device's own words.
    pub reason: Option<String>,
    /// Which stage it belongs to, from 0.
    pub stage: u32,
    /// Tries that ended badly.
    pub attempts: u32,
    /// While it holds a lease: when the lease ends. While it waits: not before this.
    pub until: Option<Timestamp>,
    /// While it is verifying: since when the device has been seen to run the target.
    pub seen_since: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// How many assignments are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts([u64; AssignmentState::ALL.len()]);

impl Counts {
    /// Of one state.
    #[must_use]
    pub fn of(&self, state: AssignmentState) -> u64 {
        self.0[state as usize]
    }

    /// Adds assignments of one state.
    pub fn add(&mut self, state: AssignmentState, n: u64) {
        self.0[state as usize] += n;
    }

    /// Moves one assignment from a state to another.
    pub fn moved(&mut self, from: AssignmentState, to: AssignmentState) {
        self.0[from as usize] = self.0[from as usize].saturating_sub(1);
        self.0[to as usize] += 1;
    }

    /// Of all states for which `which` holds.
    pub fn sum(&self, which: impl Fn(AssignmentState) -> bool) -> u64 {
        AssignmentState::ALL.into_iter().filter(|s| which(*s)).map(|s| self.of(s)).sum()
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(AssignmentState::ALL.into_iter().map(|s| (s.as_str(), self.of(s))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_final_state_is_left_only_for_another_turn() {
        use AssignmentState as S;
        for from in S::ALL.into_iter().filter(|s| s.is_final()) {
            for to in S::ALL {
                let retried = to == S::Waiting && (from.is_failure() || from == S::Declined);
                let handed_back = (from, to) == (S::Superseded, S::Waiting);
                let came_back = from == S::Verified && matches!(to, S::Waiting | S::Reverted);
                assert_eq!(from.may_become(to), retried || handed_back || came_back, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn states_are_spelled_one_way() {
        for (index, state) in AssignmentState::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
