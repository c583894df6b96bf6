//! `/archives`: the catalogue, whatever the location.

use std::cmp::Ordering;

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::dto::words::{self, CONDITIONS};
use super::problem::Problem;
use super::resolve::{Need, Question, resolve};
use super::{App, Page, dto, keep, next_page, page_size};
use crate::engine::{ArchiveKey, View};
use crate::model::archive::{Archive, ArchiveId};
use crate::model::name::InstanceName;

pub(super) mod change;
pub(super) mod download;

/// How many archives a page has when nobody says.
const LIMIT: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Of this job only.
    job: Option<String>,
    /// At this location only.
    location: Option<String>,
    /// Of this instance only.
    origin: Option<String>,
    /// In this condition only.
    #[param(value_type = words::ListedCondition, required = false)]
    condition: Option<String>,
    /// Whether files that are not ours are listed as well, at the end of the last page.
    #[serde(default)]
    foreign: bool,
    /// The most archives of a page.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// Where a page goes on.
    #[param(value_type = words::ArchivesCursor, required = false)]
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CopyQuery {
    /// Only a copy at this location.
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

#[utoipa::path(
    get,
    path = "/archives",
    tag = "archives",
    operation_id = "archives_list",
    summary = "The catalogue, newest first.",
    params(ListQuery),
    responses(
        (status = 200, description = "The archives", body = Vec<dto::Entry>),
        (status = 400, description = "Something in the request is wrong", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    RawQuery(asked): RawQuery,
) -> Result<Page<dto::Entry>, Problem> {
    let view = app.view_for(&caller);
    let limit = page_size(query.limit, LIMIT)?;
    if let Some(word) = &query.condition
        && !CONDITIONS.contains(&word.as_str())
    {
        return Err(Problem::bad_request(format!("`{word}` is not a condition"))
            .hint(format!("one of {}", CONDITIONS.join(", "))));
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
    if let Some(cursor) = &query.cursor {
        let cursor = Cursor::parse(cursor)?;
        archives.retain(|archive| cursor.order(archive) == Ordering::Less);
    }
    let more = archives.len() > limit;
    if more {
        // Only what is shown is sorted.
        archives.select_nth_unstable_by(limit, |a, b| newest_first(a, b));
        archives.truncate(limit);
    }
    archives.sort_unstable_by(|a, b| newest_first(a, b));
    let next = archives.last().filter(|_| more);
    let next = next.map(|archive| next_page(asked.as_deref(), &Cursor::text(archive)));
    let mut kept = keep::verdicts(&view, &archives);
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

/// The order of the list: newest first; the location settles the order of copies.
fn newest_first(a: &Archive, b: &Archive) -> Ordering {
    (b.created_at, b.id, &a.location).cmp(&(a.created_at, a.id, &b.location))
}

/// Where a page ended: a place in the order, whether or not that archive is still there.
struct Cursor<'a> {
    created_ns: i128,
    id: ArchiveId,
    location: &'a str,
}

impl<'a> Cursor<'a> {
    fn text(archive: &Archive) -> String {
        format!("{}.{}.{}", archive.created_at.as_nanosecond(), archive.id, archive.location)
    }

    fn parse(text: &'a str) -> Result<Self, Problem> {
        let parsed = || {
            let mut parts = text.splitn(3, '.');
            let created_ns = parts.next()?.parse().ok()?;
            let id = ArchiveId(parts.next()?.parse().ok()?);
            Some(Self { created_ns, id, location: parts.next()? })
        };
        parsed().ok_or_else(|| {
            Problem::bad_request(format!("`{text}` is not a cursor of this list"))
                .hint("follow the `Link` header of the page before")
        })
    }

    /// `Less` for what comes behind it.
    fn order(&self, archive: &Archive) -> Ordering {
        let other = (archive.created_at.as_nanosecond(), archive.id);
        let by_time = other.cmp(&(self.created_ns, self.id));
        by_time.then_with(|| self.location.cmp(archive.location.as_str()))
    }
}

#[utoipa::path(
    get,
    path = "/archives/{name}/info",
    tag = "archives",
    operation_id = "archives_info",
    summary = "What is known of an archive.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 200, description = "The archive", body = dto::Archive),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn info(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    let view = app.view_for(&caller);
    let archive = find(&view, &name, query.location.as_deref(), Need::AnyCopy)?;
    let retention = keep::why(&view, archive);
    Ok(Json(dto::Archive::new(&view, archive, retention)))
}

/// The archive with what keeps it and when it would leave.
#[utoipa::path(
    get,
    path = "/archives/{name}/why",
    tag = "archives",
    operation_id = "archives_why",
    summary = "What keeps an archive, and when it would leave.",
    params(("name" = String, Path, description = "Its id, its name where that is unique, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 200, description = "The archive", body = dto::Archive),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn why(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(query): Query<CopyQuery>,
) -> Result<Json<dto::Archive>, Problem> {
    info(State(app), caller, Path(name), Query(query)).await
}
