//! `/packages`: modules with their versions, and the form that uploads one more.

use actix_multipart::Multipart;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, web};
use serde::Serialize;

use super::answer::{go_done, show, show_as};
use super::form::{Field, Pairs, query};
use super::notice::ConfirmPage;
use super::shell::{View, shown};
use crate::domain::{ModuleName, Package, RolloutId, Timestamp, Version};
use crate::store::{AddPackage, Keys, ModuleSummary, PackageUse};
use crate::web::WebState;
use crate::web::access::{Operator, Unproven, Viewer};
use crate::web::api::packages as api;
use crate::web::api::signature::{SignatureState, state_of};
use crate::web::api::upload::{self, Typed};
use crate::web::error::{Answer, ApiError};
use crate::web::fleet_counts::modules;

/// Versions shown of one module; all of them on the page with `?module=`.
pub const VERSIONS: u32 = 20;

#[derive(Debug, Serialize)]
pub struct Packages {
    pub modules: Vec<ModuleSection>,
    /// The one module that is shown, where the reader asked for one.
    pub only: Option<ModuleName>,
    pub form: UploadForm,
    /// Largest file, bytes.
    pub largest: u64,
    pub in_use: Option<InUse>,
}

impl View for Packages {
    const TEMPLATE: &'static str = "packages";
}

/// What the form holds; a browser can't be given back the file it chose.
#[derive(Debug, Default, Serialize)]
pub struct UploadForm {
    pub name: Field,
    pub version: Field,
    pub file: Field,
    pub notes: Field,
    pub requires: Field,
    pub manifest: Field,
    /// Whether something in the collapsed part is wrong, so that it is shown.
    pub more: bool,
}

impl UploadForm {
    /// What was typed, and what is wrong with which field. Files have to be chosen again, which is said.
    #[must_use]
    pub fn refused(typed: &Typed, error: &ApiError) -> Self {
        let field = |text: &str| Field::new(shown(text));
        let mut form = Self {
            name: field(&typed.name),
            version: field(&typed.version),
            notes: field(&typed.notes),
            requires: field(&typed.requires),
            ..Self::default()
        };
        if error.fields.is_empty() {
            form.file.refuse(&error.message);
        }
        for (name, message) in &error.fields {
            match name.as_str() {
                "name" => form.name.refuse(message),
                "version" => form.version.refuse(message),
                "notes" => form.notes.refuse(message),
                "requires" => form.requires.refuse(message),
                "manifest" => form.manifest.refuse(message),
                _ => form.file.refuse(message),
            }
        }
        if typed.file {
            form.file.refuse("again");
        }
        if typed.manifest {
            form.manifest.refuse("again");
        }
        form.more = !form.requires.is_empty() || form.requires.error.is_some() || form.manifest.error.is_some();
        form
    }
}

/// Why a package was not deleted.
#[derive(Debug, Serialize)]
pub struct InUse {
    pub name: String,
    pub version: String,
    /// Their numbers.
    pub rollouts: Vec<String>,
}

/// A module and its packages.
#[derive(Debug, Serialize)]
pub struct ModuleSection {
    pub name: ModuleName,
    pub current: Option<Version>,
    pub devices: u64,
    pub packages: u64,
    pub rows: Vec<PackageRow>,
    /// Where the rest is: the page of this module, from a place on.
    pub next: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct PackageRow {
    pub name: ModuleName,
    pub version: Version,
    pub size: u64,
    pub sha256: String,
    pub file_name: String,
    pub notes: String,
    /// `app1 >= 1.2; hardware rev-b`
    pub requires: String,
    #[serde(with = "crate::domain::millis_rfc3339")]
    pub created_at: Timestamp,
    pub created_by: String,
    pub current: bool,
    pub devices: u64,
    /// Rollouts that still need it.
    pub used_by: Vec<RolloutId>,
    pub signature: SignatureState,
    /// Fingerprints of the keys, with commas between.
    pub signed_by: String,
}

impl ModuleSection {
    /// A module with some of its packages.
    #[must_use]
    pub fn new(
        module: &ModuleSummary,
        packages: Vec<Package>,
        next: Option<String>,
        (keys, uses): (&Keys, &[PackageUse]),
    ) -> Self {
        let used_by = |package: &Package| {
            let of_it = |one: &&PackageUse| one.module == package.name && one.version == package.version;
            uses.iter().filter(of_it).map(|one| one.rollout).collect()
        };
        let devices = |version: &Version| module.devices.iter().find(|(v, _)| v == version).map_or(0, |(_, n)| *n);
        let row = |package: Package| PackageRow {
            current: module.current_version.as_ref() == Some(&package.version),
            devices: devices(&package.version),
            used_by: used_by(&package),
            signature: state_of(&package, keys),
            signed_by: package.signed_by.unwrap_or_default().replace("server/", ""),
            name: package.name,
            version: package.version,
            size: package.size,
            sha256: package.sha256.as_str().to_owned(),
            file_name: shown(&package.file_name),
            notes: shown(&package.notes),
            requires: shown(&package.requires.to_string()),
            created_at: package.created_at,
            created_by: package.created_by,
        };
        Self {
            name: module.name.clone(),
            current: module.current_version.clone(),
            devices: module.devices.iter().map(|(_, n)| n).sum(),
            packages: module.packages,
            rows: packages.into_iter().map(row).collect(),
            next,
        }
    }
}

/// `GET /packages?module=&after=`
///
/// # Errors
/// 422 for a place that the list does not have.
pub async fn get(request: HttpRequest, state: web::Data<WebState>, _: Viewer) -> Answer {
    let page = read(&request, &state).await?;
    show(&request, page)
}

async fn read(request: &HttpRequest, state: &WebState) -> Result<Packages, ApiError> {
    let pairs = Pairs::of_query(request);
    let only = ModuleName::new(pairs.text("module")).ok();
    let after = Some(pairs.text("after").to_owned()).filter(|after| !after.is_empty() && only.is_some());
    let keys = state.keys.keys().map_err(ApiError::internal)?;
    let uses = state.store.package_uses().await?;
    let mut sections = Vec::new();
    for module in modules(state).await?.iter() {
        if only.as_ref().is_none_or(|only| *only == module.name) {
            let page = state.store.packages(Some(module.name.clone()), after.clone(), VERSIONS).await??;
            let next = page.next.map(|next| query(&[("module", module.name.as_str()), ("after", &next)]));
            let next = next.map(|query| format!("/packages{query}"));
            sections.push(ModuleSection::new(module, page.items, next, (&keys, &uses)));
        }
    }
    let mut form = UploadForm::default();
    form.name.value = only.as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(Packages { modules: sections, only, form, largest: state.config.limits.package_bytes, in_use: None })
}

/// `POST /packages`: the form without scripts; with them it goes to the API, which takes the same parts.
///
/// # Errors
/// 400, 403; what is wrong with a field is said on the page, beside what was typed.
pub async fn add(
    request: HttpRequest,
    state: web::Data<WebState>,
    operator: Unproven<Operator>,
    parts: Multipart,
) -> Answer {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let (typed, added) = upload::receive_typed(&state, operator, parts, length).await;
    let error = match added {
        Ok(AddPackage::Added(_)) => return Ok(go_done("/packages", "package_added")),
        Ok(AddPackage::Same(_)) => return Ok(go_done("/packages", "package_same")),
        Ok(AddPackage::Conflict(package)) => {
            let ApiError { status, code, message, .. } = upload::other_bytes(&package);
            ApiError::new(status, code, message).with_field("version", code)
        }
        Err(error) if error.fields.is_empty() && !upload::is_about_the_file(&error) => return Err(error),
        Err(error) => error,
    };
    let mut page = read(&request, &state).await?;
    page.form = UploadForm::refused(&typed, &error);
    show_as(&request, error.status, page)
}

/// `GET /packages/{name}/{version}/delete`: the question before.
///
/// # Errors
/// 404
pub async fn ask_delete(
    request: HttpRequest,
    state: web::Data<WebState>,
    _: Operator,
    path: web::Path<(String, String)>,
) -> Answer {
    let package = api::find(&state, &path).await?;
    let page = ConfirmPage {
        what: "package",
        name: format!("{} {}", package.name, package.version),
        action: request.path().to_owned(),
        back: "/packages".to_owned(),
    };
    show(&request, page)
}

/// `POST /packages/{name}/{version}/delete`
///
/// # Errors
/// 404; a package that is in use is said on the page.
pub async fn delete(
    request: HttpRequest,
    state: web::Data<WebState>,
    operator: Operator,
    path: web::Path<(String, String)>,
) -> Answer {
    let package = api::find(&state, &path).await?;
    match api::remove(&state, &operator, &package.name, &package.version).await {
        Ok(()) => Ok(go_done("/packages", "package_deleted")),
        Err(error) if error.code == "in_use" => {
            let mut page = read(&request, &state).await?;
            let numbers = error.fields.get("rollouts").map_or("", String::as_str);
            page.in_use = Some(InUse {
                name: package.name.to_string(),
                version: package.version.to_string(),
                rollouts: numbers.split(", ").map(str::to_owned).collect(),
            });
            show_as(&request, StatusCode::CONFLICT, page)
        }
        Err(error) => Err(error),
    }
}
