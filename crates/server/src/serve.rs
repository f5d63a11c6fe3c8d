//! A server on an open store and a bound address, from its first answer to its last.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use drover_store::Store;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::server::{Server, Timing};
use crate::{graveyard, http, hub, library, listen, plan_loop, purge, rollouts, session};

/// What a server needs besides its store and its address.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What links in answers start with (`http://host:8080`); without it, what each request's headers say.
    pub url: Option<String>,
    /// The catalog's directory, if there is one.
    pub catalog: Option<PathBuf>,
    /// How long it waits for this and that.
    pub timing: Timing,
}

/// Serve until `stop` rings and what is in flight is done. The store stays open.
pub async fn serve(
    store: Store,
    listener: TcpListener,
    settings: Settings,
    stop: CancellationToken,
) {
    let Settings { url, catalog, timing } = settings;
    let server = Arc::new(Server::new(store, url, timing, stop.clone()));
    session::mark_unheard(&server).await;
    let loops = [
        watched("the planner's loop", plan_loop::run(server.clone())),
        watched("the hub", hub::run(server.clone())),
        watched("the memory of removed containers", graveyard::run(server.clone())),
        watched("the catalog", library::run(server.clone(), catalog)),
        watched("the rollouts", rollouts::run(server.clone())),
        watched("the purge", purge::run(server.clone())),
        watched("the look for absent hosts", mark_absent(server.clone())),
    ];
    let patience = Duration::from_millis(timing.stop_ms);
    listen::serve(listener, http::router(server.clone()), stop, patience).await;
    server.sockets.close();
    if timeout(patience, server.sockets.wait()).await.is_err() {
        tracing::warn!("some WebSockets did not close before the server stopped");
    }
    for ended in loops {
        // Each listens for the stop itself; how it ended is in the log.
        let _ = ended.await;
    }
}

/// Hosts recorded as connected by the server before this one have some time to come back.
async fn mark_absent(server: Arc<Server>) {
    tokio::select! {
        () = server.stop.cancelled() => {}
        () = sleep(Duration::from_millis(server.timing.reconnect_ms)) => {
            session::mark_absent(&server).await;
        }
    }
}

/// A task whose end by panic does not go unnoticed.
fn watched(
    name: &'static str,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let task = tokio::spawn(task);
    tokio::spawn(async move {
        if let Err(error) = task.await {
            tracing::error!(%error, "{name} failed; restart the server, and report this");
        }
    })
}
