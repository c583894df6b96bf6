//! `/events`: what happens, as server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `queued`, `started`, `progress`, `finished` | the run, as `/runs` lists it |
//! | `view` | the instance in numbers, when one of them changed ([`dto::Overview`]) |
//! | `config` | the configuration in short, as in `/health` |
//! | `reset` | something is missing here: read everything anew ([`dto::Reset`]) |
//!
//! A client that comes back with `Last-Event-ID` gets what it missed, as far as it is remembered.
//! **Invariants:** memory is bounded whatever clients do; nobody hears of what it may not ask for.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::Stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::access::Caller;
use super::problem::Problem;
use super::{App, runs};
use crate::model::name::JobName;

mod feed;
mod hub;
mod message;

pub(super) use hub::Hub;
use hub::{Refused, Subscription};
use message::{Reach, Wants};

/// How long a connection may be silent: proxies and firewalls forget it otherwise.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A comment: clients look over it.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");
/// When to ask again while there are too many listeners, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("30");
/// The header of the standard that says where a client was.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// nginx and those that imitate it pass each event on at once.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Only runs of this job; a job with `*` includes its series
    job: Option<String>,
    /// Only runs of this kind
    kind: Option<String>,
}

#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    operation_id = "events_follow",
    summary = "What happens, as server-sent events.",
    description = "`queued`, `started`, `progress` (at most two a second for each run) and `finished` carry a `Run`, `view` an `Overview`, `config` a `ConfigHealth`, `reset` a `Reset`. With `job` or `kind` only runs that match are told. The stream ends when the daemon stops, when the client does not keep up, and, over the network, when the configuration changes: come back with `Last-Event-ID`.",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that arrived: what was missed comes first, or `reset` when it is not known any more"),
    ),
    responses(
        (status = 200, description = "Events, as they happen", body = String, content_type = "text/event-stream"),
        (status = 503, description = "Too many listeners, or the daemon is stopping", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn follow(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (handle, hub) = app.events()?;
    let wants = wants(&app, &caller, query)?;
    let last = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    let subscription = match hub.subscribe(handle, wants, last) {
        Ok(subscription) => subscription,
        Err(refused) => return Ok(refusal(refused)),
    };
    let mut response = Body::from_stream(stream(subscription)).into_response();
    let to = response.headers_mut();
    to.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    to.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    to.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn wants(app: &App, caller: &Caller, query: EventsQuery) -> Result<Wants, Problem> {
    let view = app.view();
    let job = query.job.map(|job| job.parse::<JobName>());
    let job = job.transpose().map_err(|error| Problem::bad_request(error.to_string()))?;
    query.kind.as_deref().map_or(Ok(()), runs::check_kind)?;
    let reach = match caller.peer().map(|peer| view.desired.name_space(peer)) {
        None => Reach::Everything,
        Some(None) => Reach::Nothing,
        Some(Some(own)) => Reach::NameSpace(own),
    };
    Ok(Wants { job, kind: query.kind, is_local: *caller == Caller::Local, reach })
}

fn refusal(refused: Refused) -> Response {
    let problem = |detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    let mut response = match refused {
        Refused::Full => problem("too many clients follow the events")
            .hint("end one of them, or read `/runs` and `/status` now and then")
            .into_response(),
        Refused::Ended => problem("the daemon is stopping").into_response(),
    };
    response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    response
}

/// What a client reads: what it missed, then what comes, and a comment when nothing comes.
fn stream(
    subscription: Subscription,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static {
    futures_util::stream::unfold(subscription, |mut subscription| async move {
        if let Some(frame) = subscription.missed.pop_front() {
            return Some((Ok(frame), subscription));
        }
        // An event that comes while the time runs out stays in the queue.
        let frame = match tokio::time::timeout(HEARTBEAT, subscription.queue.recv()).await {
            Ok(frame) => frame?,
            Err(_) => COMMENT,
        };
        Some((Ok(frame), subscription))
    })
}
