//! `/archives/{name}/download`: the file of an archive, whole or from where a download broke off.
//!
//! What is published is never written again, so the SHA-256 of the file is its strong validator,
//! and a client that resumes (`curl -C -`) gets the rest of exactly what it has the beginning of.
//! **Invariant:** a file that is not what was recorded is never sent under the recorded hash.

use std::os::unix::fs::MetadataExt as _;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;

use super::{CopyQuery, find};
use crate::api::access::Caller;
use crate::api::problem::Problem;
use crate::api::resolve::Need;
use crate::api::{App, dto};
use crate::engine::RequestError;
use crate::model::archive::{Archive, Condition, Sha256};

mod conditions;
mod stream;

use conditions::{Answer, Validators, answer, http_date};

/// The digest of the whole file, whatever part of it is sent (RFC 9530).
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// The file as it rests at its location.
#[utoipa::path(
    get,
    path = "/archives/{name}/download",
    tag = "archives",
    operation_id = "archives_download",
    summary = "The file as it rests at its location.",
    description = "A download that broke off is resumed with `Range`, and `If-Range` with the entity tag makes sure that it is the same file. Several ranges are answered with the whole file. `HEAD` says the same without the file. A copy that is known to be damaged is sent without `ETag` and `Repr-Digest`.",
    params(
        ("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"),
        CopyQuery,
        ("Range" = Option<String>, Header, description = "`bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-LENGTH`"),
        ("If-Range" = Option<String>, Header, description = "An entity tag or a date: `Range` counts only while the file is that one"),
        ("If-Match" = Option<String>, Header, description = "Entity tags: 412 when the file is none of them"),
        ("If-None-Match" = Option<String>, Header, description = "Entity tags: 304 when the file is one of them"),
        ("If-Modified-Since" = Option<String>, Header, description = "A date: 304 when the file is not newer"),
        ("If-Unmodified-Since" = Option<String>, Header, description = "A date: 412 when the file is newer"),
    ),
    responses(
        (status = 200, description = "The file", body = Vec<u8>, content_type = "application/octet-stream", headers(
            ("Accept-Ranges" = String, description = "`bytes`"),
            ("Content-Disposition" = String, description = "The name of the file"),
            ("ETag" = String, description = "The SHA-256 of the file in hex, in quotes"),
            ("Last-Modified" = String, description = "When the file was written"),
            ("Repr-Digest" = String, description = "The SHA-256 of the file as RFC 9530 writes it"),
        )),
        (status = 206, description = "The part that `Range` names", body = Vec<u8>, content_type = "application/octet-stream", headers(
            ("Content-Range" = String, description = "`bytes FIRST-LAST/LENGTH`"),
            ("ETag" = String, description = "The SHA-256 of the whole file in hex, in quotes"),
        )),
        (status = 304, description = "The client has it"),
        (status = 404, description = "Nothing of that name, or its file is gone", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "It is not the file that `If-Match` or `If-Unmodified-Since` means", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "The file has no such part", body = Problem, content_type = "application/problem+json", headers(
            ("Content-Range" = String, description = "`bytes */LENGTH`"),
        )),
        (status = 500, description = "The file cannot be read", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Its location is not there now", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(in crate::api) async fn download(
    State(app): State<App>,
    caller: Caller,
    method: Method,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = app.view_to_read(&caller);
    let archive = find(&view, &name, query.location.as_deref(), Need::AnyCopy)?;
    let opened = app.handle()?.open_archive(&archive.key()).await;
    let file = opened.map_err(|error| not_opened(&caller, archive, error))?;
    let metadata = file.metadata().map_err(|error| unreadable(archive, &error))?;
    let length = metadata.size();
    let is_sound = archive.condition != Condition::Corrupt;
    if is_sound && length != archive.file_size {
        return Err(damaged(archive, length));
    }
    let hash = archive.file_sha256.filter(|_| is_sound);
    let validators = Validators {
        etag: hash.map(|hash| format!("\"{hash}\"")),
        modified: Timestamp::from_second(metadata.mtime()).ok(),
    };
    let is_head = method == Method::HEAD;
    let (status, first, size) = match answer(&headers, &validators, length, !is_head) {
        Answer::Whole => (StatusCode::OK, 0, length),
        Answer::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Answer::NotModified => {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            tell_validators(response.headers_mut(), &validators, hash);
            return Ok(response);
        }
        Answer::Failed => {
            let detail = format!("`{}` is not the file that the request means", archive.name);
            return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
        }
        Answer::Unsatisfiable => {
            let detail = format!("`{}` has {length} bytes", archive.name);
            let mut response = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail)
                .hint("it is complete when you have so many")
                .into_response();
            put(response.headers_mut(), header::CONTENT_RANGE, &format!("bytes */{length}"));
            tell_validators(response.headers_mut(), &validators, hash);
            return Ok(response);
        }
    };
    let body =
        if is_head { Body::empty() } else { Body::from_stream(stream::stream(file, first, size)) };
    let mut response = (status, body).into_response();
    let to = response.headers_mut();
    put(to, header::CONTENT_TYPE, "application/octet-stream");
    put(to, header::CONTENT_LENGTH, &size.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + size - 1;
        put(to, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
    }
    let file_name = dto::Archive::new(&view, archive, None).file_name;
    put(to, header::CONTENT_DISPOSITION, &disposition(&file_name));
    tell_validators(to, &validators, hash);
    Ok(response)
}

/// Why it cannot be opened; what the system said, with paths of this host, is for administrators.
pub(super) fn not_opened(caller: &Caller, archive: &Archive, error: RequestError) -> Problem {
    match error {
        RequestError::Failed(_) if *caller != Caller::Local => {
            let detail = format!("the file of `{}` cannot be opened", archive.name);
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
        }
        error => Problem::from(error),
    }
}

fn unreadable(archive: &Archive, error: &std::io::Error) -> Problem {
    let detail = format!("the file of `{}` cannot be read: {error}", archive.name);
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
}

fn damaged(archive: &Archive, length: u64) -> Problem {
    let Archive { name, location, file_size, .. } = archive;
    let detail = format!(
        "the file of `{name}` at `{location}` has {length} bytes, {file_size} were written"
    );
    Problem::new(StatusCode::CONFLICT, detail)
        .hint("take another copy (`?location=`), or verify it: what is known to be damaged is sent as it is")
}

/// What the client needs to ask for the rest, and to know that it has the same file.
fn tell_validators(to: &mut HeaderMap, validators: &Validators, hash: Option<Sha256>) {
    put(to, header::ACCEPT_RANGES, "bytes");
    // It is compressed as far as somebody wanted it to be, and is for whoever asked alone.
    put(to, header::CACHE_CONTROL, "private, no-transform");
    if let Some(etag) = &validators.etag {
        put(to, header::ETAG, etag);
    }
    if let Some(date) = validators.modified.and_then(http_date) {
        put(to, header::LAST_MODIFIED, &date);
    }
    if let Some(hash) = hash {
        put(to, REPR_DIGEST, &format!("sha-256=:{}:", base64(&hash.0)));
    }
}

fn put(to: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        to.insert(name, value);
    }
}

/// A name that no client can mistake for a path, or for the end of the header.
fn disposition(file_name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let safe: String = file_name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    format!("attachment; filename=\"{safe}\"")
}

/// Base64 with padding (RFC 4648, 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            let is_padding = digit > group.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[value as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
        let encoded = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (text, encoded) in texts.into_iter().zip(encoded) {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_name_is_no_path_and_ends_no_header() {
        assert_eq!(disposition("a_1.tar.gz"), "attachment; filename=\"a_1.tar.gz\"");
        assert_eq!(disposition("../a\"\r\nb"), "attachment; filename=\".._a___b\"");
    }
}
