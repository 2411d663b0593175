//! Pages about people, access, and what stands between.

use super::*;
use crate::web::interrupted::Interrupted;
use crate::web::pages::account::{Account, SignInRow};
use crate::web::pages::audit::Filter;
use crate::web::pages::enrol::{Arrived, NewDevice};
use crate::web::pages::second_factor::{Offered, On, SecondFactorPage};
use crate::web::pages::server::Server;
use crate::web::pages::sessions::Sessions;
use crate::web::pages::sign_in::{Carried, LoginCode, Resume};
use crate::web::pages::welcome::{Step, Welcome};
use crate::web::server_state::{Database, Disk, Guarded, Limit, ServerState, Warning};

pub(super) fn print(press: &mut Press) {
    let user = |name: &str| User {
        id: 1,
        name: name.to_owned(),
        password_hash: String::new(),
        role: Role::Admin,
        created_at: now(),
    };
    let api = |expires_at, revoked| ApiToken {
        id: 1,
        name: HOSTILE.to_owned(),
        role: Role::Viewer,
        created_at: now(),
        created_by: HOSTILE.to_owned(),
        expires_at,
        revoked,
    };
    let enrolment = |uses_left, expires_at, revoked| EnrolmentToken {
        id: 1,
        created_at: now(),
        created_by: HOSTILE.to_owned(),
        uses_left,
        expires_at,
        revoked,
    };
    let wrong: fn() -> Field = || Field { value: HOSTILE.to_owned(), error: Some(HOSTILE.to_owned()) };
    let once = Once { page: "/users".to_owned(), name: HOSTILE.to_owned(), token: "fwa_x".to_owned() };
    let tokens = [api(None, false), api(Some(now()), false), api(None, true)];
    let enrolments =
        [enrolment(None, None, false), enrolment(Some(0), None, false), enrolment(Some(3), Some(now()), true)];
    let refused = UserRow { refused: Some(HOSTILE.to_owned()), ..UserRow::new(&user("b"), "a", 0, false) };
    press.print(Users {
        users: vec![UserRow::new(&user(HOSTILE), HOSTILE, 2, true), refused],
        api_tokens: tokens.into_iter().map(|token| ApiTokenRow::new(token, now())).collect(),
        enrolment_tokens: enrolments.into_iter().map(|token| EnrolmentRow::new(token, now())).collect(),
        add_user: AddUser { name: wrong(), role: wrong(), password: wrong() },
        add_user_open: true,
        add_token: AddToken { name: wrong(), role: wrong(), days: wrong() },
        add_token_open: false,
        once: Some(once.clone()),
        last_admin: true,
    });
    for (once, open) in [(None, false), (Some(once), false), (None, true)] {
        let arrivals = if open { vec![Arrived::from(device(true))] } else { Vec::new() };
        let server_url = HOSTILE.to_owned();
        press.print(NewDevice { uses: wrong(), hours: wrong(), once, server_url, open, since: now(), arrivals });
    }
    let entry = AuditEntry::new(now(), HOSTILE, HOSTILE, &serde_json::json!({ "a": HOSTILE }));
    let line = Line::new(AuditHead::empty().next(entry.by(HOSTILE, AuditVia::Stranger, Some(Role::Admin))));
    press.print(audit(vec![line], true));
    press.print(audit(Vec::new(), true));
    press.print(audit(Vec::new(), false));
    accounts(press, wrong);
    the_way_in(press, wrong);
    what_stands_between(press);
}

fn what_stands_between(press: &mut Press) {
    for status in [403, 404, 418, 429, 500, 503] {
        let (admins, reference) = (vec![HOSTILE.to_owned()], Some(HOSTILE.to_owned()));
        let (messages, role_lacking) = (vec![HOSTILE.to_owned()], status == 403);
        let title = ErrorPage::title(status);
        press.print(ErrorPage { status, title, messages, retry_after_s: Some(2), role_lacking, admins, reference });
    }
    for what in ["device", "device_token", "user", "package", "rollout_cancel", "rollout_rollback"] {
        let (action, back) = ("/devices/t-001/delete".to_owned(), "/devices/t-001".to_owned());
        press.print(ConfirmPage { what, name: HOSTILE.to_owned(), action, back });
    }
}

fn the_way_in(press: &mut Press, wrong: fn() -> Field) {
    for refused in [false, true] {
        press.print(Setup { token: HOSTILE.to_owned(), name: wrong(), password: wrong(), repeat: wrong(), refused });
    }
    let interrupted =
        Interrupted { action: HOSTILE.to_owned(), body: format!("name={HOSTILE}&csrf=x").replace('>', "%3E") };
    press.print(Resume {
        action: interrupted.action.clone(),
        fields: interrupted.fields().into_iter().map(Carried::from).collect(),
    });
    press.print(LoginCode { next: HOSTILE.to_owned(), code: wrong(), interrupted: interrupted.clone() });
    for (ended, interrupted) in [(false, Interrupted::default()), (true, interrupted)] {
        let next = HOSTILE.to_owned();
        press.print(Login { next, name: wrong(), password: wrong(), empty: true, ended, interrupted });
    }
}

fn audit(rows: Vec<Line>, filtered: bool) -> Audit {
    let text = || if filtered { HOSTILE.to_owned() } else { String::new() };
    Audit {
        filter: Filter { who: text(), verb: text(), subject: text(), from: text(), to: text() },
        filtered,
        as_csv: text(),
        as_json_lines: text(),
        rows,
        first: None,
        next: Some("x".to_owned()),
    }
}

fn sign_ins(own: bool) -> Vec<SignInRow> {
    let sign_in = |id: &str, known: bool| SignIn {
        id: id.to_owned(),
        user_id: 1,
        user_name: HOSTILE.to_owned(),
        began_at: known.then(now),
        seen_at: known.then(now),
        address: if known { "2001:db8::1".to_owned() } else { String::new() },
        browser: if known { HOSTILE.to_owned() } else { String::new() },
        expires_at: now(),
    };
    let row = |it| if own { SignInRow::own(it, "a") } else { SignInRow::of_anybody(it, Some("a")) };
    [sign_in("a", true), sign_in("b", false)].map(row).into()
}

fn accounts(press: &mut Press, wrong: fn() -> Field) {
    for second_factor in [true, false] {
        let sign_ins = sign_ins(true);
        press.print(Account { current: wrong(), password: wrong(), repeat: wrong(), second_factor, sign_ins });
    }
    press.print(Sessions { sign_ins: sign_ins(false) });
    let on = Some(On { since: now(), recovery_codes: 1 });
    let codes = vec!["01234-56789-abcde-f0123".to_owned()];
    press.print(SecondFactorPage { on, current: wrong(), codes, ..SecondFactorPage::default() });
    let offered = Some(Offered::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", HOSTILE));
    press.print(SecondFactorPage { offered, current: wrong(), code: wrong(), ..SecondFactorPage::default() });
    let steps = |done| {
        ["terminal", "package", "update", "people", "second_factor"].map(|code| Step { code, href: "/enrol", done })
    };
    for done in [true, false] {
        let (steps, more) = (steps(done).into(), steps(!done).into());
        press.print(Welcome { steps, more, server_url: HOSTILE.to_owned(), server_url_set: done });
    }
    press.print(Server { server: server(true) });
    press.print(Server { server: server(false) });
}

fn server(well: bool) -> ServerState {
    let codes =
        ["trouble", "database_slow", "database_settings", "database_memory", "disk", "load", "open", "plain_http"];
    let warning = |code| Warning { code, details: if code == "trouble" { HOSTILE.to_owned() } else { String::new() } };
    ServerState {
        version: "0.1.0",
        started_at: now(),
        now: now(),
        connections: 1200,
        connections_limit: 50_000,
        live_streams: 3,
        live_streams_limit: 200,
        intake_reports: 10,
        intake_limit: 10_000,
        intake_waiting: usize::from(!well),
        reports_stored: 1_234_567,
        load: if well { Load::Calm } else { Load::ReadsSlowly }.as_str(),
        transfers: 1,
        transfers_limit: 64,
        rollouts_live: 2,
        database: Database {
            kind: well.then_some("SQLite"),
            bytes: well.then_some(4096),
            memory_bytes: None,
            write_ms: well.then_some(3),
            lacks_memory: None,
        },
        disk: Disk {
            free_bytes: well.then_some(1 << 40),
            reserve_bytes: 1 << 30,
            packages: well.then_some(2),
            packages_bytes: well.then_some(4 << 20),
        },
        guarded: Guarded {
            messages_slowed: 1,
            link_faults: 2,
            flapping_refused: 3,
            flapping_held: 4,
            clone_alarms: 5,
            transfers_too_slow: 6,
        },
        limits: vec![Limit { name: "limits.live_streams", value: 200 }],
        warnings: if well { Vec::new() } else { codes.map(warning).into() },
    }
}
