//! Who asks: the containers of this host by their address. Names and metadata differ by asker.

use std::collections::BTreeMap;
use std::net::IpAddr;

use drover_core::{
    DiscoveredContainer, DiscoveredService, Discovery, HostId, NetworkMode, ServiceId,
};

use super::endpoints::network;

/// A container, by its service and its place among that service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    pub(super) service: ServiceId,
    place: usize,
}

impl Asker {
    /// What is known of it.
    pub(super) fn facts(
        self,
        facts: &Discovery,
    ) -> Option<(&DiscoveredService, &DiscoveredContainer)> {
        let service = facts.services.get(&self.service)?;
        Some((service, service.containers.get(self.place)?))
    }
}

/// Of several containers with one address (kept by a slot, or shared within a unit) the one that is up, and the unit's
/// primary. Those in their host's own network can't be told apart, and other hosts' never ask here.
pub(super) fn askers(facts: &Discovery) -> BTreeMap<IpAddr, Asker> {
    type Rank = (bool, bool, u64);
    let mut found: BTreeMap<IpAddr, (Rank, Asker)> = BTreeMap::new();
    for (&id, service) in &facts.services {
        for (place, container) in service.containers.iter().enumerate() {
            if container.host != HostId(facts.host)
                || *network(service, &container.member) == NetworkMode::Host
            {
                continue;
            }
            let Ok(address) = container.address.parse() else { continue };
            let rank = (container.running, container.member.is_empty(), container.serial);
            if found.get(&address).is_none_or(|(held, _)| *held < rank) {
                found.insert(address, (rank, Asker { service: id, place }));
            }
        }
    }
    found.into_iter().map(|(address, (_, asker))| (address, asker)).collect()
}
