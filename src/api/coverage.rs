//! `/coverage`: what this host has, and which job keeps it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use super::problem::Problem;
use super::{App, Page, dto};
use crate::coverage;
use crate::model::desired::Desired;
use crate::stop::{Stop, Stopped};

/// The most time that looking at the host may take: a server may not answer.
const LIMIT: Duration = Duration::from_secs(45);

#[utoipa::path(
    get,
    path = "/coverage",
    tag = "coverage",
    operation_id = "coverage_list",
    summary = "What this host has, and which job keeps it.",
    responses(
        (status = 200, description = "What there is", body = Vec<dto::Covered>),
    )
)]
pub(super) async fn list(State(app): State<App>) -> Result<Page<dto::Covered>, Problem> {
    let desired = Arc::clone(&app.view().desired);
    let stop = Stop::new();
    let inner = stop.clone();
    let mut looked = tokio::task::spawn_blocking(move || covered(Path::new("/"), &desired, &inner));
    let items = if let Ok(items) = tokio::time::timeout(LIMIT, &mut looked).await {
        items
    } else {
        stop.request(Stopped::TimedOut);
        looked.await
    };
    let items = items
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(Page { items, next: None })
}

/// Looks at the host below `root`, and compares it with a configuration. Blocking.
#[must_use]
pub fn covered(root: &Path, desired: &Desired, stop: &Stop) -> Vec<dto::Covered> {
    let mut items = coverage::judge(&coverage::look(root, stop), desired);
    coverage::measure(root, &mut items, stop);
    items.iter().map(dto::Covered::from).collect()
}
