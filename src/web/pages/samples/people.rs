//! Pages about people, access, and what stands between.

use super::*;
use crate::web::pages::enrol::{Arrived, NewDevice};

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
    let wrong = || Field { value: HOSTILE.to_owned(), error: Some(HOSTILE.to_owned()) };
    let once = Once { api: true, name: HOSTILE.to_owned(), token: "fwa_x".to_owned() };
    let tokens = [api(None, false), api(Some(now()), false), api(None, true)];
    let enrolments =
        [enrolment(None, None, false), enrolment(Some(0), None, false), enrolment(Some(3), Some(now()), true)];
    let refused = UserRow { refused: Some(HOSTILE.to_owned()), ..UserRow::new(&user("b"), "a") };
    press.print(Users {
        users: vec![UserRow::new(&user(HOSTILE), HOSTILE), refused],
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
    press.print(Audit { who: HOSTILE.to_owned(), rows: vec![line], first: None, next: Some("x".to_owned()) });
    press.print(Audit { who: String::new(), rows: Vec::new(), first: None, next: None });
    press.print(Account { current: wrong(), password: wrong(), repeat: wrong() });
    for refused in [false, true] {
        press.print(Setup { token: HOSTILE.to_owned(), name: wrong(), password: wrong(), repeat: wrong(), refused });
    }
    press.print(Login { next: HOSTILE.to_owned(), name: wrong(), password: wrong(), empty: true });
    for status in [403, 404, 418, 429, 500, 503] {
        press.print(ErrorPage { status, message: HOSTILE.to_owned(), retry_after_s: Some(2) });
    }
    for what in ["device", "device_token", "user", "package", "rollout_cancel", "rollout_rollback"] {
        let (action, back) = ("/devices/t-001/delete".to_owned(), "/devices/t-001".to_owned());
        press.print(ConfirmPage { what, name: HOSTILE.to_owned(), action, back });
    }
}
