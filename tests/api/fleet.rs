//! The fleet in figures, as a file, with tags of many, and saved views.

use chrono::TimeDelta;
use fleetward::domain::Role;
use serde_json::{Value, json};

use crate::helpers::spawn_app;

#[test]
fn the_fleet_is_counted_with_its_troubles_and_each_count_is_a_list() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    app.device("t-1", &[("app1", "1.0.0")]);
    app.device("t-2", &[("app1", "2.0.0")]);
    app.upload(&token, "app1", "1.0.0", b"bytes").expect(201);
    app.advance(TimeDelta::seconds(301));
    let fleet = app.get("/api/v1/fleet", &token).expect(200).json();
    assert_eq!((&fleet["devices"], &fleet["online"]), (&json!(2), &json!(2)));
    assert_eq!((&fleet["attention"]["silent"], &fleet["attention"]["hot"]), (&json!(2), &json!(0)));
    for (what, devices) in fleet["attention"].as_object().unwrap() {
        let listed = app.get(&format!("/api/v1/devices?attention={what}"), &token).expect(200).json();
        assert_eq!(json!(listed["items"].as_array().unwrap().len()), *devices, "{what}");
    }
    let wrong = app.get("/api/v1/devices?attention=tired", &token).expect(422);
    assert_eq!(wrong.fields(), ["attention"]);
    assert_eq!(app.get("/api/v1/fleet/course", &token).expect(200).json()["items"], json!([]));
    app.get("/api/v1/fleet/course?from=2000-01-01T00:00:00Z", &token).expect(422);
    let now = app.clock.now();
    for minutes in [10, 5, 0] {
        let counted = app.store.count_fleet(now - TimeDelta::minutes(minutes), 300, now - TimeDelta::days(1));
        app.wait(counted).unwrap();
    }
    let course = |query: &str| app.get(&format!("/api/v1/fleet/course?{query}"), &token).expect(200).json();
    let whole = course("");
    assert_eq!((whole["items"].as_array().unwrap().len(), &whole["next"]), (3, &Value::Null));
    let first = course("limit=2");
    let second = course(&format!("limit=2&after={}", first["next"].as_str().unwrap()));
    assert_eq!((&first["items"][1], &second["items"][0]), (&whole["items"][1], &whole["items"][2]));
    app.get("/api/v1/fleet/course?after=nowhere", &token).expect(422);
    let came = app.get("/api/v1/devices/t-1/connections", &token).expect(200).json();
    assert_eq!(came["items"][0]["online"], true);
}

#[test]
fn a_file_of_the_fleet_has_every_device_that_matches_and_no_formula() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    for number in 0..7 {
        app.device(&format!("t-{number}"), &[("app1", "1.0.0")]);
    }
    let name = json!({"name": "=HYPERLINK(\"http://x\",\"y\")", "tags": {"region": "@east"}});
    app.json("PATCH", "/api/v1/devices/t-3", &token, &name).expect(200);
    let file = app.get("/api/v1/devices.csv?sort=device_id", &token).expect(200);
    assert!(file.header("content-type").starts_with("text/csv"));
    assert!(file.header("content-disposition").contains("attachment; filename=\"terminals-"));
    let text = file.text();
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 8);
    assert!(lines[0].starts_with("name,device_id,state,since,last_report,tags,app1_version,app1_state,cpu_percent"));
    assert!(lines[4].starts_with("\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\",t-3,online,"), "{}", lines[4]);
    let one = app.get("/api/v1/devices.csv?filter=id%20%3D%20t-5", &token).expect(200).text();
    assert_eq!(one.trim_end().split("\r\n").count(), 2);
    app.get("/api/v1/devices.csv?filter=id%20%3D", &token).expect(422);
}

#[test]
fn tags_of_many_devices_are_changed_at_once() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    for number in 0..3 {
        app.device(&format!("t-{number}"), &[("app1", "1.0.0")]);
    }
    let tag = |body: &Value| app.json("POST", "/api/v1/device-tags", &token, body);
    let all = tag(&json!({"set": {"region": "east"}, "query": "module=app1"})).expect(200).json();
    assert_eq!(all, json!({"changed": 3, "same": 0, "full": 0}));
    let one = tag(&json!({"remove": ["region"], "device_ids": ["t-1", "nobody"]})).expect(200).json();
    assert_eq!(one, json!({"changed": 1, "same": 0, "full": 0}));
    let east = app.get("/api/v1/devices?tag=region%3Deast&sort=device_id", &token).expect(200).json();
    let ids: Vec<&str> = east["items"].as_array().unwrap().iter().map(|d| d["device_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["t-0", "t-2"]);
    for body in [
        json!({"query": ""}),
        json!({"set": {"a": "1"}}),
        json!({"set": {"a b": "1"}, "query": ""}),
        json!({"set": {"a": "1"}, "query": "colour=red"}),
        json!({"set": {"a": "1"}, "query": "", "device_ids": []}),
    ] {
        tag(&body).expect(422);
    }
    let lines = app.get("/api/v1/audit", &app.token(Role::Admin)).expect(200).json();
    assert!(lines["items"].to_string().contains("device.tag_many"));
    app.json("POST", "/api/v1/device-tags", &app.token(Role::Viewer), &json!({"set": {"a": "1"}, "query": ""}))
        .expect(403);
}

#[test]
fn a_view_is_saved_as_the_page_understands_it() {
    let app = spawn_app();
    let token = app.token(Role::Operator);
    let save =
        |name: &str, query: &str| app.json("POST", "/api/v1/views", &token, &json!({"name": name, "query": query}));
    let view = save("hot ones", "attention=hot&column=cpu&colour=red&after=x").expect(201).json();
    assert_eq!(view["query"], "attention=hot&column=cpu");
    save("hot ones", "q=bus").expect(200);
    save("a/b", "q=bus").expect(422);
    assert_eq!(save("x", "filter=cpu%20%3E").expect(422).fields(), ["query"]);
    let views = app.get("/api/v1/views", &token).expect(200).json();
    assert_eq!((views["items"].as_array().unwrap().len(), &views["items"][0]["query"]), (1, &json!("q=bus")));
    app.delete("/api/v1/views/hot%20ones", &token).expect(204);
    app.delete("/api/v1/views/hot%20ones", &token).expect(404);
}
