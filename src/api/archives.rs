//! `/archives`: the catalogue, whatever the location.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::problem::Problem;
use super::resolve::{Need, Question, resolve};
use super::{App, Page, dto, keep};
use crate::engine::{ArchiveKey, View};
use crate::model::archive::Archive;
use crate::model::name::InstanceName;

pub(super) mod change;

/// How many archives a page has when nobody says.
const LIMIT: usize = 1000;
/// How much of a file is read at a time for a download.
const CHUNK: usize = 256 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    job: Option<String>,
    location: Option<String>,
    origin: Option<String>,
    condition: Option<String>,
    #[serde(default)]
    foreign: bool,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CopyQuery {
    pub(super) location: Option<String>,
}

/// The copy that a path names.
pub(super) fn find<'a>(
    view: &'a View,
    text: &str,
    location: Option<&str>,
    need: Need,
) -> Result<&'a Archive, Problem> {
    let instance = &view.desired.instance;
    let mut own: Vec<InstanceName> = vec![instance.name.clone()];
    own.extend(instance.formerly.iter().cloned());
    let question = Question { text, location, need, own: &own };
    Ok(resolve(question, &view.observed.archives)?)
}

/// Its key.
pub(super) fn key(archive: &Archive) -> ArchiveKey {
    ArchiveKey { id: archive.id, location: archive.location.clone() }
}

pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Page<dto::Entry>, Problem> {
    let view = app.view();
    let limit = query.limit.unwrap_or(LIMIT).max(1);
    if let Some(word) = &query.condition
        && !dto::CONDITIONS.contains(&word.as_str())
    {
        return Err(Problem::bad_request(format!("`{word}` is not a condition"))
            .hint(format!("one of {}", dto::CONDITIONS.join(", "))));
    }
    let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
    let foreign_only = query.condition.as_deref() == Some("foreign");
    let mut archives: Vec<&Archive> = view
        .observed
        .archives
        .iter()
        .filter(|archive| {
            is(&query.job, archive.job.as_str())
                && is(&query.location, archive.location.as_str())
                && is(&query.origin, archive.origin.as_str())
                && is(&query.condition, dto::condition_word(&archive.condition))
        })
        .collect();
    // Newest first; the location settles the order of copies.
    archives
        .sort_by(|a, b| (b.created_at, b.id, &a.location).cmp(&(a.created_at, a.id, &b.location)));
    if let Some(cursor) = &query.cursor {
        let at = archives.iter().position(|archive| cursor_of(archive) == *cursor);
        let at = at.ok_or_else(|| {
            Problem::bad_request(format!("`{cursor}` is not a cursor of this list"))
                .hint("the archive that it names is gone: begin again")
        })?;
        archives.drain(..=at);
    }
    let more = archives.len() > limit;
    archives.truncate(limit);
    let next = archives.last().filter(|_| more).map(|archive| cursor_of(archive));
    let mut kept = keep::verdicts(&view);
    let mut items: Vec<dto::Entry> = archives
        .into_iter()
        .map(|archive| {
            let retention = kept.remove(&(archive.id, archive.location.clone()));
            dto::Entry::Archive(Box::new(dto::Archive::new(&view, archive, retention)))
        })
        .collect();
    if (query.foreign || foreign_only) && next.is_none() {
        let foreign = view.observed.foreign.iter();
        let foreign = foreign.filter(|foreign| {
            is(&query.location, foreign.location.as_str())
                && query.job.is_none()
                && query.origin.is_none()
                && (query.condition.is_none() || foreign_only)
        });
        items.extend(foreign.map(|f| dto::Entry::Foreign(dto::Foreign::new(&view, f))));
    }
    Ok(Page { items, next })
}

fn cursor_of(archive: &Archive) -> String {
    format!("{}@{}", archive.id, archive.location)
}

pub(super) async fn info(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    let view = app.view();
    let archive = find(&view, &name, query.location.as_deref(), Need::AnyCopy)?;
    let retention = keep::why(&view, archive);
    Ok(Json(dto::Archive::new(&view, archive, retention)))
}

/// The archive with what keeps it and when it would leave.
pub(super) async fn why(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    info(State(app), Path(name), Query(query)).await
}

/// The file as it rests at its location.
pub(super) async fn download(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Response, Problem> {
    let view = app.view();
    let archive = find(&view, &name, query.location.as_deref(), Need::AnyCopy)?;
    let file = app.handle()?.open_archive(&key(archive)).await?;
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK);
    let file_name = dto::Archive::new(&view, archive, None).file_name;
    let mut headers = vec![
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, archive.file_size.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")),
    ];
    if let Some(hash) = archive.file_sha256 {
        headers.push((header::ETAG, format!("\"{hash}\"")));
    }
    let mut response = Body::from_stream(stream).into_response();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
