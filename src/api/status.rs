//! `/health`, `/status`, and `/settled` for those who wait.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::problem::Problem;
use super::{App, Page, dto, jobs};

#[derive(Debug, Deserialize)]
pub(super) struct AtQuery {
    at: Option<String>,
}

pub(super) async fn health(State(app): State<App>) -> Json<dto::Health> {
    Json(dto::Health::new(&app.view()))
}

pub(super) async fn status(
    State(app): State<App>,
    Query(query): Query<AtQuery>,
) -> Result<Page<dto::Verdict>, Problem> {
    let view = app.view();
    let verdicts = jobs::verdicts(&view, query.at.as_deref())?;
    let items = verdicts.iter().map(|verdict| dto::Verdict::new(&view, verdict)).collect();
    Ok(Page { items, next: None })
}

/// Answers when nothing is queued or running and the plan wants nothing more now.
pub(super) async fn settled(State(app): State<App>) -> Result<StatusCode, Problem> {
    app.handle()?.settled().await;
    Ok(StatusCode::NO_CONTENT)
}
