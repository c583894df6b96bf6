//! Ways to the pages, and the events that keep them up to date.

use axum::http::header::{HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::entry::{Visitor, to};
use super::frame;
use crate::api::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// From `/` and `/ui`, which stand one level above the pages. The address is relative, so that a
/// path that a proxy strips stays.
pub(super) async fn root() -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("ui/overview"));
    response
}

pub(super) async fn overview() -> Response {
    to("overview")
}

/// Whatever is not there; whoever is not let in is not told so.
pub(super) async fn nothing(visitor: Visitor, uri: axum::http::Uri) -> Response {
    let detail = format!("there is nothing at `{}`", uri.path());
    frame::problem(&visitor, &Problem::not_found(detail))
}

/// Below a page there is nothing, for anybody: from there no relative address leads anywhere.
pub(super) async fn deeper() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// The events of the API, for the script.
pub(super) async fn events(visitor: Visitor, headers: HeaderMap) -> Response {
    let last = headers.get(&LAST_EVENT_ID).cloned();
    let handed = last.map(|last| (LAST_EVENT_ID, last)).into_iter().collect();
    match visitor.ask().hand_on("/events", handed).await {
        Ok(events) => events,
        Err(problem) => problem.into_response(),
    }
}
