//! Addresses: those that Docker gave, those that containers have, those that names lead to, and those that slots keep.
//! Each should be one container's, and the same one's.

use std::collections::BTreeMap;

use super::verdict::{Case, Finding, Severity};
use super::{Endpoint, Hindered, WrongNeighbour};
use crate::schedule::container_name;
use crate::{Desired, Host, HostId, Phase, ServiceId};

/// All findings about addresses.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut found = twice(case);
    for host in &case.hosts {
        let Some(examined) = case.set_up(host.id) else { continue };
        let all = &examined.endpoints;
        found.extend(all.iter().filter_map(|endpoint| nobodys(host, endpoint)));
        found.extend(examined.neighbours.iter().map(|wrong| neighbour(host, wrong)));
        let wrong = |address: &str| examined.neighbours.iter().any(|n| n.address == address);
        // Where nothing is sent to any of them, that is said once.
        let own = Hindered::Subnet(case.subnet(host.id).to_owned());
        let explained = examined.deviations.iter().any(|deviation| deviation.hinders == own);
        let silent = all.iter().filter(|e| !explained && !e.container.is_empty() && !e.answers);
        found.extend(silent.filter(|e| !wrong(&e.address)).map(|endpoint| silence(host, endpoint)));
        found.extend(misled(case, host, all));
        found.extend(kept(case, host, &examined.kept, all));
    }
    found
}

fn finding(code: &'static str, host: &Host, what: String, advice: String) -> Finding {
    Finding { severity: Severity::Error, code, hosts: vec![host.id], what, advice }
}

/// Two containers with one address, wherever they are.
fn twice(case: &Case<'_>) -> Vec<Finding> {
    let mut by_address: BTreeMap<&str, Vec<(HostId, &Endpoint)>> = BTreeMap::new();
    for host in &case.hosts {
        for endpoint in case.examined(host.id).into_iter().flat_map(|e| &e.endpoints) {
            if !endpoint.container.is_empty() {
                by_address.entry(&endpoint.address).or_default().push((host.id, endpoint));
            }
        }
    }
    let doubled = by_address.into_iter().filter(|(_, holders)| holders.len() > 1);
    let finding = doubled.map(|(address, holders)| {
        let named = |(host, endpoint): &(HostId, &Endpoint)| {
            format!("{} on {}", endpoint.container, case.name(*host))
        };
        let names: Vec<String> = holders.iter().map(named).collect();
        let count = if names.len() == 2 { "two".to_owned() } else { names.len().to_string() };
        let what = format!("{count} containers have {address}: {}", names.join(" and "));
        let mut hosts: Vec<HostId> = holders.iter().map(|(host, _)| *host).collect();
        hosts.dedup();
        let advice =
            "remove one of them (docker rm -f): it is made anew with an address of its own"
                .to_owned();
        Finding { severity: Severity::Error, code: "address-twice", hosts, what, advice }
    });
    finding.collect()
}

/// An address that was given to a container that doesn't run.
fn nobodys(host: &Host, endpoint: &Endpoint) -> Option<Finding> {
    let Endpoint { address, docker_id, container, .. } = endpoint;
    let name = host.shown_name();
    let id = docker_id.get(..12).unwrap_or(docker_id);
    let what = format!(
        "{address} is allocated on {name}, but no container has it: Docker holds it for {id}"
    );
    let advice = format!(
        "on {name}, `docker network disconnect --force drover {id}` gives it back; restarting its Docker engine does too"
    );
    container.is_empty().then(|| finding("address-unused", host, what, advice))
}

fn neighbour(host: &Host, wrong: &WrongNeighbour) -> Finding {
    let WrongNeighbour { address, held, right, container, permanent } = wrong;
    let name = host.shown_name();
    let what = format!(
        "{name} takes {held} for the neighbour {address}, but {container} has that address, with {right}: what other \
         hosts send there is lost"
    );
    let stays =
        if *permanent { "it stays until removed" } else { "it goes by itself within a minute" };
    let advice = format!("on {name}, `ip neigh del {address} dev drover0` ({stays})");
    finding("stale-neighbour", host, what, advice)
}

/// A container that runs and doesn't answer its own host.
fn silence(host: &Host, endpoint: &Endpoint) -> Finding {
    let Endpoint { address, container, .. } = endpoint;
    let name = host.shown_name();
    let what = format!(
        "{container} ({address}) on {name} runs, but doesn't even answer ICMP echo of its own host"
    );
    let advice = format!(
        "it may be set to ignore that; if it answers nobody, its device is not up or not on drover0: `docker restart \
         {container}` on {name}"
    );
    finding("container-silent", host, what, advice)
}

/// Units that are known at an address that their container doesn't have: names and balancers lead there.
fn misled(case: &Case<'_>, host: &Host, endpoints: &[Endpoint]) -> Vec<Finding> {
    let world = case.world;
    let mut found = Vec::new();
    for unit in world.units_on(host.id).filter(|unit| unit.desired == Desired::Running) {
        let Some(seen) = world.observed(unit.key).filter(|seen| seen.phase == Phase::Running)
        else {
            continue;
        };
        for (member, container) in seen.containers.iter().filter(|(_, c)| c.running) {
            let known = container.address.as_str();
            let at_it = endpoints.iter().any(|e| e.address == known && !e.container.is_empty());
            let before =
                case.before.observed(unit.key).and_then(|seen| seen.containers.get(member));
            let is_new = before.is_none_or(|b| !b.running || b.address != container.address);
            if at_it || is_new || !is_in(known, case.subnet(host.id)) {
                continue;
            }
            let name = container_name(world, unit.key, member);
            let now = endpoints.iter().find(|e| e.docker_id == container.docker_id);
            let now = now.map_or_else(|| "none".to_owned(), |now| now.address.clone());
            let on = host.shown_name();
            let what = format!(
                "{known} on {on} is where names and balancers lead for {name}, but no container has it (its address \
                 now: {now})"
            );
            let advice = format!(
                "`docker restart` its container on {on}; if someone took it off the network drover by hand, remove it \
                 (docker rm -f) and it is made anew"
            );
            found.push(finding("address-unknown", host, what, advice));
        }
    }
    found
}

/// Addresses that slots keep and others have.
fn kept(
    case: &Case<'_>,
    host: &Host,
    kept: &BTreeMap<String, String>,
    endpoints: &[Endpoint],
) -> Vec<Finding> {
    let taken = kept.iter().filter_map(|(slot, address)| {
        let holder = endpoints.iter().find(|e| e.address == *address && !e.container.is_empty())?;
        let its = holder.unit.is_some_and(|u| format!("{}/{}", u.service, u.slot) == *slot);
        let (service, number) = slot.split_once('/')?;
        let service = case.world.service(ServiceId(service.parse().ok()?))?;
        let (name, on) = (&service.name, host.shown_name());
        let what = format!(
            "{address} on {on} is kept for {name} (slot {number}, retain_ip), but {} has it: the next container of that \
             slot gets another",
            holder.container
        );
        let advice = format!("if {name} needs that address, remove {} first (docker rm -f)", holder.container);
        let mut found = finding("address-kept", host, what, advice);
        found.severity = Severity::Warning;
        (!its).then_some(found)
    });
    taken.collect()
}

/// Whether an address is of a subnet of 256.
fn is_in(address: &str, subnet: &str) -> bool {
    let network = |text: &str| text.rsplit_once('.').map(|(front, _)| front.to_owned());
    !address.is_empty() && network(address).is_some_and(|own| Some(own) == network(subnet))
}
