//! `/jobs`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::problem::Problem;
use super::resolve::nearest;
use super::{App, Page, accepted, dto, moment, runs};
use crate::engine::{RunFilter, View};
use crate::model::job::Job;
use crate::model::name::JobName;
use crate::model::run::RunId;
use crate::status::{self, JobVerdict};

/// How many of the newest runs are looked through before jobs are asked for one by one.
const RECENT: usize = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct ListQuery {
    at: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AtQuery {
    at: Option<String>,
}

/// The verdicts of the moment that is asked for.
pub(super) fn verdicts(view: &View, at: Option<&str>) -> Result<Vec<JobVerdict>, Problem> {
    match at {
        None => Ok(view.verdicts.as_ref().clone()),
        Some(_) => Ok(status::judge(&view.desired, &view.observed, &moment(view, at)?)),
    }
}

pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<ListQuery>,
) -> Result<Page<dto::Job>, Problem> {
    let view = app.view();
    let verdicts = verdicts(&view, query.at.as_deref())?;
    let limit = query.limit.unwrap_or(usize::MAX).max(1);
    let after = query.cursor.as_deref().unwrap_or_default();
    let jobs = view.desired.jobs.values();
    let mut jobs: Vec<&Job> = jobs.filter(|job| job.name.as_str() > after).collect();
    let more = jobs.len() > limit;
    jobs.truncate(limit);
    let next = jobs.last().filter(|_| more).map(|job| job.name.to_string());
    let mut last = last_runs(&app, &view, &jobs).await?;
    let items = jobs.into_iter().map(|job| {
        let last_run = last.remove(&job.name);
        dto::Job::new(&view, job, &verdicts, last_run)
    });
    Ok(Page { items: items.collect(), next })
}

pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(query): Query<AtQuery>,
) -> Result<Json<dto::Job>, Problem> {
    let view = app.view();
    let verdicts = verdicts(&view, query.at.as_deref())?;
    let job = find(&view, &id)?;
    let last_run = last_runs(&app, &view, &[job]).await?.remove(&job.name);
    Ok(Json(dto::Job::new(&view, job, &verdicts, last_run)))
}

pub(super) async fn runs(
    State(app): State<App>,
    Path(id): Path<String>,
    Query(mut query): Query<runs::ListQuery>,
) -> Result<Page<dto::Run>, Problem> {
    // History stays readable for jobs that are no longer in the configuration.
    query.job = Some(id);
    runs::page(&app, query).await
}

pub(super) async fn run(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let job = id.parse::<JobName>().map_err(|_| unknown(&app.view(), &id))?;
    if find(&app.view(), &id).is_err() && !id.contains('/') {
        return Err(unknown(&app.view(), &id));
    }
    if find(&app.view(), &id).is_ok_and(Job::is_template) {
        let runs = app.handle()?.run_all(&job).await?;
        return Ok(all_accepted(&runs));
    }
    Ok(accepted(app.handle()?.run_job(&job).await?))
}

/// 202 with the number of every run, the first in the place where one alone stands.
fn all_accepted(runs: &[RunId]) -> Response {
    let numbers: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let body = Json(serde_json::json!({ "run_id": numbers.first(), "run_ids": numbers }));
    (StatusCode::ACCEPTED, body).into_response()
}

pub(super) async fn drill(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let job = id.parse::<JobName>().map_err(|_| unknown(&app.view(), &id))?;
    if find(&app.view(), job.declared()).is_err() {
        return Err(unknown(&app.view(), &id));
    }
    let runs = app.handle()?.drill(&job).await?;
    Ok(super::accepted_all(&runs))
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
async fn last_runs(
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
