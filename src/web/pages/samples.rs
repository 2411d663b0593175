//! Every page with something in every field, and with nothing where nothing may be: what the templates are held to.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;

use super::audit::{Audit, Line};
use super::chart::Chart;
use super::device::{DevicePage, Known};
use super::devices::{Asked, Beside, DeviceRow, Devices, GroupLink};
use super::filter_box::FilterBox;
use super::form::{Field, Pairs};
use super::groups::{GroupRow, GroupsPage};
use super::notice::{ConfirmPage, ErrorPage};
use super::overview::{Attention, Overview};
use super::packages::{InUse, ModuleSection, Packages, UploadForm};
use super::rollout::{RolloutPage, Table};
use super::rollout_form::RolloutForm;
use super::rollout_new::{Choice, Choose, Confirm};
use super::rollouts::{RolloutRow, Rollouts};
use super::shell::{Page, Shell, Signed, View};
use super::sign_in::{Login, Setup};
use super::users::{Account, AddToken, AddUser, ApiTokenRow, EnrolmentRow, NewDevice, Once, UserRow, Users};
use crate::actors::Why;
use crate::domain::*;
use crate::store::{Group, Keys, ModuleSummary, PackageUse, RolloutDevice, RolloutSummary};
use crate::web::assets::Assets;
use crate::web::templates::Templates;
use crate::web::words::Language;

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
        plan: PlanSummary { devices: 9, offline: 2, stages: vec![1, 8], assignments: 9, bytes: 4096, ..PlanSummary::default() },
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
        let public = ["setup", "login", "error"].contains(&T::TEMPLATE);
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
        let html = self.templates.render(language, T::TEMPLATE, page).unwrap_or_else(|e| panic!("{}: {e}", T::TEMPLATE));
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
    print_fleet(&mut press);
    print_rollouts(&mut press);
    people::print(&mut press);
    let mut names = Templates::names();
    names.retain(|name| !press.seen.contains(&name.as_str()));
    assert!(names.is_empty(), "templates without a page: {names:?}");
}

fn print_fleet(press: &mut Press) {
    let rollout = summary(RolloutState::Paused, Target::All);
    for (total, trouble) in [(0, None), (12, Some(HOSTILE.to_owned()))] {
        press.print(Overview {
            online: total,
            offline: 0,
            total,
            packages: total,
            modules: if total == 0 { Vec::new() } else { modules().into_iter().map(Into::into).collect() },
            rollouts_live: if total == 0 { Vec::new() } else { vec![RolloutRow::from(&rollout)] },
            attention: if total == 0 { Vec::new() } else { Attention::of(&rollout).into_iter().collect() },
            trouble,
            warnings: vec![HOSTILE.to_owned()],
            server_url: "http://localhost:8080".to_owned(),
        });
    }
    for full in [false, true] {
        press.print(devices(full));
        let samples = [(now(), report().sample()), (now() + TimeDelta::minutes(1), report().sample())];
        let why = Why {
            module: module("app1"),
            code: "offline",
            sentence: HOSTILE.to_owned(),
            rollout_id: Some(RolloutId(7)),
            target: full.then(|| version("1.3.0")),
        };
        let change = VersionChange { module: module("app1"), from: None, to: Some(version("1")), at: now() };
        let known = Known {
            device: device(full),
            why: if full { vec![why] } else { Vec::new() },
            changes: if full { vec![change] } else { Vec::new() },
            assignments: if full { AssignmentState::ALL.into_iter().map(assignment).collect() } else { Vec::new() },
            chart: Chart::new(&samples, now(), now() + TimeDelta::minutes(2)).filter(|_| full),
            strikes: if full { vec![strike()] } else { Vec::new() },
        };
        press.print(DevicePage::new(known, &a_transfer));
    }
    let signed = Package { signed_by: Some(HOSTILE.to_owned()), signature: Some(String::new()), ..package("1.1") };
    let uses = [PackageUse { module: module("app1"), version: version("1.2"), rollout: RolloutId(7) }];
    let section = ModuleSection::new(
        &modules()[0],
        vec![package("1.2"), signed],
        Some("/packages?after=x".to_owned()),
        (&Keys::default(), &uses),
    );
    let in_use = InUse { name: "app1".to_owned(), version: "1".to_owned(), rollouts: vec!["7".to_owned()] };
    let mut form = UploadForm::default();
    form.version.refuse("other_bytes");
    let largest = 1 << 30;
    let only = Some(module("app1"));
    press.print(Packages { modules: vec![section], only, form, largest, in_use: Some(in_use) });
    let bare = ModuleSection::new(&modules()[1], Vec::new(), None, (&Keys::default(), &[]));
    press.print(Packages { modules: vec![bare], only: None, form: UploadForm::default(), largest, in_use: None });
    press.print(Packages { modules: Vec::new(), only: None, form: UploadForm::default(), largest, in_use: None });
}

fn devices(full: bool) -> Devices {
    let columns = vec![module("app1"), module("app2")];
    let newest: HashMap<_, _> =
        [((KeyId(42), module("app1")), assignment(AssignmentState::Downloading))].into_iter().collect();
    let beside = Beside { newest: &newest, transfer: &a_transfer };
    let pairs = [("q", HOSTILE), ("module", "a b"), ("filter", HOSTILE), ("sort", "online"), ("order", "descending")];
    let pairs = Pairs(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let filter = if full { Asked::of(&pairs) } else { Asked::default() };
    Devices {
        rows: if full { vec![DeviceRow::new(&device(true), &columns, &beside)] } else { Vec::new() },
        more_columns: 3,
        matching: 1,
        total: if full { 12_345 } else { 0 },
        sorts: filter.sorts(),
        first: full.then(|| filter.page(None)),
        next: full.then(|| filter.page(Some("x"))),
        tags: vec![HOSTILE.to_owned()],
        modules: columns.clone(),
        versions: vec![version("1.2.0")],
        columns,
        groups: vec![GroupLink {
            name: HOSTILE.to_owned(),
            path: "x".to_owned(),
            filter: HOSTILE.to_owned(),
            href: "/devices".to_owned(),
            chosen: full,
        }],
        filter,
    }
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
