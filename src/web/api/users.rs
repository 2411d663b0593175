//! `/api/v1/users`: who may sign in.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use super::{done, found, from_path, short_list};
use crate::domain::{Role, User, check_account_name, check_password, millis_rfc3339};
use crate::web::access::Admin;
use crate::web::error::{Answer, ApiError};
use crate::web::params::{JsonBody, Params};
use crate::web::{WebState, sign_in};

/// `POST /api/v1/users`: `{"name","password","role"}`
///
/// # Errors
/// 409 when the name is taken, 422
pub async fn add(state: web::Data<WebState>, admin: Admin, mut body: JsonBody) -> Answer {
    let name: Option<String> = body.require("name");
    let password: Option<String> = body.require("password");
    let role: Option<Role> = body.require("role");
    body.check("name", name.as_ref(), |name| check_account_name(name));
    body.check("password", password.as_ref(), |password| check_password(password));
    body.finish()?;
    let (name, password, role) = (name.unwrap_or_default(), password.unwrap_or_default(), role.unwrap_or(Role::Viewer));
    let user = create(&state, &admin, &name, &password, role).await?;
    let location = format!("/api/v1/users/{}", user.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(view(&user, false)))
}

/// Adds a user whose name and password were checked.
///
/// # Errors
/// 409 when the name is taken.
pub async fn create(state: &WebState, admin: &Admin, name: &str, password: &str, role: Role) -> Result<User, ApiError> {
    let hash = sign_in::hash(state, password).await?;
    let acting = state.acting(admin, "user.add", name, &json!({ "role": role }));
    let added = acting.add_user(name, &hash, role, state.clock.now()).await?;
    let taken = || ApiError::conflict("name_taken", "A user has this name already.").with_field("name", "is taken");
    let user = added.ok_or_else(taken)?;
    tracing::info!(user = user.name, %role, by = admin.name, "user added");
    Ok(user)
}

/// `GET /api/v1/users`
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Admin, params: Params) -> Answer {
    let (users, with_factor) = (state.store.users().await?, state.store.second_factor_users().await?);
    let views: Vec<Value> = users.iter().map(|user| view(user, with_factor.contains(&user.id))).collect();
    short_list(&views, params)
}

/// `PATCH /api/v1/users/{id}`: `{"role","password"}`
///
/// # Errors
/// 404, 409 for the last admin, 422
pub async fn change(state: web::Data<WebState>, admin: Admin, id: web::Path<String>, mut body: JsonBody) -> Answer {
    let role: Option<Role> = body.take("role");
    let password: Option<String> = body.take("password");
    body.check("password", password.as_ref(), |password| check_password(password));
    body.finish()?;
    let user = find(&state, &id).await?;
    if let Some(role) = role.filter(|role| *role != user.role)
        && !state.acting(&admin, "user.set_role", &user.name, &json!({ "role": role })).set_role(user.id, role).await?
    {
        return Err(last_admin());
    }
    if let Some(password) = password {
        let hash = sign_in::hash(&state, &password).await?;
        state.acting(&admin, "user.set_password", &user.name, &json!({})).set_password(user.id, &hash).await?;
    }
    tracing::info!(user = user.name, by = admin.name, "user changed");
    let factor = state.store.second_factor(user.id).await?.is_some();
    Ok(HttpResponse::Ok().json(view(&find(&state, &id).await?, factor)))
}

/// `DELETE /api/v1/users/{id}/sessions`: signs a user out everywhere.
///
/// # Errors
/// 404
pub async fn sign_out(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let user = find(&state, &id).await?;
    state.acting(&admin, "session.end", &user.name, &json!({ "all": true })).end_sessions(user.id, None).await?;
    Ok(done())
}

/// `DELETE /api/v1/users/{id}/second-factor`: for a user who has lost it. The password alone signs in then.
///
/// # Errors
/// 404 where there is none.
pub async fn reset_second_factor(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let user = find(&state, &id).await?;
    let acting = state.acting(&admin, "second_factor.reset", &user.name, &json!({}));
    found(acting.delete_second_factor(user.id).await?, "second factor")?;
    tracing::warn!(user = user.name, by = admin.name, "a second factor was taken away");
    Ok(done())
}

/// `DELETE /api/v1/users/{id}`: the user and its sessions.
///
/// # Errors
/// 404, 409 for the last admin
pub async fn delete(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let user = find(&state, &id).await?;
    if !state.acting(&admin, "user.delete", &user.name, &json!({})).delete_user(user.id).await? {
        return Err(last_admin());
    }
    tracing::info!(user = user.name, by = admin.name, "user deleted");
    Ok(done())
}

fn last_admin() -> ApiError {
    ApiError::conflict("last_admin", "This is the last admin; make another one first.")
}

async fn find(state: &WebState, id: &str) -> Result<User, ApiError> {
    let id: i64 = from_path(id, "user")?;
    state.store.user(id).await?.ok_or_else(|| ApiError::not_found("such user"))
}

fn view(user: &User, second_factor: bool) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "role": user.role,
        "second_factor": second_factor,
        "created_at": millis_rfc3339::text(user.created_at),
    })
}
