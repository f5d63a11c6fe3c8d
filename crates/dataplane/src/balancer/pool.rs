//! Connections to one target: made, kept while idle, and closed at once when the target leaves.
//!
//! HTTP/1.1 connections carry one request at a time and are kept on a shelf in between, the last used on top. One
//! HTTP/2 connection carries all requests that need it (gRPC).

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::upload::Upload;

/// A connection that can take a request.
pub(super) enum Line {
    /// HTTP/1.1, and whether it carried one before.
    One(http1::SendRequest<Upload>, bool),
    /// HTTP/2 by prior knowledge.
    Two(http2::SendRequest<Upload>),
}

/// The idle connections of a target.
#[derive(Default)]
pub(super) struct Pool {
    shelf: Mutex<Shelf>,
    two: tokio::sync::Mutex<Option<http2::SendRequest<Upload>>>,
}

#[derive(Default)]
struct Shelf {
    is_closed: bool,
    idle: Vec<(http1::SendRequest<Upload>, Instant)>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Refused, no route, no such name.
    #[error("can't be connected to: {0}")]
    Refused(#[from] io::Error),
    /// Silence.
    #[error("did not take a connection within {0:?}")]
    TimedOut(Duration),
    /// Its host answers nobody here any more.
    #[error("is on a host that does not answer this one")]
    HostSilent,
    /// It hung up at once.
    #[error("hung up at once: {0}")]
    HungUp(#[from] hyper::Error),
}

/// Shorter than what common servers allow (Node.js: 5 s), so that it is us who close an idle connection,
/// and no request meets a closing one.
pub(super) const IDLE: Duration = Duration::from_secs(4);

/// A request that must not be sent twice takes a connection only when it was used so recently: no server in use
/// closes earlier (Gunicorn: 2 s), so that none can be lost to a connection that is just being closed.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// More idle connections than this are not kept.
const KEPT: usize = 512;

impl Pool {
    /// An idle connection that was used within `recently`.
    pub(super) fn take(&self, recently: Duration) -> Option<Line> {
        let mut shelf = self.shelf();
        while let Some((line, since)) = shelf.idle.pop() {
            if since.elapsed() >= recently {
                // Older ones are below it; put it back for those that are not so particular.
                shelf.idle.push((line, since));
                return None;
            }
            if line.is_ready() && !line.is_closed() {
                return Some(Line::One(line, true));
            }
        }
        None
    }

    /// Keep a connection whose exchange is over, as soon as it can take another request.
    pub(super) fn keep(self: &std::sync::Arc<Self>, mut line: http1::SendRequest<Upload>) {
        if line.is_ready() {
            self.shelve(line);
        } else if !line.is_closed() {
            let pool = self.clone();
            tokio::spawn(async move {
                if line.ready().await.is_ok() {
                    pool.shelve(line);
                }
            });
        }
    }

    /// A new HTTP/1.1 connection.
    pub(super) async fn open(stream: TcpStream) -> Result<Line, ConnectError> {
        let (line, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a target ended badly");
            }
        });
        Ok(Line::One(line, false))
    }

    /// The HTTP/2 connection; made by `connect` if there is none.
    pub(super) async fn two(
        &self,
        connect: impl Future<Output = Result<TcpStream, ConnectError>>,
    ) -> Result<Line, ConnectError> {
        let mut held = self.two.lock().await;
        if let Some(line) = held.as_ref().filter(|line| line.is_ready() && !line.is_closed()) {
            return Ok(Line::Two(line.clone()));
        }
        let stream = connect.await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).adaptive_window(true);
        let (line, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/2 connection to a target ended badly");
            }
        });
        *held = Some(line.clone());
        Ok(Line::Two(line))
    }

    /// Close what is idle, now and from now on; what is in use ends with its last request.
    pub(super) fn close(&self) {
        self.shelf().is_closed = true;
        self.forget();
    }

    /// Close what is idle now.
    pub(super) fn forget(&self) {
        self.shelf().idle.clear();
        if let Ok(mut held) = self.two.try_lock() {
            *held = None;
        }
    }

    /// Close what was idle for too long.
    pub(super) fn sweep(&self) {
        self.shelf().idle.retain(|(line, since)| since.elapsed() < IDLE && !line.is_closed());
    }

    fn shelve(&self, line: http1::SendRequest<Upload>) {
        let mut shelf = self.shelf();
        if !shelf.is_closed && shelf.idle.len() < KEPT {
            shelf.idle.push((line, Instant::now()));
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connect to `address:port`; the address may be a name.
pub(super) async fn connect(address: &str, within: Duration) -> Result<TcpStream, ConnectError> {
    let connecting = async {
        match address.parse::<SocketAddr>() {
            Ok(address) => TcpStream::connect(address).await,
            Err(_) => TcpStream::connect(address).await,
        }
    };
    let stream =
        timeout(within, connecting).await.map_err(|_| ConnectError::TimedOut(within))??;
    stream.set_nodelay(true).ok();
    Ok(stream)
}
