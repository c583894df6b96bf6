//! `/jobs`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, RawQuery, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::dto::words;
use super::problem::Problem;
use super::resolve::nearest;
use super::{App, Page, accepted, dto, moment, next_page, page_size, runs};
use crate::engine::{RunFilter, View};
use crate::model::job::Job;
use crate::model::name::JobName;
use crate::status::{self, JobVerdict};

/// How many jobs a page has when nobody says.
const LIMIT: usize = 1000;
/// How many of the newest runs are looked through before jobs are asked for one by one.
const RECENT: usize = 1000;
/// How many days a calendar has when nobody says, and at most.
const DAYS: u32 = 365;
const DAYS_MAX: u32 = 400;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Judged as of this moment.
    #[param(value_type = dto::Moment, required = false)]
    at: Option<String>,
    /// The most entries of a page.
    #[param(minimum = 1, maximum = 1000, default = 1000)]
    limit: Option<usize>,
    /// Where a page goes on: from the `Link` header of the one before.
    cursor: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AtQuery {
    /// Judged as of this moment.
    #[param(value_type = dto::Moment, required = false)]
    at: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DaysQuery {
    /// How many days, today included.
    #[param(minimum = 1, maximum = 400, default = 365)]
    days: Option<u32>,
}

/// The verdicts of the moment that is asked for.
pub(super) fn verdicts(view: &View, at: Option<&str>) -> Result<Vec<JobVerdict>, Problem> {
    match at {
        None => Ok(view.verdicts.as_ref().clone()),
        Some(_) => Ok(status::judge(&view.desired, &view.observed, &moment(view, at)?)),
    }
}

#[utoipa::path(
    get,
    path = "/jobs",
    tag = "jobs",
    operation_id = "jobs_list",
    summary = "Every job.",
    params(ListQuery),
    responses(
        (status = 200, description = "The jobs", body = Vec<dto::SeenJob>),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<ListQuery>,
    RawQuery(asked): RawQuery,
) -> Result<Page<dto::SeenJob>, Problem> {
    let view = app.view();
    let verdicts = verdicts(&view, query.at.as_deref())?;
    let limit = page_size(query.limit, LIMIT)?;
    let after = query.cursor.as_deref().unwrap_or_default();
    let jobs = view.desired.jobs.values();
    let mut jobs: Vec<&Job> = jobs.filter(|job| job.name.as_str() > after).collect();
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more);
    let next = next.map(|job| next_page(asked.as_deref(), job.name.as_str()));
    let mut last = last_runs(&app, &view, &jobs).await?;
    let items = jobs.into_iter().map(|job| {
        let last_run = last.remove(&job.name);
        let job = dto::Job::new(&view, job, &verdicts, last_run);
        dto::SeenJob::new(job, caller.peer().is_some())
    });
    Ok(Page { items: items.collect(), next })
}

#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "jobs",
    operation_id = "jobs_show",
    summary = "One job.",
    params(("id" = String, Path, description = "Its name"), AtQuery),
    responses(
        (status = 200, description = "The job", body = dto::SeenJob),
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<AtQuery>,
) -> Result<Json<dto::SeenJob>, Problem> {
    let view = app.view();
    let verdicts = verdicts(&view, query.at.as_deref())?;
    let job = find(&view, &id)?;
    let last_run = last_runs(&app, &view, &[job]).await?.remove(&job.name);
    let job = dto::Job::new(&view, job, &verdicts, last_run);
    Ok(Json(dto::SeenJob::new(job, caller.peer().is_some())))
}

#[utoipa::path(
    get,
    path = "/jobs/{id}/runs",
    tag = "jobs",
    operation_id = "jobs_runs",
    summary = "The runs of a job, newest first.",
    params(("id" = words::JobNameText, Path, description = "Its name"), runs::OfJobQuery),
    responses(
        (status = 200, description = "The runs", body = Vec<dto::SeenRun>),
    )
)]
pub(super) async fn runs(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<runs::OfJobQuery>,
    RawQuery(asked): RawQuery,
) -> Result<Page<dto::SeenRun>, Problem> {
    // History stays readable for jobs that are no longer in the configuration.
    runs::page(&app, &caller, query.of(id), asked.as_deref()).await
}

#[utoipa::path(
    get,
    path = "/jobs/{id}/days",
    tag = "jobs",
    operation_id = "jobs_days",
    summary = "How the last days of a job went, oldest first.",
    params(("id" = String, Path, description = "Its name"), DaysQuery),
    responses(
        (status = 200, description = "The days", body = Vec<dto::JobDay>),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn days(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<DaysQuery>,
) -> Result<Json<Vec<dto::JobDay>>, Problem> {
    let job = orderable(&app, &caller, &id)?;
    if find(&app.view(), job.declared()).is_err() {
        return Err(unknown(&app.view_for(&caller), &id));
    }
    let count = query.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&count) {
        return Err(Problem::bad_request(format!("a calendar of {count} days is none"))
            .hint(format!("`days` is 1 to {DAYS_MAX}")));
    }
    let days = app.handle()?.days(&job, count).await?;
    Ok(Json(days.iter().map(dto::JobDay::from).collect()))
}

#[utoipa::path(
    post,
    path = "/jobs/{id}/run",
    tag = "jobs",
    operation_id = "jobs_run",
    summary = "Runs a job now.",
    params(("id" = String, Path, description = "Its name")),
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn run(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    // Whoever has the scope may run every job, a peer too: what it does stands in the files here.
    let job: JobName = id.parse().map_err(|_| unknown(&app.view_for(&caller), &id))?;
    if find(&app.view(), &id).is_err() && !id.contains('/') {
        return Err(unknown(&app.view(), &id));
    }
    if find(&app.view(), &id).is_ok_and(Job::is_template) {
        let runs = app.handle()?.run_all(&job).await?;
        return super::accepted_all(&runs);
    }
    Ok(accepted(app.handle()?.run_job(&job).await?))
}

#[utoipa::path(
    post,
    path = "/jobs/{id}/drill",
    tag = "jobs",
    operation_id = "jobs_drill",
    summary = "Proves a restore of a job now.",
    params(("id" = String, Path, description = "Its name")),
    responses(
        (status = 202, description = "It is queued", body = dto::Accepted),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn drill(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let job = orderable(&app, &caller, &id)?;
    if find(&app.view(), job.declared()).is_err() {
        return Err(unknown(&app.view(), &id));
    }
    let runs = app.handle()?.drill(&job).await?;
    super::accepted_all(&runs)
}

/// The name of a job that somebody gives orders for. A peer has none here, whatever there is.
fn orderable(app: &App, caller: &Caller, id: &str) -> Result<JobName, Problem> {
    let name = id.parse().ok().filter(|_| caller.peer().is_none());
    name.ok_or_else(|| unknown(&app.view_for(caller), id))
}

fn find<'a>(view: &'a View, id: &str) -> Result<&'a Job, Problem> {
    let name = id.parse::<JobName>().ok();
    let desired = &view.desired;
    let job =
        name.and_then(|name| desired.jobs.get(&name).or_else(|| desired.templates.get(&name)));
    job.ok_or_else(|| unknown(view, id))
}

fn unknown(view: &View, id: &str) -> Problem {
    let problem = Problem::not_found(format!("there is no job `{id}`"));
    match nearest(id, view.desired.jobs.keys().map(JobName::as_str)).first() {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem.hint("`larder jobs` shows every job"),
    }
}

/// The newest backup run of each job.
pub(super) async fn last_runs(
    app: &App,
    view: &View,
    jobs: &[&Job],
) -> Result<BTreeMap<JobName, dto::Run>, Problem> {
    let mut newest = BTreeMap::new();
    let Some(handle) = app.live() else {
        return Ok(newest);
    };
    let backups = RunFilter { kind: Some("backup".to_owned()), ..RunFilter::default() };
    if jobs.len() > 1 {
        let recent = handle.runs(RunFilter { limit: RECENT, ..backups.clone() }).await?;
        for run in recent {
            if let Some(job) = run.work.job() {
                let job = job.clone();
                newest
                    .entry(job)
                    .or_insert_with(|| dto::Run::new(view, &run, handle.progress(run.id)));
            }
        }
    }
    for job in jobs {
        let ran = view.observed.jobs.get(&job.name).is_some_and(|facts| {
            facts.last_attempt.is_some()
                || facts.last_success.is_some()
                || facts.last_failure.is_some()
        });
        let look = !newest.contains_key(&job.name) && (ran || jobs.len() == 1);
        if look {
            let filter = RunFilter { job: Some(job.name.clone()), limit: 1, ..backups.clone() };
            if let Some(run) = handle.runs(filter).await?.first() {
                let run = dto::Run::new(view, run, handle.progress(run.id));
                newest.insert(job.name.clone(), run);
            }
        }
    }
    Ok(newest)
}
