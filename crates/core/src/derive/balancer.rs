//! The configuration of one balancer unit: which routes its listeners have, in which order, and which units
//! answer. Order of routes: Rancher's ranks, with ties broken (longest path, longest host, order of the rules).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::is_serving;
use crate::schedule::resolve;
use crate::{
    BalancerConfig, HostId, Listener, NetworkMode, PortRule, Protocol, Route, Service, ServiceId,
    ServiceKind, Target, Unit, UnitKey, Wanted, World,
};

/// What the balancer process of `unit` serves.
pub fn balancer_config(world: &World, unit: UnitKey) -> BalancerConfig {
    let mut config = BalancerConfig::default();
    let Some(host) = world.unit(unit).map(|u| u.host) else { return config };
    let Some(service) = world.service(unit.service) else { return config };
    let Some(spec) = &service.balancer else { return config };
    let mut rules: Vec<(usize, &PortRule)> = spec.rules.iter().enumerate().collect();
    rules.sort_by_key(|(index, rule)| (rank(rule), *index));
    for (_, rule) in rules {
        let listener = config.listeners.entry(rule.source_port);
        let listener =
            listener.or_insert_with(|| Listener { protocol: rule.protocol, routes: Vec::new() });
        merge(&mut listener.routes, rule, targets(world, host, rule));
    }
    config
}

/// Ports that any balancer of the project sends to on units of `service`, directly or by an alias.
pub(super) fn target_ports(world: &World, service: &Service) -> Vec<u16> {
    let balancers = world.services.values().filter(|b| {
        b.kind == ServiceKind::Balancer
            && b.project == service.project
            && b.wanted != Wanted::Removed
    });
    let rules = balancers.filter_map(|b| b.balancer.as_ref()).flat_map(|spec| &spec.rules);
    let to_here = rules.filter(|rule| {
        rule.service.is_some_and(|target| leads_to(world, target, service.id, &mut BTreeSet::new()))
    });
    to_here.filter_map(|rule| rule.target_port).collect()
}

fn leads_to(world: &World, from: ServiceId, to: ServiceId, seen: &mut BTreeSet<ServiceId>) -> bool {
    if from == to {
        return true;
    }
    let alias = world.service(from).filter(|s| s.kind == ServiceKind::Alias);
    seen.insert(from)
        && alias.is_some_and(|s| s.links.iter().any(|link| leads_to(world, link.service, to, seen)))
}

/// Least first. An explicit priority goes before everything without one.
type Rank = (bool, u32, u8, Reverse<usize>, Reverse<usize>);

fn rank(rule: &PortRule) -> Rank {
    let host = rule.hostname.as_deref().unwrap_or("");
    let path = rule.path.as_deref().unwrap_or("");
    let kind = match (host.is_empty(), is_wildcard(host), path.is_empty()) {
        (false, false, false) => 1,
        (false, false, true) => 2,
        (false, true, false) => 3,
        (false, true, true) => 4,
        (true, _, false) => 5,
        (true, _, true) => 6,
    };
    let priority = rule.priority.unwrap_or(0);
    (rule.priority.is_none(), priority, kind, Reverse(path.len()), Reverse(host.len()))
}

/// `*.suffix` or `prefix.*`; a star anywhere else is taken literally.
fn is_wildcard(host: &str) -> bool {
    host.len() > 2 && (host.starts_with('*') || host.ends_with('*'))
}

/// Rules for the same host and path share one route; an address is listed once.
fn merge(routes: &mut Vec<Route>, rule: &PortRule, targets: Vec<Target>) {
    let wanted = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let (hostname, path) = (wanted(&rule.hostname), wanted(&rule.path));
    let same = routes.iter_mut().find(|r| r.hostname == hostname && r.path == path);
    match same {
        None => routes.push(Route { hostname, path, targets }),
        Some(route) => {
            for target in targets {
                if route.targets.iter().all(|held| held.address != target.address) {
                    route.targets.push(target);
                }
            }
        }
    }
}

fn targets(world: &World, from: HostId, rule: &PortRule) -> Vec<Target> {
    let (Some(service), Some(port)) = (rule.service, rule.target_port) else { return Vec::new() };
    let weight = rule.weight.unwrap_or(1);
    let mut found = BTreeMap::new();
    collect(world, from, service, port, weight, &mut BTreeSet::new(), &mut found);
    found.into_values().collect()
}

fn collect(
    world: &World,
    from: HostId,
    service: ServiceId,
    port: u16,
    weight: u16,
    seen: &mut BTreeSet<ServiceId>,
    found: &mut BTreeMap<(UnitKey, String), Target>,
) {
    let Some(service) = world.service(service) else { return };
    if !seen.insert(service.id) || service.wanted != Wanted::Active {
        return;
    }
    match service.kind {
        ServiceKind::Containers | ServiceKind::Balancer => {
            let serving = world.units_of(service.id).filter(|u| is_serving(world, u));
            for unit in serving {
                let Some(address) = address(world, from, service, unit, port) else { continue };
                let target = Target { unit: unit.key, address: address.clone(), weight };
                found.insert((unit.key, address), target);
            }
        }
        ServiceKind::Alias => {
            for link in &service.links {
                collect(world, from, link.service, port, weight, seen, found);
            }
        }
        ServiceKind::External => {
            let addresses = service.external.iter().flat_map(|e| &e.addresses);
            for (index, address) in (1u32..).zip(addresses) {
                // Not a unit of ours, but counted like one: one slot for each address.
                let unit = UnitKey {
                    service: service.id,
                    slot: crate::Slot::Number(index),
                    revision: service.current,
                    incarnation: 0,
                };
                let address = with_port(address, port);
                found.insert((unit, address.clone()), Target { unit, address, weight });
            }
        }
    }
}

/// How `unit` is reached on `port` from the host `from`: next door by its own address; elsewhere by a port it
/// publishes, else by its own address, which the network has to route.
fn address(
    world: &World,
    from: HostId,
    service: &Service,
    unit: &Unit,
    port: u16,
) -> Option<String> {
    let host = world.host(unit.host)?;
    let template = world.template(service.id, unit.key.revision)?;
    if template.primary.network == NetworkMode::Host {
        return Some(with_port(&host.address, port));
    }
    if unit.host != from {
        let published = resolve(service, &template.primary.ports)
            .find(|p| p.private == port && p.protocol == Protocol::Tcp && p.ip.is_none());
        if let Some(public) = published.and_then(|p| p.public) {
            return Some(with_port(&host.address, public));
        }
    }
    let own = &world.observed(unit.key)?.containers.get("")?.address;
    (!own.is_empty()).then(|| with_port(own, port))
}

fn with_port(address: &str, port: u16) -> String {
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
