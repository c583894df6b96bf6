//! `/health`, `/status`, and `/settled` for those who wait.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::problem::Problem;
use super::{App, Page, dto, jobs};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AtQuery {
    /// Judged as of this moment.
    #[param(value_type = dto::Moment, required = false)]
    at: Option<String>,
}

/// Whether anybody is there; open to everybody.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    operation_id = "healthz",
    summary = "Whether anybody is there; open to everybody.",
    security(()),
    responses(
        (status = 200, description = "Somebody is", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn alive() -> &'static str {
    "ok"
}

#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    operation_id = "status_health",
    summary = "This instance as a whole.",
    responses(
        (status = 200, description = "Its health", body = dto::SeenHealth),
    )
)]
pub(super) async fn health(State(app): State<App>, caller: Caller) -> Json<dto::SeenHealth> {
    let health = dto::Health::new(&app.view());
    Json(dto::SeenHealth::new(health, caller.peer().is_some()))
}

#[utoipa::path(
    get,
    path = "/status",
    tag = "status",
    operation_id = "status_status",
    summary = "A verdict for every job, with reasons.",
    params(AtQuery),
    responses(
        (status = 200, description = "The verdicts", body = Vec<dto::SeenVerdict>),
    )
)]
pub(super) async fn status(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<AtQuery>,
) -> Result<Page<dto::SeenVerdict>, Problem> {
    let view = app.view();
    let verdicts = jobs::verdicts(&view, query.at.as_deref())?;
    let is_peer = caller.peer().is_some();
    let items = verdicts.iter().map(|verdict| dto::Verdict::new(&view, verdict));
    let items = items.map(|verdict| dto::SeenVerdict::new(verdict, is_peer)).collect();
    Ok(Page { items, next: None })
}

/// Answers when nothing is queued or running and the plan wants nothing more now.
#[utoipa::path(
    get,
    path = "/settled",
    tag = "settled",
    operation_id = "status_settled",
    summary = "Answers when nothing is queued or running and the plan wants nothing more now.",
    responses(
        (status = 204, description = "Nothing is left to do"),
    )
)]
pub(super) async fn settled(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.handle()?.settled().await;
    Ok(StatusCode::NO_CONTENT)
}
