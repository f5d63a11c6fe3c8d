//! The answer's body on its way back: in flight until its last byte, and only then counted.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use drover_core::Failure;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::SendRequest;
use tokio::time::{Instant, Sleep, sleep_until};

use super::target::InFlight;
use super::upload::Upload;

/// What the client gets: the target's answer, or a sentence of ours.
pub(super) type Answer = Either<Counted, Full<Bytes>>;

/// A target's answer; its request is in flight until this is read to the end or given up.
pub(super) struct Counted {
    body: Incoming,
    result: AnswerEnd,
    /// How long the target may be silent.
    silence: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What is to be done when an answer ends.
pub(super) struct AnswerEnd {
    pub(super) in_flight: InFlight,
    /// Until it began.
    pub(super) began_ms: u64,
    pub(super) is_server_error: bool,
    /// The connection it comes on; kept if all of it is read.
    pub(super) line: Option<SendRequest<Upload>>,
    pub(super) is_cut_off: bool,
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    /// The target's connection broke.
    #[error("the target broke its answer off")]
    Broken(#[source] hyper::Error),
    /// It went silent.
    #[error("the target sent nothing for {0:?}")]
    Silent(Duration),
}

impl Counted {
    pub(super) fn new(body: Incoming, result: AnswerEnd, silence: Duration) -> Self {
        Self { body, result, silence, timer: None }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let silence = self.silence;
        let begin = || Box::pin(sleep_until(Instant::now() + silence));
        self.timer.get_or_insert_with(begin).as_mut().poll(context)
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            self.result.is_cut_off |= matches!(frame, Some(Err(_)));
            return Poll::Ready(frame.map(|frame| frame.map_err(AnswerError::Broken)));
        }
        if self.poll_silence(context).is_pending() {
            return Poll::Pending;
        }
        self.result.is_cut_off = true;
        let silence = self.silence;
        Poll::Ready(Some(Err(AnswerError::Silent(silence))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    /// Read to the end, broken off by the target, or given up by the client, which is nobody's failure here.
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.result.line = None;
        }
    }
}

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        let target: &Arc<_> = self.in_flight.target();
        if self.is_cut_off {
            target.account().failed(Failure::CutOff);
            return;
        }
        target.account().answered(self.began_ms, self.is_server_error);
        if let Some(line) = self.line.take() {
            target.pool.keep(line);
        }
    }
}
