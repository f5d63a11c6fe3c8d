//! Accepting connections and ending them: no client can hold one open for ever, no stop of the server breaks
//! off an answer.

use std::io;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::audit::Peer;

/// How long a client may take to send a request's head, or leave a connection idle between two.
const HEAD: Duration = Duration::from_mins(1);
/// After accepting failed for want of something (file descriptors, memory).
const PAUSE: Duration = Duration::from_millis(200);

/// Serve connections until `stop` rings, then finish what is in flight within `patience`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    patience: Duration,
) {
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let router = router.clone().layer(Extension(Peer(peer)));
                tokio::spawn(connection(stream, router, open.watcher()));
            }
            Err(error) => wait_for_room(&error).await,
        }
    }
    drop(listener);
    if timeout(patience, open.shutdown()).await.is_err() {
        tracing::warn!("some requests were not answered before the server stopped");
    }
}

async fn connection(stream: TcpStream, router: Router, open: Watcher) {
    // Answers are small and written whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    let service = TowerToHyperService::new(router);
    let served = http.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = open.watch(served).await {
        tracing::trace!(%error, "a connection broke off");
    }
}

async fn wait_for_room(error: &io::Error) {
    // A client that went away before it was accepted is no shortage of anything.
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tracing::error!(%error, "a connection could not be accepted");
        sleep(PAUSE).await;
    }
}
