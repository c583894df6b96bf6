//! `/metrics`: the view in numbers, for Prometheus and whatever reads its text.
//!
//! Everything is read from the view and from what this process counted; nothing is measured for a
//! scrape. A job is named by `job_id`, since Prometheus has a label `job` of its own.
//! **Invariants:** no label holds a path, a reason or a secret; what others may name freely (the
//! archives of a peer) is counted and never named, so that nobody can blow up the number of series.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};

use super::access::Caller;
use super::problem::Problem;
use super::{App, dto, jobs};
use crate::engine::{Handle, Tally, View};
use crate::model::name::{JobName, PlaceName};

mod instance;
mod locations;
mod process;
mod protection;
mod text;

use text::{Exposition, Format};

/// The newest backup run of each job.
type LastRuns = BTreeMap<JobName, dto::Run>;

#[utoipa::path(
    get,
    path = "/metrics",
    tag = "metrics",
    operation_id = "metrics_api",
    summary = "The same as `/metrics` at the root.",
    responses(
        (status = 200, description = "Prometheus text, or OpenMetrics when `Accept` asks for it", content((String = "text/plain"), (String = "application/openmetrics-text"))),
        (status = 500, description = "The history cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn metrics(
    state: State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    root(state, caller, headers).await
}

#[utoipa::path(
    get,
    path = "/metrics",
    tag = "metrics",
    operation_id = "metrics_root",
    summary = "Everything in numbers, for Prometheus.",
    responses(
        (status = 200, description = "Prometheus text, or OpenMetrics when `Accept` asks for it", content((String = "text/plain"), (String = "application/openmetrics-text"))),
        (status = 500, description = "The history cannot be read", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn root(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accept: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::accepted(&accept.join(","));
    let view = app.view();
    let text = if let Some(peer) = caller.peer() {
        of_name_space(format, &view, view.desired.name_space(peer).as_ref())
    } else {
        let all: Vec<_> = view.desired.jobs.values().collect();
        let last_runs = jobs::last_runs(&app, &view, &all).await?;
        let counted = app.live().map(Counted::now);
        everything(format, &view, &last_runs, counted.as_ref())
    };
    Ok(([(header::CONTENT_TYPE, format.media_type())], text).into_response())
}

/// What only a process knows that runs an engine.
#[derive(Debug, Default)]
struct Counted {
    tally: Tally,
    /// Bytes of memory in use, where the kernel tells.
    resident: Option<u64>,
}

impl Counted {
    fn now(handle: &Handle) -> Self {
        Self { tally: handle.tally(), resident: process::resident_memory() }
    }
}

/// Everything there is.
fn everything(
    format: Format,
    view: &View,
    last_runs: &LastRuns,
    counted: Option<&Counted>,
) -> String {
    let mut text = Exposition::new(format);
    instance::about(&mut text, view);
    instance::health(&mut text, view);
    if let Some(counted) = counted {
        instance::process(&mut text, view, counted);
    }
    instance::queue(&mut text, view);
    protection::jobs(&mut text, view, last_runs);
    protection::archives(&mut text, view);
    protection::drills(&mut text, view);
    locations::locations(&mut text, view, Some(view.forecasts()), |_| true);
    locations::peers(&mut text, view);
    text.finish()
}

/// What a peer may know: that this instance is there, and its own name space.
fn of_name_space(format: Format, view: &View, own: Option<&PlaceName>) -> String {
    let mut text = Exposition::new(format);
    instance::about(&mut text, view);
    locations::locations(&mut text, view, None, |location| Some(location) == own);
    text.finish()
}

#[cfg(test)]
mod tests;
