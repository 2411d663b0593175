//! Pages in the reader's language, and what a page says of a form.

use fleetward::domain::Role;

use crate::helpers::{BOUNDARY, Part, bearer, multipart, spawn_app};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[test]
fn a_page_speaks_the_chosen_language_or_else_the_browsers() {
    let app = spawn_app();
    let page = |headers: &[(&str, &str)]| app.send("GET", "/login", headers, Vec::new()).expect(200).text();
    assert!(page(&[]).contains("<html lang=\"en\""));
    let chinese = page(&[("accept-language", "de, zh-TW;q=0.9, en;q=0.5")]);
    assert!(chinese.contains("<html lang=\"zh-CN\"") && chinese.contains("密码"), "{chinese}");
    let chosen = [("accept-language", "zh-CN"), ("cookie", "fleetward_language=en")];
    assert!(page(&chosen).contains("Password"));
    assert!(page(&[("cookie", "fleetward_language=xx")]).contains("<html lang=\"en\""));
}

#[test]
fn a_reader_chooses_a_language_and_comes_back_to_the_page() {
    let app = spawn_app();
    let choose = |body: &str| app.send("POST", "/language", &[FORM], body.as_bytes().to_vec()).expect(303);
    let reply = choose("language=zh-CN&here=/devices?q=1");
    assert_eq!(reply.header("location"), "/devices?q=1");
    assert!(reply.header("set-cookie").starts_with("fleetward_language=zh-CN;"));
    let elsewhere = choose("language=klingon&here=//evil.example");
    assert_eq!(elsewhere.header("location"), "/");
    assert!(elsewhere.header("set-cookie").contains("Max-Age=0"));
}

#[test]
fn what_is_wrong_with_a_form_is_said_in_the_pages_language() {
    let app = spawn_app();
    let auth = bearer(&app.token(Role::Operator));
    app.upload(&app.token(Role::Operator), "app1", "2", b"two").expect(201);
    let body = "version.app1=2&target=filter&filter=online+and&max_in_flight=0&status_rules=mqtt+%3D+(";
    let headers = [FORM, ("authorization", auth.as_str()), ("accept-language", "zh")];
    let page = app.send("POST", "/rollouts/plan", &headers, body.as_bytes().to_vec()).expect(422).text();
    for said in ["第 11 个字符处", "必须在 1 到 100000 之间，不能是 0", "不是有效的正则表达式"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    for kept in ["value=\"online and\"", "mqtt &#x3D; ("] {
        assert!(page.contains(kept), "{kept}: {page}");
    }
}

#[test]
fn a_form_counts_the_terminals_that_fit_what_was_typed_so_far() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "2", b"two").expect(201);
    for (id, region) in [("t-1", "north east"), ("t-2", "north east"), ("t-3", "west")] {
        app.device(id, &[("app1", "1")]);
        app.json("PATCH", &format!("/api/v1/devices/{id}"), &token, &serde_json::json!({"tags": {"region": region}}))
            .expect(200);
    }
    let auth = bearer(&token);
    let headers = [FORM, ("authorization", auth.as_str())];
    let count = |body: &str| app.send("POST", "/rollouts/new", &headers, body.as_bytes().to_vec()).expect(200).text();
    assert!(count("target=tags&tags=region%3Dnorth+east").contains("2 terminals fit now"));
    assert!(count("target=device_ids&device_ids=t-3,t-4").contains("1 terminal fits now"));
    assert!(count("target=filter&filter=module.app1+%3C+2").contains("3 terminals fit now"));
    assert!(count("target=filter&filter=").contains("how many terminals fit"));
    assert!(count("target=filter&filter=online+and").contains("at 11"));
}

#[test]
fn a_pages_script_is_told_in_the_pages_language_and_a_program_in_english() {
    let app = spawn_app();
    app.user("ann", Role::Operator);
    let token = app.token(Role::Operator);
    let parts: [Part<'_>; 1] = [("name", None, b"a/b")];
    let english = app.form("/api/v1/packages", &token, &parts).expect(422).json();
    let cookie = app.cookie("ann");
    let csrf = app.csrf(&cookie);
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers =
        [("cookie", cookie.as_str()), ("x-csrf-token", &csrf), ("content-type", &kind), ("accept-language", "zh")];
    let chinese = app.send("POST", "/api/v1/packages", &headers, multipart(&parts)).expect(422).json();
    assert_eq!(chinese["error"]["code"], english["error"]["code"]);
    let message = chinese["error"]["fields"]["name"].as_str().unwrap();
    assert!(message.contains("字符") && chinese["error"]["message"] == format!("name: {message}"), "{chinese}");
    let auth = bearer(&token);
    let program = [("authorization", auth.as_str()), ("content-type", &kind), ("accept-language", "zh")];
    let told = app.send("POST", "/api/v1/packages", &program, multipart(&parts)).expect(422).json();
    assert_eq!(told, english);
}

#[test]
fn a_maintenance_window_and_the_title_of_an_error_are_in_the_pages_language() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.upload(&token, "app1", "2", b"two").expect(201);
    app.device("t-1", &[("app1", "1")]);
    let rollout = serde_json::json!({
        "packages": [{"name": "app1", "version": "2"}],
        "policy": {"windows": [{"days": ["sat", "sun"], "from": "22:00", "to": "05:00"}]},
    });
    let id = app.json("POST", "/api/v1/rollouts", &token, &rollout).expect(201).json()["id"].clone();
    let auth = bearer(&token);
    let headers = [("authorization", auth.as_str()), ("accept-language", "zh")];
    let page = app.send("GET", &format!("/rollouts/{id}"), &headers, Vec::new()).expect(200).text();
    assert!(page.contains("周六 周日 22:00 至 05:00"), "{page}");
    let page = app.send("GET", "/packages?module=app1&after=nowhere", &headers, Vec::new()).expect(422).text();
    assert!(page.contains("<h1>提交的内容有误</h1>"), "{page}");
}

#[test]
fn a_page_about_a_field_says_what_is_wrong_in_its_language_and_not_what_programs_call_the_field() {
    let app = spawn_app();
    let auth = bearer(&app.token(Role::Viewer));
    let headers = [("accept-language", "zh"), ("accept", "text/html"), ("authorization", auth.as_str())];
    let page = app.send("GET", "/devices?after=nonsense", &headers, Vec::new()).expect(422).text();
    assert!(!page.contains("after:") && !page.contains("this list has no such place"), "{page}");
}
