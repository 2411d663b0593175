//! The files browsers fetch: styles, scripts, icons.
//!
//! They are part of the program; a build for development reads them from disk instead, so that a change shows at
//! the next reload. Their address holds a digest of them all, `/static/DIGEST/js/live.js`: it may be kept for ever,
//! and a new program has new addresses. Relative imports between scripts stay within one digest.

use std::collections::HashMap;
use std::io::Write as _;

use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

use crate::domain::Sha256Hex;

#[derive(RustEmbed)]
#[folder = "static/"]
#[exclude = "*.mjs"]
struct Files;

/// In the place of the digest while files are read from disk.
const DEVELOPMENT: &str = "dev";

/// What is worth compressing is at least this long, bytes.
const WORTH_COMPRESSING: usize = 512;

/// All files, ready to be sent.
pub struct Assets {
    digest: String,
    files: HashMap<String, Asset>,
}

struct Asset {
    plain: Bytes,
    /// Present where it is smaller.
    gzip: Option<Bytes>,
    etag: String,
    kind: &'static str,
}

impl Asset {
    fn new(path: &str, bytes: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", Sha256Hex::of(&bytes));
        let gzip = compress(&bytes).map(Bytes::from);
        Self { plain: bytes.into(), gzip, etag, kind: kind(path) }
    }
}

impl Default for Assets {
    fn default() -> Self {
        Self::new()
    }
}

impl Assets {
    /// Takes all files up; nothing in a build for development, where each is read when it is asked for.
    #[must_use]
    pub fn new() -> Self {
        if cfg!(debug_assertions) {
            return Self { digest: DEVELOPMENT.to_owned(), files: HashMap::new() };
        }
        Self::of_all_files()
    }

    fn of_all_files() -> Self {
        let read = |path: &str| Files::get(path).map(|file| Asset::new(path, file.data.into_owned()));
        let files: HashMap<String, Asset> =
            Files::iter().filter_map(|path| Some((path.to_string(), read(&path)?))).collect();
        let mut etags: Vec<String> = files.iter().map(|(path, asset)| format!("{path} {}\n", asset.etag)).collect();
        etags.sort();
        let digest = Sha256Hex::of(etags.concat().as_bytes()).as_str()[..16].to_owned();
        Self { digest, files }
    }

    /// The address of a file: `css/app.css` is at `/static/DIGEST/css/app.css`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("/static/{}/{path}", self.digest)
    }

    /// Answers for `path` below `/static/`. An old digest is served too, by what the file is now, but not kept: a page
    /// that was open during an upgrade still works.
    #[must_use]
    pub fn serve(&self, request: &HttpRequest, path: &str) -> HttpResponse {
        let Some((digest, path)) = path.split_once('/') else { return HttpResponse::NotFound().finish() };
        let for_ever = digest == self.digest && digest != DEVELOPMENT;
        match self.files.get(path) {
            Some(asset) => answer(request, asset, for_ever),
            None if self.digest == DEVELOPMENT => match Files::get(path) {
                Some(file) => answer(request, &Asset::new(path, file.data.into_owned()), false),
                None => HttpResponse::NotFound().finish(),
            },
            None => HttpResponse::NotFound().finish(),
        }
    }
}

fn answer(request: &HttpRequest, asset: &Asset, for_ever: bool) -> HttpResponse {
    let has = |name: header::HeaderName, wanted: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.split(',').any(|part| part.trim().trim_start_matches("W/") == wanted))
    };
    let cache = if for_ever { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = HttpResponse::Ok();
    if has(header::IF_NONE_MATCH, &asset.etag) {
        response.status(actix_web::http::StatusCode::NOT_MODIFIED);
    }
    response.insert_header((header::ETAG, asset.etag.clone()));
    response.insert_header((header::CACHE_CONTROL, cache));
    response.insert_header((header::VARY, "Accept-Encoding"));
    response.insert_header((header::CONTENT_TYPE, asset.kind));
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if has(header::IF_NONE_MATCH, &asset.etag) {
        return response.finish();
    }
    match &asset.gzip {
        Some(gzip) if has(header::ACCEPT_ENCODING, "gzip") => {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(gzip.clone())
        }
        _ => response.body(asset.plain.clone()),
    }
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < WORTH_COMPRESSING {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|packed| packed.len() < bytes.len())
}

/// The media type, by the end of the name.
fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn header(response: &HttpResponse, name: header::HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_file_is_kept_for_ever_under_its_digest_and_asked_again_under_another() {
        let assets = Assets::of_all_files();
        let path = assets.url("css/app.css");
        let path = path.strip_prefix("/static/").unwrap();
        let request = TestRequest::default().insert_header(("accept-encoding", "br, gzip")).to_http_request();
        let response = assets.serve(&request, path);
        assert_eq!(response.status(), 200);
        assert!(header(&response, header::CACHE_CONTROL).contains("immutable"));
        assert_eq!(header(&response, header::CONTENT_ENCODING), "gzip");
        let old = assets.serve(&request, "0123456789abcdef/css/app.css");
        assert_eq!((old.status().as_u16(), header(&old, header::CACHE_CONTROL)), (200, "no-cache"));
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        let assets = Assets::of_all_files();
        let etag = assets.files["css/app.css"].etag.clone();
        let request = TestRequest::default().insert_header(("if-none-match", etag)).to_http_request();
        assert_eq!(assets.serve(&request, "any/css/app.css").status(), 304);
    }

    #[test]
    fn nothing_outside_is_served() {
        let assets = Assets::new();
        let request = TestRequest::default().to_http_request();
        for path in ["", "dev", "dev/", "dev/../Cargo.toml", "dev/vendor/update.mjs", "dev//etc/passwd"] {
            assert_eq!(assets.serve(&request, path).status(), 404, "{path}");
        }
    }

    #[test]
    fn vendored_files_are_what_the_manifest_says() {
        let manifest = Files::get("vendor/manifest.json").unwrap();
        let manifest: Vec<serde_json::Value> = serde_json::from_slice(&manifest.data).unwrap();
        for entry in manifest {
            let file = entry["file"].as_str().unwrap();
            let bytes = Files::get(&format!("vendor/{file}")).unwrap().data;
            assert_eq!(Sha256Hex::of(&bytes).as_str(), entry["sha256"].as_str().unwrap(), "{file}");
        }
    }
}
