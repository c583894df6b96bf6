//! `/plan`, and the approval of what it holds back.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use super::{App, dto, moment};
use crate::reconcile;

/// The most days that a forecast goes.
const DAYS_MAX: u32 = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PlanQuery {
    /// As of this moment.
    #[param(value_type = dto::Moment, required = false)]
    at: Option<String>,
    /// How many coming days are foretold.
    #[param(maximum = 1000)]
    days: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Approval {
    hash: String,
}

#[utoipa::path(
    get,
    path = "/plan",
    tag = "plan",
    operation_id = "plan_show",
    summary = "What would happen and why.",
    params(PlanQuery),
    responses(
        (status = 200, description = "The plan", body = dto::Plan),
    )
)]
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
            plan.days = days.iter().map(|day| dto::Day::new(&view.desired, day)).collect();
        }
        plan
    });
    let plan = plan.await.map_err(|error| {
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    Ok(Json(plan))
}

/// How many days are simulated at most, and when nobody says.
const SIMULATED_MAX: u32 = 3660;
const SIMULATED: u32 = 120;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SimulateQuery {
    /// The policy: `mode=gfs,daily=7,weekly=4,monthly=3`.
    policy: String,
    /// Days of one archive each, up to now; 120 without.
    #[param(maximum = 3660)]
    days: Option<u32>,
}

#[utoipa::path(
    get,
    path = "/simulate",
    tag = "plan",
    operation_id = "plan_simulate",
    summary = "What a policy keeps of one archive a day, and why, as `larder simulate` shows it.",
    params(SimulateQuery),
    responses(
        (status = 200, description = "Each day's archive, oldest first", body = Vec<dto::Simulated>),
    )
)]
pub(super) async fn simulate(
    State(app): State<App>,
    Query(query): Query<SimulateQuery>,
) -> Result<Json<Vec<dto::Simulated>>, Problem> {
    let policy = reconcile::simulate::parse_policy(&query.policy).map_err(|error| {
        let problem = Problem::bad_request(error.to_string());
        match error.hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })?;
    let days = query.days.unwrap_or(SIMULATED);
    if days > SIMULATED_MAX {
        return Err(Problem::bad_request(format!("{SIMULATED_MAX} days are simulated at most")));
    }
    let at = moment(&app.view(), None)?;
    let lines =
        tokio::task::spawn_blocking(move || reconcile::simulate::over_days(&policy, days, &at));
    let lines = lines.await.map_err(|error| {
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    Ok(Json(lines.iter().map(dto::Simulated::from).collect()))
}

#[utoipa::path(
    post,
    path = "/plan/approve",
    tag = "plan",
    operation_id = "plan_approve",
    summary = "Lets exactly the deletions with this hash happen.",
    request_body = Approval,
    responses(
        (status = 200, description = "The series that were released", body = Vec<dto::SeriesName>),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Something is in the way", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn approve(
    State(app): State<App>,
    Json(approval): Json<Approval>,
) -> Result<Json<Vec<dto::SeriesName>>, Problem> {
    let series = app.handle()?.approve(approval.hash.trim()).await?;
    let view = app.view();
    Ok(Json(series.iter().map(|series| dto::SeriesName::new(&view.desired, series)).collect()))
}

#[utoipa::path(
    post,
    path = "/recovery/done",
    tag = "recovery",
    operation_id = "plan_end_recovery",
    summary = "Ends the recovery of an instance on a new machine.",
    responses(
        (status = 200, description = "Whether there was one", body = dto::Ended),
    )
)]
pub(super) async fn end_recovery(State(app): State<App>) -> Result<Json<dto::Ended>, Problem> {
    let ended = app.handle()?.end_recovery().await?;
    Ok(Json(dto::Ended { ended }))
}
