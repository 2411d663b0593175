//! The overview, the fleet table and a terminal.

use std::collections::HashMap;

use super::*;
use crate::actors::Why;
use crate::store::FleetPoint;
use crate::web::pages::chart::{Charts, Range};
use crate::web::pages::device::{DevicePage, Known, LogView, MapView};
use crate::web::pages::devices::{Beside, Choices, Devices, FleetRow, GroupLink, Tagging, ViewLink};
use crate::web::pages::fleet_columns::{Column, Fact};
use crate::web::pages::fleet_query::Asked;
use crate::web::pages::form::Field;
use crate::web::pages::overview::{self, Activity, Overview, Trouble};
use crate::web::pages::overview_day::Day;

pub(super) fn print(press: &mut Press) {
    let rollout = summary(RolloutState::Paused, Target::All);
    for (total, trouble) in [(0, None), (12, Some(HOSTILE.to_owned()))] {
        press.print(whole(total, trouble, &rollout));
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
            transitions: if full { vec![transition()] } else { Vec::new() },
            charts: Charts::new(if full { &samples } else { &[] }, Range::of("7d", now() + TimeDelta::minutes(2))),
            map: MapView {
                tile_url: full.then(|| "https://tiles.example.org/{z}/{x}/{y}.png".to_owned()),
                attribution: HOSTILE.to_owned(),
            },
            strikes: if full { vec![strike()] } else { Vec::new() },
            connections: if full { connections() } else { Vec::new() },
            log: LogView { lines: vec![HOSTILE.to_owned(); usize::from(full)], more: full, far: false },
        };
        press.print(DevicePage::new(known, &a_transfer));
    }
}

fn whole(total: u64, trouble: Option<String>, rollout: &RolloutSummary) -> Overview {
    let some = total > 0;
    let point = |minutes, online| FleetPoint { at: now() + TimeDelta::minutes(minutes), online, devices: total };
    let kinds = ["rollout_begun", "rollout_ended", "package", "device"];
    let activity = kinds.map(|kind| Activity {
        at: now(),
        kind,
        subject: HOSTILE.to_owned(),
        name: HOSTILE.to_owned(),
        by: (kind != "device").then(|| HOSTILE.to_owned()),
        state: (kind == "rollout_ended").then_some(RolloutState::Completed),
    });
    Overview {
        online: total,
        offline: 0,
        total,
        counted_at: some.then(now),
        counted_ago_ms: 0,
        packages: total,
        modules: if some { modules().into_iter().map(Into::into).collect() } else { Vec::new() },
        rollouts_live: if some { vec![RolloutRow::from(rollout)] } else { Vec::new() },
        troubles: crate::domain::Attention::ALL.map(|what| Trouble { what, count: total }).into(),
        calm: !some,
        attention: if some { overview::Attention::of(rollout).into_iter().collect() } else { Vec::new() },
        day: Day::new(&[point(0, 1)], point(10, total)).filter(|_| some),
        activity: if some { activity.into() } else { Vec::new() },
        trouble,
        warnings: vec![HOSTILE.to_owned()],
        server_url: "http://localhost:8080".to_owned(),
    }
}

fn transition() -> Transition {
    let (key_id, module, to) = (KeyId(42), module("app1"), AssignmentState::Failed);
    Transition { rollout: RolloutId(7), key_id, module, to, reason: Some(HOSTILE.to_owned()), at: now() }
}

fn connections() -> Vec<ConnectionEvent> {
    ConnectionCause::ALL
        .map(|cause| ConnectionEvent { online: cause == ConnectionCause::Hello, cause, at: now() })
        .into()
}

fn devices(full: bool) -> Devices {
    let tags = [(HOSTILE.to_owned(), HOSTILE.to_owned())];
    let columns: Vec<Column> =
        [Column::Module(module("app1")), Column::Module(module("app2")), Column::Tag("region".to_owned())]
            .into_iter()
            .chain(Fact::ALL.map(Column::Fact))
            .collect();
    let newest: HashMap<_, _> =
        [((KeyId(42), module("app1")), assignment(AssignmentState::Downloading))].into_iter().collect();
    let beside = Beside { newest: &newest, transfer: &a_transfer };
    let pairs = [
        ("q", HOSTILE),
        ("module", "a b"),
        ("filter", HOSTILE),
        ("attention", "hot"),
        ("sort", "online"),
        ("order", "descending"),
    ];
    let pairs = Pairs(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let filter = if full { Asked::of(&pairs) } else { Asked::default() };
    Devices {
        rows: if full { vec![FleetRow::new(&device(true), &columns, &beside)] } else { Vec::new() },
        more_columns: 3,
        matching: 1,
        total: if full { 12_345 } else { 0 },
        counted_ago_ms: 0,
        sorts: filter.sorts(),
        first: full.then(|| filter.page(None)),
        next: full.then(|| filter.page(Some("x"))),
        csv: filter.csv(),
        query: HOSTILE.to_owned(),
        heads: columns.iter().map(|column| column.head(true)).collect(),
        choices: Choices::new(vec![module("app1")], vec![version("1.2.0")], &tags, &columns),
        groups: vec![GroupLink {
            name: HOSTILE.to_owned(),
            path: "x".to_owned(),
            filter: HOSTILE.to_owned(),
            href: "/devices".to_owned(),
            chosen: full,
        }],
        views: vec![ViewLink {
            name: HOSTILE.to_owned(),
            path: "x".to_owned(),
            href: "/devices?q=x".to_owned(),
            chosen: full,
        }],
        place: HOSTILE.to_owned(),
        tagging: Tagging {
            again: full,
            matching: full,
            whose: wrong(),
            set: wrong(),
            remove: wrong(),
            elsewhere: vec![device(true).device_id],
        },
        view_name: wrong(),
        filter,
    }
}

fn wrong() -> Field {
    Field { value: HOSTILE.to_owned(), error: Some(HOSTILE.to_owned()) }
}
