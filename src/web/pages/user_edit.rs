//! What admins do on `/users`: people, and the tokens of programs.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use chrono::TimeDelta;
use serde_json::json;

use super::answer::{again, go_done, show, show_as};
use super::form::{Field, Pairs};
use super::notice::ConfirmPage;
use super::users::{AddToken, AddUser, ApiTokenRow, EnrolmentRow, Once, UserRow, Users, session_of};
use crate::domain::{Role, TokenKind, User, check_account_name, check_password};
use crate::store::secrets::new_token;
use crate::web::WebState;
use crate::web::access::Admin;
use crate::web::api::api_tokens::token_details;
use crate::web::api::users::create;
use crate::web::error::{Answer, ApiError};
use crate::web::sign_in::{go_to, hash};

/// Ten years.
const MOST_DAYS: i64 = 3650;

const USERS: &str = "/users";

/// `GET /users`
///
/// # Errors
/// 403 for others than admins.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, admin: Admin) -> Answer {
    let mut page = read(&state, &admin).await?;
    let now = state.clock.now();
    page.once =
        session_of(&admin).and_then(|session| state.pages.once.take_if(session, now, |once| once.page == USERS));
    show(&request, page)
}

async fn read(state: &WebState, admin: &Admin) -> Result<Users, ApiError> {
    let now = state.clock.now();
    let users = state.store.users().await?;
    let mut api_tokens = state.store.api_tokens().await?;
    let mut enrolment_tokens = state.store.enrolment_tokens().await?;
    let (sign_ins, with_factor) = (state.store.sign_ins(None, now).await?, state.store.second_factor_users().await?);
    let row = |user: &User| {
        let browsers = sign_ins.iter().filter(|sign_in| sign_in.user_id == user.id).count();
        UserRow::new(user, &admin.name, browsers, with_factor.contains(&user.id))
    };
    api_tokens.sort_by_key(|token| (token.revoked, std::cmp::Reverse(token.id)));
    enrolment_tokens.sort_by_key(|token| (token.revoked, std::cmp::Reverse(token.id)));
    Ok(Users {
        users: users.iter().map(row).collect(),
        api_tokens: api_tokens.into_iter().map(|token| ApiTokenRow::new(token, now)).collect(),
        enrolment_tokens: enrolment_tokens.into_iter().map(|token| EnrolmentRow::new(token, now)).collect(),
        add_user: AddUser { role: Field::new(Role::Operator), ..AddUser::default() },
        add_user_open: false,
        add_token: AddToken { role: Field::new(Role::Operator), days: Field::new(90), ..AddToken::default() },
        add_token_open: false,
        once: None,
        last_admin: false,
    })
}

/// `POST /users`: form `name`, `role`, `password`.
///
/// # Errors
/// 403; what is wrong is said at its field.
pub async fn add(request: HttpRequest, state: web::Data<WebState>, admin: Admin, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let mut form =
        AddUser { name: Field::typed(&pairs, "name"), role: Field::typed(&pairs, "role"), password: Field::default() };
    let (name, password) = (form.name.value.trim().to_owned(), pairs.raw("password"));
    let role: Option<Role> = form.role.read();
    check_account_name(&name).unwrap_or_else(|_| form.name.refuse("name"));
    check_password(password).unwrap_or_else(|_| form.password.refuse("password"));
    let good = form.name.error.is_none() && form.password.error.is_none();
    if let Some(role) = role.filter(|_| good) {
        match create(&state, &admin, &name, password, role).await {
            Ok(_) => return Ok(go_done("/users", "user_added")),
            Err(error) if error.code == "name_taken" => form.name.refuse("taken"),
            Err(error) => return Err(error),
        }
    }
    let page = read(&state, &admin).await?;
    again(&request, Users { add_user: form, add_user_open: true, ..page })
}

/// `POST /users/{id}/role`: form `role`.
///
/// # Errors
/// 404; the last admin stays, which is said on the page.
pub async fn set_role(
    request: HttpRequest,
    state: web::Data<WebState>,
    admin: Admin,
    id: web::Path<i64>,
    body: web::Bytes,
) -> Answer {
    let user = find(&state, *id).await?;
    let role = Pairs::of_form(&body).text("role").parse::<Role>().map_err(|error| ApiError::field("role", error))?;
    let acting = state.acting(&admin, "user.set_role", &user.name, &json!({ "role": role }));
    if role != user.role && !acting.set_role(user.id, role).await? {
        return last_admin(&request, &state, &admin).await;
    }
    tracing::info!(user = user.name, %role, by = admin.name, "role set");
    Ok(go_done("/users", "saved"))
}

/// `POST /users/{id}/password`: form `password`.
///
/// # Errors
/// 404; what is wrong is said at its field.
pub async fn set_password(
    request: HttpRequest,
    state: web::Data<WebState>,
    admin: Admin,
    id: web::Path<i64>,
    body: web::Bytes,
) -> Answer {
    let user = find(&state, *id).await?;
    let pairs = Pairs::of_form(&body);
    if check_password(pairs.raw("password")).is_err() {
        let mut page = read(&state, &admin).await?;
        page.users.iter_mut().filter(|row| row.id == user.id).for_each(|row| row.refused = Some("password".to_owned()));
        return again(&request, page);
    }
    let hash = hash(&state, pairs.raw("password")).await?;
    state.acting(&admin, "user.set_password", &user.name, &json!({})).set_password(user.id, &hash).await?;
    tracing::info!(user = user.name, by = admin.name, "password set");
    Ok(go_done("/users", "password_changed"))
}

/// `POST /users/{id}/sign-out`: ends every session of a user.
///
/// # Errors
/// 404
pub async fn sign_out(state: web::Data<WebState>, admin: Admin, id: web::Path<i64>) -> Answer {
    let user = find(&state, *id).await?;
    state.acting(&admin, "session.end", &user.name, &json!({ "all": true })).end_sessions(user.id, None).await?;
    Ok(go_done("/users", "sessions_ended"))
}

/// `POST /users/{id}/second-factor/reset`: for a user who has neither the telephone nor a recovery code.
///
/// # Errors
/// 404
pub async fn reset_second_factor(state: web::Data<WebState>, admin: Admin, id: web::Path<i64>) -> Answer {
    let user = find(&state, *id).await?;
    state.acting(&admin, "second_factor.reset", &user.name, &json!({})).delete_second_factor(user.id).await?;
    tracing::warn!(user = user.name, by = admin.name, "a second factor was taken away");
    Ok(go_done("/users", "second_factor_off"))
}

/// `GET /users/{id}/delete`: the question before.
///
/// # Errors
/// 404
pub async fn ask_delete(request: HttpRequest, state: web::Data<WebState>, _: Admin, id: web::Path<i64>) -> Answer {
    let user = find(&state, *id).await?;
    let page = ConfirmPage {
        what: "user",
        name: user.name,
        action: format!("/users/{}/delete", user.id),
        back: "/users".to_owned(),
    };
    show(&request, page)
}

/// `POST /users/{id}/delete`
///
/// # Errors
/// 404; the last admin stays, which is said on the page.
pub async fn delete(request: HttpRequest, state: web::Data<WebState>, admin: Admin, id: web::Path<i64>) -> Answer {
    let user = find(&state, *id).await?;
    if !state.acting(&admin, "user.delete", &user.name, &json!({})).delete_user(user.id).await? {
        return last_admin(&request, &state, &admin).await;
    }
    tracing::info!(user = user.name, by = admin.name, "user deleted");
    Ok(go_done("/users", "user_deleted"))
}

async fn last_admin(request: &HttpRequest, state: &WebState, admin: &Admin) -> Answer {
    let page = read(state, admin).await?;
    show_as(request, StatusCode::CONFLICT, Users { last_admin: true, ..page })
}

async fn find(state: &WebState, id: i64) -> Result<User, ApiError> {
    state.store.user(id).await?.ok_or_else(|| ApiError::not_found("such user"))
}

/// `POST /api-tokens`: form `name`, `role`, `days`.
///
/// # Errors
/// 403; what is wrong is said at its field.
pub async fn add_token(request: HttpRequest, state: web::Data<WebState>, admin: Admin, body: web::Bytes) -> Answer {
    let pairs = Pairs::of_form(&body);
    let field = |name| Field::typed(&pairs, name);
    let mut form = AddToken { name: field("name"), role: field("role"), days: field("days") };
    let name = form.name.value.trim().to_owned();
    check_account_name(&name).unwrap_or_else(|_| form.name.refuse("name"));
    let days: Option<i64> = form.days.optional_number();
    if days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        form.days.refuse("range");
    }
    let good = form.name.error.is_none() && form.days.error.is_none();
    let Some(role) = form.role.read::<Role>().filter(|_| good) else {
        let page = read(&state, &admin).await?;
        return again(&request, Users { add_token: form, add_token_open: true, ..page });
    };
    let session = session_of(&admin).ok_or_else(|| ApiError::forbidden("no_session", "Programs use the API."))?;
    let now = state.clock.now();
    let (token, hash) = new_token(TokenKind::Api)?;
    let expires_at = days.map(|days| now + TimeDelta::days(days));
    let added = state
        .acting(&admin, "token.add", &name, &token_details(role, expires_at))
        .add_api_token(&name, role, &hash, &admin.name, expires_at, now)
        .await?;
    tracing::info!(id = added.id, name, %role, by = admin.name, "API token made");
    state.pages.once.keep(session.clone(), Once { page: USERS.to_owned(), name, token }, now);
    Ok(go_to(USERS, None))
}

/// `POST /api-tokens/{id}/revoke`
///
/// # Errors
/// 404
pub async fn revoke_token(state: web::Data<WebState>, admin: Admin, id: web::Path<i64>) -> Answer {
    if !state.acting(&admin, "token.revoke", &id.to_string(), &json!({})).revoke_api_token(*id).await? {
        return Err(ApiError::not_found("such token"));
    }
    tracing::info!(id = *id, by = admin.name, "API token revoked");
    Ok(go_done("/users", "token_revoked"))
}
