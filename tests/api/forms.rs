//! Forms of pages: what was typed is not lost, and leads back to its own page.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use fleetward::domain::Role;

use crate::helpers::{PASSWORD, Part, TestApp, bearer, spawn_app};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn tags(app: &TestApp, count: usize, more: &str) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("tag{n}={}", "x".repeat(120))).collect();
    format!("csrf={}&name=bus&tags={}%0A{more}", app.csrf(&app.cookie("ann")), lines.join("%0A"))
}

#[test]
fn many_long_tags_are_saved_whole() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.user("ann", Role::Operator);
    app.device("t-1", &[]);
    let auth = bearer(&token);
    let headers = [FORM, ("authorization", auth.as_str())];
    app.send("POST", "/devices/t-1", &headers, tags(&app, 45, "last=one").into_bytes()).expect(303);
    let device = app.get("/api/v1/devices/t-1", &token).expect(200).json();
    assert_eq!(device["tags"].as_object().unwrap().len(), 46);
    assert_eq!(device["tags"]["last"], "one");
    let refused =
        app.send("POST", "/devices/t-1", &headers, tags(&app, 45, "nonsense").into_bytes()).expect(422).text();
    assert!(refused.contains("nonsense") && refused.contains("data-here=\"/devices/t-1\""), "{refused}");
}

#[test]
fn a_second_tab_may_sign_in_over_the_first() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    let cookie = app.cookie("ann");
    let body = format!("name=ann&password={}", PASSWORD.replace(' ', "+"));
    let reply = app.send("POST", "/login", &[FORM, ("cookie", &cookie)], body.into_bytes()).expect(303);
    assert!(reply.header("set-cookie").starts_with("fleetward_session="));
}

#[test]
fn a_form_of_the_session_before_is_kept_for_its_owner() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    app.device("t-1", &[]);
    let cookie = app.cookie("ann");
    let headers = [FORM, ("cookie", cookie.as_str())];
    let body = b"csrf=of-before&name=the+new+name&tags=".to_vec();
    let reply = app.send("POST", "/devices/t-1", &headers, body).expect(303);
    assert_eq!(reply.header("location"), "/resume");
    let page = app.send("GET", "/resume", &headers[1..], Vec::new()).expect(200).text();
    assert!(page.contains("the new name") && page.contains("action=\"/devices/t-1\""), "{page}");
    let device = app.get("/api/v1/devices/t-1", &app.token(Role::Viewer)).expect(200).json();
    assert_ne!(device["name"], "the new name", "not before its owner sends it again");
    app.send("POST", "/logout", &headers, b"csrf=wrong".to_vec()).expect(403);
}

#[test]
fn too_many_tries_to_sign_in_lose_no_form() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    for _ in 0..5 {
        app.sign_in("ann", "wrong").expect(401);
    }
    let body = b"name=ann&password=wrong&again_at=/devices/t-1&again=name%3Dtyped".to_vec();
    let reply = app.send("POST", "/login", &[FORM], body).expect(429);
    assert!(!reply.header("retry-after").is_empty());
    let page = reply.text();
    assert!(page.contains("/devices/t-1") && page.contains("name&#x3D;typed"), "{page}");
    assert!(page.contains("Too many tries to sign in"), "{page}");
}

#[test]
fn the_last_day_there_is_ends_no_request() {
    let app = spawn_app();
    app.user("ann", Role::Admin);
    let cookie = app.cookie("ann");
    for path in ["/audit?", "/audit/export?format=csv&"] {
        let last = format!("{path}to=%2B262142-12-31");
        app.send("GET", &last, &[("cookie", &cookie)], Vec::new()).expect(200);
    }
}

/// The attribute of the field of this name, as the page has it.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let at = page.find(&format!(" name=\"{name}\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    let begin = page[..at].rfind('<').unwrap();
    &page[begin..begin + page[begin..].find('>').unwrap()]
}

#[test]
fn an_upload_that_is_refused_keeps_what_was_typed() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let parts = |version: &'static str, requires: &'static str, file: &'static [u8]| -> [Part<'static>; 6] {
        [
            ("file", Some("app.bin"), file),
            ("name", None, b"app1"),
            ("version", None, version.as_bytes()),
            ("notes", None, b"what is new"),
            ("requires", None, requires.as_bytes()),
            ("manifest", Some(""), b""),
        ]
    };
    let page = app.form("/packages", &token, &parts("a b", "app2 >", b"one")).expect(422).text();
    assert!(field(&page, "name").contains("value=\"app1\""), "{page}");
    assert!(field(&page, "version").contains("value=\"a b\"") && page.contains("id=\"version-error\""), "{page}");
    assert!(field(&page, "requires").contains("value=\"app2 &gt;\"") && page.contains("id=\"requires-error\""));
    assert!(page.contains(">what is new</textarea>"));
    assert!(page.contains("Please choose the file again"));
    assert!(!page.contains("id=\"manifest-error\""), "no manifest had been chosen");
    assert_eq!(app.blobs_on_disk(), 0);

    let page = app.form("/packages", &token, &parts("1.0", "", &[7; (4 << 20) + 1])).expect(413).text();
    assert!(page.contains("The file is larger than 4194304 bytes."), "{page}");
    assert!(field(&page, "version").contains("value=\"1.0\"") && page.contains(">what is new</textarea>"));

    app.form("/packages", &token, &parts("1.0", "", b"one")).expect(303);
    let page = app.form("/packages", &token, &parts("1.0", "", b"two")).expect(409).text();
    assert!(page.contains("exists already with other contents") && page.contains(">what is new</textarea>"), "{page}");
    let none: [Part<'_>; 3] = [("file", Some(""), b""), ("name", None, b"app1"), ("version", None, b"1.1")];
    let page = app.form("/packages", &token, &none).expect(422).text();
    assert!(page.contains("id=\"file-error\"") && field(&page, "version").contains("value=\"1.1\""), "{page}");
}

#[test]
fn tags_of_many_that_are_refused_keep_what_was_ticked_and_typed() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.device("t-1", &[("app1", "1")]);
    app.device("t-2", &[("app1", "1")]);
    let auth = bearer(&token);
    let headers = [FORM, ("authorization", auth.as_str())];
    let change = |body: &str| app.send("POST", "/device-tags", &headers, body.as_bytes().to_vec()).expect(422).text();
    let page = change("query=filter%3Did%2520~%2520t-&scope=ticked&id=t-2&id=t-9&set=nonsense&remove=line");
    assert!(
        field(&page, "set").contains("value=\"nonsense\"") && page.contains("Please write name&#x3D;value."),
        "{page}"
    );
    assert!(field(&page, "remove").contains("value=\"line\""));
    assert!(page.contains("value=\"t-2\" form=\"tagging\" checked"), "{page}");
    assert!(page.contains("value=\"t-1\" form=\"tagging\" aria-label"), "{page}");
    assert!(page.contains("value=\"t-9\" checked"), "what was ticked on another page of the list is not lost");
    assert!(field(&page, "filter").contains("value=\"id ~ t-\""), "the list is the same one");
    assert!(page.contains("data-here=\"/devices?filter&#x3D;id%20~%20t-\""), "{page}");
    let page = change("query=&scope=ticked&set=a%3Db&remove=");
    assert!(page.contains("id=\"scope-error\"") && field(&page, "set").contains("value=\"a&#x3D;b\""), "{page}");
    let page = change("query=q%3Dnobody&scope=matching&set=&remove=");
    assert!(page.contains("<option value=\"matching\" selected>") && page.contains("id=\"set-error\""), "{page}");
}

#[test]
fn a_view_that_is_refused_keeps_its_name_and_its_list() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.device("t-1", &[("app1", "1")]);
    let auth = bearer(&token);
    let headers = [FORM, ("authorization", auth.as_str())];
    let body = b"query=q%3Dt&name=east%2Fwest".to_vec();
    let page = app.send("POST", "/views", &headers, body).expect(422).text();
    assert!(page.contains("id=\"view-name-error\"") && page.contains("value=\"east/west\""), "{page}");
    assert!(field(&page, "q").contains("value=\"t\""), "{page}");
}

#[test]
fn a_page_names_the_server_as_it_was_asked_for_and_else_by_its_own_address() {
    let app = spawn_app();
    let token = app.token(Role::Admin);
    let auth = bearer(&token);
    let asked = app.send("GET", "/welcome", &[("authorization", &auth), ("host", "fleet.test:81")], Vec::new());
    assert!(asked.expect(200).text().contains("http://fleet.test:81"));
    let mut socket = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
    write!(socket, "GET /welcome HTTP/1.0\r\nauthorization: {auth}\r\n\r\n").unwrap();
    let mut page = String::new();
    socket.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.0 200") && page.contains(&app.url), "{page}");
}
