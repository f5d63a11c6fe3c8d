//! The index of names, built once for each configuration: every name the zone has, what it leads to, and what is
//! different for whom. Who is answered with is `endpoints`'s business, how a question finds its name `answer`'s.
//!
//! A container's name leads to the newest one that serves, or else the newest that runs: while an upgrade has two of
//! one name, the older has none of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use drover_core::{
    DISCOVERY_ADDRESS, DiscoveredContainer, DiscoveredMember, DiscoveredService, Discovery,
    NetworkMode, Protocol, ServiceId,
};
use hickory_proto::rr::Name;

use super::askers::askers;
use super::endpoints::{Endpoints, can_answer};
use super::recursers::{recursers, usable_by_containers};

/// The zone of all names of ours.
pub(super) const ZONE: &str = "rancher.internal";

/// Names by what is known of them.
pub(super) struct Names {
    /// For everybody.
    pub(super) common: Known,
    /// For the containers of this host, by their address.
    pub(super) clients: BTreeMap<IpAddr, Client>,
    /// Asked for everything else.
    pub(super) recursers: Arc<[SocketAddr]>,
}

/// Full names in lower case, without the last dot.
pub(super) type Known = BTreeMap<String, Leads>;

/// What a name leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Leads {
    /// Addresses; none if the name is known and nobody is there.
    Addresses(Vec<IpAddr>),
    /// Another name.
    Alias(Name),
    /// Ports of containers.
    Ports(Vec<Port>),
    /// The container that has the address.
    Container(Name),
}

/// A port of one container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Port {
    pub(super) number: u16,
    pub(super) name: Name,
    pub(super) address: IpAddr,
}

/// What is different for one container.
pub(super) struct Client {
    /// Suffixes that short names are tried with, in order.
    pub(super) search: Vec<String>,
    /// Names of its service's links.
    pub(super) own: Arc<Known>,
    /// Asked for everything else: what its spec says, then the common ones.
    pub(super) recursers: Arc<[SocketAddr]>,
}

impl Names {
    /// The index of these facts, for a name service at `own`.
    pub(super) fn new(facts: &Discovery, own: SocketAddr) -> Self {
        let mut common = Known::new();
        let metadata = DISCOVERY_ADDRESS.parse().into_iter().collect();
        common.insert(format!("rancher-metadata.{ZONE}"), Leads::Addresses(metadata));
        for (id, service) in &facts.services {
            add_service(&mut common, facts, *id, service);
        }
        add_containers(&mut common, facts);
        let recursers: Arc<[SocketAddr]> = recursers(&facts.recursers, own).into();
        Self { common, clients: clients(facts, own, &recursers), recursers }
    }
}

/// `service.stack.rancher.internal`.
fn full_name(facts: &Discovery, service: &DiscoveredService) -> String {
    format!("{}.{}", service.name.to_ascii_lowercase(), stack_zone(facts, service))
}

/// `stack.rancher.internal`.
fn stack_zone(facts: &Discovery, service: &DiscoveredService) -> String {
    let stack = facts.stacks.get(&service.stack).map_or("", |stack| stack.name.as_str());
    format!("{}.{ZONE}", stack.to_ascii_lowercase())
}

fn add_service(common: &mut Known, facts: &Discovery, id: ServiceId, service: &DiscoveredService) {
    let name = full_name(facts, service);
    for sidekick in &service.sidekicks {
        let name = format!("{}.{name}", sidekick.to_ascii_lowercase());
        add(common, &name, &Endpoints::of(facts, [id], sidekick));
    }
    add(common, &name, &Endpoints::of(facts, [id], ""));
}

/// A name with the names of its ports.
fn add(known: &mut Known, name: &str, endpoints: &Endpoints<'_>) {
    for ((port, protocol), ports) in ports(endpoints) {
        known.insert(format!("_{port}._{protocol}.{name}"), Leads::Ports(ports));
    }
    known.insert(name.to_owned(), leads(endpoints));
}

fn leads(endpoints: &Endpoints<'_>) -> Leads {
    let alias = endpoints.hostname().and_then(|name| Name::from_utf8(name).ok());
    match alias {
        Some(mut alias) => {
            alias.set_fqdn(true);
            Leads::Alias(alias)
        }
        None => Leads::Addresses(endpoints.addresses()),
    }
}

fn ports(endpoints: &Endpoints<'_>) -> BTreeMap<(u16, Protocol), Vec<Port>> {
    let mut found: BTreeMap<(u16, Protocol), Vec<Port>> = BTreeMap::new();
    for (service, container) in endpoints.containers() {
        let (Some(name), Ok(address)) = (container_name(container), container.address.parse())
        else {
            continue;
        };
        for (port, protocol) in service.members.get(&container.member).into_iter().flat_map(inner) {
            let ports = found.entry((port, protocol)).or_default();
            if ports.iter().all(|held| held.name != name) {
                ports.push(Port { number: port, name: name.clone(), address });
            }
        }
    }
    found
}

/// Ports that a member listens on inside, as far as it says so.
fn inner(member: &DiscoveredMember) -> Vec<(u16, Protocol)> {
    let published = member.ports.iter().map(|port| (port.private, port.protocol));
    let exposed = member.expose.iter().filter_map(|text| {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return None,
        };
        Some((port.parse().ok()?, protocol))
    });
    let mut ports: Vec<_> = published.chain(exposed).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn container_name(container: &DiscoveredContainer) -> Option<Name> {
    Name::from_utf8(format!("{}.{ZONE}.", container.name.to_ascii_lowercase())).ok()
}

/// Containers by name, alone and within their stack, and by address. A service's name wins over a container's.
fn add_containers(common: &mut Known, facts: &Discovery) {
    type Best<'a> = (&'a DiscoveredService, Option<&'a DiscoveredContainer>);
    let mut named: BTreeMap<&str, Best<'_>> = BTreeMap::new();
    for service in facts.services.values() {
        for container in &service.containers {
            let best = named.entry(container.name.as_str()).or_insert((service, None));
            if !can_answer(facts, service, container) {
                continue;
            }
            add_pointer(common, service, container);
            let rank = |c: &DiscoveredContainer| (c.serving, c.serial);
            if best.1.is_none_or(|held| rank(container) > rank(held)) {
                best.1 = Some(container);
            }
        }
    }
    for (name, (service, best)) in named {
        let address = || best.and_then(|container| container.address.parse().ok());
        let name = name.to_ascii_lowercase();
        for zone in [ZONE.to_owned(), stack_zone(facts, service)] {
            let full = format!("{name}.{zone}");
            let leads = || Leads::Addresses(address().into_iter().collect());
            common.entry(full).or_insert_with(leads);
        }
    }
}

fn add_pointer(common: &mut Known, service: &DiscoveredService, container: &DiscoveredContainer) {
    let own = service.members.get(&container.member).map(|member| &member.network);
    let Ok(IpAddr::V4(address)) = container.address.parse() else { return };
    if let (None | Some(NetworkMode::Managed), Some(name)) = (own, container_name(container)) {
        let [a, b, c, d] = address.octets();
        common.insert(format!("{d}.{c}.{b}.{a}.in-addr.arpa"), Leads::Container(name));
    }
}

fn clients(
    facts: &Discovery,
    own: SocketAddr,
    common: &Arc<[SocketAddr]>,
) -> BTreeMap<IpAddr, Client> {
    let mut links: BTreeMap<ServiceId, Arc<Known>> = BTreeMap::new();
    let mut clients = BTreeMap::new();
    for (address, asker) in askers(facts) {
        let Some((service, container)) = asker.facts(facts) else { continue };
        let links = links.entry(asker.service);
        let links = links.or_insert_with(|| Arc::new(link_names(facts, service)));
        let member = service.members.get(&container.member);
        let recursers = member
            .filter(|member| !member.dns.is_empty())
            .map_or_else(|| common.clone(), |member| own_recursers(member, own, common));
        let search = search(facts, service, member);
        clients.insert(address, Client { search, own: links.clone(), recursers });
    }
    clients
}

/// A user's own domains can be tried only where they are in the zone.
fn search(
    facts: &Discovery,
    service: &DiscoveredService,
    member: Option<&DiscoveredMember>,
) -> Vec<String> {
    let given = member.into_iter().flat_map(|member| &member.dns_search);
    let given = given.map(|domain| domain.trim_end_matches('.').to_ascii_lowercase());
    let mut search: Vec<String> = given.filter(|domain| is_in_zone(domain)).collect();
    search.extend([stack_zone(facts, service), full_name(facts, service), ZONE.to_owned()]);
    search
}

/// Whether a lower-case name is the zone's or the zone itself.
pub(super) fn is_in_zone(name: &str) -> bool {
    name.strip_suffix(ZONE).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn own_recursers(
    member: &DiscoveredMember,
    own: SocketAddr,
    common: &Arc<[SocketAddr]>,
) -> Arc<[SocketAddr]> {
    let mut all = usable_by_containers(&member.dns, own);
    all.extend(common.iter().filter(|server| !all.contains(server)).copied().collect::<Vec<_>>());
    all.into()
}

/// The names of a service's links: each alone and within the stacks of its targets. Links of one name are answered
/// together, whichever of its names is asked for.
fn link_names(facts: &Discovery, service: &DiscoveredService) -> Known {
    let mut targets: BTreeMap<String, Vec<ServiceId>> = BTreeMap::new();
    for (alias, id) in &service.links {
        let Some(target) = facts.services.get(id) else { continue };
        let alias = if alias.is_empty() { &target.name } else { alias };
        targets.entry(alias.to_ascii_lowercase()).or_default().push(*id);
    }
    let mut known = Known::new();
    for (alias, ids) in targets {
        let endpoints = Endpoints::of(facts, ids.iter().copied(), "");
        add(&mut known, &format!("{alias}.{ZONE}"), &endpoints);
        for target in ids.iter().filter_map(|id| facts.services.get(id)) {
            add(&mut known, &format!("{alias}.{}", stack_zone(facts, target)), &endpoints);
        }
    }
    known
}
