//! `/api/v1/openapi.json`: the API, told to programs. A test holds it against the route table.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;

/// OpenAPI 3.1 of every route that is not a page.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /api/v1/openapi.json`
pub async fn show() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::domain::Role;
    use crate::web::routes::{Needs, table};

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    #[test]
    fn the_document_has_every_route_for_programs_and_no_other() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let told: BTreeSet<(String, String)> = paths
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(|m| (path.clone(), m.to_ascii_uppercase()))
            })
            .collect();
        let machines = ["/healthz", "/readyz", "/metrics", "/ws"];
        let routes: BTreeSet<(String, String)> = table()
            .into_iter()
            .filter(|route| route.path.starts_with("/api/") || machines.contains(&route.path))
            .map(|route| (route.path.to_owned(), route.method.to_string()))
            .collect();
        assert_eq!(told.symmetric_difference(&routes).collect::<Vec<_>>(), [] as [&(String, String); 0]);
    }

    #[test]
    fn the_document_says_who_may_use_each_route() {
        let document = document();
        for route in table().into_iter().filter(|route| route.path.starts_with("/api/")) {
            let told = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
            match route.needs {
                Needs::Role(role) => {
                    assert_eq!(told["description"], format!("Needs the role {role}."), "{}", route.path);
                }
                _ => assert_eq!(told["security"], serde_json::json!([]), "{}", route.path),
            }
        }
        let roles = [Role::Viewer, Role::Operator, Role::Admin].map(|role| role.to_string());
        assert_eq!(document["components"]["schemas"]["Role"]["enum"], serde_json::json!(roles));
    }

    #[test]
    fn the_document_knows_every_state() {
        let schemas = &document()["components"]["schemas"];
        let words = |of: &str| -> Vec<String> { serde_json::from_value(schemas[of]["enum"].clone()).unwrap() };
        assert_eq!(words("AssignmentState"), crate::domain::AssignmentState::ALL.map(|state| state.to_string()));
        assert_eq!(words("RolloutState"), crate::domain::RolloutState::ALL.map(|state| state.to_string()));
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        for reference in DOCUMENT.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
    }
}
