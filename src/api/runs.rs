//! `/runs`: queue and history.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::problem::Problem;
use super::{App, Page, dto};
use crate::engine::RunFilter;
use crate::model::name::JobName;
use crate::model::run::{RunId, RunStatus};

/// How many runs a page has when nobody says.
const LIMIT: usize = 100;
/// The most runs of a page.
const LIMIT_MAX: usize = 1000;

/// What a list can be narrowed to: the words of [`Work::word`](crate::model::run::Work::word).
const KINDS: [&str; 8] =
    ["backup", "expire", "empty-trash", "verify", "send", "adopt", "restore", "drill"];

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    pub(super) job: Option<String>,
    status: Option<String>,
    kind: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LogQuery {
    offset: Option<usize>,
}

pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Page<dto::Run>, Problem> {
    page(&app, query).await
}

pub(super) async fn page(app: &App, query: ListQuery) -> Result<Page<dto::Run>, Problem> {
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let filter = filter(query, limit)?;
    let Some(handle) = app.live() else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let view = app.view();
    let runs = handle.runs(filter).await?;
    let next = runs.last().filter(|_| runs.len() == limit).map(|run| run.id.to_string());
    let items = runs.iter().map(|run| dto::Run::new(&view, run, handle.progress(run.id)));
    Ok(Page { items: items.collect(), next })
}

fn filter(query: ListQuery, limit: usize) -> Result<RunFilter, Problem> {
    let job = query
        .job
        .map(|job| job.parse::<JobName>().map_err(|error| Problem::bad_request(error.to_string())));
    let status = query.status.map(|word| {
        RunStatus::from_word(&word).ok_or_else(|| {
            let words: Vec<_> = RunStatus::ALL.into_iter().map(RunStatus::word).collect();
            Problem::bad_request(format!("`{word}` is not a status"))
                .hint(format!("one of {}", words.join(", ")))
        })
    });
    let before = query.cursor.map(|cursor| {
        let number = cursor.parse().map(RunId);
        number.map_err(|_| Problem::bad_request(format!("`{cursor}` is not a cursor of this list")))
    });
    if let Some(word) = &query.kind
        && !KINDS.contains(&word.as_str())
    {
        return Err(Problem::bad_request(format!("`{word}` is not a kind of run"))
            .hint(format!("one of {}", KINDS.join(", "))));
    }
    Ok(RunFilter {
        job: job.transpose()?,
        status: status.transpose()?,
        kind: query.kind,
        before: before.transpose()?,
        limit,
    })
}

pub(super) fn number(id: &str) -> Result<RunId, Problem> {
    id.parse().map(RunId).map_err(|_| {
        Problem::not_found(format!("there is no run `{id}`")).hint("runs have numbers")
    })
}

pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<dto::Run>, Problem> {
    let handle = app.handle()?;
    let run = handle.run(number(&id)?).await?;
    let mut dto = dto::Run::new(&app.view(), &run, handle.progress(run.id));
    dto.log_text = Some(handle.log(run.id).await?);
    Ok(Json(dto))
}

/// The log as plain text, from a byte on: so it can be followed without reading it all again.
pub(super) async fn log(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<String, Problem> {
    let mut log = app.handle()?.log(number(&id)?).await?;
    let mut from = query.offset.unwrap_or(0).min(log.len());
    while !log.is_char_boundary(from) {
        from -= 1;
    }
    Ok(log.split_off(from))
}

pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.handle()?.cancel(number(&id)?).await?;
    Ok(StatusCode::ACCEPTED)
}
