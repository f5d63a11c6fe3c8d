//! An answer whose request is told to the access log when its last byte is gone, or it is given up.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use drover_core::UnitKey;
use http::Response;
use hyper::body::{Body, Frame, SizeHint};

use super::super::Shared;
use super::super::access::Visit;
use super::super::refusal::Refusal;

/// A body, and the visit it ends, if that is to be told.
pub(super) struct Logged<B> {
    body: B,
    visit: Option<(Box<Visit>, Arc<Shared>)>,
    is_whole: bool,
}

impl<B: Body> Logged<B> {
    /// Of an answer, which says itself who gave it or why nobody did.
    pub(super) fn answer(
        answer: Response<B>,
        visit: Option<Box<Visit>>,
        shared: &Arc<Shared>,
    ) -> Response<Self> {
        let visit = visit.map(|mut visit| {
            visit.status = Some(answer.status().as_u16());
            visit.unit = answer.extensions().get::<UnitKey>().copied();
            let refusal = answer.extensions().get::<Refusal>();
            visit.cause = refusal.map(|refusal| format!("{refusal:?}"));
            (visit, shared.clone())
        });
        answer.map(|body| Self { is_whole: body.is_end_stream(), body, visit })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Logged<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if self.visit.is_none() {
            return polled;
        }
        let length = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Buf::remaining),
            _ => 0,
        };
        self.is_whole = matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        if let Some((visit, _)) = &mut self.visit {
            visit.bytes += u64::try_from(length).unwrap_or_default();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Logged<B> {
    fn drop(&mut self) {
        if let Some((mut visit, shared)) = self.visit.take() {
            if !self.is_whole {
                visit.cause.get_or_insert_with(|| "CutOff".to_owned());
            }
            shared.access.tell(*visit);
        }
    }
}
