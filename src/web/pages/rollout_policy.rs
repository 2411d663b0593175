//! The part of the form of a new update that says how carefully it goes out, read into a policy.

use super::rollout_form::RolloutForm;
use crate::domain::{Filter, HealthRules, KindLimits, Policy, Stage, StatusRule, Timeouts, Timestamp, Window};

impl RolloutForm {
    pub(super) fn read_policy(&mut self) -> Option<Policy> {
        let policy = Policy {
            max_in_flight: self.max_in_flight.number().unwrap_or(1),
            stages: self.read_stages(),
            max_failures: self.max_failures.number().unwrap_or(0),
            max_failure_percent: self.max_failure_percent.number().unwrap_or(0),
            health_window_s: self.health_window_s.number().unwrap_or(0),
            attempts: self.attempts.number().unwrap_or(1),
            not_before: self.read_not_before(),
            timeouts_s: Timeouts {
                offered: self.timeout_offered.number().unwrap_or(1),
                downloading: self.timeout_downloading.number().unwrap_or(1),
                installing: self.timeout_installing.number().unwrap_or(1),
                verifying: self.timeout_verifying.number().unwrap_or(1),
            },
            bytes_per_second: self.bytes_per_second.optional_number(),
            starts_per_minute: self.starts_per_minute.optional_number(),
            windows: self.read_windows(),
            priority: self.priority.number().unwrap_or(0),
            only_when: self.read_condition(),
            all_or_nothing: self.all_or_nothing,
            health: HealthRules {
                max_cpu_utilization: self.max_cpu_utilization.optional_number(),
                max_load_average: self.max_load_average.optional_number(),
                max_temperature: self.max_temperature.optional_number(),
                max_disk_used_percent: self.max_disk_used_percent.optional_number(),
                max_silence_s: self.max_silence_s.number().unwrap_or(0),
                status: self.read_status_rules(),
            },
            minimum_sample: self.minimum_sample.number().unwrap_or(1),
            max_of_kind: KindLimits {
                failed: self.max_failed.optional_number(),
                reverted: self.max_reverted.optional_number(),
                timed_out: self.max_timed_out.optional_number(),
                declined: self.max_declined.optional_number(),
            },
        };
        for error in policy.errors() {
            self.refuse(&error.field, &error.message);
        }
        Some(policy)
    }

    fn read_stages(&mut self) -> Vec<Stage> {
        let mut stages = Vec::new();
        let text = self.stages.value.clone();
        for part in text.split([',', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
            let stage = match part.strip_suffix('%') {
                Some(percent) => percent.parse().ok().map(Stage::Percent),
                None => part.parse().ok().map(Stage::Count),
            };
            match stage {
                Some(stage) => stages.push(stage),
                None => self.stages.refuse("stages"),
            }
        }
        stages
    }

    fn read_condition(&mut self) -> Option<Filter> {
        let text = self.only_when.value.trim().to_owned();
        if text.is_empty() {
            return None;
        }
        match text.parse() {
            Ok(filter) => return Some(filter),
            Err(error) => self.only_when.refuse(error),
        }
        None
    }

    fn read_windows(&mut self) -> Vec<Window> {
        let text = self.windows.value.clone();
        let mut windows = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            match line.parse() {
                Ok(window) => windows.push(window),
                Err(error) => self.windows.refuse(error),
            }
        }
        windows
    }

    /// `mqtt = ^connected`: must match; `mqtt != error`: must not.
    fn read_status_rules(&mut self) -> Vec<StatusRule> {
        let text = self.status_rules.value.clone();
        let mut rules = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let Some((before, pattern)) = line.split_once('=') else {
                self.status_rules.refuse("status_line");
                continue;
            };
            let pattern = Some(pattern.trim().to_owned());
            rules.push(match before.strip_suffix('!') {
                Some(process) => {
                    StatusRule { process: process.trim().to_owned(), must_not_match: pattern, ..StatusRule::default() }
                }
                None => StatusRule { process: before.trim().to_owned(), must_match: pattern, ..StatusRule::default() },
            });
        }
        rules
    }

    fn read_not_before(&mut self) -> Option<Timestamp> {
        let text = self.not_before.value.trim();
        if text.is_empty() {
            return None;
        }
        let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
        let time = formats.iter().find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok());
        if time.is_none() {
            self.not_before.refuse("time");
        }
        time.map(|time| time.and_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Groups;
    use crate::web::pages::form::Pairs;

    fn request(pairs: &[(&str, &str)]) -> Result<Policy, Box<RolloutForm>> {
        let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        pairs.push(("version.app1".to_owned(), "2".to_owned()));
        let mut form = RolloutForm::typed(&Pairs(pairs), &Policy::default());
        form.request("anna", &Groups::new()).map(|request| request.policy).ok_or_else(|| Box::new(form))
    }

    #[test]
    fn the_form_reads_all_that_a_policy_can_say() {
        let rules = "mqtt = ^connected\n\nmodem != error";
        let limits = [("max_reverted", "2"), ("minimum_sample", "4"), ("status_rules", rules)];
        let policy = request(&limits).unwrap();
        assert_eq!((policy.max_of_kind.reverted, policy.max_of_kind.failed, policy.minimum_sample), (Some(2), None, 4));
        let [must, must_not] = policy.health.status.as_slice() else { panic!("{:?}", policy.health.status) };
        assert_eq!((must.process.as_str(), must.must_match.as_deref()), ("mqtt", Some("^connected")));
        assert_eq!((must_not.process.as_str(), must_not.must_not_match.as_deref()), ("modem", Some("error")));
    }

    #[test]
    fn a_status_rule_that_is_none_is_said_at_its_field() {
        let wrong = request(&[("status_rules", "mqtt connected")]).unwrap_err();
        assert_eq!(wrong.status_rules.error.as_deref(), Some("status_line"));
        let pattern = request(&[("status_rules", "mqtt = (")]).unwrap_err();
        assert!(pattern.status_rules.error.is_some() && pattern.advanced);
        let limit = request(&[("max_declined", "0")]).unwrap_err();
        assert!(limit.max_failed.error.is_some());
    }
}
