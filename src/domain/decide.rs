//! Whether a module of a device is to be offered something now, and if not, why: one function for the updater,
//! the API and the page "why is this terminal not updating?".
//!
//! Wanted: exactly one answer for any device and module; an offer only where every reason against it is absent; a
//! reason that names the nearest obstacle, so that removing it changes the answer.

use super::{
    Assignment, AssignmentState as S, Filter, ModuleName, Rollout, RolloutState, Timestamp, Unmet, Version,
    millis_rfc3339,
};

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
    /// The limit that keeps the rollout from starting another.
    pub full: Option<Limit>,
    /// When the device may next be changed; `None`: now.
    pub opens_at: Option<Timestamp>,
    /// Another rollout is changing this very module just now.
    pub busy_elsewhere: bool,
    /// What the package asks of the device, and the device has not got.
    pub unmet: Option<&'a Unmet>,
    /// The rollout's condition, where the device does not meet it now.
    pub condition: Option<&'a Filter>,
}

/// A limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of the rollout's assignments under way.
    InFlight(u32),
    /// Of the rollout's offers in a minute.
    StartsPerMinute(u32),
    /// Of all rollouts' assignments under way together.
    Fleet(u32),
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
    StageNotOpen {
        stage: u32,
        stages: u32,
    },
    LimitReached(Limit),
    WindowClosed(Timestamp),
    NeedsFirst(Unmet),
    ConditionNotMet(String),
    BackingOff {
        until: Timestamp,
        attempts: u32,
        why: Option<String>,
    },
    BusyElsewhere,
    /// It would be offered, but for another module of its set.
    WaitsFor(ModuleName, Box<Reason>),
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
            None => return circumstance(standing),
        },
    };
    Some(reason)
}

/// What keeps a device from being asked that would pass by itself.
fn circumstance(standing: Standing) -> Option<Reason> {
    if let Some(unmet) = standing.unmet {
        return Some(Reason::NeedsFirst(unmet.clone()));
    }
    if let Some(at) = standing.opens_at {
        return Some(Reason::WindowClosed(at));
    }
    if let Some(condition) = standing.condition {
        return Some(Reason::ConditionNotMet(condition.to_string()));
    }
    standing.full.map(Reason::LimitReached)
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

impl Limit {
    fn sentence(self) -> String {
        match self {
            Self::InFlight(limit) => {
                format!("{limit} updates are under way, which is the rollout's limit. It is next when one ends.")
            }
            Self::StartsPerMinute(limit) => {
                format!("{limit} terminals were asked in the last minute, which is the rollout's limit.")
            }
            Self::Fleet(limit) => format!(
                "{limit} updates are under way in all rollouts, which is the server's limit. It is next when one ends."
            ),
        }
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
            Self::WindowClosed(_) => "window_closed",
            Self::NeedsFirst(_) => "needs_first",
            Self::ConditionNotMet(_) => "condition_not_met",
            Self::BackingOff { .. } => "backing_off",
            Self::BusyElsewhere => "busy_elsewhere",
            Self::WaitsFor(..) => "waits_for",
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
            Self::LimitReached(limit) => limit.sentence(),
            Self::ConditionNotMet(condition) => format!(
                "By its last report it does not meet the rollout's condition ({condition}). It is asked when a report does."
            ),
            Self::NeedsFirst(unmet) => format!("The package {unmet}. It is asked when the terminal has that."),
            Self::WindowClosed(at) => format!(
                "It is outside its maintenance window. It is asked when that opens, at {}.",
                millis_rfc3339::text(*at)
            ),
            Self::BackingOff { until, attempts: 0, why } => {
                format!("It asked for time{}. It is asked again at {}.", because(why), millis_rfc3339::text(*until))
            }
            Self::BackingOff { until, attempts, why } => format!(
                "Try {attempts} ended badly{}. It is tried again at {}.",
                because(why),
                millis_rfc3339::text(*until)
            ),
            Self::BusyElsewhere => "Another rollout is changing this module. It is next when that ends.".into(),
            Self::WaitsFor(module, why) => {
                format!("All its modules change together or none does, and it waits for {module}: {}", why.sentence())
            }
            Self::UnderWay(state) => format!("It is being updated now: {state}."),
            Self::Declined(why) => format!("The terminal declined the package{}.", because(why)),
            Self::Failed(why) => {
                format!("The terminal could not install it{}. Retry it, or start a new rollout.", because(why))
            }
            Self::Reverted(why) => format!("The terminal went back to the version before{}.", because(why)),
            Self::TimedOut(why) => format!("The terminal was not heard of in time{}.", because(why)),
            Self::Cancelled => "The rollout was called off. Start a new one to change its version.".into(),
            Self::Superseded => "A newer rollout took over.".into(),
            Self::Excluded(why) => match why.as_deref() {
                Some("same_version") => "It ran this version when the rollout was planned.".into(),
                Some("quarantined") => {
                    "It failed with this package before, and is kept from it. Free it, or bring a newer version.".into()
                }
                Some("newer_already") => {
                    "It ran a newer version, and the rollout does not allow rollback. Allow rollback to go down.".into()
                }
                _ => format!("It was left out when the rollout was planned{}.", because(why)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{KeyId, ModuleName, Policy, RolloutId, Target};

    fn v(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    fn rollout(state: RolloutState) -> Rollout {
        Rollout {
            id: RolloutId(7),
            state,
            why: Some("3 failed".into()),
            packages: Vec::new(),
            allow_rollback: false,
            target: Target::All,
            policy: Policy::default(),
            open_stages: 1,
            stages: 2,
            created_at: Timestamp::UNIX_EPOCH,
            created_by: "ann".into(),
            ended_at: None,
            approved_by: None,
            takes_back: None,
            plan: Default::default(),
        }
    }

    fn assignment(state: S) -> Assignment {
        Assignment {
            rollout: RolloutId(7),
            key_id: KeyId(1),
            module: ModuleName::new("app1").unwrap(),
            from: Some(v("1")),
            to: v("2"),
            state,
            reason: Some("why".into()),
            stage: 0,
            attempts: 1,
            until: None,
            seen_since: None,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// A waiting device that nothing keeps from being asked, after `change`.
    fn answer(
        change: impl FnOnce(&mut Rollout, &mut Assignment, &mut bool, &mut Option<Limit>, &mut bool),
    ) -> Decision {
        let (mut rollout, mut row) = (rollout(RolloutState::Running), assignment(S::Waiting));
        let (mut online, mut full, mut busy_elsewhere) = (true, None, false);
        change(&mut rollout, &mut row, &mut online, &mut full, &mut busy_elsewhere);
        let standing = Standing {
            rollout: &rollout,
            assignment: &row,
            full,
            opens_at: None,
            busy_elsewhere,
            unmet: None,
            condition: None,
        };
        decide(Facts { online, running: row.from.as_ref() }, Some(standing), Timestamp::UNIX_EPOCH)
    }

    /// A waiting device outside its maintenance window, or without what the package asks for.
    fn shut(opens_at: Option<Timestamp>, unmet: Option<&Unmet>, condition: Option<&Filter>) -> Decision {
        let (rollout, row) = (rollout(RolloutState::Running), assignment(S::Waiting));
        let (rollout, assignment) = (&rollout, &row);
        let standing = Standing { rollout, assignment, full: None, opens_at, busy_elsewhere: false, unmet, condition };
        decide(Facts { online: true, running: row.from.as_ref() }, Some(standing), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn every_reason_is_given_where_it_holds_and_says_something_of_its_own() {
        let later = Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(60);
        assert_eq!(answer(|_, _, _, _, _| ()), Decision::Offer);
        let of_state = |state| answer(move |_, row, _, _, _| row.state = state);
        let of_rollout = |state| answer(move |rollout, _, _, _, _| rollout.state = state);
        let given = [
            (decide(Facts { online: true, running: None }, None, later), "no_rollout"),
            (answer(|_, row, _, _, _| row.from = Some(v("2"))), "up_to_date"),
            (answer(|_, _, online, _, _| *online = false), "offline"),
            (answer(|_, row, _, _, _| row.stage = 1), "stage_not_open"),
            (answer(|_, _, _, full, _| *full = Some(Limit::InFlight(50))), "limit_reached"),
            (answer(|_, _, _, full, _| *full = Some(Limit::StartsPerMinute(50))), "limit_reached"),
            (answer(|_, _, _, full, _| *full = Some(Limit::Fleet(50))), "limit_reached"),
            (shut(Some(later), None, None), "window_closed"),
            (shut(None, None, Some(&"speed = 0".parse().unwrap())), "condition_not_met"),
            (shut(None, Some(&Unmet::Hardware(vec!["rev-b".into()])), None), "needs_first"),
            (answer(|_, _, _, _, busy| *busy = true), "busy_elsewhere"),
            (answer(|_, row, _, _, _| row.until = Some(later)), "backing_off"),
            // Made of the answer for another module of its set: see the engine.
            (
                Decision::Nothing(Reason::WaitsFor(ModuleName::new("app2").unwrap(), Box::new(Reason::Offline))),
                "waits_for",
            ),
            (of_rollout(RolloutState::Draft), "not_started"),
            (of_rollout(RolloutState::AwaitingApproval), "awaiting_approval"),
            (of_rollout(RolloutState::Scheduled), "scheduled"),
            (of_rollout(RolloutState::Paused), "paused"),
            (of_rollout(RolloutState::Cancelled), "cancelled"),
            (of_state(S::Downloading), "under_way"),
            (of_state(S::Verified), "up_to_date"),
            (of_state(S::Declined), "declined"),
            (of_state(S::Failed), "failed"),
            (of_state(S::Reverted), "reverted"),
            (of_state(S::TimedOut), "timed_out"),
            (of_state(S::Superseded), "superseded"),
            (of_state(S::Excluded), "excluded"),
        ];
        let mut sentences = std::collections::HashMap::new();
        for (decision, code) in given {
            let Decision::Nothing(reason) = decision else { panic!("{code}: offered") };
            assert_eq!(reason.code(), code);
            let before = sentences.insert(reason.sentence(), code);
            assert!(before.is_none_or(|before| before == code), "{code} says what {before:?} says");
        }
    }

    #[test]
    fn a_completed_rollout_still_serves_latecomers() {
        assert_eq!(answer(|rollout, _, _, _, _| rollout.state = RolloutState::Completed), Decision::Offer);
    }
}
