//! `fleetward package`: the catalogue, over the API.

use std::fs::File;
use std::io::{IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use ureq::unversioned::multipart::{Form, Part};

use super::CliError;
use super::api::{Api, Server};
use super::context::Context;
use super::output::text;
use crate::domain::{ModuleName, Version};

/// Packages: one file, one version of one module; over the API
#[derive(Debug, Args)]
pub(super) struct Package {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Upload FILE as VERSION of the module NAME; the same bytes again are fine
    Upload {
        name: ModuleName,
        version: Version,
        file: PathBuf,
        /// What others should know of it
        #[arg(long, default_value = "")]
        notes: String,
        /// What a device must have before: "app1 >= 1.2; from >= 1.0; hardware rev-b"
        #[arg(long, default_value = "")]
        requires: String,
        /// The signed manifest that `fleetward keys sign` wrote for it
        #[arg(long, value_name = "FILE")]
        manifest: Option<PathBuf>,
    },
    /// List packages, newest upload first
    List {
        /// Only of this module
        #[arg(long)]
        name: Option<ModuleName>,
    },
    /// Delete a package that no live rollout uses
    Delete { name: ModuleName, version: Version },
}

impl Package {
    pub fn run(self, context: &Context) -> Result<(), CliError> {
        let api = self.server.api(context)?;
        match self.action {
            Action::Upload { name, version, file, notes, requires, manifest } => {
                let manifest = manifest.map(|path| read(&path)).transpose()?.unwrap_or_default();
                let mut form = Form::new().text("name", name.as_str()).text("version", version.as_str());
                for (field, text) in [("notes", &notes), ("requires", &requires), ("manifest", &manifest)] {
                    form = if text.is_empty() { form } else { form.text(field, text) };
                }
                let package = upload(&api, &name, &file, form)?;
                if context.output().is_json() {
                    return context.output().value(&package);
                }
                let (size, sha256) = (text(&package, "/size"), text(&package, "/sha256"));
                context.output().line(format!("{name} {version}: {size} bytes, sha256 {sha256}"))
            }
            Action::List { name } => {
                let query: Vec<_> = name.iter().map(|name| ("name", name.to_string())).collect();
                let items = api.all("packages", &query)?;
                let head = ["NAME", "VERSION", "SIZE", "CREATED", "BY", "SIGNED BY", "SHA256"];
                context.output().list(&head, items, |package| {
                    let fields = ["/name", "/version", "/size", "/created_at", "/created_by", "/signed_by", "/sha256"];
                    fields.map(|field| text(package, field)).to_vec()
                })
            }
            Action::Delete { name, version } => {
                api.delete(&format!("packages/{name}/{version}"))?;
                match context.output().is_json() {
                    true => context.output().value(&json!({ "deleted": { "name": name, "version": version } })),
                    false => context.output().line(format!("{name} {version} is deleted")),
                }
            }
        }
    }
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(CliError::doing(path.display()))
}

/// Streams the file; it is never in memory as a whole.
fn upload(api: &Api, name: &ModuleName, path: &Path, form: Form) -> Result<Value, CliError> {
    let told = path.display().to_string();
    let file = File::open(path).map_err(CliError::doing(&told))?;
    let about = file.metadata().map_err(CliError::doing(&told))?;
    if !about.is_file() {
        return Err(CliError::Usage(format!("{told} is not a file")));
    }
    let bar = bar(about.len());
    let file_name = path.file_name().map_or_else(|| name.to_string(), |name| name.to_string_lossy().into_owned());
    let part = Part::owned_reader(Counted { file, bar: bar.clone() }).file_name(&file_name);
    let part = part.mime_str("application/octet-stream").map_err(|error| CliError::Failed(error.to_string()))?;
    let result = api.upload("packages", form.part("file", part));
    bar.finish_and_clear();
    result
}

/// A bar on a terminal, nothing otherwise.
fn bar(size: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let look = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(size).with_style(look.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A file whose reading moves a bar.
struct Counted {
    file: File,
    bar: ProgressBar,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bar.inc(count as u64);
        Ok(count)
    }
}
