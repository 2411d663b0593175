//! An upload: a form of many parts, of which one may be larger than the memory.
//!
//! The file goes to the disk as it comes and is hashed on the way; nothing is in its place before every field was
//! found good, whatever their order.

use std::io;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::StatusCode;
use futures_util::TryStreamExt as _;

use super::signature::{self, Uploaded};
use crate::domain::{ModuleName, Package, Requirements, Sha256Hex, Version};
use crate::store::{AddPackage, BlobWriter, NewPackage};
use crate::web::WebState;
use crate::web::access::{Operator, Unproven};
use crate::web::error::ApiError;
use crate::web::health::free_bytes;

/// Bytes handed to the disk at once.
const PIECE: usize = 256 * 1024;
/// The disk is asked for room again after so many bytes.
const ASK_AGAIN_AFTER: u64 = 64 * 1024 * 1024;
/// Longest text of a field, bytes.
const TEXT_BYTES: usize = 16 * 1024;
/// Longest signed manifest, bytes.
const MANIFEST_BYTES: usize = 48 * 1024;
/// The code of a disk without room.
const DISK_FULL: &str = "disk_full";
/// Longest notes, characters.
const NOTES: usize = 4000;

/// What has come of the form so far.
#[derive(Default)]
struct Form {
    name: Option<ModuleName>,
    version: Option<Version>,
    notes: Option<String>,
    requires: Option<Requirements>,
    /// A signed manifest: the JSON that `fleetward keys sign` writes.
    manifest: Option<String>,
    /// The session's form token, for pages.
    csrf: Option<String>,
    file: Option<ReceivedFile>,
    typed: Typed,
    /// What is wrong so far, where the form is read on nevertheless.
    refused: Option<ApiError>,
}

/// The texts of a form as they came, for whoever shows it again.
#[derive(Debug, Default)]
pub struct Typed {
    pub name: String,
    pub version: String,
    pub notes: String,
    pub requires: String,
    /// Whether files came: nobody can be given those back.
    pub file: bool,
    pub manifest: bool,
}

/// A form that lacks nothing.
struct Whole {
    name: ModuleName,
    version: Version,
    file: ReceivedFile,
    requires: Requirements,
    notes: String,
    manifest: Option<String>,
}

/// Bytes on the disk that are not in their place yet; dropped, they are gone.
struct ReceivedFile {
    writer: BlobWriter,
    name: String,
}

/// Takes a package in. The form's fields are `name`, `version`, `file`, `notes`, `requires`, `manifest` and `csrf`, in
/// any order. The first mistake ends it, so that a program need not send the rest.
///
/// # Errors
/// 400, 403 for a form of another session, 413, 415, 422, 503 without room on the disk.
pub async fn receive(
    state: &WebState,
    operator: Unproven<Operator>,
    mut parts: Multipart,
) -> Result<AddPackage, ApiError> {
    let mut form = Form::default();
    while let Some(field) = parts.try_next().await.map_err(|error| unreadable(&error))? {
        form.take(state, field).await?;
    }
    form.keep(state, operator).await
}

/// The same for a page: the form is read to its end whatever is wrong with it, and what was typed is handed back. Of
/// one that is far larger than a file may be (`length` is what the browser said), nothing is read to its end.
pub async fn receive_typed(
    state: &WebState,
    operator: Unproven<Operator>,
    mut parts: Multipart,
    length: Option<u64>,
) -> (Typed, Result<AddPackage, ApiError>) {
    let mut form = Form::default();
    let ends = length.is_some_and(|length| length <= state.config.limits.package_bytes.saturating_mul(2));
    let read = form.take_all(state, &mut parts, ends).await;
    let typed = std::mem::take(&mut form.typed);
    match read {
        Ok(()) => (typed, form.keep(state, operator).await),
        Err(error) => (typed, Err(error)),
    }
}

/// What is said to other bytes under a name and version that are taken.
#[must_use]
pub fn other_bytes(package: &Package) -> ApiError {
    let (name, version) = (&package.name, &package.version);
    let message = format!("{name} {version} exists with other bytes; give the new ones a new version.");
    ApiError::conflict("other_bytes", message).with_field("sha256", package.sha256.as_str())
}

/// Takes bytes off the disk that no package stands for; what fails is found at the next start.
pub async fn remove_bytes(state: &WebState, sha256: Sha256Hex) {
    let blobs = state.blobs.clone();
    let removed = actix_web::web::block(move || blobs.remove(&sha256)).await;
    if let Ok(Err(error)) = removed {
        tracing::warn!(%error, "the bytes of a deleted package could not be removed");
    }
}

async fn remove_unused(state: &WebState, sha256: Sha256Hex) {
    match state.store.package_hashes().await {
        Ok(used) if used.iter().all(|(hash, _)| *hash != sha256) => remove_bytes(state, sha256).await,
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the bytes of a refused package are left for the next start"),
    }
}

impl Form {
    async fn take_all(&mut self, state: &WebState, parts: &mut Multipart, ends: bool) -> Result<(), ApiError> {
        while let Some(field) = parts.try_next().await.map_err(|error| unreadable(&error))? {
            let Err(error) = self.take(state, field).await else { continue };
            if error.fields.is_empty() && !(ends && is_about_the_file(&error)) {
                return Err(error);
            }
            self.refuse(error);
        }
        Ok(())
    }

    async fn take(&mut self, state: &WebState, mut field: Field) -> Result<(), ApiError> {
        let name = field.name().unwrap_or_default().to_owned();
        let most = if name == "manifest" { MANIFEST_BYTES } else { TEXT_BYTES };
        let twice = match name.as_str() {
            "file" if self.file.is_some() => true,
            "file" => {
                self.typed.file = true;
                self.file.replace(file(state, field).await?).is_some()
            }
            "name" | "version" | "notes" | "requires" | "csrf" | "manifest" => {
                self.take_text(&name, text(&mut field, &name, most).await?)?
            }
            _ => {
                let shown: String = name.chars().take(80).collect();
                return Err(ApiError::field(&shown, "is not known here"));
            }
        };
        if twice { Err(ApiError::field(&name, "is given twice")) } else { Ok(()) }
    }

    /// Whether the field had come before.
    fn take_text(&mut self, name: &str, text: String) -> Result<bool, ApiError> {
        let typed = &mut self.typed;
        match name {
            "name" => typed.name.clone_from(&text),
            "version" => typed.version.clone_from(&text),
            "notes" => typed.notes.clone_from(&text),
            "requires" => typed.requires.clone_from(&text),
            "manifest" => typed.manifest = !text.is_empty(),
            _ => {}
        }
        Ok(match name {
            "name" => self.name.replace(parsed(name, &text)?).is_some(),
            "version" => self.version.replace(parsed(name, &text)?).is_some(),
            "notes" => self.notes.replace(notes(text)?).is_some(),
            "requires" => self.requires.replace(parsed(name, &text)?).is_some(),
            "manifest" => self.manifest.replace(text).is_some(),
            _ => self.csrf.replace(text).is_some(),
        })
    }

    /// Notes what is wrong beside what was wrong before; a file that can't be taken weighs most.
    fn refuse(&mut self, error: ApiError) {
        self.refused = Some(match self.refused.take() {
            Some(before) if is_about_the_file(&before) => before,
            Some(before) if !is_about_the_file(&error) => {
                let mut fields = error.fields;
                fields.extend(before.fields);
                ApiError::of_fields(fields)
            }
            _ => error,
        });
    }

    /// The form, where nothing is wrong with it and nothing lacks.
    fn whole(self) -> Result<Whole, ApiError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let missing = |field: &str| ApiError::field(field, "is missing");
        let name = self.name.ok_or_else(|| missing("name"))?;
        let version = self.version.ok_or_else(|| missing("version"))?;
        let file = self.file.ok_or_else(|| missing("file"))?;
        let requires = self.requires.unwrap_or_default();
        if let Some(wrong) = requires.error(&name) {
            return Err(ApiError::field("requires", wrong));
        }
        let manifest = self.manifest.filter(|text| !text.trim().is_empty());
        Ok(Whole { name, version, file, requires, notes: self.notes.unwrap_or_default(), manifest })
    }

    /// Puts the package into the catalogue.
    async fn keep(self, state: &WebState, operator: Unproven<Operator>) -> Result<AddPackage, ApiError> {
        let operator = operator.prove(self.csrf.as_deref())?;
        let Whole { name, version, file, requires, notes, manifest } = self.whole()?;
        let file_name = if file.name.is_empty() { format!("{name}-{version}") } else { file.name };
        let _catalogue = state.gates.catalogue.lock().await;
        let finished = actix_web::web::block(move || file.writer.finish()).await?;
        let (sha256, size) = finished.map_err(|error| disk_error(&error))?;
        let (created_by, now) = (operator.name.clone(), state.clock.now());
        let uploaded =
            Uploaded { name: &name, version: &version, size, sha256: &sha256, manifest: manifest.as_deref() };
        let (signed_by, signature) = match signature::of(state, uploaded).await {
            Ok(signature) => signature,
            Err(error) => {
                remove_unused(state, sha256).await;
                return Err(error);
            }
        };
        let bytes = sha256.clone();
        let subject = format!("{name} {version}");
        let details = serde_json::json!({ "size": size, "sha256": sha256, "signed_by": signed_by });
        let package = NewPackage {
            name,
            version,
            size,
            sha256,
            file_name,
            notes,
            requires,
            created_by,
            signed_by,
            signature,
            now,
        };
        let added = state.acting(&operator, "package.add", &subject, &details).add_package(package).await;
        match &added {
            Ok(AddPackage::Added(package)) => {
                let (name, version) = (&package.name, &package.version);
                tracing::info!(%name, %version, size, by = operator.name, "package uploaded");
            }
            Ok(AddPackage::Same(_)) => {}
            Ok(AddPackage::Conflict(_)) | Err(_) => remove_unused(state, bytes).await,
        }
        Ok(added?)
    }
}

/// Whether a form with this mistake can be shown again with the mistake at its file.
#[must_use]
pub fn is_about_the_file(error: &ApiError) -> bool {
    error.status == StatusCode::PAYLOAD_TOO_LARGE || error.code == DISK_FULL
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, ApiError> {
    text.trim().parse().map_err(|error: T::Err| ApiError::field(name, error.to_string()))
}

fn notes(text: String) -> Result<String, ApiError> {
    if text.chars().count() > NOTES {
        return Err(ApiError::field("notes", format!("must be at most {NOTES} characters")));
    }
    Ok(text)
}

async fn text(field: &mut Field, name: &str, most: usize) -> Result<String, ApiError> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.try_next().await.map_err(|error| unreadable(&error))? {
        if bytes.len() + piece.len() > most {
            return Err(ApiError::field(name, format!("must be at most {most} bytes")));
        }
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).map_err(|_| ApiError::field(name, "must be UTF-8 text"))
}

async fn file(state: &WebState, mut field: Field) -> Result<ReceivedFile, ApiError> {
    let name = field.content_disposition().and_then(|d| d.get_filename()).map(plain_name).unwrap_or_default();
    let limit = state.config.limits.package_bytes;
    let blobs = state.blobs.clone();
    let created = actix_web::web::block(move || blobs.create()).await?;
    let mut writer = created.map_err(|error| disk_error(&error))?;
    let (mut size, mut ask_at) = (0, 0);
    let mut piece = Vec::with_capacity(PIECE);
    while let Some(bytes) = field.try_next().await.map_err(|error| unreadable(&error))? {
        size += bytes.len() as u64;
        if size > limit {
            return Err(ApiError::too_large(format!("The file is larger than {limit} bytes.")));
        }
        if size > ask_at {
            ask_for_room(state).await?;
            ask_at = size + ASK_AGAIN_AFTER;
        }
        piece.extend_from_slice(&bytes);
        if piece.len() >= PIECE {
            (writer, piece) = write(writer, piece).await?;
        }
    }
    if size == 0 && name.is_empty() {
        // What a browser sends where no file was chosen.
        return Err(ApiError::field("file", "is missing"));
    }
    (writer, _) = write(writer, piece).await?;
    Ok(ReceivedFile { writer, name })
}

async fn write(mut writer: BlobWriter, mut piece: Vec<u8>) -> Result<(BlobWriter, Vec<u8>), ApiError> {
    let written = actix_web::web::block(move || {
        writer.write(&piece)?;
        piece.clear();
        io::Result::Ok((writer, piece))
    });
    written.await?.map_err(|error| disk_error(&error))
}

async fn ask_for_room(state: &WebState) -> Result<(), ApiError> {
    let reserve = state.config.limits.disk_reserve_bytes;
    if free_bytes(state).await? < reserve.saturating_add(ASK_AGAIN_AFTER.min(reserve)) {
        return Err(disk_full());
    }
    Ok(())
}

fn disk_full() -> ApiError {
    ApiError::unavailable(DISK_FULL, "The server's disk has no room for this package.", 300)
}

fn disk_error(error: &io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => disk_full(),
        _ => ApiError::internal(error),
    }
}

/// The last part of a file's name as a browser gave it, without what could mislead anybody who reads it.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or("");
    let plain: String = last.chars().filter(|c| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(c)).collect();
    let plain: String = plain.trim().chars().take(190).collect();
    if matches!(plain.as_str(), "." | "..") { String::new() } else { plain }
}

fn unreadable(error: &MultipartError) -> ApiError {
    use MultipartError as E;
    match error {
        E::ContentTypeMissing | E::ContentTypeParse | E::ContentTypeIncompatible => {
            ApiError::wrong_type("multipart/form-data")
        }
        E::Payload(actix_web::error::PayloadError::Overflow) => ApiError::too_large("A part of the form is too large."),
        other => ApiError::unreadable(format!("The form can't be read: {other}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_is_never_a_path() {
        assert_eq!(plain_name("C:\\x\\app 1.bin"), "app 1.bin");
        assert_eq!(plain_name("../../etc/passwd"), "passwd");
        assert_eq!(plain_name(".."), "");
        assert_eq!(plain_name("a\r\nb\u{202e}c"), "abc");
        assert_eq!(plain_name(&"é".repeat(300)).chars().count(), 190);
    }
}
