//! Whether a device that runs a new version is well: what its reports must look like before the update counts.
//!
//! A rule speaks only of what a device reports: a device without a sensor does not break the sensor's rule. One bad
//! report is no breach yet (the window waits for the next); two in a row are.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{PolicyError, ProcessStatus, Readings, Report, Timestamp};

/// Bytes of a pattern, and of the program it becomes.
const MAX_PATTERN: usize = 256;
const MAX_PROGRAM: usize = 64 * 1024;

/// Patterns of one rollout.
const MAX_PATTERNS: usize = 20;

/// What a device's reports must keep to while its update is being verified; `null` (or absent): no limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthRules {
    /// Percent of all processors.
    pub max_cpu_utilization: Option<f64>,
    /// Over the last minute.
    pub max_load_average: Option<f64>,
    /// Degrees Celsius, of the hottest sensor.
    pub max_temperature: Option<f64>,
    /// Percent, of the fullest card.
    pub max_disk_used_percent: Option<f64>,
    /// Seconds without a report, of a device that reports; 0: any.
    pub max_silence_s: u32,
    /// Status texts of processes.
    pub status: Vec<StatusRule>,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self {
            max_cpu_utilization: None,
            max_load_average: None,
            // Beyond what the silicon of any terminal is made for.
            max_temperature: Some(100.0),
            max_disk_used_percent: None,
            // Four reports missed.
            max_silence_s: 120,
            status: Vec::new(),
        }
    }
}

/// What the status text of one process must, or must not, match: regular expressions, found anywhere in the text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StatusRule {
    /// The process's name as reported; a device that does not report it does not break the rule.
    pub process: String,
    pub must_match: Option<String>,
    pub must_not_match: Option<String>,
}

/// What the rules look at of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Vitals {
    /// When the server had it.
    pub at: Timestamp,
    /// When it was made, by the device's own clock.
    pub made_at: Timestamp,
    pub readings: Readings,
    pub status: Vec<ProcessStatus>,
}

impl Vitals {
    /// Of a report that was received at `at`.
    #[must_use]
    pub fn of(report: &Report, at: Timestamp) -> Self {
        Self { at, made_at: report.timestamp, readings: Readings::of(report), status: report.status.clone() }
    }
}

impl HealthRules {
    /// What they ask, in words, each rule for itself.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let limits = [
            ("cpu", self.max_cpu_utilization, " %"),
            ("load", self.max_load_average, ""),
            ("temperature", self.max_temperature, " °C"),
            ("disk", self.max_disk_used_percent, " %"),
        ];
        let mut words: Vec<String> = limits
            .into_iter()
            .filter_map(|(name, limit, unit)| Some(format!("{name} at most {}{unit}", limit?)))
            .collect();
        if self.max_silence_s > 0 {
            words.push(format!("a report every {} s", self.max_silence_s));
        }
        for rule in &self.status {
            let must = rule.must_match.iter().map(|pattern| format!("matches {pattern}"));
            let must_not = rule.must_not_match.iter().map(|pattern| format!("does not match {pattern}"));
            words.extend(must.chain(must_not).map(|words| format!("the status of {} {words}", rule.process)));
        }
        words
    }

    /// Everything that is wrong with them, each with its field.
    #[must_use]
    pub fn errors(&self) -> Vec<PolicyError> {
        let mut errors = Vec::new();
        let limits = [
            ("max_cpu_utilization", self.max_cpu_utilization, 100.0),
            ("max_load_average", self.max_load_average, 10_000.0),
            ("max_temperature", self.max_temperature, 1000.0),
            ("max_disk_used_percent", self.max_disk_used_percent, 100.0),
        ];
        for (name, limit, most) in limits {
            if limit.is_some_and(|limit| !(limit > 0.0 && limit <= most)) {
                errors.push(PolicyError {
                    field: format!("policy.health.{name}"),
                    message: format!("must be above 0 and at most {most}, or null for no limit"),
                });
            }
        }
        let status = match self.status.len() {
            n if n > MAX_PATTERNS => Some(format!("at most {MAX_PATTERNS} rules")),
            _ => {
                self.status.iter().enumerate().find_map(|(n, rule)| Some(format!("rule {}: {}", n + 1, rule.error()?)))
            }
        };
        if let Some(message) = status {
            errors.push(PolicyError { field: "policy.health.status".to_owned(), message });
        }
        errors
    }
}

impl StatusRule {
    fn error(&self) -> Option<String> {
        if self.process.is_empty() {
            return Some("name the process".to_owned());
        }
        let patterns = [&self.must_match, &self.must_not_match];
        if patterns.iter().all(|pattern| pattern.is_none()) {
            return Some("give must_match or must_not_match".to_owned());
        }
        patterns.into_iter().flatten().find_map(|pattern| compile(pattern).err())
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN {
        return Err(format!("a pattern has 1 to {MAX_PATTERN} bytes"));
    }
    let compiled = regex::RegexBuilder::new(pattern).size_limit(MAX_PROGRAM).build();
    compiled.map_err(|error| format!("{pattern:?} is no regular expression: {}", last_line(&error.to_string())))
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

/// The rules, ready to be asked.
#[derive(Debug)]
pub(super) struct HealthGate {
    rules: HealthRules,
    status: Vec<(String, Option<Regex>, Option<Regex>)>,
}

impl HealthGate {
    /// Patterns that are none (they were refused when the rollout was planned) ask nothing.
    pub fn new(rules: &HealthRules) -> Self {
        let regex = |pattern: &Option<String>| pattern.as_deref().and_then(|pattern| compile(pattern).ok());
        let rule = |rule: &StatusRule| (rule.process.clone(), regex(&rule.must_match), regex(&rule.must_not_match));
        Self { status: rules.status.iter().map(rule).collect(), rules: rules.clone() }
    }

    /// What speaks against the device in this report, if anything.
    pub fn breach(&self, vitals: &Vitals) -> Option<String> {
        let (rules, sample) = (&self.rules, &vitals.readings.sample);
        let limits = [
            ("cpu utilization", sample.cpu_utilization, rules.max_cpu_utilization, " %"),
            ("load average", sample.load_average, rules.max_load_average, ""),
            ("temperature", sample.temperature, rules.max_temperature, " °C"),
            ("disk used", sample.disk_used_percent, rules.max_disk_used_percent, " %"),
        ];
        for (name, value, limit, unit) in limits {
            if let (Some(value), Some(limit)) = (value, limit)
                && value > limit
            {
                return Some(format!("{name} {value:.1}{unit}, the limit is {limit}{unit}"));
            }
        }
        vitals.status.iter().find_map(|status| self.status_breach(status))
    }

    fn status_breach(&self, said: &ProcessStatus) -> Option<String> {
        let text: String = said.status.chars().take(80).collect();
        for (process, must, must_not) in self.status.iter().filter(|(process, ..)| *process == said.process) {
            if let Some(pattern) = must.as_ref().filter(|pattern| !pattern.is_match(&said.status)) {
                return Some(format!("{process} says {text:?}, which does not match {:?}", pattern.as_str()));
            }
            if let Some(pattern) = must_not.as_ref().filter(|pattern| pattern.is_match(&said.status)) {
                return Some(format!("{process} says {text:?}, which matches {:?}", pattern.as_str()));
            }
        }
        None
    }

    /// Whether a device whose last report came at `last` has been silent for too long; with the words for it.
    pub fn silence(&self, last: Timestamp, now: Timestamp) -> Option<String> {
        let limit = i64::from(self.rules.max_silence_s);
        let silent = (now - last).num_seconds();
        (limit > 0 && silent > limit).then(|| format!("no report for {silent} s, the limit is {limit} s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Sample;

    fn vitals(temperature: Option<f64>, status: &[(&str, &str)]) -> Vitals {
        let status = status
            .iter()
            .map(|(process, text)| ProcessStatus { process: (*process).to_owned(), status: (*text).to_owned() });
        let sample = Sample { temperature, ..Sample::default() };
        let readings = Readings { sample, ..Readings::default() };
        Vitals { at: Timestamp::UNIX_EPOCH, made_at: Timestamp::UNIX_EPOCH, readings, status: status.collect() }
    }

    #[test]
    fn a_limit_speaks_only_of_what_is_reported() {
        let gate = HealthGate::new(&HealthRules { max_temperature: Some(80.0), ..HealthRules::default() });
        assert_eq!(gate.breach(&vitals(None, &[])), None);
        assert_eq!(gate.breach(&vitals(Some(80.0), &[])), None);
        let evidence = gate.breach(&vitals(Some(80.26), &[])).unwrap();
        assert_eq!(evidence, "temperature 80.3 °C, the limit is 80 °C");
    }

    #[test]
    fn a_status_text_must_or_must_not_match() {
        let rule = StatusRule {
            process: "app1".into(),
            must_match: Some("^ok".into()),
            must_not_match: Some("(?i)panic".into()),
        };
        let gate = HealthGate::new(&HealthRules { status: vec![rule], ..HealthRules::default() });
        assert_eq!(gate.breach(&vitals(None, &[("app1", "ok, 3 sensors"), ("app2", "dead")])), None);
        assert!(gate.breach(&vitals(None, &[("app1", "starting")])).unwrap().contains("does not match"));
        assert!(gate.breach(&vitals(None, &[("app1", "ok but PANIC")])).unwrap().contains("matches"));
    }

    #[test]
    fn silence_has_a_limit_where_one_is_set() {
        let at = |s| Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(s);
        let gate = HealthGate::new(&HealthRules::default());
        assert_eq!(gate.silence(at(0), at(120)), None);
        assert!(gate.silence(at(0), at(121)).is_some());
        let off = HealthGate::new(&HealthRules { max_silence_s: 0, ..HealthRules::default() });
        assert_eq!(off.silence(at(0), at(9999)), None);
    }

    #[test]
    fn rules_that_cannot_be_are_refused_with_their_field() {
        let rule = |must: &str| StatusRule { process: "a".into(), must_match: Some(must.into()), must_not_match: None };
        let fields = |rules: HealthRules| rules.errors().into_iter().map(|e| e.field).collect::<Vec<_>>();
        let base = HealthRules::default;
        assert!(base().errors().is_empty());
        assert_eq!(fields(HealthRules { max_temperature: Some(-1.0), ..base() }), ["policy.health.max_temperature"]);
        assert_eq!(
            fields(HealthRules { max_cpu_utilization: Some(f64::NAN), ..base() }),
            ["policy.health.max_cpu_utilization"]
        );
        for bad in [vec![rule("(")], vec![rule("")], vec![StatusRule::default()], vec![rule("a{9999}{9999}")]] {
            assert_eq!(fields(HealthRules { status: bad, ..base() }), ["policy.health.status"]);
        }
    }
}
