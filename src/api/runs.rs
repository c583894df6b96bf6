//! `/runs`: queue and history.

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::dto::words;
use super::problem::Problem;
use super::{App, Page, dto, next_page, page_size};
use crate::engine::{Handle, RequestError, RunFilter, View};
use crate::model::name::JobName;
use crate::model::run::{Run, RunId, RunStatus, Work};
use crate::model::token::Scope;

/// How many runs a page has when nobody says.
const LIMIT: usize = 100;

/// How many runs are read at a time to find those that a peer sees.
const SCAN: usize = 1000;
/// How many are looked through for one page of a peer; the next one goes on behind them.
const SCAN_MAX: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Of this job only.
    #[param(value_type = words::JobNameText, required = false)]
    job: Option<String>,
    /// With this status only.
    #[param(value_type = words::RunStatus, required = false)]
    status: Option<String>,
    /// Of this kind only.
    #[param(value_type = words::RunKind, required = false)]
    kind: Option<String>,
    /// The most entries of a page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where a page goes on: from the `Link` header of the one before.
    #[param(value_type = u64, required = false)]
    cursor: Option<String>,
}

/// Which runs of one job to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OfJobQuery {
    /// With this status only.
    #[param(value_type = words::RunStatus, required = false)]
    status: Option<String>,
    /// Of this kind only.
    #[param(value_type = words::RunKind, required = false)]
    kind: Option<String>,
    /// The most entries of a page.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where a page goes on: from the `Link` header of the one before.
    #[param(value_type = u64, required = false)]
    cursor: Option<String>,
}

impl OfJobQuery {
    pub(super) fn of(self, job: String) -> ListQuery {
        let Self { status, kind, limit, cursor } = self;
        ListQuery { job: Some(job), status, kind, limit, cursor }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// Only what stands behind so many bytes.
    offset: Option<usize>,
}

#[utoipa::path(
    get,
    path = "/runs",
    tag = "runs",
    operation_id = "runs_list",
    summary = "All kinds of run, newest first.",
    params(ListQuery),
    responses(
        (status = 200, description = "The runs", body = Vec<dto::SeenRun>),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    RawQuery(asked): RawQuery,
) -> Result<Page<dto::SeenRun>, Problem> {
    page(&app, &caller, query, asked.as_deref()).await
}

pub(super) async fn page(
    app: &App,
    caller: &Caller,
    query: ListQuery,
    asked: Option<&str>,
) -> Result<Page<dto::SeenRun>, Problem> {
    let limit = page_size(query.limit, LIMIT)?;
    let filter = filter(query, limit)?;
    let Some(handle) = app.live() else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let view = app.view_for(caller);
    let is_peer = caller.peer().is_some();
    let (runs, next) = if is_peer {
        seen(handle, &view, caller, filter).await?
    } else {
        let runs = handle.runs(filter).await?;
        let next = runs.last().filter(|_| runs.len() == limit).map(|run| run.id);
        (runs, next)
    };
    let items = dto::Run::list(&view, &runs, |run| handle.progress(run));
    let items = items.into_iter().map(|run| dto::SeenRun::new(run, is_peer)).collect();
    Ok(Page { items, next: next.map(|run| next_page(asked, &run.to_string())) })
}

/// The runs that a peer sees, and where the list goes on. A page may be short, even empty, and the
/// list go on all the same: nobody's history is read to its end for one request.
async fn seen(
    handle: &Handle,
    view: &View,
    caller: &Caller,
    mut filter: RunFilter,
) -> Result<(Vec<Run>, Option<RunId>), Problem> {
    let limit = std::mem::replace(&mut filter.limit, SCAN);
    let (mut found, mut scanned) = (Vec::new(), 0);
    loop {
        let runs = handle.runs(filter.clone()).await?;
        let is_all = runs.len() < SCAN;
        scanned += runs.len();
        filter.before = runs.last().map(|run| run.id);
        for run in runs {
            let id = run.id;
            found.extend(Some(run).filter(|run| caller.sees_run(run, &view.desired)));
            if found.len() == limit {
                return Ok((found, Some(id)));
            }
        }
        if is_all || scanned >= SCAN_MAX {
            return Ok((found, filter.before.filter(|_| !is_all)));
        }
    }
}

/// One run, if the caller sees it; else it is as if it were not there.
pub(super) async fn one(app: &App, caller: &Caller, id: &str) -> Result<Run, Problem> {
    let run = app.handle()?.run(number(id)?).await?;
    if caller.sees_run(&run, &app.view().desired) {
        return Ok(run);
    }
    Err(RequestError::NotFound(format!("there is no run {}", run.id)).into())
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
        let number = cursor.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
        let unknown = || Problem::bad_request(format!("`{cursor}` is not a cursor of this list"));
        number.map(RunId).ok_or_else(unknown)
    });
    query.kind.as_deref().map_or(Ok(()), check_kind)?;
    Ok(RunFilter {
        job: job.transpose()?,
        status: status.transpose()?,
        kind: query.kind,
        before: before.transpose()?,
        limit,
    })
}

/// Refuses what is no kind of run.
pub(super) fn check_kind(word: &str) -> Result<(), Problem> {
    if Work::WORDS.contains(&word) {
        return Ok(());
    }
    Err(Problem::bad_request(format!("`{word}` is not a kind of run"))
        .hint(format!("one of {}", Work::WORDS.join(", "))))
}

pub(super) fn number(id: &str) -> Result<RunId, Problem> {
    id.parse().map(RunId).map_err(|_| {
        Problem::not_found(format!("there is no run `{id}`")).hint("runs have numbers")
    })
}

#[utoipa::path(
    get,
    path = "/runs/{id}",
    tag = "runs",
    operation_id = "runs_show",
    summary = "One run.",
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, description = "The run", body = dto::SeenRun),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<dto::SeenRun>, Problem> {
    let run = one(&app, &caller, &id).await?;
    let handle = app.handle()?;
    let mut dto = dto::Run::new(&app.view_for(&caller), &run, handle.progress(run.id));
    if caller.may(Scope::Admin) {
        dto.log_text = Some(handle.log(run.id).await?);
    }
    Ok(Json(dto::SeenRun::new(dto, caller.peer().is_some())))
}

/// The log as plain text, from a byte on: so it can be followed without reading it all again.
#[utoipa::path(
    get,
    path = "/runs/{id}/log",
    tag = "runs",
    operation_id = "runs_log",
    summary = "The log of a run, from a byte on.",
    params(("id" = u64, Path, description = "Its number"), LogQuery),
    responses(
        (status = 200, description = "The log", body = String, content_type = "text/plain"),
    )
)]
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

#[utoipa::path(
    post,
    path = "/runs/{id}/cancel",
    tag = "runs",
    operation_id = "runs_cancel",
    summary = "Cancels a queued or running run.",
    params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 202, description = "It ends soon"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let run = one(&app, &caller, &id).await?;
    app.handle()?.cancel(run.id).await?;
    Ok(StatusCode::ACCEPTED)
}
