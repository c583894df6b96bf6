//! The remote hand: runs, verifications and restores on another instance.
//!
//! What is asked for here is asked for there with the token that the peer gave us: what we may do
//! there, it says. A peer that asks us has no hand on others.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::access::Caller;
use super::archives::CopyQuery;
use super::problem::Problem;
use super::restore::RestoreOrder;
use super::{App, dto, peers};
use crate::engine::{RemoteError, RemoteOrder};

async fn forward(
    app: &App,
    caller: &Caller,
    peer: &str,
    order: RemoteOrder,
) -> Result<Response, Problem> {
    let view = app.view();
    let name = peers::find(&view, caller, peer)?.name.clone();
    if caller.peer().is_some() {
        return Err(peers::unknown(&view, caller, peer));
    }
    let runs = app.handle()?.ask_peer(&name, order).await.map_err(problem)?;
    let none = || Problem::new(StatusCode::BAD_GATEWAY, format!("`{peer}` began no run"));
    let first = *runs.first().ok_or_else(none)?;
    let run_ids = (runs.len() > 1).then_some(runs);
    Ok((StatusCode::ACCEPTED, Json(dto::Accepted { run_id: first, run_ids })).into_response())
}

/// What it says of the thing that was asked for is passed on; what it says of us is a failure of
/// what stands between.
fn problem(error: RemoteError) -> Problem {
    let error = match error {
        RemoteError::Request(error) => return error.into(),
        RemoteError::Peer(error) => error,
    };
    let status = match error.status() {
        Some(400) => StatusCode::BAD_REQUEST,
        Some(404) => StatusCode::NOT_FOUND,
        Some(409) => StatusCode::CONFLICT,
        _ if error.is_offline() => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    let problem = Problem::new(status, error.line());
    match error.hint() {
        Some(hint) => problem.hint(hint),
        None if error.status() == Some(403) => {
            problem.hint("it lets us do that once its `accept.scopes` for this instance say so")
        }
        None => problem,
    }
}

#[utoipa::path(
    post,
    path = "/peers/{name}/jobs/{job}/run",
    tag = "peers",
    operation_id = "peers_run",
    summary = "Runs a job of another instance now.",
    params(("name" = String, Path, description = "The peer"), ("job" = String, Path, description = "The job there")),
    responses(
        (status = 202, description = "It is queued there", body = dto::Accepted),
        (status = 409, description = "Something is in the way, here or there", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "It refuses", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn run(
    State(app): State<App>,
    caller: Caller,
    Path((name, job)): Path<(String, String)>,
) -> Result<Response, Problem> {
    forward(&app, &caller, &name, RemoteOrder::Run { job }).await
}

#[utoipa::path(
    post,
    path = "/peers/{name}/archives/{archive}/verify",
    tag = "peers",
    operation_id = "peers_verify",
    summary = "Has another instance read an archive back.",
    params(("name" = String, Path, description = "The peer"), ("archive" = String, Path, description = "Its id, its name where that is unique there, or `ORIGIN/NAME`"), CopyQuery),
    responses(
        (status = 202, description = "It is queued there", body = dto::Accepted),
        (status = 409, description = "Something is in the way, here or there", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "It refuses", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn verify(
    State(app): State<App>,
    caller: Caller,
    Path((name, archive)): Path<(String, String)>,
    Query(CopyQuery { location }): Query<CopyQuery>,
) -> Result<Response, Problem> {
    forward(&app, &caller, &name, RemoteOrder::Verify { archive, location }).await
}

#[utoipa::path(
    post,
    path = "/peers/{name}/archives/{archive}/restore",
    tag = "peers",
    operation_id = "peers_restore",
    summary = "Has another instance restore an archive there.",
    params(("name" = String, Path, description = "The peer"), ("archive" = String, Path, description = "Its id, its name where that is unique there, or `ORIGIN/NAME`"), CopyQuery),
    request_body = Option<RestoreOrder>,
    responses(
        (status = 202, description = "It is queued there", body = dto::Accepted),
        (status = 409, description = "Something is in the way, here or there", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "It refuses", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn restore(
    State(app): State<App>,
    caller: Caller,
    Path((name, archive)): Path<(String, String)>,
    Query(CopyQuery { location }): Query<CopyQuery>,
    body: Option<Json<RestoreOrder>>,
) -> Result<Response, Problem> {
    let body = body.map(|Json(body)| body).unwrap_or_default();
    let order = serde_json::to_value(body).unwrap_or_default();
    forward(&app, &caller, &name, RemoteOrder::Restore { archive, location, order }).await
}
