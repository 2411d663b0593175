//! A rollout: one press of the update button.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{
    DeviceId, KeyId, ModuleName, Modules, PlanSummary, Policy, Release, RolloutId, Tags, Target, Timestamp, Version,
};

/// Where a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutState {
    /// Written down, not started.
    Draft,
    /// Waits for a second person.
    AwaitingApproval,
    /// Waits for its time.
    Scheduled,
    /// Offers go out.
    Running,
    /// Nothing new is offered; what is under way goes on.
    Paused,
    /// Every device that can be reached is done. Devices that were away still get it at their next hello.
    Completed,
    /// Called off.
    Cancelled,
    /// Taken back to what ran before.
    RolledBack,
}

impl RolloutState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Draft,
        Self::AwaitingApproval,
        Self::Scheduled,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Cancelled,
        Self::RolledBack,
    ];

    /// The one spelling, in code, tables, URLs and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Scheduled => "scheduled",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::RolledBack => "rolled_back",
        }
    }

    /// Whether it may still change devices by an admin's or its own doing. A completed one only serves latecomers.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Draft | Self::AwaitingApproval | Self::Scheduled | Self::Running | Self::Paused)
    }

    /// Whether people have yet to say that it shall go out.
    #[must_use]
    pub const fn awaits_people(self) -> bool {
        matches!(self, Self::Draft | Self::AwaitingApproval)
    }

    /// Whether offers may leave.
    #[must_use]
    pub const fn offers(self) -> bool {
        matches!(self, Self::Running | Self::Completed)
    }

    /// The transition table: whether `self` may become `next`.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use RolloutState as S;
        match (self, next) {
            (S::Draft, S::AwaitingApproval | S::Scheduled | S::Running | S::Cancelled) => true,
            (S::AwaitingApproval, S::Scheduled | S::Running | S::Cancelled) => true,
            (S::Scheduled, S::Running | S::Paused | S::Cancelled) => true,
            (S::Running, S::Paused | S::Completed | S::Cancelled | S::RolledBack) => true,
            (S::Paused, S::Scheduled | S::Running | S::Completed | S::Cancelled | S::RolledBack) => true,
            // A latecomer joins, or an admin calls off what still waits.
            (S::Completed, S::Running | S::Paused | S::Cancelled | S::RolledBack) => true,
            _ => false,
        }
    }
}

impl fmt::Display for RolloutState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RolloutState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a rollout state"))
    }
}

/// A rollout, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    pub id: RolloutId,
    pub state: RolloutState,
    /// Why it is paused, in a sentence; who cancelled it.
    pub why: Option<String>,
    /// One per module, in the order in which they are offered.
    pub packages: Vec<RolloutPackage>,
    pub allow_rollback: bool,
    pub target: Target,
    pub policy: Policy,
    /// The stages that are open, at least 1 once it runs.
    pub open_stages: u32,
    /// All stages.
    pub stages: u32,
    pub created_at: Timestamp,
    pub created_by: String,
    pub ended_at: Option<Timestamp>,
    /// The second person, where one had to agree.
    pub approved_by: Option<String>,
    /// The rollout that this one is the way back of.
    pub takes_back: Option<RolloutId>,
    /// The plan in numbers, as it was when the rollout was written down.
    pub plan: PlanSummary,
}

impl Rollout {
    /// Whether it asks for what devices reported last.
    #[must_use]
    pub fn asks_for_readings(&self) -> bool {
        self.policy.asks_for_readings() || self.target.asks_for_readings()
    }
}

/// A module's target in a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutPackage {
    pub release: Release,
    /// The module's current version before this rollout set it.
    pub previous_version: Option<Version>,
}

/// A rollout to be: what an admin asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutRequest {
    /// One per module.
    pub packages: Vec<(ModuleName, Version)>,
    pub allow_rollback: bool,
    pub target: Target,
    pub policy: Policy,
    /// Only written down: it is launched later.
    pub draft: bool,
    /// The user or token that asks.
    pub by: String,
}

/// A device that a rollout might be for, as the plan sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub key_id: KeyId,
    pub device_id: DeviceId,
    pub name: String,
    pub tags: Tags,
    pub online: bool,
    /// Since when it is online or offline.
    pub since: Timestamp,
    pub modules: Modules,
    /// Whether its program can install several modules as one.
    pub sets: bool,
    /// Packages that failed on it too often.
    pub quarantined: Vec<(ModuleName, Version)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_off_stays_called_off() {
        for next in RolloutState::ALL {
            assert!(!RolloutState::Cancelled.may_become(next));
            assert!(!RolloutState::RolledBack.may_become(next));
        }
    }

    #[test]
    fn states_are_spelled_one_way() {
        for state in RolloutState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
