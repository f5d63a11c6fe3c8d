//! Forgets, now and then, what was removed long enough ago.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use drover_core::{Change, Grant, HostId, World};
use tokio::time::{Instant, interval_at};

use crate::server::Server;

/// Name in the change log.
const PURGE: &str = "purge";

/// Forget until the server stops.
pub(crate) async fn run(server: Arc<Server>) {
    // Not at once: hosts that were away when the server before this one ended have some time to come back first.
    let period = Duration::from_millis(server.timing.purge_ms);
    let mut due = interval_at(Instant::now() + period, period);
    loop {
        tokio::select! {
            () = server.stop.cancelled() => return,
            _ = due.tick() => {}
        }
        let purged = server.decide(PURGE, |world, now| {
            let mut changes = drover_api::purge(world, now);
            changes.extend(keys_of_the_gone(world));
            Ok::<_, Infallible>((changes, ()))
        });
        if let Err(error) = purged.await {
            tracing::error!(%error, "what was removed could not be purged");
        }
    }
}

/// Credentials of agents whose hosts are gone open nothing any more.
fn keys_of_the_gone(world: &World) -> impl Iterator<Item = Change> {
    let gone = |host: HostId| !world.hosts.contains_key(&host);
    let keys = world.credentials.values();
    let keys = keys.filter(move |c| matches!(c.grants, Grant::Agent(host) if gone(host)));
    keys.map(|c| Change::DropCredential(c.id))
}
