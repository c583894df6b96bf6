//! What every router gets: headers, an end to panics, an end to bodies.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use http_body_util::LengthLimitError;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api::problem::Problem;

/// The largest body of a request, in bytes. A route that takes more says so with a
/// [`DefaultBodyLimit`] of its own.
pub const BODY_MAX: usize = 1 << 20;

/// The largest body that any route takes, in bytes: more is refused before a byte of it is read.
pub const BODY_CEILING: u64 = 1 << 30;

/// The largest body that somebody may send of whom nothing is known yet, in bytes.
const STRANGERS_MAX: usize = 16 << 10;

/// How long all of it may take: whoever sends it slowly has a connection meanwhile.
const STRANGERS_TIME: Duration = Duration::from_secs(10);

/// The headers that every answer has.
pub(super) const EVERYWHERE: [HeaderName; 2] = [CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS];

/// Puts around a router what every one of them gets: the headers that make a browser careful, a
/// limit to bodies, and problem documents in place of panics.
pub fn harden<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn(refuse_huge_bodies))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(SetResponseHeaderLayer::if_not_present(
            CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
}

/// Around a route that reads a body before it knows whose it is.
pub(in crate::api) async fn as_of_a_stranger(request: Request, next: Next) -> Response {
    match read_of_a_stranger(request).await {
        Ok(request) => next.run(request).await,
        Err(response) => response,
    }
}

/// Reads the whole body of somebody of whom nothing is known yet: a small one, and soon.
///
/// # Errors
/// The refusal: it is too large, came too slowly, or broke off.
pub async fn read_of_a_stranger(request: Request) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(STRANGERS_TIME, axum::body::to_bytes(body, STRANGERS_MAX));
    let refused = |status, detail: String| {
        let mut response = Problem::new(status, detail).into_response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    };
    match read.await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            if source.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
                let detail = format!("the body is too large: {STRANGERS_MAX} bytes are the most");
                return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            Err(refused(StatusCode::BAD_REQUEST, "the body broke off".to_owned()))
        }
        Err(_) => {
            let seconds = STRANGERS_TIME.as_secs();
            let detail = format!("the body took longer than {seconds} seconds");
            Err(refused(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

async fn refuse_huge_bodies(request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > BODY_CEILING => {
            let detail =
                format!("a body of {length} bytes is too large: {BODY_CEILING} bytes are the most");
            let mut response = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Some(_) | None => next.run(request).await,
    }
}

/// What it said is in the log, and nowhere else: it may name anything.
fn panicked(_what: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request made the program panic: this is a mistake in it");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the program made a mistake; its log has more")
        .into_response()
}
