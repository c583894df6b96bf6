//! What every router gets: headers, an end to panics, an end to bodies.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api::problem::Problem;

/// The largest body of a request, in bytes. A route that takes more says so with a
/// [`DefaultBodyLimit`] of its own.
pub const BODY_MAX: usize = 1 << 20;

/// The largest body that any route takes, in bytes: more is refused before a byte of it is read.
pub const BODY_CEILING: u64 = 1 << 30;

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
