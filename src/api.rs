//! The HTTP API, `/api/v1`: every resource as a path, every request as one call of the engine.
//!
//! The control socket serves it while a daemon runs; without one the command line calls it in its
//! own process. So each command is written once, and what a script reads is what a person sees.
//! **Invariants:** nothing is decided here: a handler reads a [`View`] or asks the [`Handle`]; every
//! route but `/healthz` and `/pairing` stands behind a scope ([`access`]).

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use jiff::{Timestamp, Zoned};
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::engine::{Handle, View};
use crate::model::desired::Desired;
use crate::model::run::RunId;

pub mod access;
pub mod dto;
pub mod problem;
pub mod resolve;
pub mod serve;
pub mod socket;

mod archives;
mod config;
mod coverage;
mod description;
mod events;
mod jobs;
mod keep;
mod locations;
mod metrics;
mod notify;
mod network;
mod pairing;
mod peers;
mod remote;
mod plan;
mod restore;
mod runs;
mod status;
mod uploads;

#[cfg(test)]
pub(crate) mod tests;

use crate::model::token::Scope;
use access::{Caller, Gate, guarded};
pub use config::{effective_config, view_of_configuration};
pub use coverage::covered;
pub use description::openapi_text;
use problem::Problem;

/// What the handlers share.
#[derive(Debug, Clone)]
struct App(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// A running engine.
    Live(Handle, events::Hub),
    /// One moment, without a state: `--at` on read-only commands.
    Still(Arc<View>),
}

impl App {
    fn live_on(handle: Handle) -> Self {
        Self(Arc::new(Source::Live(handle, events::Hub::new())))
    }

    fn view(&self) -> Arc<View> {
        match self.0.as_ref() {
            Source::Live(handle, _) => handle.view(),
            Source::Still(view) => Arc::clone(view),
        }
    }

    /// The part of the view that a caller may read archives of.
    fn view_to_read(&self, caller: &Caller) -> Arc<View> {
        access::narrowed_to_read(self.view(), caller)
    }

    /// The part of the view that a caller sees, and may change something in.
    fn view_for(&self, caller: &Caller) -> Arc<View> {
        access::narrowed(self.view(), caller)
    }

    /// The part of the view that a caller sees, with this instance's own archives: for what a peer
    /// may order that has the scope.
    fn view_for_orders(&self, caller: &Caller) -> Arc<View> {
        access::narrowed_to_orders(self.view(), caller)
    }

    /// The configuration in force.
    fn desired(&self) -> Arc<Desired> {
        match self.0.as_ref() {
            Source::Live(handle, _) => handle.desired(),
            Source::Still(view) => Arc::clone(&view.desired),
        }
    }

    /// The engine, for requests and for history.
    fn handle(&self) -> Result<&Handle, Problem> {
        self.live().ok_or_else(not_open)
    }

    fn live(&self) -> Option<&Handle> {
        match self.0.as_ref() {
            Source::Live(handle, _) => Some(handle),
            Source::Still(_) => None,
        }
    }

    /// Has the next view show what was put to a location by others a moment ago.
    async fn look_for_foreign(&self, location: Option<&str>) {
        if let Some(handle) = self.live() {
            handle.look_for_foreign(location).await;
        }
    }

    /// The engine, and who follows its events.
    fn events(&self) -> Result<(&Handle, &events::Hub), Problem> {
        match self.0.as_ref() {
            Source::Live(handle, hub) => Ok((handle, hub)),
            Source::Still(_) => Err(not_open()),
        }
    }
}

fn not_open() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the state is not open")
}

/// The API of a running engine for this host's administrators: every caller may do everything.
pub fn router(handle: Handle) -> Router {
    as_caller(App::live_on(handle), Caller::Local)
}

/// The API of a running engine for somebody who is known already.
pub fn router_for(handle: Handle, caller: Caller) -> Router {
    as_caller(App::live_on(handle), caller)
}

/// The API of a running engine over the network: a caller may do what its token may.
pub fn network(handle: Handle, gate: Arc<Gate>) -> Router {
    behind(gate, App::live_on(handle))
}

/// The API of a running engine for another part of this program, which says with each request who
/// asks (an extension, [`Caller`]). Without one the answer is 401.
pub fn inner(handle: Handle) -> Router {
    serve::harden(finish(routes(), App::live_on(handle)))
}

fn behind(gate: Arc<Gate>, app: App) -> Router {
    let authenticate = from_fn_with_state((gate, app.clone()), access::authenticate);
    // Around the routes and not in each: an answer to nobody must not tell which methods a path has.
    serve::harden(Router::new().fallback_service(finish(routes(), app)).layer(authenticate))
}

/// The API of one moment: it answers what can be read from the view and refuses every request.
pub fn still(view: View) -> Router {
    as_caller(App(Arc::new(Source::Still(Arc::new(view)))), Caller::Local)
}

/// The description of every path, as it is checked in and served.
#[must_use]
pub fn openapi() -> OpenApi {
    description::complete(routes().into_openapi())
}

fn as_caller(app: App, caller: Caller) -> Router {
    serve::harden(finish(routes().layer(Extension(caller)), app))
}

/// A route for everybody, who says in the body who it is.
fn open(route: UtoipaMethodRouter<App>) -> UtoipaMethodRouter<App> {
    let (schemas, paths, router) = route;
    (schemas, paths, router.route_layer(from_fn(serve::as_of_a_stranger)))
}

fn routes() -> OpenApiRouter<App> {
    let v1 = OpenApiRouter::new()
        .routes(guarded(Scope::Status, routes!(status::health)))
        .routes(guarded(Scope::Status, routes!(status::status)))
        .routes(guarded(Scope::Admin, routes!(status::settled)))
        .routes(guarded(Scope::Admin, routes!(plan::show)))
        .routes(guarded(Scope::Status, routes!(plan::simulate)))
        .routes(guarded(Scope::Admin, routes!(plan::approve)))
        .routes(guarded(Scope::Admin, routes!(plan::end_recovery)))
        .routes(guarded(Scope::Admin, routes!(config::show)))
        .routes(guarded(Scope::Admin, routes!(config::check)))
        .routes(guarded(Scope::Admin, routes!(config::reload)))
        .routes(guarded(Scope::Status, routes!(jobs::list)))
        .routes(guarded(Scope::Status, routes!(jobs::show)))
        .routes(guarded(Scope::Status, routes!(jobs::runs)))
        .routes(guarded(Scope::Status, routes!(jobs::days)))
        .routes(guarded(Scope::Run, routes!(jobs::run)))
        .routes(guarded(Scope::Run, routes!(jobs::drill)))
        .routes(guarded(Scope::Status, routes!(runs::list)))
        .routes(guarded(Scope::Status, routes!(runs::show)))
        .routes(guarded(Scope::Admin, routes!(runs::log)))
        .routes(guarded(Scope::Run, routes!(runs::cancel)))
        .routes(guarded(Scope::Restore, routes!(restore::undo)))
        .routes(guarded(Scope::Status, routes!(events::follow)))
        .routes(guarded(Scope::Status, routes!(metrics::metrics)))
        .routes(guarded(Scope::Admin, routes!(coverage::list)))
        .routes(guarded(Scope::Status, routes!(locations::list)))
        .routes(guarded(Scope::Status, routes!(locations::space)))
        .routes(guarded(Scope::Admin, routes!(notify::test)))
        .routes(guarded(Scope::Status, routes!(peers::list)))
        .routes(guarded(Scope::Status, routes!(peers::show)))
        .routes(guarded(Scope::Run, routes!(peers::check)))
        .routes(guarded(Scope::Run, routes!(remote::run)))
        .routes(guarded(Scope::Run, routes!(remote::verify)))
        .routes(guarded(Scope::Restore, routes!(remote::restore)))
        .routes(guarded(Scope::Admin, routes!(peers::kinds)))
        .routes(guarded(Scope::Admin, routes!(peers::edit::add)))
        .routes(guarded(Scope::Admin, routes!(peers::edit::remove)))
        .routes(guarded(Scope::Admin, routes!(pairing::list, pairing::invite)))
        .routes(guarded(Scope::Admin, routes!(pairing::forget)))
        .routes(open(routes!(pairing::pair)))
        .routes(guarded(Scope::Status, routes!(network::list)))
        .routes(guarded(Scope::Status, routes!(description::show)))
        .routes(guarded(Scope::List, routes!(archives::list)))
        .routes(guarded(Scope::Admin, routes!(archives::change::adopt)))
        .routes(guarded(Scope::Delete, routes!(archives::change::delete)))
        .routes(guarded(Scope::Delete, routes!(archives::change::deletion)))
        .routes(guarded(Scope::List, routes!(archives::info)))
        .routes(guarded(Scope::List, routes!(archives::why)))
        .routes(guarded(Scope::List, routes!(archives::contents::contents)))
        .routes(guarded(Scope::Fetch, routes!(archives::download::download)))
        .routes(guarded(Scope::Fetch, routes!(archives::offered::description)))
        .routes(guarded(Scope::Fetch, routes!(archives::offered::held)))
        .routes(guarded(Scope::Send, routes!(uploads::start)))
        .routes(guarded(Scope::Send, routes!(uploads::chunk)))
        .routes(guarded(Scope::Send, routes!(uploads::show, uploads::abandon)))
        .routes(guarded(Scope::Send, routes!(uploads::finish)))
        .routes(guarded(Scope::Admin, routes!(uploads::landing)))
        .routes(guarded(Scope::Restore, routes!(restore::start)))
        .routes(guarded(Scope::Restore, routes!(restore::plan)))
        .routes(guarded(Scope::Restore, routes!(restore::status)))
        .routes(guarded(Scope::Run, routes!(archives::change::verify)))
        .routes(guarded(Scope::Run, routes!(archives::change::transfer)))
        .routes(guarded(Scope::Admin, routes!(archives::elsewhere::fetch)))
        .routes(guarded(Scope::Admin, routes!(archives::change::pin)))
        .routes(guarded(Scope::Admin, routes!(archives::change::unpin)))
        .routes(guarded(Scope::Delete, routes!(archives::change::undelete)));
    OpenApiRouter::with_openapi(description::head())
        .routes(routes!(status::alive))
        .routes(guarded(Scope::Status, routes!(metrics::root)))
        .nest("/api/v1", v1)
        .fallback(unknown_path)
}

/// What every router here ends with: no error leaves it except as a problem document.
fn finish(described: OpenApiRouter<App>, app: App) -> Router {
    let (router, _) = described.with_state(app).split_for_parts();
    router.layer(axum::middleware::map_response(problem::rewrite))
}

async fn unknown_path(uri: axum::http::Uri) -> Problem {
    Problem::not_found(format!("there is nothing at `{}`", uri.path()))
}

/// A list, as a plain array; where it goes on stands in the `Link` header (RFC 8288).
struct Page<T> {
    items: Vec<T>,
    /// The query of the next page: see [`next_page`].
    next: Option<String>,
}

/// The most entries of a page.
const PAGE_MAX: usize = 1000;

/// How many entries a page has: what was asked for, or what is usual.
fn page_size(asked: Option<usize>, usual: usize) -> Result<usize, Problem> {
    match asked {
        None => Ok(usual),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::bad_request(format!("a page of {limit} entries is none"))
            .hint(format!("`limit` is 1 to {PAGE_MAX}; the `Link` header leads to the next page"))),
    }
}

/// The query that was asked, with another cursor: so a list keeps its filters from page to page.
fn next_page(asked: Option<&str>, cursor: &str) -> String {
    let asked = asked.unwrap_or_default().split('&');
    let kept = asked.filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"));
    let mut query: Vec<&str> = kept.collect();
    let cursor = format!("cursor={cursor}");
    query.push(&cursor);
    query.join("&")
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.items).into_response();
        let link = self.next.map(|query| format!("<?{query}>; rel=\"next\""));
        if let Some(Ok(link)) = link.map(|link| HeaderValue::from_str(&link)) {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// 202 with the number of the run.
fn accepted(run: RunId) -> Response {
    accepted_body(run, dto::Accepted { run_id: run.0, run_ids: None })
}

/// 202 with the number of the first run, and of all of them.
fn accepted_all(runs: &[RunId]) -> Result<Response, Problem> {
    let numbers: Vec<u64> = runs.iter().map(|run| run.0).collect();
    let none = || Problem::new(StatusCode::CONFLICT, "there is nothing to run");
    let first = runs.first().ok_or_else(none)?;
    Ok(accepted_body(*first, dto::Accepted { run_id: first.0, run_ids: Some(numbers) }))
}

fn accepted_body(run: RunId, body: dto::Accepted) -> Response {
    let location = format!("/api/v1/runs/{run}");
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    if let Ok(value) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, value);
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
