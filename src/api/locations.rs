//! `/locations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::access::Caller;
use super::problem::Problem;
use super::resolve::nearest;
use super::{App, Page, dto};
use crate::engine::View;
use crate::model::name::PlaceName;

#[utoipa::path(
    get,
    path = "/locations",
    tag = "locations",
    operation_id = "locations_list",
    summary = "Every location.",
    responses(
        (status = 200, description = "The locations", body = Vec<dto::SeenLocation>),
    )
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Page<dto::SeenLocation>, Problem> {
    let view = app.view_for(&caller);
    let is_peer = caller.peer().is_some();
    if !is_peer {
        foresee(&view).await?;
    }
    // The name space of a peer that never sent anything is nowhere yet.
    let locations = view.desired.locations.values().filter(|location| {
        location.owner.is_none() || view.observed.locations.contains_key(&location.name)
    });
    let items = locations.map(|location| {
        let mut seen = dto::Location::new(&view, location);
        if !is_peer {
            seen.forecast = view.forecasts().get(&location.name).map(dto::Forecast::from);
        }
        dto::SeenLocation::new(seen, is_peer)
    });
    Ok(Page { items: items.collect(), next: None })
}

#[utoipa::path(
    get,
    path = "/locations/{name}/space",
    tag = "locations",
    operation_id = "locations_space",
    summary = "The room at a location, day by day: what was seen and what is foreseen.",
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The room", body = dto::Space),
        (status = 404, description = "Nothing of that name", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn space(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<dto::Space>, Problem> {
    let view = app.view();
    let known = name.parse::<PlaceName>().ok().filter(|_| caller.peer().is_none());
    let location = known.and_then(|name| view.desired.locations.get(&name));
    let location = location.ok_or_else(|| {
        let problem = Problem::not_found(format!("there is no location `{name}`"));
        let names = app.view_for(&caller);
        let names = names.desired.locations.keys();
        match nearest(&name, names.map(PlaceName::as_str)).first() {
            Some(name) => problem.hint(format!("did you mean `{name}`?")),
            None => problem.hint("`larder location list` shows every location"),
        }
    })?;
    foresee(&view).await?;
    let forecast = view.forecasts().get(&location.name);
    let past = view.space.get(&location.name).into_iter().flatten();
    let coming = forecast.into_iter().flat_map(|forecast| &forecast.steps);
    Ok(Json(dto::Space {
        location: location.name.to_string(),
        min_free: location.min_free.0,
        past: past.map(dto::SpacePoint::from).collect(),
        coming: coming.map(dto::SpacePoint::from).collect(),
        forecast: forecast.map(dto::Forecast::from),
    }))
}

/// Has the forecasts made on a thread that nobody waits for: each view makes them once.
async fn foresee(view: &Arc<View>) -> Result<(), Problem> {
    let view = Arc::clone(view);
    let made = tokio::task::spawn_blocking(move || {
        let _ = view.forecasts();
    });
    made.await.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}
