//! The agents that are connected: at most one link per host, and telling each link when its host's
//! assignment may have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use drover_core::protocol::Ask;
use drover_core::{HostId, RowKey, Service, ServiceId, ServiceKind, World};
use drover_store::Update;

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
        let touched = touched(&before, &update);
        for (host, link) in &*lock(&server.hub.live) {
            if touched.contains(*host) {
                link.stale.notify_one();
            }
        }
        before = update.world;
    }
}

/// Hosts whose assignment may differ after an update.
#[derive(Debug, Default, PartialEq, Eq)]
struct Touched {
    all: bool,
    hosts: BTreeSet<HostId>,
}

impl Touched {
    fn contains(&self, host: HostId) -> bool {
        self.all || self.hosts.contains(&host)
    }
}

/// One answer too many costs a derivation; one too few leaves an agent with old orders.
fn touched(before: &World, update: &Update) -> Touched {
    let world = &*update.world;
    let mut touched = Touched::default();
    let mut balancers = false;
    for key in &update.touched {
        match key {
            RowKey::Unit(key) => {
                let units = [before.unit(*key), world.unit(*key)];
                touched.hosts.extend(units.into_iter().flatten().map(|unit| unit.host));
                balancers = true;
            }
            RowKey::Revision(service, _) => {
                touched.hosts.extend(world.units_of(*service).map(|unit| unit.host));
                balancers = true;
            }
            RowKey::Host(host) => {
                touched.hosts.insert(*host);
                balancers = true;
            }
            RowKey::Observed(_) | RowKey::Lost(_) => balancers = true,
            RowKey::Service(service) => touched.all |= edited(before, world, *service),
            // Rare, and read by units of many services: names, logins.
            RowKey::Stack(_)
            | RowKey::Registry(_)
            | RowKey::Setting(_)
            | RowKey::VolumeTemplate(_)
            | RowKey::Volume(_) => touched.all = true,
            RowKey::Counters
            | RowKey::Credential(_)
            | RowKey::Project(_)
            | RowKey::Seen(_)
            | RowKey::Upgrade(_) => {}
        }
    }
    if balancers && !touched.all {
        let services = world.services.values().filter(|s| s.kind == ServiceKind::Balancer);
        let units = services.flat_map(|service| world.units_of(service.id));
        touched.hosts.extend(units.map(|unit| unit.host));
    }
    touched
}

/// Whether more of a service changed than what its agents don't see. Its rules and its kind reach units of
/// other services too: the ports that balancers send to.
fn edited(before: &World, world: &World, service: ServiceId) -> bool {
    let seen_by_agents = |world: &World| {
        world.service(service).map(|s| Service { settled: None, scale: 0, ..s.clone() })
    };
    seen_by_agents(before) != seen_by_agents(world)
}
