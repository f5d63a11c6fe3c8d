//! One connection that speaks HTTP: HTTP/1.1, or HTTP/2 if it begins so.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::super::Shared;
use super::super::access::Visit;
use super::super::forward::{forward, host_of};
use super::super::headers::Arrival;
use super::Caller;
use super::logged::Logged;
use super::way::Way;

/// Of a peer that is silent for this long it is asked whether it is still there (HTTP/2).
const STILL_THERE: Duration = Duration::from_secs(30);

/// Serve requests until the client goes or, once `close`, those under way are answered.
pub(super) async fn serve<S>(
    stream: S,
    caller: Caller,
    way: &Way,
    shared: &Arc<Shared>,
    close: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = caller.ends.client;
    let arrival = Arrival::new(client, caller.ends.called, caller.port, caller.is_secure);
    let (arrival, each) = (Arc::new(arrival), shared.clone());
    let service = service_fn(move |request| {
        let (arrival, each) = (arrival.clone(), each.clone());
        let visit = each.access.is_open().then(|| Box::new(visit(&request, &arrival)));
        async move {
            let answer = forward(request, arrival, &each).await;
            Ok::<_, Infallible>(Logged::answer(answer, visit, &each))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(way.client);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(STILL_THERE);
    let stream = TokioIo::new(Opening::new(stream, way.client));
    let connection = builder.serve_connection_with_upgrades(stream, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%client, %error, "a connection ended badly");
    }
}

fn visit<B>(request: &Request<B>, arrival: &Arrival) -> Visit {
    let mut visit = Visit::begin(arrival.client, arrival.port, request.method().as_str());
    visit.host = host_of(request);
    visit.path.push_str(request.uri().path());
    visit
}

/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes have a deadline: until it is known which HTTP is spoken, nobody else has one.
struct Opening<S> {
    stream: S,
    /// Gone when it is known.
    deadline: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl<S> Opening<S> {
    fn new(stream: S, within: Duration) -> Self {
        Self { stream, deadline: Some(Box::pin(sleep(within))), read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some(deadline) = &mut self.deadline else { return polled };
        if polled.is_pending() {
            return deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        let new = &buffer.filled()[before..];
        let expected = PREFACE.get(self.read..).unwrap_or_default();
        self.read += new.len();
        if self.read >= PREFACE.len() || new.is_empty() || !expected.starts_with(new) {
            self.deadline = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn the_first_bytes_have_a_deadline_and_no_others() {
        for (sent, is_known) in [
            (&b""[..], false),
            (b"P", false),
            (b"PRI * HTTP/2.0\r\n", false),
            (PREFACE, true),
            (b"G", true),
            (b"PO", true),
        ] {
            let (mut client, server) = duplex(64);
            client.write_all(sent).await.unwrap();
            let mut opening = Opening::new(server, Duration::from_secs(1));
            let mut heard = vec![0; sent.len()];
            opening.read_exact(&mut heard).await.unwrap();
            let more = tokio::time::timeout(Duration::from_mins(1), opening.read_u8()).await;
            assert_eq!(more.is_err(), is_known, "{sent:?}: {more:?}");
        }
    }
}
