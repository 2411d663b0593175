//! Every page with something in every field, and with nothing where nothing may be: what the templates are held to.

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;

use super::audit::{Audit, Line};
use super::filter_box::FilterBox;
use super::form::{Field, Pairs};
use super::groups::{GroupRow, GroupsPage};
use super::notice::{ConfirmPage, ErrorPage};
use super::packages::{InUse, ModuleSection, Packages, UploadForm};
use super::rollout::{RolloutPage, Table};
use super::rollout_form::RolloutForm;
use super::rollout_new::{Choice, Choose, Confirm};
use super::rollouts::{RolloutRow, Rollouts};
use super::shell::{Page, Shell, Signed, View};
use super::sign_in::{Login, Setup};
use super::users::{AddToken, AddUser, ApiTokenRow, EnrolmentRow, Once, UserRow, Users};
use crate::domain::*;
use crate::store::{Group, Keys, ModuleSummary, PackageUse, RolloutDevice, RolloutSummary};
use crate::web::api::upload::Typed;
use crate::web::assets::Assets;
use crate::web::error::ApiError;
use crate::web::templates::Templates;
use crate::web::words::Language;

mod fleet;
mod people;

/// What a hostile device or person may write; none of it may reach a page as markup.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

fn now() -> Timestamp {
    Timestamp::from_timestamp_millis(1_795_337_280_123).unwrap()
}

fn module(name: &str) -> ModuleName {
    ModuleName::new(name).unwrap()
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn report() -> Report {
    let report = serde_json::json!({
        "timestamp": "2026-11-22T08:48:00.123Z", "cpu_utilization": 12.5, "load_average": [0.2, 0.1],
        "sd_card": [{"name": HOSTILE, "total": 32000.0, "used": 1200.0}, {"name": "empty"}],
        "temperature": [{"type": HOSTILE, "degree": 51.2}],
        "status": [{"process": HOSTILE, "status": HOSTILE}],
        "location": {"latitude": 31.2304, "longitude": 121.4737}, "weather": HOSTILE, "speed": 42.0, "more": HOSTILE,
    });
    serde_json::from_value(report).unwrap()
}

fn device(full: bool) -> Device {
    let status = Status { report: report(), received_at: now() };
    Device {
        key_id: KeyId(42),
        device_id: DeviceId::new("t-001").unwrap(),
        name: if full { HOSTILE.to_owned() } else { "t-001".to_owned() },
        online: full,
        since: now(),
        created_at: now(),
        tags: if full { Tags::from([("region".to_owned(), HOSTILE.to_owned())]) } else { Tags::new() },
        modules: if full { Modules::from([(module("app1"), version("1.2.0"))]) } else { Modules::new() },
        may_enrol_again: full,
        status: full.then_some(status),
    }
}

fn assignment(state: AssignmentState) -> Assignment {
    Assignment {
        rollout: RolloutId(7),
        key_id: KeyId(42),
        module: module("app1"),
        from: None,
        to: version("1.3.0"),
        state,
        reason: state.is_failure().then(|| HOSTILE.to_owned()),
        stage: 0,
        attempts: 1,
        until: None,
        seen_since: None,
        updated_at: now(),
    }
}

fn strike() -> Strike {
    let (module, version) = (module("app1"), version("1.3.0"));
    let reason = Some(HOSTILE.to_owned());
    Strike { key_id: KeyId(42), module, version, failures: QUARANTINE_AFTER, rollout: RolloutId(7), reason, at: now() }
}

fn package(number: &str) -> Package {
    Package {
        id: PackageId(1),
        name: module("app1"),
        version: version(number),
        size: 4_194_304,
        sha256: Sha256Hex::of(b"x"),
        file_name: HOSTILE.to_owned(),
        notes: HOSTILE.to_owned(),
        created_at: now(),
        created_by: HOSTILE.to_owned(),
        signed_by: None,
        signature: None,
        requires: serde_json::from_str(r#"{"modules":{"app2":">= 7"},"hardware":["<b>"]}"#).unwrap(),
    }
}

fn summary(state: RolloutState, target: Target) -> RolloutSummary {
    let mut counts = Counts::default();
    AssignmentState::ALL.into_iter().for_each(|state| counts.add(state, 2));
    let rollout = Rollout {
        id: RolloutId(7),
        state,
        why: Some(HOSTILE.to_owned()),
        packages: vec![RolloutPackage { release: package("1.3.0").release(), previous_version: Some(version("1")) }],
        allow_rollback: true,
        target,
        policy: Policy { not_before: Some(now()), bytes_per_second: Some(4096), ..Policy::default() },
        open_stages: 1,
        stages: 2,
        created_at: now(),
        created_by: HOSTILE.to_owned(),
        ended_at: Some(now()),
        approved_by: Some(HOSTILE.to_owned()),
        takes_back: Some(RolloutId(6)),
        plan: PlanSummary {
            devices: 9,
            offline: 2,
            stages: vec![1, 8],
            assignments: 9,
            bytes: 4096,
            ..PlanSummary::default()
        },
    };
    RolloutSummary { rollout, counts, devices: 9 }
}

fn modules() -> Vec<ModuleSummary> {
    let many = (1..10).map(|n| (version(&format!("1.{n}")), n)).collect();
    let summary =
        |name, devices, current| ModuleSummary { name: module(name), current_version: current, packages: 1, devices };
    vec![summary("app1", many, Some(version("1.2"))), summary("app2", Vec::new(), None)]
}

fn no_transfer(_: KeyId, _: &ModuleName) -> Option<(u64, u64)> {
    None
}

fn a_transfer(_: KeyId, _: &ModuleName) -> Option<(u64, u64)> {
    Some((5, 10))
}

/// Renders pages, as the viewer of each role sees them.
struct Press {
    templates: Templates,
    seen: Vec<&'static str>,
}

impl Press {
    fn print<T: View + Serialize>(&mut self, body: T) {
        let mut page = Page { shell: Shell::default(), body };
        let public = ["setup", "login", "login_code", "error"].contains(&T::TEMPLATE);
        let roles = [None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin)];
        for role in roles.into_iter().filter(|role| public || role.is_some()) {
            page.shell = Shell {
                user: role.map(|role| Signed::new(HOSTILE, role)),
                csrf: "token".to_owned(),
                theme: role.map(|_| "dark"),
                here: "/devices?q=1".to_owned(),
                done: role.map(|_| "saved"),
                language: Language::English,
                other_languages: Language::ALL.into(),
            };
            for language in Language::ALL {
                page.shell.language = language;
                self.print_in(language, &page, public, role.is_some());
            }
        }
        self.seen.push(T::TEMPLATE);
    }

    fn print_in<T: View + Serialize>(&self, language: Language, page: &Page<T>, public: bool, signed_in: bool) {
        let html =
            self.templates.render(language, T::TEMPLATE, page).unwrap_or_else(|e| panic!("{}: {e}", T::TEMPLATE));
        assert!(!html.contains("<script>alert"), "{}", T::TEMPLATE);
        assert!(!html.contains("<img src=x"), "{}", T::TEMPLATE);
        for inline in [" style=", " onclick=", "<style", "javascript:"] {
            assert!(!html.contains(inline), "{} has {inline}", T::TEMPLATE);
        }
        assert!(html.trim_end().ends_with("</html>"), "{}", T::TEMPLATE);
        if html.contains("method=\"post\"") && signed_in {
            let (forms, tokens) = (html.matches("method=\"post\"").count(), html.matches("name=\"csrf\"").count());
            assert!(public || forms == tokens, "{}: {forms} forms, {tokens} tokens", T::TEMPLATE);
        }
    }
}

#[test]
fn every_template_writes_its_page_and_every_template_has_one() {
    let templates = Templates::new(Arc::new(Assets::new())).unwrap();
    let mut press = Press { templates, seen: Vec::new() };
    fleet::print(&mut press);
    print_packages(&mut press);
    print_rollouts(&mut press);
    people::print(&mut press);
    let mut names = Templates::names();
    names.retain(|name| !press.seen.contains(&name.as_str()));
    assert!(names.is_empty(), "templates without a page: {names:?}");
}

fn print_packages(press: &mut Press) {
    let signed = Package { signed_by: Some(HOSTILE.to_owned()), signature: Some(String::new()), ..package("1.1") };
    let uses = [PackageUse { module: module("app1"), version: version("1.2"), rollout: RolloutId(7) }];
    let section = ModuleSection::new(
        &modules()[0],
        vec![package("1.2"), signed],
        Some("/packages?after=x".to_owned()),
        (&Keys::default(), &uses),
    );
    let in_use = InUse { name: "app1".to_owned(), version: "1".to_owned(), rollouts: vec!["7".to_owned()] };
    let hostile = || HOSTILE.to_owned();
    let typed = Typed {
        name: hostile(),
        version: hostile(),
        notes: hostile(),
        requires: hostile(),
        file: true,
        manifest: true,
    };
    let form = UploadForm::refused(&typed, &ApiError::field("version", "other_bytes"));
    let largest = 1 << 30;
    let only = Some(module("app1"));
    press.print(Packages { modules: vec![section], only, form, largest, in_use: Some(in_use) });
    let bare = ModuleSection::new(&modules()[1], Vec::new(), None, (&Keys::default(), &[]));
    press.print(Packages { modules: vec![bare], only: None, form: UploadForm::default(), largest, in_use: None });
    press.print(Packages { modules: Vec::new(), only: None, form: UploadForm::default(), largest, in_use: None });
}

fn print_rollouts(press: &mut Press) {
    let rows = RolloutState::ALL.map(|state| RolloutRow::from(&summary(state, Target::All)));
    press.print(Rollouts { rollouts: rows.into(), next: Some("x".to_owned()), further: true });
    press.print(Rollouts { rollouts: Vec::new(), next: None, further: false });
    let tags = Target::Tags(Tags::from([("region".to_owned(), HOSTILE.to_owned())]));
    let ids = Target::DeviceIds(vec![DeviceId::new("t-001").unwrap()]);
    for (state, target) in
        [(RolloutState::Running, Target::All), (RolloutState::Paused, tags.clone()), (RolloutState::Completed, ids)]
    {
        let rows =
            AssignmentState::ALL.map(|s| RolloutDevice { device: device(true), assignments: vec![assignment(s)] });
        let rows = if state == RolloutState::Completed { Vec::new() } else { rows.into() };
        let table = Table { rows, only: Some(AssignmentState::Failed), after: Some("x".to_owned()), next: None };
        let mut page = RolloutPage::new(summary(state, target), &table, &no_transfer);
        page.problem = Some(HOSTILE.to_owned());
        press.print(page);
    }
    print_groups(press);
    let mut form = RolloutForm::typed(&Pairs::default(), &Policy::default());
    assert_eq!(form.request("anna", &Groups::new()), None);
    form.refuse("policy.stages", HOSTILE);
    let choices = modules().iter().map(|m| Choice::new(m, vec![package("1.2")], None)).collect();
    let known_tags = vec![HOSTILE.to_owned()];
    press.print(Choose {
        modules: choices,
        form,
        devices: 3,
        known_tags,
        groups: vec![HOSTILE.to_owned()],
        fitting: Some(0),
        problem: Some(HOSTILE.to_owned()),
    });
    let form = RolloutForm::fresh(&Policy::default());
    press.print(Choose {
        modules: Vec::new(),
        form,
        devices: 0,
        known_tags: Vec::new(),
        groups: Vec::new(),
        fitting: None,
        problem: None,
    });
    for (candidates, allow_rollback) in [(0, false), (300, false), (300, true)] {
        press.print(confirm(candidates, allow_rollback, tags.clone()));
    }
}

fn print_groups(press: &mut Press) {
    press.print(GroupsPage::default());
    let filter = Filter::parse("online and name ~ \"<b>\"").unwrap();
    let group = Group { name: HOSTILE.to_owned(), filter, created_at: now(), created_by: HOSTILE.to_owned() };
    let mut page = GroupsPage { groups: vec![GroupRow::new(&group, 3)], fitting: Some(0), ..GroupsPage::default() };
    page.name.refuse(HOSTILE);
    page.fault = FilterBox::typed("online and").fault;
    press.print(page);
}

fn confirm(candidates: i64, allow_rollback: bool, target: Target) -> Confirm {
    let candidate = |n: i64| Candidate {
        key_id: KeyId(n),
        device_id: DeviceId::new(&format!("t-{n}")).unwrap(),
        name: HOSTILE.to_owned(),
        tags: Tags::new(),
        online: n % 2 == 0,
        since: now(),
        modules: [(module("app1"), version(["1.0.0", "1.3.0", "2.0.0"][n as usize % 3]))].into(),
        sets: true,
        quarantined: Vec::new(),
    };
    let request = RolloutRequest {
        packages: vec![(module("app1"), version("1.3.0"))],
        allow_rollback,
        target,
        policy: Policy { max_failure_percent: 100, max_failures: 0, not_before: Some(now()), ..Policy::default() },
        draft: false,
        by: "anna".to_owned(),
    };
    let plan = plan(&request, &[package("1.3.0").release()], (0..candidates).map(candidate).collect());
    Confirm::new(plan, &request, vec![("tags".to_owned(), HOSTILE.to_owned())])
}
