//! One connection, from its first byte to its last.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt as _;

use super::body::{Answer, Paced};
use super::harden::EVERYWHERE;
use super::heads::Heads;
use super::slots::Slot;
use super::{Limits, Site, origin};
use crate::api::access::Remote;
use crate::api::problem::Problem;
use crate::stop::Stop;

/// The most that the head of a request may be, its first line included.
const HEAD_MAX: usize = 16 << 10;
/// What is read or written at once; the memory of 256 connections is a multiple of it.
const BUFFER: usize = 64 << 10;

/// Answers what comes over a stream until its client ends it, is too slow, or must make room; once
/// `stop` is requested, what is under way is the last.
pub(super) async fn talk<S>(
    stream: S,
    remote: Option<Remote>,
    slot: &Slot,
    site: &Site,
    stop: &Stop,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| {
        let remote = remote.map(|remote| remote.named_by(request.headers()));
        // Over TCP the whole connection counts as its address's.
        let by_proxy = match remote {
            Some(Remote::Proxy(address)) => address.map(origin),
            Some(Remote::Direct(_)) | None => None,
        };
        let busy = slot.busy(by_proxy);
        let (router, limits, stop) = (site.router.clone(), &site.limits, stop.clone());
        async move {
            // Its slot is another's already.
            let busy = busy.ok_or(io::ErrorKind::ConnectionAborted)?;
            let response = if busy.is_one_too_many() {
                one_too_many()
            } else {
                answer(router, limits, remote, request).await
            };
            let is_endless = response
                .headers()
                .get(CONTENT_TYPE)
                .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
            let until = is_endless.then(|| Box::pin(async move { stop.requested().await }) as _);
            Ok::<_, io::Error>(response.map(|body| Answer::new(body, until, busy)))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(site.limits.head)
        .max_header_size(HEAD_MAX)
        .max_buf_size(BUFFER);
    let stream = TokioIo::new(Heads::new(stream));
    let mut connection = std::pin::pin!(http.serve_connection(stream, service));
    let mut is_last = false;
    loop {
        tokio::select! {
            // In this order: what makes room begins nothing any more.
            biased;
            // Waits for a flag that stays set.
            () = slot.evicted() => {
                tracing::debug!("an idle connection makes room");
                return;
            }
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            // As above.
            _ = stop.requested(), if !is_last => {
                is_last = true;
                connection.as_mut().graceful_shutdown();
            }
            // As above.
            _ = site.cut.requested() => return,
        }
    }
}

/// An address has as many requests under way behind a proxy as it may have connections without one.
fn one_too_many() -> Response<Body> {
    let detail = "too many requests of this address are under way";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    // Its body is not read.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn answer(
    router: Router,
    limits: &Limits,
    remote: Option<Remote>,
    request: Request<Incoming>,
) -> Response<Body> {
    // Where a chunked body ends was found by one reader only: nothing behind it is a request.
    let is_last = request.headers().contains_key(TRANSFER_ENCODING);
    let too_slow = Arc::new(AtomicBool::new(false));
    let mut request =
        request.map(|body| Body::new(Paced::new(body, limits.body, Arc::clone(&too_slow))));
    if let Some(remote) = remote {
        request.extensions_mut().insert(remote);
    }
    let Ok(mut response) = router.oneshot(request).await;
    let too_slow = too_slow.load(Ordering::Relaxed);
    if too_slow {
        let detail = format!(
            "the body of the request came too slowly: {} bytes within {} seconds are the least",
            limits.body.bytes,
            limits.body.window.as_secs()
        );
        let mut problem = Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response();
        for name in EVERYWHERE {
            if let Some(value) = response.headers_mut().remove(&name) {
                problem.headers_mut().insert(name, value);
            }
        }
        response = problem;
    }
    if is_last || too_slow {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
