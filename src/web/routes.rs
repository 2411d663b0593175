//! The route table: every method and path, who may use it, and which function answers.

use actix_web::guard::{self, Guard};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};

use super::api::{
    api_tokens, audit, device_csv, device_tags, devices, enrolment_tokens, fleet, groups, modules, openapi,
    package_file, packages, rollout_acts, rollouts, server, sessions, users, views,
};
use super::error::ApiError;
use super::{access, device_door, health, live, metrics, pages, sign_in};
use crate::domain::Role;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Everybody: the way in, and what machines ask about the server's health.
    Nothing,
    /// A device's token, checked by the handler.
    Device,
    /// A token, or a caller on this very machine; checked by the handler.
    TokenOrLoopback,
    /// Somebody with at least this role.
    Role(Role),
}

/// One line of the table.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub needs: Needs,
    make: fn() -> actix_web::Route,
}

const NOTHING: Needs = Needs::Nothing;
const VIEWER: Needs = Needs::Role(Role::Viewer);
const OPERATOR: Needs = Needs::Role(Role::Operator);
const ADMIN: Needs = Needs::Role(Role::Admin);

/// `METHOD "path", who => handler;`
macro_rules! table {
    ($($method:ident $path:literal, $needs:expr => $handler:path;)*) => {
        vec![$(Route {
            method: Method::$method,
            path: $path,
            needs: $needs,
            make: || web::route().to($handler),
        }),*]
    };
}

/// Every route there is. A path's methods stand together.
#[must_use]
pub fn table() -> Vec<Route> {
    [machines(), echo(), api(), pages(), access_pages()].into_iter().flatten().collect()
}

fn machines() -> Vec<Route> {
    table! {
        GET "/healthz", NOTHING => health::alive;
        GET "/readyz", NOTHING => health::ready;
        GET "/metrics", Needs::TokenOrLoopback => metrics::show;

        GET "/ws", Needs::Device => device_door::open;
    }
}

/// What conformance suites talk to, in builds made for them.
fn echo() -> Vec<Route> {
    #[cfg(feature = "echo")]
    return table! { GET "/ws/echo", Needs::Device => device_door::open; };
    #[cfg(not(feature = "echo"))]
    Vec::new()
}

fn api() -> Vec<Route> {
    table! {
        GET "/api/v1/openapi.json", NOTHING => openapi::show;
        GET "/api/v1/packages", VIEWER => packages::all;
        POST "/api/v1/packages", OPERATOR => packages::add;
        GET "/api/v1/packages/{name}/{version}", VIEWER => packages::one;
        DELETE "/api/v1/packages/{name}/{version}", OPERATOR => packages::delete;
        GET "/api/v1/packages/{name}/{version}/file", VIEWER => package_file::show;
        GET "/api/v1/modules", VIEWER => modules::all;
        POST "/api/v1/rollouts/plan", OPERATOR => rollouts::plan;
        GET "/api/v1/rollouts", VIEWER => rollouts::all;
        POST "/api/v1/rollouts", OPERATOR => rollouts::start;
        GET "/api/v1/rollouts/{id}", VIEWER => rollouts::one;
        GET "/api/v1/rollouts/{id}/devices", VIEWER => rollouts::devices;
        GET "/api/v1/rollouts/{id}/course", VIEWER => rollout_acts::course;
        POST "/api/v1/rollouts/{id}/pause", OPERATOR => rollout_acts::pause;
        POST "/api/v1/rollouts/{id}/resume", OPERATOR => rollout_acts::resume;
        POST "/api/v1/rollouts/{id}/cancel", OPERATOR => rollout_acts::cancel;
        POST "/api/v1/rollouts/{id}/launch", OPERATOR => rollout_acts::launch;
        POST "/api/v1/rollouts/{id}/approve", OPERATOR => rollout_acts::approve;
        POST "/api/v1/rollouts/{id}/retry", OPERATOR => rollout_acts::retry;
        POST "/api/v1/rollouts/{id}/rollback", OPERATOR => rollout_acts::rollback;
        GET "/api/v1/quarantine", VIEWER => rollout_acts::quarantine;
        GET "/api/v1/devices", VIEWER => devices::all;
        GET "/api/v1/devices.csv", VIEWER => device_csv::export;
        POST "/api/v1/device-tags", OPERATOR => device_tags::change;
        GET "/api/v1/fleet", VIEWER => fleet::state;
        GET "/api/v1/fleet/course", VIEWER => fleet::course;
        GET "/api/v1/devices/{device_id}", VIEWER => devices::one;
        PATCH "/api/v1/devices/{device_id}", OPERATOR => devices::change;
        DELETE "/api/v1/devices/{device_id}", ADMIN => devices::delete;
        GET "/api/v1/devices/{device_id}/history", VIEWER => devices::history;
        GET "/api/v1/devices/{device_id}/connections", VIEWER => devices::connections;
        GET "/api/v1/devices/{device_id}/assignments", VIEWER => rollout_acts::history;
        DELETE "/api/v1/devices/{device_id}/quarantine", OPERATOR => rollout_acts::free;
        POST "/api/v1/devices/{device_id}/allow-enrolment", ADMIN => devices::allow_enrolment;
        POST "/api/v1/devices/{device_id}/revoke-token", ADMIN => devices::revoke_token;
        GET "/api/v1/enrolment-tokens", ADMIN => enrolment_tokens::all;
        POST "/api/v1/enrolment-tokens", ADMIN => enrolment_tokens::add;
        DELETE "/api/v1/enrolment-tokens/{id}", ADMIN => enrolment_tokens::delete;
        GET "/api/v1/groups", VIEWER => groups::all;
        POST "/api/v1/groups", OPERATOR => groups::add;
        DELETE "/api/v1/groups/{name}", OPERATOR => groups::delete;
        GET "/api/v1/views", VIEWER => views::all;
        POST "/api/v1/views", OPERATOR => views::add;
        DELETE "/api/v1/views/{name}", OPERATOR => views::delete;
        GET "/api/v1/tokens", ADMIN => api_tokens::all;
        POST "/api/v1/tokens", ADMIN => api_tokens::add;
        DELETE "/api/v1/tokens/{id}", ADMIN => api_tokens::delete;
        GET "/api/v1/audit", ADMIN => audit::all;
        GET "/api/v1/users", ADMIN => users::all;
        POST "/api/v1/users", ADMIN => users::add;
        PATCH "/api/v1/users/{id}", ADMIN => users::change;
        DELETE "/api/v1/users/{id}", ADMIN => users::delete;
        DELETE "/api/v1/users/{id}/sessions", ADMIN => users::sign_out;
        DELETE "/api/v1/users/{id}/second-factor", ADMIN => users::reset_second_factor;
        GET "/api/v1/sessions", ADMIN => sessions::all;
        DELETE "/api/v1/sessions/{id}", ADMIN => sessions::delete;
        GET "/api/v1/server", OPERATOR => server::show;
        GET "/api/v1/live", VIEWER => live::stream;
    }
}

/// The fleet, and what moves it.
fn pages() -> Vec<Route> {
    table! {
        GET "/", VIEWER => pages::overview::get;
        GET "/devices", VIEWER => pages::devices::get;
        POST "/device-tags", OPERATOR => pages::device_tags::change;
        GET "/devices/{device_id}", VIEWER => pages::device::get;
        POST "/devices/{device_id}", OPERATOR => pages::device_edit::change;
        POST "/devices/{device_id}/free", OPERATOR => pages::device_edit::free;
        POST "/devices/{device_id}/enrolment", ADMIN => pages::device_edit::allow_enrolment;
        GET "/devices/{device_id}/revoke", ADMIN => pages::device_edit::ask_revoke;
        POST "/devices/{device_id}/revoke", ADMIN => pages::device_edit::revoke;
        GET "/devices/{device_id}/delete", ADMIN => pages::device_edit::ask_delete;
        POST "/devices/{device_id}/delete", ADMIN => pages::device_edit::delete;
        GET "/groups", VIEWER => pages::groups::get;
        POST "/groups", OPERATOR => pages::groups::add;
        POST "/groups/{name}/delete", OPERATOR => pages::groups::delete;
        POST "/views", OPERATOR => pages::views::add;
        POST "/views/{name}/delete", OPERATOR => pages::views::delete;
        GET "/packages", VIEWER => pages::packages::get;
        POST "/packages", OPERATOR => pages::packages::add;
        GET "/packages/{name}/{version}/delete", OPERATOR => pages::packages::ask_delete;
        POST "/packages/{name}/{version}/delete", OPERATOR => pages::packages::delete;
        GET "/rollouts", VIEWER => pages::rollouts::get;
        POST "/rollouts", OPERATOR => pages::rollout_new::start;
        GET "/rollouts/new", OPERATOR => pages::rollout_new::get;
        POST "/rollouts/new", OPERATOR => pages::rollout_new::back;
        POST "/rollouts/plan", OPERATOR => pages::rollout_new::plan;
        GET "/rollouts/{id}", VIEWER => pages::rollout::get;
        POST "/rollouts/{id}/pause", OPERATOR => pages::rollout_acts::pause;
        POST "/rollouts/{id}/resume", OPERATOR => pages::rollout_acts::resume;
        POST "/rollouts/{id}/launch", OPERATOR => pages::rollout_acts::launch;
        POST "/rollouts/{id}/approve", OPERATOR => pages::rollout_acts::approve;
        POST "/rollouts/{id}/retry", OPERATOR => pages::rollout_acts::retry;
        GET "/rollouts/{id}/cancel", OPERATOR => pages::rollout_acts::ask_cancel;
        POST "/rollouts/{id}/cancel", OPERATOR => pages::rollout_acts::cancel;
        GET "/rollouts/{id}/rollback", OPERATOR => pages::rollout_acts::ask_rollback;
        POST "/rollouts/{id}/rollback", OPERATOR => pages::rollout_acts::rollback;
    }
}

/// The way in, who may come in, and how the server is.
fn access_pages() -> Vec<Route> {
    table! {
        GET "/static/{path:.*}", NOTHING => pages::assets::file;
        POST "/theme", NOTHING => pages::assets::choose_theme;
        POST "/language", NOTHING => pages::assets::choose_language;
        GET "/setup", NOTHING => pages::sign_in::get_setup;
        POST "/setup", NOTHING => pages::sign_in::post_setup;
        GET "/login", NOTHING => pages::sign_in::get_login;
        POST "/login", NOTHING => pages::sign_in::post_login;
        GET "/login/code", NOTHING => pages::sign_in::get_code;
        POST "/login/code", NOTHING => pages::sign_in::post_code;
        GET "/resume", VIEWER => pages::sign_in::resume;
        POST "/logout", VIEWER => sign_in::logout;
        GET "/welcome", ADMIN => pages::welcome::get;
        GET "/enrol", ADMIN => pages::enrol::get;
        POST "/enrolment-tokens", ADMIN => pages::enrol::add;
        POST "/enrolment-tokens/{id}/revoke", ADMIN => pages::enrol::revoke;
        GET "/users", ADMIN => pages::user_edit::get;
        POST "/users", ADMIN => pages::user_edit::add;
        POST "/users/{id}/role", ADMIN => pages::user_edit::set_role;
        POST "/users/{id}/password", ADMIN => pages::user_edit::set_password;
        POST "/users/{id}/sign-out", ADMIN => pages::user_edit::sign_out;
        POST "/users/{id}/second-factor/reset", ADMIN => pages::user_edit::reset_second_factor;
        GET "/users/{id}/delete", ADMIN => pages::user_edit::ask_delete;
        POST "/users/{id}/delete", ADMIN => pages::user_edit::delete;
        POST "/api-tokens", ADMIN => pages::user_edit::add_token;
        POST "/api-tokens/{id}/revoke", ADMIN => pages::user_edit::revoke_token;
        GET "/sessions", ADMIN => pages::sessions::get;
        POST "/sessions/{id}/end", ADMIN => pages::sessions::end;
        GET "/audit", ADMIN => pages::audit::get;
        GET "/audit/export", ADMIN => pages::audit::export;
        GET "/server", OPERATOR => pages::server::get;
        GET "/account", VIEWER => pages::account::get;
        POST "/account", VIEWER => pages::account::password;
        POST "/account/sessions/end-others", VIEWER => pages::account::end_others;
        POST "/account/sessions/{id}/end", VIEWER => pages::account::end_session;
        GET "/account/second-factor", VIEWER => pages::second_factor::get;
        POST "/account/second-factor", VIEWER => pages::second_factor::turn_on;
        POST "/account/second-factor/off", VIEWER => pages::second_factor::turn_off;
        POST "/account/second-factor/codes", VIEWER => pages::second_factor::new_codes;
    }
}

/// Registers the table.
pub fn configure(config: &mut ServiceConfig) {
    let table = table();
    for path_routes in table.chunk_by(|a, b| a.path == b.path) {
        let mut resource = web::resource(path_routes[0].path);
        let mut allow = Vec::new();
        for route in path_routes {
            let mut answer = (route.make)().guard(method_guard(route.method.clone()));
            if let Needs::Role(role) = route.needs {
                answer = answer.wrap(from_fn(move |request, next| access::demand(role, request, next)));
            }
            resource = resource.route(answer);
            allow.push(route.method.to_string());
        }
        let allow = allow.join(", ");
        config.service(resource.default_service(web::to(move || wrong_method(allow.clone()))));
    }
}

/// A HEAD is answered as the GET it stands for; the framework leaves the body out.
fn method_guard(wanted: Method) -> impl Guard {
    guard::fn_guard(move |context| {
        let method = &context.head().method;
        *method == wanted || (wanted == Method::GET && *method == Method::HEAD)
    })
}

async fn wrong_method(allow: String) -> super::error::Answer {
    let status = actix_web::http::StatusCode::METHOD_NOT_ALLOWED;
    let error = ApiError::new(status, "method_not_allowed", format!("This path answers to {allow}."));
    Err(ApiError { allow: Some(allow), ..error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_demands_a_permission_or_is_on_the_public_list() {
        let machines = ["/healthz", "/readyz", "/api/v1/openapi.json"];
        let people = ["/login", "/login/code", "/setup", "/theme", "/language", "/static/{path:.*}"];
        let public = [machines.as_slice(), &people].concat();
        for route in table() {
            match route.needs {
                Needs::Nothing => assert!(public.contains(&route.path), "{} {}", route.method, route.path),
                Needs::Device => assert!(["/ws", "/ws/echo"].contains(&route.path)),
                Needs::TokenOrLoopback => assert_eq!(route.path, "/metrics"),
                Needs::Role(role) => {
                    let changes = !route.method.is_safe();
                    let by_a_viewer = route.path == "/logout" || route.path.starts_with("/account");
                    assert!(!changes || role > Role::Viewer || by_a_viewer, "{} {}", route.method, route.path);
                }
            }
        }
    }

    #[test]
    fn no_route_stands_twice_and_a_paths_methods_stand_together() {
        let table = table();
        let mut seen = std::collections::HashSet::new();
        for paths in table.chunk_by(|a, b| a.path == b.path) {
            assert!(seen.insert(paths[0].path), "{} stands in two places", paths[0].path);
            let methods: std::collections::HashSet<_> = paths.iter().map(|route| &route.method).collect();
            assert_eq!(methods.len(), paths.len(), "{} has a method twice", paths[0].path);
        }
    }
}
