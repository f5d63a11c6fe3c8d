//! A request's body on its way to a target: streamed as the target takes it, watched for a client that goes silent.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::clock::now_ms;

/// The body, or none.
pub(super) enum Upload {
    /// Nothing; the request can be sent again.
    Empty,
    /// What the client sends; apart, since most requests have none, and all are handed on several times.
    Streamed(Box<Streamed>),
}

/// A body with its pace.
pub(super) struct Streamed {
    body: Incoming,
    pace: Arc<Pace>,
    /// How long the client may be silent.
    silence: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Whose turn it is while a body is sent.
#[derive(Debug, Default)]
pub(super) struct Pace {
    turn: AtomicU8,
    moved_ms: AtomicU64,
}

/// Why a body could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    /// The client's connection broke.
    #[error("the client's body broke off")]
    Broken(#[source] hyper::Error),
    /// It went silent.
    #[error("the client sent nothing for {0:?}")]
    Silent(Duration),
}

/// What became of the client while it sent its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The target's: it has everything, or has to take more.
    Target,
    /// The client's: it has to send more.
    Client,
    /// The client broke off.
    Gone,
    /// The client was silent for too long.
    Silent,
}

/// Until a route says how long a client may be silent.
const SILENCE: Duration = Duration::from_secs(50);

impl Upload {
    /// A body and how it keeps up.
    pub(super) fn new(body: Incoming) -> (Self, Arc<Pace>) {
        let pace = Arc::<Pace>::default();
        if body.is_end_stream() {
            return (Self::Empty, pace);
        }
        let streamed = Streamed { body, pace: pace.clone(), silence: SILENCE, timer: None };
        (Self::Streamed(Box::new(streamed)), pace)
    }

    /// How long the client may keep everybody waiting.
    pub(super) fn set_silence(&mut self, silence: Duration) {
        if let Self::Streamed(streamed) = self {
            streamed.silence = silence;
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Pace {
    /// Whose turn it is.
    pub(super) fn turn(&self) -> Turn {
        match self.turn.load(Relaxed) {
            0 => Turn::Target,
            1 => Turn::Client,
            2 => Turn::Gone,
            _ => Turn::Silent,
        }
    }

    /// How long ago a part of the body was handed on; `None` if none was yet.
    pub(super) fn moved(&self) -> Option<Duration> {
        let at = self.moved_ms.load(Relaxed);
        (at > 0).then(|| Duration::from_millis(now_ms().saturating_sub(at)))
    }

    fn set(&self, turn: Turn) {
        let number = match turn {
            Turn::Target => 0,
            Turn::Client => 1,
            Turn::Gone => 2,
            Turn::Silent => 3,
        };
        self.turn.store(number, Relaxed);
        self.moved_ms.store(now_ms(), Relaxed);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streamed(streamed) => streamed.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(streamed) => streamed.body.size_hint(),
        }
    }
}

impl Streamed {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            self.pace.set(if matches!(frame, Some(Err(_))) { Turn::Gone } else { Turn::Target });
            return Poll::Ready(frame.map(|frame| frame.map_err(UploadError::Broken)));
        }
        let silence = self.silence;
        if self.timer.is_none() {
            self.pace.set(Turn::Client);
        }
        let begin = || Box::pin(sleep_until(Instant::now() + silence));
        ready!(self.timer.get_or_insert_with(begin).as_mut().poll(context));
        self.pace.set(Turn::Silent);
        Poll::Ready(Some(Err(UploadError::Silent(silence))))
    }
}
