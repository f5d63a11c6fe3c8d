//! Bodies on their way through: the request's, lent to a target that may turn out to be unreachable, and the
//! response's, in flight until its last byte.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::forward::InFlight;

/// What the client gets: the target's answer, or a sentence of ours.
pub(super) type Answer = Either<Counted, Full<Bytes>>;

/// A request's body. While nobody has begun to read it, it can be offered to another target.
#[derive(Clone)]
pub(super) struct Lent {
    body: Arc<Mutex<Incoming>>,
    begun: Arc<AtomicBool>,
}

impl Lent {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body: Arc::new(Mutex::new(body)), begun: Arc::default() }
    }

    /// Whether a part of it may have been sent.
    pub(super) fn is_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    fn body(&self) -> MutexGuard<'_, Incoming> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.begun.store(true, Ordering::Relaxed);
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

/// A target's answer; its request is in flight until this is read to the end or given up.
pub(super) struct Counted {
    body: Incoming,
    _in_flight: InFlight,
}

impl Counted {
    pub(super) fn new(body: Incoming, in_flight: InFlight) -> Self {
        Self { body, _in_flight: in_flight }
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
