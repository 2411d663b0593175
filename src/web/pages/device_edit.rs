//! What can be done to one terminal: name, tags, enrolling again, revoking its token, deleting it.

use actix_web::{HttpRequest, web};
use serde_json::json;

use super::answer::{again, go_done, show};
use super::device::{Wanted, find, read, read_tags};
use super::form::{Field, Pairs};
use super::notice::ConfirmPage;
use crate::domain::Device;
use crate::protocol::close::REVOKED;
use crate::web::WebState;
use crate::web::access::{Admin, Operator};
use crate::web::api::devices::{check_name, check_tags};
use crate::web::error::{Answer, ApiError};

/// `POST /devices/{device_id}`: form `name`, `tags`.
///
/// # Errors
/// 404; what is wrong is said at its field.
pub async fn change(
    request: HttpRequest,
    state: web::Data<WebState>,
    operator: Operator,
    id: web::Path<String>,
    body: web::Bytes,
) -> Answer {
    let pairs = Pairs::of_form(&body);
    // Whole, as it is saved: a page shows long texts cut.
    let (mut name, mut tags) = (Field::typed(&pairs, "name"), Field::new(pairs.raw("tags")));
    let new_name = name.value.trim().to_owned();
    if let Err(message) = check_name(&new_name) {
        name.refuse(message);
    }
    let new_tags = match read_tags(&tags.value) {
        Ok(new_tags) => new_tags,
        Err(_) => {
            tags.refuse("tag_line");
            Default::default()
        }
    };
    if let Err(message) = check_tags(&new_tags) {
        tags.refuse(message);
    }
    if name.error.is_some() || tags.error.is_some() {
        let mut page = read(&state, &id, &Wanted::default()).await?;
        (page.form.name, page.form.tags) = (name, tags);
        return again(&request, page);
    }
    let device = find(&state, &id).await?;
    let details = json!({ "name": new_name, "tags": new_tags });
    let acting = state.acting(&operator, "device.change", device.device_id.as_str(), &details);
    if !acting.update_device(&device.device_id, Some(new_name), Some(new_tags)).await? {
        return Err(gone());
    }
    state.fleet.device_changed(device.key_id).await;
    Ok(go_done(&path(&device), "saved"))
}

/// `POST /devices/{device_id}/free`: what failed on it before no longer keeps it from updates.
///
/// # Errors
/// 404
pub async fn free(state: web::Data<WebState>, operator: Operator, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    let freed = state.fleet.free(device.key_id).await?;
    let details = serde_json::json!({ "packages": freed });
    state.tell(&operator, "device.free", device.device_id.as_str(), &details).await;
    Ok(go_done(&path(&device), "device_freed"))
}

/// `POST /devices/{device_id}/enrolment`: form `allowed`, `true` or `false`.
///
/// # Errors
/// 404
pub async fn allow_enrolment(
    state: web::Data<WebState>,
    admin: Admin,
    id: web::Path<String>,
    body: web::Bytes,
) -> Answer {
    let device = find(&state, &id).await?;
    let allowed = Pairs::of_form(&body).text("allowed") == "true";
    let details = json!({ "allowed": allowed });
    let acting = state.acting(&admin, "device.allow_enrolment", device.device_id.as_str(), &details);
    if !acting.allow_enrolment(&device.device_id, allowed).await? {
        return Err(gone());
    }
    tracing::info!(device_id = %device.device_id, allowed, by = admin.name, "enrolling again was decided");
    Ok(go_done(&path(&device), if allowed { "enrolment_allowed" } else { "enrolment_disallowed" }))
}

/// `GET /devices/{device_id}/revoke`: the question before.
///
/// # Errors
/// 404
pub async fn ask_revoke(request: HttpRequest, state: web::Data<WebState>, _: Admin, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    show(&request, question("device_token", &device, "revoke"))
}

/// `POST /devices/{device_id}/revoke`
///
/// # Errors
/// 404
pub async fn revoke(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    let acting = state.acting(&admin, "device.revoke_token", device.device_id.as_str(), &json!({}));
    if !acting.set_device_token(&device.device_id, None).await? {
        return Err(gone());
    }
    tracing::info!(device_id = %device.device_id, by = admin.name, "device token revoked");
    state.fleet.disconnect(device.key_id, REVOKED, "revoked").await;
    Ok(go_done(&path(&device), "device_token_revoked"))
}

/// `GET /devices/{device_id}/delete`: the question before.
///
/// # Errors
/// 404
pub async fn ask_delete(request: HttpRequest, state: web::Data<WebState>, _: Admin, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    show(&request, question("device", &device, "delete"))
}

/// `POST /devices/{device_id}/delete`
///
/// # Errors
/// 404
pub async fn delete(state: web::Data<WebState>, admin: Admin, id: web::Path<String>) -> Answer {
    let device = find(&state, &id).await?;
    let acting = state.acting(&admin, "device.delete", device.device_id.as_str(), &json!({}));
    let key_id = acting.delete_device(&device.device_id).await?.ok_or_else(gone)?;
    tracing::info!(device_id = %device.device_id, %key_id, by = admin.name, "device deleted");
    state.fleet.device_deleted(key_id).await;
    Ok(go_done("/devices", "device_deleted"))
}

fn path(device: &Device) -> String {
    format!("/devices/{}", device.device_id)
}

fn gone() -> ApiError {
    ApiError::not_found("such terminal")
}

fn question(what: &'static str, device: &Device, action: &str) -> ConfirmPage {
    ConfirmPage {
        what,
        name: super::shell::shown(&device.name),
        action: format!("{}/{action}", path(device)),
        back: path(device),
    }
}
