//! The form of a new update: what was typed, kept through every step, and the request it becomes.

use serde::Serialize;

use crate::domain::{DeviceId, Groups, ModuleName, Policy, RolloutRequest, Target, Version};

use super::filter_box::{Fault, FilterBox};
use super::form::{Field, Pairs};
use super::shell::shown;

/// The fields beside the texts: boxes to tick.
const TICKED: [&str; 4] = ["as_draft", "static", "allow_rollback", "all_or_nothing"];
/// The first of the texts say which terminals; the others are the policy.
const OF_TARGET: usize = 5;

/// What was typed, and what is wrong with it.
#[derive(Debug, Default, Serialize)]
pub struct RolloutForm {
    /// The version chosen of each module.
    #[serde(skip)]
    pub chosen: Vec<(String, String)>,
    /// What is wrong with the choice as a whole.
    pub packages: Field,
    /// `all`, `device_ids`, `tags`, `filter` or `group`.
    pub target: Field,
    /// One a line, or with commas or spaces between.
    pub device_ids: Field,
    /// One `name=value` a line.
    pub tags: Field,
    pub filter: Field,
    /// Where the filter is wrong.
    pub fault: Option<Fault>,
    /// The name of a saved filter.
    pub group: Field,
    /// Only terminals that fit now, and none later.
    pub fixed: bool,
    pub allow_rollback: bool,
    pub all_or_nothing: bool,
    /// Only written down.
    pub draft: bool,
    pub max_in_flight: Field,
    /// `1%, 10%, 100%` or `5, 50`; empty: chosen by the size of the target.
    pub stages: Field,
    pub max_failures: Field,
    pub max_failure_percent: Field,
    pub health_window_s: Field,
    pub attempts: Field,
    /// `2026-11-22T08:48`, UTC.
    pub not_before: Field,
    pub bytes_per_second: Field,
    pub timeout_offered: Field,
    pub timeout_downloading: Field,
    pub timeout_installing: Field,
    pub timeout_verifying: Field,
    pub starts_per_minute: Field,
    /// `sat sun 22:00-05:00`, one a line.
    pub windows: Field,
    pub priority: Field,
    /// A filter that must hold when a terminal is asked.
    pub only_when: Field,
    pub max_cpu_utilization: Field,
    pub max_load_average: Field,
    pub max_temperature: Field,
    pub max_disk_used_percent: Field,
    pub max_silence_s: Field,
    /// `mqtt = ^connected` or `mqtt != error`, one a line.
    pub status_rules: Field,
    pub minimum_sample: Field,
    /// Limits of single kinds of failure.
    pub max_failed: Field,
    pub max_reverted: Field,
    pub max_timed_out: Field,
    pub max_declined: Field,
    /// Whether something in the collapsed part is wrong or not as by default, so that it is shown.
    pub advanced: bool,
}

/// The prefix of the fields that choose a module's version.
pub const VERSION: &str = "version.";

impl RolloutForm {
    /// The form as it is before anything was typed.
    #[must_use]
    pub fn fresh(policy: &Policy) -> Self {
        Self {
            target: Field::new("all"),
            max_in_flight: Field::new(policy.max_in_flight),
            max_failures: Field::new(policy.max_failures),
            max_failure_percent: Field::new(policy.max_failure_percent),
            health_window_s: Field::new(policy.health_window_s),
            attempts: Field::new(policy.attempts),
            timeout_offered: Field::new(policy.timeouts_s.offered),
            timeout_downloading: Field::new(policy.timeouts_s.downloading),
            timeout_installing: Field::new(policy.timeouts_s.installing),
            timeout_verifying: Field::new(policy.timeouts_s.verifying),
            priority: Field::new(policy.priority),
            minimum_sample: Field::new(policy.minimum_sample),
            max_temperature: Field::new(policy.health.max_temperature.map_or_else(String::new, |t| t.to_string())),
            max_silence_s: Field::new(policy.health.max_silence_s),
            ..Self::default()
        }
    }

    /// The form as typed; fields that did not come are as before anything was typed.
    #[must_use]
    pub fn typed(pairs: &Pairs, policy: &Policy) -> Self {
        let mut form = Self::fresh(policy);
        form.chosen = chosen(pairs);
        for (name, field) in form.fields() {
            if pairs.has(name) {
                *field = Field::new(shown_list(pairs.raw(name)));
            }
        }
        form.allow_rollback = pairs.ticked("allow_rollback");
        form.all_or_nothing = pairs.ticked("all_or_nothing");
        form.draft = pairs.ticked("as_draft");
        form.fixed = pairs.ticked("static");
        let usual = Self::fresh(policy).policy_values();
        form.advanced = form.policy_values() != usual;
        form
    }

    /// Each text field by its name in the form.
    pub(super) fn fields(&mut self) -> [(&'static str, &mut Field); 32] {
        [
            ("target", &mut self.target),
            ("device_ids", &mut self.device_ids),
            ("tags", &mut self.tags),
            ("filter", &mut self.filter),
            ("group", &mut self.group),
            ("max_in_flight", &mut self.max_in_flight),
            ("stages", &mut self.stages),
            ("max_failures", &mut self.max_failures),
            ("max_failure_percent", &mut self.max_failure_percent),
            ("health_window_s", &mut self.health_window_s),
            ("attempts", &mut self.attempts),
            ("not_before", &mut self.not_before),
            ("bytes_per_second", &mut self.bytes_per_second),
            ("timeout_offered", &mut self.timeout_offered),
            ("timeout_downloading", &mut self.timeout_downloading),
            ("timeout_installing", &mut self.timeout_installing),
            ("timeout_verifying", &mut self.timeout_verifying),
            ("starts_per_minute", &mut self.starts_per_minute),
            ("windows", &mut self.windows),
            ("priority", &mut self.priority),
            ("only_when", &mut self.only_when),
            ("max_cpu_utilization", &mut self.max_cpu_utilization),
            ("max_load_average", &mut self.max_load_average),
            ("max_temperature", &mut self.max_temperature),
            ("max_disk_used_percent", &mut self.max_disk_used_percent),
            ("max_silence_s", &mut self.max_silence_s),
            ("status_rules", &mut self.status_rules),
            ("minimum_sample", &mut self.minimum_sample),
            ("max_failed", &mut self.max_failed),
            ("max_reverted", &mut self.max_reverted),
            ("max_timed_out", &mut self.max_timed_out),
            ("max_declined", &mut self.max_declined),
        ]
    }

    fn policy_values(&mut self) -> Vec<String> {
        self.fields().into_iter().skip(OF_TARGET).map(|(_, field)| field.value.clone()).collect()
    }

    /// The request it asks for; `None` when something is wrong, which is then said at its field.
    pub fn request(&mut self, by: &str, groups: &Groups) -> Option<RolloutRequest> {
        let packages = self.read_packages();
        let target = self.read_target(groups);
        let policy = self.read_policy();
        if self.has_errors() {
            return None;
        }
        Some(RolloutRequest {
            packages,
            allow_rollback: self.allow_rollback,
            target: target?,
            policy: policy?,
            draft: self.draft,
            by: by.to_owned(),
        })
    }

    fn read_packages(&mut self) -> Vec<(ModuleName, Version)> {
        let mut packages = Vec::new();
        for (module, version) in self.chosen.iter().filter(|(_, version)| !version.is_empty()) {
            match (ModuleName::new(module), Version::new(version)) {
                (Ok(module), Ok(version)) => packages.push((module, version)),
                (Err(error), _) => self.packages.refuse(error),
                (_, Err(error)) => self.packages.refuse(error),
            }
        }
        if packages.is_empty() {
            self.packages.refuse("choose");
        }
        packages
    }

    fn read_target(&mut self, groups: &Groups) -> Option<Target> {
        let is_fixed = self.fixed;
        let fixed = |target: Target| if is_fixed { Target::Static(Box::new(target)) } else { target };
        match self.target.value.as_str() {
            "device_ids" => self.read_device_ids().map(Target::DeviceIds),
            "tags" => self.read_tags().map(fixed),
            "filter" => self.read_filter().map(fixed),
            "group" => {
                let filter = groups.get(&self.group.value).cloned();
                if filter.is_none() {
                    self.group.refuse("choose");
                }
                filter.map(Target::Filter).map(fixed)
            }
            "all" => Some(Target::All),
            _ => {
                self.target.refuse("choose");
                None
            }
        }
    }

    /// The filter that was typed; what is wrong with it is said at its field.
    pub fn read_filter(&mut self) -> Option<Target> {
        let typed = FilterBox::typed(&self.filter.value);
        match (typed.filter, typed.fault) {
            (Some(filter), _) => return Some(Target::Filter(filter)),
            (None, Some(fault)) => {
                self.filter.refuse(&fault.message);
                self.fault = Some(fault);
            }
            (None, None) => self.filter.refuse("required"),
        }
        None
    }

    pub(super) fn read_device_ids(&mut self) -> Option<Vec<DeviceId>> {
        let mut ids = Vec::new();
        let text = self.device_ids.value.clone();
        for id in text.split(|c: char| c.is_whitespace() || c == ',').filter(|id| !id.is_empty()) {
            match DeviceId::new(id) {
                Ok(id) if !ids.contains(&id) => ids.push(id),
                Ok(_) => {}
                Err(error) => self.device_ids.refuse(error),
            }
        }
        if ids.is_empty() {
            self.device_ids.refuse("required");
        }
        Some(ids).filter(|_| self.device_ids.error.is_none())
    }

    pub(super) fn read_tags(&mut self) -> Option<Target> {
        match super::device::read_tags(&self.tags.value) {
            Ok(tags) if tags.is_empty() => self.tags.refuse("required"),
            Ok(tags) => return Some(Target::Tags(tags)),
            Err(_) => self.tags.refuse("tag_line"),
        }
        None
    }

    /// Says at its field what another part of the program found wrong: `policy.stages`, `packages`, `target.device_ids`.
    pub fn refuse(&mut self, field: &str, message: &str) {
        let name = field.trim_start_matches("policy.").trim_start_matches("target.").trim_start_matches("health.");
        let name = match name.replace("timeouts_s.", "timeout_").as_str() {
            "status" => "status_rules".to_owned(),
            "max_of_kind" => "max_failed".to_owned(),
            name => name.to_owned(),
        };
        self.advanced |= field.starts_with("policy.");
        if let Some((_, field)) = self.fields().into_iter().find(|(known, _)| *known == name) {
            return field.refuse(message);
        }
        self.packages.refuse(message);
    }

    /// Whether anything is wrong.
    #[must_use]
    pub fn has_errors(&mut self) -> bool {
        let packages = self.packages.error.is_some();
        let wrong = self.fields().into_iter().any(|(_, field)| field.error.is_some());
        packages || wrong
    }
}

/// A long list of names is kept whole; anything beyond a mebibyte is no list.
fn shown_list(text: &str) -> String {
    if text.len() <= 1024 * 1024 { text.to_owned() } else { shown(text) }
}

fn chosen(pairs: &Pairs) -> Vec<(String, String)> {
    let chosen = pairs.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(VERSION)?, value)));
    chosen.map(|(module, version)| (shown(module), shown(version.trim()))).collect()
}

/// What the next step carries on, hidden: every field of this form, as typed.
#[must_use]
pub fn carried(pairs: &Pairs) -> Vec<(String, String)> {
    let texts = RolloutForm::default().fields().map(|(name, _)| name);
    let ours = |name: &str| name.starts_with(VERSION) || texts.contains(&name) || TICKED.contains(&name);
    pairs.0.iter().filter(|(name, _)| ours(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Stage;

    fn form(pairs: &[(&str, &str)]) -> RolloutForm {
        let pairs = Pairs(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
        RolloutForm::typed(&pairs, &Policy::default())
    }

    #[test]
    fn the_shortest_form_is_everything_with_the_usual_policy() {
        let request = form(&[("version.app1", "1.3.0"), ("version.app2", "")]).request("anna", &Groups::new()).unwrap();
        assert_eq!(request.packages.len(), 1);
        assert_eq!((request.target, request.policy), (Target::All, Policy::default()));
    }

    #[test]
    fn every_field_is_read() {
        let request = form(&[
            ("version.app1", "1.3.0"),
            ("target", "device_ids"),
            ("device_ids", "a, b\nb c"),
            ("stages", "1%, 50%"),
            ("health_window_s", "1"),
            ("not_before", "2026-11-22T08:48"),
            ("timeout_offered", "5"),
            ("allow_rollback", "yes"),
        ]);
        let request = { request }.request("anna", &Groups::new()).unwrap();
        assert!(matches!(&request.target, Target::DeviceIds(ids) if ids.len() == 3));
        assert_eq!(request.policy.stages, [Stage::Percent(1.0), Stage::Percent(50.0)]);
        assert_eq!((request.policy.health_window_s, request.policy.timeouts_s.offered), (1, 5));
        assert!(request.allow_rollback && request.policy.not_before.is_some());
    }

    #[test]
    fn a_filter_and_a_group_become_the_target() {
        let groups = Groups::from([("old".to_owned(), crate::domain::Filter::parse("online").unwrap())]);
        let target = |pairs: &[(&str, &str)]| {
            let pairs = [&[("version.app1", "2")], pairs].concat();
            form(&pairs).request("anna", &groups).map(|request| request.target)
        };
        let filter = Target::Filter(groups["old"].clone());
        assert_eq!(target(&[("target", "filter"), ("filter", "online")]), Some(filter.clone()));
        assert_eq!(target(&[("target", "group"), ("group", "old")]), Some(filter.clone()));
        let fixed = [("target", "group"), ("group", "old"), ("static", "yes")];
        assert_eq!(target(&fixed), Some(Target::Static(Box::new(filter))));
        assert_eq!(target(&[("target", "group"), ("group", "new")]), None);
        let mut wrong = form(&[("version.app1", "2"), ("target", "filter"), ("filter", "online and")]);
        assert_eq!(wrong.request("anna", &groups), None);
        assert!(wrong.filter.error.is_some_and(|error| error.starts_with("at 11")) && wrong.fault.is_some());
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field_and_what_was_typed_stays() {
        let mut form = form(&[("target", "tags"), ("tags", "east"), ("attempts", "0"), ("timeout_offered", "soon")]);
        assert_eq!(form.request("anna", &Groups::new()), None);
        assert_eq!(form.packages.error.as_deref(), Some("choose"));
        assert_eq!((form.tags.value.as_str(), form.tags.error.as_deref()), ("east", Some("tag_line")));
        assert!(form.attempts.error.is_some() && form.advanced);
        assert_eq!(form.timeout_offered.value, "soon");
        form.refuse("policy.timeouts_s.installing", "too long");
        assert_eq!(form.timeout_installing.error.as_deref(), Some("too long"));
    }
}
