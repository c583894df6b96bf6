//! Bodies of requests that come too slowly, and of answers that end with the server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use futures_util::future::BoxFuture;
use hyper::body::{Frame, Incoming, SizeHint};

use super::Rate;
use super::pace::Pace;
use super::slots::Busy;
use crate::stop::Stopped;

/// The body did not come at the rate that is asked for.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body of the request came too slowly")]
pub(super) struct TooSlow;

/// The body of a request, which must come at a rate while it is waited for.
pub(super) struct Paced {
    body: Incoming,
    pace: Pace,
    /// Told when it came too slowly: the handler answers what it likes.
    too_slow: Arc<AtomicBool>,
}

impl Paced {
    pub(super) fn new(body: Incoming, rate: Rate, too_slow: Arc<AtomicBool>) -> Self {
        Self { body, pace: Pace::new(rate), too_slow }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            self.pace.moved(data.map_or(0, Bytes::len));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.pace.poll_too_slow(cx));
        self.too_slow.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer; while it is there, its connection is busy.
pub(super) struct Answer {
    body: Body,
    /// What ends it early: a stream of events has no end of its own.
    until: Option<BoxFuture<'static, Stopped>>,
    _busy: Busy,
}

impl Answer {
    pub(super) fn new(body: Body, until: Option<BoxFuture<'static, Stopped>>, busy: Busy) -> Self {
        Self { body, until, _busy: busy }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.until.as_mut().is_some_and(|until| until.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
