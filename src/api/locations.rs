//! `/locations`.

use axum::extract::State;

use super::{App, Page, dto};

pub(super) async fn list(State(app): State<App>) -> Page<dto::Location> {
    let view = app.view();
    let locations = view.desired.locations.values();
    let items = locations.map(|location| dto::Location::new(&view, location)).collect();
    Page { items, next: None }
}
