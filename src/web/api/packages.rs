//! `/api/v1/packages`: the catalogue.

use actix_multipart::Multipart;
use actix_web::http::header;
use actix_web::{HttpResponse, web};

use super::upload;
use super::{done, from_path, list};
use crate::domain::{ModuleName, Package, RolloutId, Version};
use crate::store::{AddPackage, DeletePackage};
use crate::web::WebState;
use crate::web::access::{Operator, Unproven, Viewer};
use crate::web::error::{Answer, ApiError};
use crate::web::params::Params;

/// `GET /api/v1/packages?name=&limit=&after=`: newest upload first.
///
/// # Errors
/// 422
pub async fn all(state: web::Data<WebState>, _: Viewer, mut params: Params) -> Answer {
    let name: Option<ModuleName> = params.take("name");
    let (after, limit) = (params.text("after"), params.limit());
    params.finish()?;
    let page = state.store.packages(name, after, limit).await??;
    Ok(list(&page.items, page.next.as_deref()))
}

/// `GET /api/v1/packages/{name}/{version}`
///
/// # Errors
/// 404
pub async fn one(state: web::Data<WebState>, _: Viewer, path: web::Path<(String, String)>) -> Answer {
    Ok(HttpResponse::Ok().json(find(&state, &path).await?))
}

/// `POST /api/v1/packages`: multipart `name`, `version`, `file`, `notes`, `manifest`.
///
/// # Errors
/// 409 for the same name and version with other bytes, 413, 415, 422, 503 without room on the disk.
pub async fn add(state: web::Data<WebState>, operator: Unproven<Operator>, form: Multipart) -> Answer {
    match upload::receive(&state, operator, form).await? {
        AddPackage::Added(package) => {
            let location = format!("/api/v1/packages/{}/{}", package.name, package.version);
            Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(package))
        }
        AddPackage::Same(package) => Ok(HttpResponse::Ok().json(package)),
        AddPackage::Conflict(package) => Err(upload::other_bytes(&package)),
    }
}

/// `DELETE /api/v1/packages/{name}/{version}`
///
/// # Errors
/// 404, 409 `in_use`
pub async fn delete(state: web::Data<WebState>, operator: Operator, path: web::Path<(String, String)>) -> Answer {
    let (name, version) = key(&path)?;
    remove(&state, &operator, &name, &version).await?;
    Ok(done())
}

/// Takes a package out of the catalogue, and its bytes off the disk where no other package has the same.
///
/// # Errors
/// 404, 409 `in_use`
pub async fn remove(
    state: &WebState,
    operator: &Operator,
    name: &ModuleName,
    version: &Version,
) -> Result<(), ApiError> {
    let _catalogue = state.gates.catalogue.lock().await;
    let acting = state.acting(operator, "package.delete", &format!("{name} {version}"), &serde_json::json!({}));
    match acting.delete_package(name, version).await? {
        DeletePackage::Deleted { package, last_of_its_bytes } => {
            tracing::info!(%name, %version, by = operator.name, "package deleted");
            if last_of_its_bytes {
                upload::remove_bytes(state, package.sha256).await;
            }
            Ok(())
        }
        DeletePackage::InUse(rollouts) => Err(in_use(&rollouts)),
        DeletePackage::Missing => Err(ApiError::not_found("such package")),
    }
}

fn in_use(rollouts: &[RolloutId]) -> ApiError {
    let numbers: Vec<String> = rollouts.iter().map(ToString::to_string).collect();
    let numbers = numbers.join(", ");
    let message = format!("Rollouts still use this package: {numbers}. Cancel them first, or let them end.");
    ApiError::conflict("in_use", message).with_field("rollouts", numbers)
}

/// The package that a path names.
///
/// # Errors
/// 404
pub async fn find(state: &WebState, path: &(String, String)) -> Result<Package, ApiError> {
    let (name, version) = key(path)?;
    state.store.package(&name, &version).await?.ok_or_else(|| ApiError::not_found("such package"))
}

fn key((name, version): &(String, String)) -> Result<(ModuleName, Version), ApiError> {
    Ok((from_path(name, "package")?, from_path(version, "package")?))
}
