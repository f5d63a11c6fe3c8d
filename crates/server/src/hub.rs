//! The agents that are connected: at most one link per host, and telling each link when its host's
//! assignment may have changed.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use drover_core::HostId;
use drover_core::derive::concerned;
use drover_core::protocol::Ask;

use crate::asks::Asking;
use crate::link::Link;
use crate::lock::lock;
use crate::server::Server;

/// Name of the hub in the change log.
pub(crate) const HUB: &str = "hub";

/// The links.
#[derive(Default)]
pub(crate) struct Hub {
    live: Mutex<BTreeMap<HostId, Arc<Link>>>,
    asked: AtomicU64,
}

impl Hub {
    /// A link takes its host's place; the one before it is ended.
    pub(crate) fn enter(&self, link: &Arc<Link>) {
        let before = lock(&self.live).insert(link.host, link.clone());
        if let Some(before) = before {
            before.end.cancel();
        }
    }

    /// A link is over. Whether its host is without one now.
    pub(crate) fn leave(&self, link: &Arc<Link>) -> bool {
        let mut live = lock(&self.live);
        let own = live.get(&link.host).is_some_and(|held| Arc::ptr_eq(held, link));
        if own {
            live.remove(&link.host);
        }
        own
    }

    /// A host's link.
    pub(crate) fn link(&self, host: HostId) -> Option<Arc<Link>> {
        lock(&self.live).get(&host).cloned()
    }

    /// Ask a host's agent for something; `None` if it is not connected.
    pub(crate) async fn ask(&self, host: HostId, what: Ask) -> Option<Asking> {
        let link = self.link(host)?;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        Asking::start(link, number, what).await
    }
}

/// Tell links of changes until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    let mut feed = server.store.feed();
    let mut before = server.store.world();
    loop {
        let update = tokio::select! {
            () = server.stop.cancelled() => return,
            update = feed.next() => update,
        };
        server.directory.take(&before, &update);
        let concerned = concerned(&before, &update.world, &update.touched);
        for (host, link) in &*lock(&server.hub.live) {
            if concerned.contains(&update.world, *host) {
                link.stale.notify_one();
            }
        }
        before = update.world;
    }
}
