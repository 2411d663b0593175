//! Whether a module of a device is to be offered something now, and if not, why: one function for the updater,
//! the API and the page "why is this terminal not updating?".
//!
//! Wanted: exactly one answer for any device and module; an offer only where every reason against it is absent; a
//! reason that names the nearest obstacle, so that removing it changes the answer.

use super::{Assignment, AssignmentState as S, Rollout, RolloutState, Timestamp, Version, millis_rfc3339};

/// What matters of the device.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub online: bool,
    /// What it runs; `None`: it has not got the module.
    pub running: Option<&'a Version>,
}

/// Where the module of the device stands in the newest rollout that includes it.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    pub rollout: &'a Rollout,
    pub assignment: &'a Assignment,
    /// The rollout may start another.
    pub slots_free: bool,
    /// Another rollout is changing this very module just now.
    pub busy_elsewhere: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Offer it now.
    Offer,
    /// Nothing to do now, because.
    Nothing(Reason),
}

/// Why nothing is offered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    UpToDate,
    NoRollout,
    Offline,
    NotStarted,
    AwaitingApproval,
    Scheduled(Option<Timestamp>),
    Paused(Option<String>),
    StageNotOpen { stage: u32, stages: u32 },
    LimitReached(u32),
    BackingOff { until: Timestamp, attempts: u32, why: Option<String> },
    BusyElsewhere,
    UnderWay(S),
    Declined(Option<String>),
    Failed(Option<String>),
    Reverted(Option<String>),
    TimedOut(Option<String>),
    Cancelled,
    Superseded,
    Excluded(Option<String>),
}

/// Decides for one module of one device. `standing`: in the newest rollout that includes the device for this
/// module, where there is one.
#[must_use]
pub fn decide(facts: Facts, standing: Option<Standing>, now: Timestamp) -> Decision {
    match standing {
        None => Decision::Nothing(Reason::NoRollout),
        Some(standing) => match obstacle(facts, standing, now) {
            Some(reason) => Decision::Nothing(reason),
            None => Decision::Offer,
        },
    }
}

fn obstacle(facts: Facts, standing: Standing, now: Timestamp) -> Option<Reason> {
    let (rollout, row) = (standing.rollout, standing.assignment);
    if let Some(reason) = settled(row) {
        return Some(reason);
    }
    if row.state.holds_a_lease() {
        return Some(Reason::UnderWay(row.state));
    }
    let reason = match rollout.state {
        RolloutState::Draft => Reason::NotStarted,
        RolloutState::AwaitingApproval => Reason::AwaitingApproval,
        RolloutState::Scheduled => Reason::Scheduled(rollout.policy.not_before),
        RolloutState::Paused => Reason::Paused(rollout.why.clone()),
        RolloutState::Cancelled | RolloutState::RolledBack => Reason::Cancelled,
        RolloutState::Running | RolloutState::Completed if row.stage >= rollout.open_stages => {
            Reason::StageNotOpen { stage: row.stage + 1, stages: rollout.stages }
        }
        RolloutState::Running | RolloutState::Completed if facts.running == Some(&row.to) => Reason::UpToDate,
        RolloutState::Running | RolloutState::Completed if !facts.online => Reason::Offline,
        RolloutState::Running | RolloutState::Completed if standing.busy_elsewhere => Reason::BusyElsewhere,
        RolloutState::Running | RolloutState::Completed => match row.until.filter(|until| *until > now) {
            Some(until) => Reason::BackingOff { until, attempts: row.attempts, why: row.reason.clone() },
            None if !standing.slots_free => Reason::LimitReached(rollout.policy.max_in_flight),
            None => return None,
        },
    };
    Some(reason)
}

fn settled(row: &Assignment) -> Option<Reason> {
    let why = || row.reason.clone();
    match row.state {
        S::Verified => Some(Reason::UpToDate),
        S::Declined => Some(Reason::Declined(why())),
        S::Failed => Some(Reason::Failed(why())),
        S::Reverted => Some(Reason::Reverted(why())),
        S::TimedOut => Some(Reason::TimedOut(why())),
        S::Cancelled => Some(Reason::Cancelled),
        S::Superseded => Some(Reason::Superseded),
        S::Excluded => Some(Reason::Excluded(why())),
        S::Waiting | S::Offered | S::Downloading | S::Installing | S::Verifying => None,
    }
}

impl Reason {
    /// The one spelling, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UpToDate => "up_to_date",
            Self::NoRollout => "no_rollout",
            Self::Offline => "offline",
            Self::NotStarted => "not_started",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Scheduled(_) => "scheduled",
            Self::Paused(_) => "paused",
            Self::StageNotOpen { .. } => "stage_not_open",
            Self::LimitReached(_) => "limit_reached",
            Self::BackingOff { .. } => "backing_off",
            Self::BusyElsewhere => "busy_elsewhere",
            Self::UnderWay(_) => "under_way",
            Self::Declined(_) => "declined",
            Self::Failed(_) => "failed",
            Self::Reverted(_) => "reverted",
            Self::TimedOut(_) => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Excluded(_) => "excluded",
        }
    }

    /// A sentence: why, and what would change it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let because = |why: &Option<String>| why.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        match self {
            Self::UpToDate => "It runs the version that it should.".into(),
            Self::NoRollout => "No rollout includes it. Start one to change its version.".into(),
            Self::Offline => "It is offline. It is asked as soon as it comes back.".into(),
            Self::NotStarted => "The rollout has not been started.".into(),
            Self::AwaitingApproval => "The rollout waits for a second person to approve it.".into(),
            Self::Scheduled(Some(at)) => format!("The rollout starts at {}.", millis_rfc3339::text(*at)),
            Self::Scheduled(None) => "The rollout has not started yet.".into(),
            Self::Paused(why) => format!("The rollout is paused{}. Resume it to go on.", because(why)),
            Self::StageNotOpen { stage, stages } => format!(
                "It is in stage {stage} of {stages}, which opens when the stage before has been seen to run well."
            ),
            Self::LimitReached(limit) => {
                format!("{limit} updates are under way, which is the rollout's limit. It is next when one ends.")
            }
            Self::BackingOff { until, attempts: 0, why } => {
                format!("It asked for time{}. It is asked again at {}.", because(why), millis_rfc3339::text(*until))
            }
            Self::BackingOff { until, attempts, why } => format!(
                "Try {attempts} ended badly{}. It is tried again at {}.",
                because(why),
                millis_rfc3339::text(*until)
            ),
            Self::BusyElsewhere => "Another rollout is changing this module. It is next when that ends.".into(),
            Self::UnderWay(state) => format!("It is being updated now: {state}."),
            Self::Declined(why) => format!("The terminal declined the package{}.", because(why)),
            Self::Failed(why) => {
                format!("The terminal could not install it{}. Start a new rollout to try again.", because(why))
            }
            Self::Reverted(why) => format!("The terminal went back to the version before{}.", because(why)),
            Self::TimedOut(why) => format!("The terminal was not heard of in time{}.", because(why)),
            Self::Cancelled => "The rollout was called off. Start a new one to change its version.".into(),
            Self::Superseded => "A newer rollout took over.".into(),
            Self::Excluded(why) => match why.as_deref() {
                Some("same_version") => "It ran this version when the rollout was planned.".into(),
                Some("newer_already") => {
                    "It ran a newer version, and the rollout does not allow rollback. Allow rollback to go down.".into()
                }
                _ => format!("It was left out when the rollout was planned{}.", because(why)),
            },
        }
    }
}
