//! `/plan`, and the approval of what it holds back.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::problem::Problem;
use super::{App, dto, moment};
use crate::reconcile;

/// The most days that a forecast goes.
const DAYS_MAX: u32 = 1000;

#[derive(Debug, Deserialize)]
pub(super) struct PlanQuery {
    at: Option<String>,
    days: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Approval {
    hash: String,
}

pub(super) async fn show(
    State(app): State<App>,
    Query(query): Query<PlanQuery>,
) -> Result<Json<dto::Plan>, Problem> {
    let view = app.view();
    let days = query.days.unwrap_or(0);
    if days > DAYS_MAX {
        return Err(Problem::bad_request(format!("a forecast goes {DAYS_MAX} days at most")));
    }
    let at = moment(&view, query.at.as_deref())?;
    // A forecast of many days is work for a thread that nobody waits for.
    let plan = tokio::task::spawn_blocking(move || {
        let mut plan = if query.at.is_some() {
            let plan = reconcile::plan(&view.desired, &view.observed, &at);
            dto::Plan::new(&view, &plan)
        } else {
            dto::Plan::new(&view, &view.plan)
        };
        if days > 0 {
            let days = reconcile::simulate_days(&view.desired, &view.observed, &at, days);
            plan.days = days.iter().map(dto::Day::from).collect();
        }
        plan
    });
    let plan = plan.await.map_err(|error| {
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    Ok(Json(plan))
}

pub(super) async fn approve(
    State(app): State<App>,
    Json(approval): Json<Approval>,
) -> Result<Json<Vec<dto::SeriesName>>, Problem> {
    let series = app.handle()?.approve(approval.hash.trim()).await?;
    Ok(Json(series.iter().map(dto::SeriesName::from).collect()))
}

pub(super) async fn end_recovery(
    State(app): State<App>,
) -> Result<Json<serde_json::Value>, Problem> {
    let ended = app.handle()?.end_recovery().await?;
    Ok(Json(serde_json::json!({ "ended": ended })))
}
