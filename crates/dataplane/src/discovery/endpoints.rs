//! Which containers and addresses stand behind a service: the one place that says who is answered with.
//!
//! Those that serve, but not on hosts that are silent just now; and where none does, one that at least runs, for a client that tries is better off than one that
//! is told there is nobody. Never one that was withdrawn or is down: that would be a connection refused.

use std::collections::BTreeSet;
use std::net::IpAddr;

use drover_core::{
    DiscoveredContainer, DiscoveredService, Discovery, Health, HostId, NetworkMode, ServiceId,
    ServiceKind, Wanted,
};

/// What stands behind one service, or several under one name.
#[derive(Default)]
pub(super) struct Endpoints<'a> {
    serving: Vec<(&'a DiscoveredService, &'a DiscoveredContainer)>,
    unready: Vec<(&'a DiscoveredService, &'a DiscoveredContainer)>,
    outside: Vec<IpAddr>,
    hostname: Option<&'a str>,
}

impl<'a> Endpoints<'a> {
    /// Of `member` of these services, whatever aliases among them lead to. Loops end; a service counts once.
    pub(super) fn of(
        facts: &'a Discovery,
        services: impl IntoIterator<Item = ServiceId>,
        member: &str,
    ) -> Self {
        let mut found = Self::default();
        let mut left: Vec<ServiceId> = services.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = left.pop() {
            let Some(service) = facts.services.get(&id).filter(|_| seen.insert(id)) else {
                continue;
            };
            match service.kind {
                ServiceKind::Containers | ServiceKind::Balancer => {
                    found.add_containers(facts, service, member);
                }
                ServiceKind::Alias if service.wanted == Wanted::Active => {
                    left.extend(service.links.iter().map(|(_, target)| *target));
                }
                ServiceKind::External if service.wanted == Wanted::Active => {
                    found.add_outside(service);
                }
                ServiceKind::Alias | ServiceKind::External => {}
            }
        }
        found.serving.sort_by_key(|(_, container)| container.serial);
        found
    }

    /// The containers to answer with, oldest first.
    pub(super) fn containers(&self) -> Vec<(&'a DiscoveredService, &'a DiscoveredContainer)> {
        if !self.serving.is_empty() || !self.outside.is_empty() {
            return self.serving.clone();
        }
        let best = |(_, c): &&(_, &DiscoveredContainer)| (c.health == Health::Unhealthy, c.serial);
        self.unready.iter().min_by_key(best).into_iter().copied().collect()
    }

    /// The addresses to answer with, each once.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        let inside = self.containers().into_iter().filter_map(|(_, c)| c.address.parse().ok());
        for address in inside.chain(self.outside.iter().copied()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// The name to answer with, where there is no address: DNS allows no other record beside it.
    pub(super) fn hostname(&self) -> Option<&'a str> {
        self.hostname.filter(|_| self.addresses().is_empty())
    }

    fn add_containers(&mut self, facts: &Discovery, service: &'a DiscoveredService, member: &str) {
        let of_member = service.containers.iter().filter(|c| c.member == member);
        for container in of_member.filter(|c| can_answer(facts, service, c)) {
            let serves = container.serving && !facts.silent.contains(&container.host);
            let list = if serves { &mut self.serving } else { &mut self.unready };
            list.push((service, container));
        }
    }

    fn add_outside(&mut self, service: &'a DiscoveredService) {
        let Some(external) = &service.external else { return };
        self.outside.extend(external.addresses.iter().filter_map(|a| a.parse::<IpAddr>().ok()));
        let hostname = external.hostname.as_deref().filter(|name| !name.is_empty());
        self.hostname = self.hostname.or(hostname);
    }
}

/// Whether a container may be answered with at all, ready or not.
pub(super) fn can_answer(
    facts: &Discovery,
    service: &DiscoveredService,
    container: &DiscoveredContainer,
) -> bool {
    // An address on Docker's own bridge means something else on every host.
    let is_routed = *network(service, &container.member) != NetworkMode::Bridge
        || container.host == HostId(facts.host);
    container.running && !container.withdrawn && !container.address.is_empty() && is_routed
}

/// How the member is attached, whosever network it shares.
pub(super) fn network<'a>(service: &'a DiscoveredService, member: &'a str) -> &'a NetworkMode {
    let mut owner = member;
    for _ in 0..service.members.len() {
        match service.members.get(owner).map(|member| &member.network) {
            Some(NetworkMode::Container(other)) => owner = other,
            Some(mode) => return mode,
            None => break,
        }
    }
    &NetworkMode::Managed
}
