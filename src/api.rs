//! The HTTP API, `/api/v1`: every resource as a path, every request as one call of the engine.
//!
//! The control socket serves it while a daemon runs; without one the command line calls it in its
//! own process. So each command is written once, and what a script reads is what a person sees.
//! **Invariants:** nothing is decided here: a handler reads a [`View`] or asks the [`Handle`];
//! this router has no authentication and is only ever served where the transport has it.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::{Timestamp, Zoned};
use serde::Serialize;

use crate::engine::{Handle, View};

pub mod dto;
pub mod problem;
pub mod resolve;
pub mod socket;

mod archives;
mod config;
mod coverage;
mod jobs;
mod keep;
mod locations;
mod plan;
mod restore;
mod runs;
mod status;

#[cfg(test)]
pub(crate) mod tests;

pub use config::{effective_config, view_of_configuration};
pub use coverage::covered;
use problem::Problem;

/// What the handlers share.
#[derive(Debug, Clone)]
struct App(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// A running engine.
    Live(Handle),
    /// One moment, without a state: `--at` on read-only commands.
    Still(Arc<View>),
}

impl App {
    fn view(&self) -> Arc<View> {
        match self.0.as_ref() {
            Source::Live(handle) => handle.view(),
            Source::Still(view) => Arc::clone(view),
        }
    }

    /// The engine, for requests and for history.
    fn handle(&self) -> Result<&Handle, Problem> {
        self.live()
            .ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the state is not open"))
    }

    fn live(&self) -> Option<&Handle> {
        match self.0.as_ref() {
            Source::Live(handle) => Some(handle),
            Source::Still(_) => None,
        }
    }
}

/// The API of a running engine.
pub fn router(handle: Handle) -> Router {
    routes(App(Arc::new(Source::Live(handle))))
}

/// The API of one moment: it answers what can be read from the view and refuses every request.
pub fn still(view: View) -> Router {
    routes(App(Arc::new(Source::Still(Arc::new(view)))))
}

fn routes(app: App) -> Router {
    let v1 = Router::new()
        .route("/health", get(status::health))
        .route("/status", get(status::status))
        .route("/settled", get(status::settled))
        .route("/plan", get(plan::show))
        .route("/plan/approve", post(plan::approve))
        .route("/recovery/done", post(plan::end_recovery))
        .route("/config", get(config::show))
        .route("/config/reload", post(config::reload))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::show))
        .route("/jobs/{id}/runs", get(jobs::runs))
        .route("/jobs/{id}/run", post(jobs::run))
        .route("/jobs/{id}/drill", post(jobs::drill))
        .route("/runs", get(runs::list))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/log", get(runs::log))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/undo", post(restore::undo))
        .route("/coverage", get(coverage::list))
        .route("/locations", get(locations::list))
        .route("/archives", get(archives::list))
        .route("/archives/adopt", post(archives::change::adopt))
        .route("/archives/{name}", get(archives::info).delete(archives::change::delete))
        .route("/archives/{name}/info", get(archives::info))
        .route("/archives/{name}/why", get(archives::why))
        .route("/archives/{name}/download", get(archives::download))
        .route("/archives/{name}/restore", post(restore::start))
        .route("/archives/{name}/restore/plan", post(restore::plan))
        .route("/archives/{name}/restore/status", get(restore::status))
        .route("/archives/{name}/verify", post(archives::change::verify))
        .route("/archives/{name}/transfer", post(archives::change::transfer))
        .route("/archives/{name}/pin", post(archives::change::pin))
        .route("/archives/{name}/unpin", post(archives::change::unpin))
        .route("/archives/{name}/undelete", post(archives::change::undelete));
    let routes = Router::new().route("/healthz", get(|| async { "ok" })).nest("/api/v1", v1);
    finish(routes.fallback(unknown_path).with_state(app))
}

/// What every router here ends with: no error leaves it except as a problem document.
fn finish(router: Router) -> Router {
    router.layer(axum::middleware::map_response(problem::rewrite))
}

async fn unknown_path(uri: axum::http::Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`", uri.path()))
}

/// A list, as a plain array; where it goes on stands in the `Link` header (RFC 8288).
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.items).into_response();
        let link = self.next.map(|cursor| format!("<?cursor={cursor}>; rel=\"next\""));
        if let Some(Ok(link)) = link.map(|link| HeaderValue::from_str(&link)) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// 202 with the number of the run.
fn accepted(run: crate::model::run::RunId) -> Response {
    accepted_body(run, serde_json::json!({ "run_id": run.0 }))
}

/// 202 with the number of the first run, and of all of them.
fn accepted_all(runs: &[crate::model::run::RunId]) -> Response {
    let numbers: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let Some(first) = runs.first() else { return StatusCode::NO_CONTENT.into_response() };
    accepted_body(*first, serde_json::json!({ "run_id": first.0, "run_ids": numbers }))
}

fn accepted_body(run: crate::model::run::RunId, body: serde_json::Value) -> Response {
    let location = format!("/api/v1/runs/{run}");
    let body = axum::Json(body);
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(HeaderName::from_static("location"), value);
    }
    response
}

/// The moment that `?at=` asks for, in the instance's zone; the view's own without.
fn moment(view: &View, at: Option<&str>) -> Result<Zoned, Problem> {
    let Some(text) = at else {
        return Ok(view.at.clone());
    };
    let at: Timestamp = text.parse().map_err(|_| {
        Problem::bad_request(format!("`{text}` is not a time"))
            .hint("write it as RFC 3339, for instance `2026-05-08T03:00:00+02:00`")
    })?;
    Ok(at.to_zoned(view.desired.instance.timezone.clone()))
}
