//! `GET /api/v1/packages/{name}/{version}/file`: the bytes, or a range of them.
//!
//! The ETag is the bytes' sha256: the same for as long as the package exists, on any server that has it, so that
//! a download that was cut can go on with `If-Range`.

use std::io::SeekFrom;

use actix_web::body::SizedStream;
use actix_web::http::header::{self, ContentDisposition, ContentEncoding, DispositionParam, DispositionType};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::stream::{Stream, unfold};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::packages;
use crate::domain::Package;
use crate::web::WebState;
use crate::web::access::Viewer;
use crate::web::error::{Answer, ApiError};

const PIECE: usize = 64 * 1024;

/// `GET /api/v1/packages/{name}/{version}/file`
///
/// # Errors
/// 404, 416 for a range beyond the end.
pub async fn show(
    request: HttpRequest,
    state: web::Data<WebState>,
    _: Viewer,
    path: web::Path<(String, String)>,
) -> Answer {
    let package = packages::find(&state, &path).await?;
    let etag = format!("\"{}\"", package.sha256);
    let header = |name: header::HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    if header(header::IF_NONE_MATCH).is_some_and(|tags| has_tag(tags, &etag)) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag)).finish());
    }
    let same = header(header::IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let range = header(header::RANGE).filter(|_| same && *request.method() == Method::GET);
    let Some((begin, end)) = wanted(range, package.size) else {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let message = format!("The package has {} bytes.", package.size);
        return Err(ApiError::new(status, "range_not_satisfiable", message));
    };
    let mut file = File::open(state.blobs.path(&package.sha256)).await.map_err(ApiError::internal)?;
    file.seek(SeekFrom::Start(begin)).await.map_err(ApiError::internal)?;
    let partial = end - begin < package.size;
    let mut answer = if partial { HttpResponse::PartialContent() } else { HttpResponse::Ok() };
    if partial {
        let range = format!("bytes {begin}-{}/{}", end.saturating_sub(1), package.size);
        answer.insert_header((header::CONTENT_RANGE, range));
    }
    answer
        .insert_header((header::ETAG, etag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header(ContentEncoding::Identity)
        .insert_header(attachment(&package))
        .content_type("application/octet-stream");
    Ok(answer.body(SizedStream::new(end - begin, pieces(file, end - begin))))
}

/// The bytes asked for, as begin and end; all of them where no range is asked for, or one that can't be read, or
/// several at once. `None`: beyond the end.
fn wanted(range: Option<&str>, size: u64) -> Option<(u64, u64)> {
    let all = Some((0, size));
    let Some((begin, end)) = range.and_then(|text| text.trim().strip_prefix("bytes=")?.split_once('-')) else {
        return all;
    };
    let last = |text: &str| text.parse::<u64>().ok();
    match (begin.trim(), end.trim()) {
        ("", suffix) => match last(suffix) {
            Some(0) => None,
            Some(_) if size == 0 => None,
            Some(length) => Some((size.saturating_sub(length), size)),
            None => all,
        },
        (begin, end) => match (last(begin), end.is_empty(), last(end)) {
            (Some(begin), true, _) => (begin < size).then_some((begin, size)),
            (Some(begin), false, Some(end)) if begin <= end => {
                (begin < size).then(|| (begin, end.saturating_add(1).min(size)))
            }
            _ => all,
        },
    }
}

fn has_tag(tags: &str, etag: &str) -> bool {
    tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

fn attachment(package: &Package) -> ContentDisposition {
    let file_name = DispositionParam::Filename(package.file_name.clone());
    ContentDisposition { disposition: DispositionType::Attachment, parameters: vec![file_name] }
}

fn pieces(file: File, length: u64) -> impl Stream<Item = std::io::Result<web::Bytes>> {
    unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        match file.read(&mut piece).await {
            Ok(0) => Some((Err(std::io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(n) => {
                piece.truncate(n);
                Some((Ok(web::Bytes::from(piece)), (file, left - n as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_browsers_and_agents_write_it() {
        let cases = [
            (None, Some((0, 10))),
            (Some("bytes=0-"), Some((0, 10))),
            (Some("bytes=4-"), Some((4, 10))),
            (Some("bytes=4-6"), Some((4, 7))),
            (Some("bytes=4-99"), Some((4, 10))),
            (Some("bytes=-3"), Some((7, 10))),
            (Some("bytes=-30"), Some((0, 10))),
            (Some("bytes=10-"), None),
            (Some("bytes=-0"), None),
            (Some("bytes=0-18446744073709551615"), Some((0, 10))),
            (Some("bytes=6-4"), Some((0, 10))),
            (Some("bytes=1-2,4-5"), Some((0, 10))),
            (Some("lines=1-2"), Some((0, 10))),
            (Some("bytes=x-y"), Some((0, 10))),
        ];
        for (range, expected) in cases {
            assert_eq!(wanted(range, 10), expected, "{range:?}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), None);
    }

    #[test]
    fn a_tag_is_found_in_a_list() {
        assert!(has_tag("\"x\", W/\"a\"", "\"a\"") && has_tag("*", "\"a\"") && !has_tag("\"b\"", "\"a\""));
    }
}
