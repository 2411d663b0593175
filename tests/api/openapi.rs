//! What the server answers, held against what `/api/v1/openapi.json` says of it.

use fleetward::domain::Role;
use serde_json::{Value, json};

use crate::helpers::spawn_app;

/// What is wrong with a value, by a schema's types, properties and required fields.
fn wrong(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return wrong(document, document.pointer(&reference[1..]).unwrap(), value, at);
    }
    for choices in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[choices].as_array() {
            let fits = choices.iter().any(|choice| wrong(document, choice, value, at).is_empty());
            return if fits { Vec::new() } else { vec![format!("{at}: fits none: {value}")] };
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
    if !fits {
        return vec![format!("{at}: {kind} is none of {kinds:?}")];
    }
    let mut found = Vec::new();
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(wrong(document, &schema["items"], item, &format!("{at}[{index}]")));
    }
    let Some(object) = value.as_object() else { return found };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            found.push(format!("{at}.{name} is missing"));
        }
    }
    for (name, inner) in object {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => found.extend(wrong(document, property, inner, &at)),
            (None, Value::Bool(false)) => found.push(format!("{at} is not told")),
            (None, other) => found.extend(wrong(document, other, inner, &at)),
        }
    }
    found
}

#[test]
fn answers_are_as_the_document_says() {
    let app = spawn_app();
    let (admin, operator) = (app.token(Role::Admin), app.token(Role::Operator));
    let document = app.send("GET", "/api/v1/openapi.json", &[], Vec::new()).expect(200).json();
    app.device("t-1", &[("app1", "1.0.0")]);
    app.json("PATCH", "/api/v1/devices/t-1", &operator, &json!({"tags": {"region": "east"}})).expect(200);
    app.upload(&operator, "app1", "2.0.0", b"bytes").expect(201);
    let group = json!({"name": "east", "filter": "tag.region = east"});
    app.json("POST", "/api/v1/groups", &operator, &group).expect(201);
    let rollout = json!({"packages": [{"name": "app1", "version": "2.0.0"}], "target": {"group": "east"},
        "policy": {"stages": [{"percent": 100.0}]}});
    let plan = app.json("POST", "/api/v1/rollouts/plan", &operator, &rollout).expect(200).json();
    app.json("POST", "/api/v1/rollouts", &operator, &rollout).expect(201);
    app.json("POST", "/api/v1/enrolment-tokens", &admin, &json!({})).expect(201);
    app.json("POST", "/api/v1/views", &operator, &json!({"name": "east", "query": "tag=region%3Deast"})).expect(201);
    app.user("ann", Role::Viewer);
    app.cookie("ann");
    let mut seen = vec![("post", "/api/v1/rollouts/plan", "200", plan)];
    for (path, url) in [
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/api/v1/devices", "/api/v1/devices"),
        ("/api/v1/devices/{device_id}", "/api/v1/devices/t-1"),
        ("/api/v1/devices/{device_id}/history", "/api/v1/devices/t-1/history"),
        ("/api/v1/devices/{device_id}/connections", "/api/v1/devices/t-1/connections"),
        ("/api/v1/fleet", "/api/v1/fleet"),
        ("/api/v1/views", "/api/v1/views"),
        ("/api/v1/packages", "/api/v1/packages"),
        ("/api/v1/packages/{name}/{version}", "/api/v1/packages/app1/2.0.0"),
        ("/api/v1/modules", "/api/v1/modules"),
        ("/api/v1/rollouts", "/api/v1/rollouts"),
        ("/api/v1/rollouts/{id}", "/api/v1/rollouts/1"),
        ("/api/v1/rollouts/{id}/devices", "/api/v1/rollouts/1/devices"),
        ("/api/v1/groups", "/api/v1/groups"),
        ("/api/v1/audit", "/api/v1/audit"),
        ("/api/v1/enrolment-tokens", "/api/v1/enrolment-tokens"),
        ("/api/v1/tokens", "/api/v1/tokens"),
        ("/api/v1/users", "/api/v1/users"),
        ("/api/v1/sessions", "/api/v1/sessions"),
        ("/api/v1/server", "/api/v1/server"),
    ] {
        let answer = app.get(url, &admin).expect(200).json();
        assert!(path.ends_with("history") || answer["items"] != json!([]), "{url} shows nothing of its items");
        seen.push(("get", path, "200", answer));
    }
    seen.push(("get", "/api/v1/rollouts/{id}", "404", app.get("/api/v1/rollouts/99", &admin).expect(404).json()));
    for (method, path, status, answer) in seen {
        let response = &document["paths"][path][method]["responses"][status];
        let response = response["$ref"].as_str().map_or(response, |r| document.pointer(&r[1..]).unwrap());
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path} {status}");
        assert_eq!(wrong(&document, schema, &answer, path), [] as [String; 0]);
    }
    let error = json!({"error": {"code": 7}});
    assert_eq!(wrong(&document, &json!({"$ref": "#/components/schemas/Error"}), &error, "x").len(), 3);
}
