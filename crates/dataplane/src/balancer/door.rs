//! Listening ports: opened and closed while the process runs, each with its connections.
//!
//! A closed door takes no new connection; those that are open finish their request and end.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use drover_core::{Listener, RuleProtocol};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::forward::forward;
use super::headers::Arrival;

/// The ports this process listens on.
pub(super) struct Doors {
    shared: Arc<Shared>,
    open: BTreeMap<u16, CancellationToken>,
    any_shut: bool,
}

/// A client that connects and says nothing, or nothing more, is let go.
const SILENCE: Duration = Duration::from_mins(1);

/// Pause when the system gives no more connections (too many open files).
const EXHAUSTED: Duration = Duration::from_millis(50);

impl Doors {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, open: BTreeMap::new(), any_shut: false }
    }

    /// Listen on these ports and no others. Returns what failed, in words.
    pub(super) async fn open(&mut self, wanted: &BTreeMap<u16, Listener>) -> String {
        let serves =
            |port: &u16| wanted.get(port).is_some_and(|l| l.protocol == RuleProtocol::Http);
        self.open.retain(|port, close| {
            let stays = serves(port);
            if !stays {
                close.cancel();
            }
            stays
        });
        let mut problems = Vec::new();
        self.any_shut = false;
        for (&port, listener) in wanted {
            if !serves(&port) {
                let protocol = format!("{:?}", listener.protocol).to_lowercase();
                problems.push(format!("port {port}: this version does not serve {protocol} yet"));
            } else if !self.open.contains_key(&port)
                && let Err(error) = self.open_one(port).await
            {
                self.any_shut = true;
                problems.push(format!("port {port} can't be opened: {error}; trying on"));
            }
        }
        problems.join("; ")
    }

    /// Whether a port could not be opened.
    pub(super) fn any_shut(&self) -> bool {
        self.any_shut
    }

    /// Take no more connections, and end those that are idle.
    pub(super) fn close_all(&mut self) {
        for close in std::mem::take(&mut self.open).into_values() {
            close.cancel();
        }
    }

    async fn open_one(&mut self, port: u16) -> std::io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
        let close = CancellationToken::new();
        let shared = self.shared.clone();
        self.shared.work.spawn(welcome(listener, port, shared, close.clone()));
        self.open.insert(port, close);
        Ok(())
    }
}

/// Accept until closed, then wait for the connections to end.
async fn welcome(listener: TcpListener, port: u16, shared: Arc<Shared>, close: CancellationToken) {
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = close.cancelled() => break,
        };
        match accepted {
            Ok((stream, client)) => greet(stream, client, port, &shared, &connections),
            Err(error) => {
                tracing::warn!(port, %error, "a connection could not be accepted");
                sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Serve one connection: HTTP/1.1, or HTTP/2 if it begins so.
fn greet(
    stream: TcpStream,
    client: SocketAddr,
    port: u16,
    shared: &Arc<Shared>,
    connections: &GracefulShutdown,
) {
    stream.set_nodelay(true).ok();
    let Ok(called) = stream.local_addr() else { return };
    let arrival = Arrival { client, called, port, is_secure: false };
    let each = shared.clone();
    let service = service_fn(move |request| {
        let answer = forward(request, arrival, each.clone());
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(SILENCE);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let connection = connections.watch(connection.into_owned());
    shared.work.spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%client, %error, "a connection ended badly");
        }
    });
}
