//! How a rollout goes out: limits, stages, brakes, windows, deadlines.

use serde::{Deserialize, Serialize};

use super::window::windows_error;
use super::{AssignmentState, Filter, HealthRules, Timestamp, Window};

/// The policy of a rollout; every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Assignments that may hold a lease at once (1 to 100,000).
    pub max_in_flight: u32,
    /// Cumulative shares of the targets, ascending, the last 100%; empty: chosen by the size of the target
    /// (one device first when there are more than ten).
    pub stages: Vec<Stage>,
    /// The rollout pauses itself when this many assignments have failed; 0: never for this reason.
    pub max_failures: u32,
    /// ... or this share of those that ended, once `minimum_sample` have ended or a stage is over; 100: never for this reason.
    pub max_failure_percent: u32,
    /// Fewest ended assignments from which a share is taken, except at a stage's end.
    pub minimum_sample: u32,
    /// Limits of single kinds of failure beside the one for all.
    pub max_of_kind: KindLimits,
    /// Seconds a device must be seen to run the new version before it counts.
    pub health_window_s: u32,
    /// What its reports must look like meanwhile.
    pub health: HealthRules,
    /// Tries a device gets (1 to 100).
    pub attempts: u32,
    /// Nothing is offered before this.
    #[serde(with = "super::millis_rfc3339::option")]
    pub not_before: Option<Timestamp>,
    pub timeouts_s: Timeouts,
    /// Package bytes a second to each device; `None`: as fast as the link takes them.
    pub bytes_per_second: Option<u64>,
    /// Assignments offered in any 60 seconds; `None`: as many as `max_in_flight` lets.
    pub starts_per_minute: Option<u32>,
    /// When a device may be asked, in its own local time; empty: at any time.
    pub windows: Vec<Window>,
    /// What must hold of a device, by its last report too, when it is asked; `None`: nothing.
    pub only_when: Option<Filter>,
    /// Whether, on each device, all modules that the rollout changes there become current together or none does.
    pub all_or_nothing: bool,
    /// Which of several rollouts goes first where they share a limit: the higher (-100 to 100), then the older.
    pub priority: i32,
}

/// Limits of single kinds of failure; `None`: none of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KindLimits {
    pub failed: Option<u32>,
    pub reverted: Option<u32>,
    pub timed_out: Option<u32>,
    pub declined: Option<u32>,
}

impl KindLimits {
    /// Each kind that has a limit, with it.
    pub fn set(&self) -> impl Iterator<Item = (AssignmentState, u32)> {
        let kinds = [
            (AssignmentState::Failed, self.failed),
            (AssignmentState::Reverted, self.reverted),
            (AssignmentState::TimedOut, self.timed_out),
            (AssignmentState::Declined, self.declined),
        ];
        kinds.into_iter().filter_map(|(kind, limit)| Some((kind, limit?)))
    }
}

/// One stage's end, as a share of all targets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Of the targets, 0 < p <= 100; rounded up to whole devices.
    Percent(f64),
    /// This many devices.
    Count(u32),
}

/// How long a lease lasts in each state, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    pub offered: u32,
    pub downloading: u32,
    pub installing: u32,
    pub verifying: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_in_flight: 50,
            stages: Vec::new(),
            max_failures: 5,
            max_failure_percent: 20,
            minimum_sample: 10,
            max_of_kind: KindLimits::default(),
            health_window_s: 60,
            health: HealthRules::default(),
            attempts: 3,
            not_before: None,
            timeouts_s: Timeouts::default(),
            bytes_per_second: None,
            starts_per_minute: None,
            windows: Vec::new(),
            only_when: None,
            all_or_nothing: false,
            priority: 0,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { offered: 60, downloading: 3600, installing: 600, verifying: 900 }
    }
}

/// What is wrong with a field of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// `policy.max_in_flight`
    pub field: String,
    pub message: String,
}

/// A week: no deadline or window is longer.
const MAX_SECONDS: u32 = 7 * 24 * 3600;

impl Policy {
    /// Whether what a device reported last decides on when it is asked: by a condition, or by its place in the world.
    #[must_use]
    pub fn asks_for_readings(&self) -> bool {
        !self.windows.is_empty() || self.only_when.as_ref().is_some_and(Filter::asks_for_readings)
    }

    /// Everything that is wrong with it, each with its field; empty when it can be carried out.
    #[must_use]
    pub fn errors(&self) -> Vec<PolicyError> {
        let mut errors = Vec::new();
        let mut refuse = |wrong: bool, field: &str, message: String| {
            if wrong {
                errors.push(PolicyError { field: format!("policy.{field}"), message });
            }
        };
        let range = |value: u32, low: u32, high: u32| format!("must be {low} to {high}, not {value}");
        refuse(!(1..=100_000).contains(&self.max_in_flight), "max_in_flight", range(self.max_in_flight, 1, 100_000));
        refuse(self.max_failure_percent > 100, "max_failure_percent", range(self.max_failure_percent, 0, 100));
        refuse(!(1..=100).contains(&self.attempts), "attempts", range(self.attempts, 1, 100));
        refuse(
            self.bytes_per_second.is_some_and(|rate| rate < 1024),
            "bytes_per_second",
            "must be at least 1024, or null for no limit".to_owned(),
        );
        refuse(
            self.starts_per_minute.is_some_and(|starts| !(1..=100_000).contains(&starts)),
            "starts_per_minute",
            "must be 1 to 100000, or null for no limit".to_owned(),
        );
        refuse(
            !(-100..=100).contains(&self.priority),
            "priority",
            format!("must be -100 to 100, not {}", self.priority),
        );
        refuse(self.minimum_sample == 0, "minimum_sample", "must be at least 1".to_owned());
        refuse(
            self.max_of_kind.set().any(|(_, limit)| limit == 0),
            "max_of_kind",
            "must be at least 1, or null".to_owned(),
        );
        let timeouts = [
            ("offered", self.timeouts_s.offered),
            ("downloading", self.timeouts_s.downloading),
            ("installing", self.timeouts_s.installing),
            ("verifying", self.timeouts_s.verifying),
        ];
        for (name, value) in timeouts {
            refuse(!(1..=MAX_SECONDS).contains(&value), &format!("timeouts_s.{name}"), range(value, 1, MAX_SECONDS));
        }
        refuse(
            self.health_window_s >= self.timeouts_s.verifying,
            "health_window_s",
            format!("must be shorter than timeouts_s.verifying ({} s)", self.timeouts_s.verifying),
        );
        if let Some(message) = self.stages_error() {
            refuse(true, "stages", message);
        }
        errors.extend(self.health.errors());
        errors.extend(windows_error(&self.windows));
        errors
    }

    fn stages_error(&self) -> Option<String> {
        if self.stages.len() > 100 {
            return Some("at most 100 stages".to_owned());
        }
        for (index, stage) in self.stages.iter().enumerate() {
            let n = index + 1;
            match stage {
                Stage::Percent(p) if !(*p > 0.0 && *p <= 100.0) => {
                    return Some(format!("stage {n}: percent must be above 0 and at most 100, not {p}"));
                }
                Stage::Count(0) => return Some(format!("stage {n}: count must be at least 1")),
                _ => {}
            }
            let goes_down = match (index.checked_sub(1).map(|i| self.stages[i]), stage) {
                (Some(Stage::Percent(before)), Stage::Percent(p)) => *p <= before,
                (Some(Stage::Count(before)), Stage::Count(c)) => *c <= before,
                _ => false,
            };
            if goes_down {
                return Some(format!("stage {n}: stages must grow; this one is not larger than the one before"));
            }
        }
        None
    }

    /// The end of each stage in devices, for `total` devices: ascending, the last is `total`.
    /// A stage that would add nobody is left out.
    #[must_use]
    pub fn stage_ends(&self, total: u32) -> Vec<u32> {
        let chosen: &[Stage] = match (self.stages.is_empty(), total) {
            (true, 0..=10) => &[],
            (true, _) => &[Stage::Count(1)],
            (false, _) => &self.stages,
        };
        let mut ends = Vec::with_capacity(chosen.len() + 1);
        for stage in chosen {
            let end = match stage {
                Stage::Percent(p) => (f64::from(total) * p / 100.0).ceil() as u32,
                Stage::Count(c) => *c,
            };
            let end = end.min(total);
            if end > ends.last().copied().unwrap_or(0) {
                ends.push(end);
            }
        }
        if ends.last().copied() != Some(total) {
            ends.push(total);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_tries_one_device_first_when_there_are_more_than_ten() {
        assert_eq!(Policy::default().stage_ends(10), [10]);
        assert_eq!(Policy::default().stage_ends(11), [1, 11]);
        assert!(Policy::default().errors().is_empty());
    }

    #[test]
    fn stages_round_up_and_always_end_with_everyone() {
        let policy = Policy {
            stages: vec![Stage::Percent(1.0), Stage::Percent(10.0), Stage::Percent(100.0)],
            ..Policy::default()
        };
        assert_eq!(policy.stage_ends(1000), [10, 100, 1000]);
        assert_eq!(policy.stage_ends(3), [1, 3]);
        let partial = Policy { stages: vec![Stage::Count(5)], ..Policy::default() };
        assert_eq!(partial.stage_ends(20), [5, 20]);
    }

    #[test]
    fn nonsense_is_refused_with_its_field() {
        let bad = |change: fn(&mut Policy), field: &str| {
            let mut policy = Policy::default();
            change(&mut policy);
            let errors = policy.errors();
            assert!(errors.iter().any(|e| e.field == field), "{field}: {errors:?}");
        };
        bad(|p| p.max_in_flight = 0, "policy.max_in_flight");
        bad(|p| p.max_failure_percent = 101, "policy.max_failure_percent");
        bad(|p| p.attempts = 0, "policy.attempts");
        bad(|p| p.health_window_s = 900, "policy.health_window_s");
        bad(|p| p.timeouts_s.offered = 0, "policy.timeouts_s.offered");
        bad(|p| p.bytes_per_second = Some(3), "policy.bytes_per_second");
        bad(|p| p.stages = vec![Stage::Percent(100_001.0)], "policy.stages");
        bad(|p| p.stages = vec![Stage::Percent(f64::NAN)], "policy.stages");
        bad(|p| p.stages = vec![Stage::Percent(50.0), Stage::Percent(10.0)], "policy.stages");
        bad(|p| p.stages = vec![Stage::Count(0)], "policy.stages");
    }
}
