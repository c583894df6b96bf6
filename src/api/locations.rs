//! `/locations`.

use axum::extract::State;

use super::access::Caller;
use super::{App, Page, dto};

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
pub(super) async fn list(State(app): State<App>, caller: Caller) -> Page<dto::SeenLocation> {
    let view = app.view_for(&caller);
    let is_peer = caller.peer().is_some();
    // The name space of a peer that never sent anything is nowhere yet.
    let locations = view.desired.locations.values().filter(|location| {
        location.owner.is_none() || view.observed.locations.contains_key(&location.name)
    });
    let items = locations.map(|location| dto::Location::new(&view, location));
    let items = items.map(|location| dto::SeenLocation::new(location, is_peer)).collect();
    Page { items, next: None }
}
