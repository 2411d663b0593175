//! The part of the form of a new update that says how carefully it goes out, read into a policy.

use super::rollout_form::RolloutForm;
use crate::domain::{Filter, HealthRules, Policy, Stage, Timeouts, Timestamp, Window};

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
            health: HealthRules {
                max_cpu_utilization: self.max_cpu_utilization.optional_number(),
                max_load_average: self.max_load_average.optional_number(),
                max_temperature: self.max_temperature.optional_number(),
                max_disk_used_percent: self.max_disk_used_percent.optional_number(),
                max_silence_s: self.max_silence_s.number().unwrap_or(0),
                status: Vec::new(),
            },
            ..Policy::default()
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
