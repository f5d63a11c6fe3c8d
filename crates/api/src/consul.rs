//! The cluster as Consul's catalog has it, for programs that find services there: every published port of every
//! container is a service instance at its host's address, named as registrator would name it.
//!
//! Read-only, and no Consul: nothing can be registered, and the only checks are Drover's own verdicts. What a
//! `SERVICE_…` variable or label means is registrator's vocabulary. Two things are otherwise than with registrator: where
//! there is no name, it is the service's and not the image's; and what shall run and does not is there, as critical, so
//! that who watches sees it missing.

mod answer;
mod words;

use std::collections::BTreeMap;

use drover_core::derive::{is_serving, member_address, published_ports};
use drover_core::{
    ContainerSpec, Desired, Host, NetworkMode, PortSpec, ProjectId, Protocol, Service, Slot, Unit,
    Wanted, World,
};

pub use answer::{
    Choice, DATACENTER, agent_self, checks, health, leader, node_checks, node_services, nodes,
    service, service_checks, services,
};
use words::Words;

/// A project's instances, and the hosts they are on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// By name.
    pub nodes: BTreeMap<String, Node>,
    /// By service name, then id.
    pub services: BTreeMap<String, Vec<Instance>>,
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A UUID.
    pub id: String,
    /// Where other hosts reach it.
    pub address: String,
    /// It was not given up. Its agent may be away for a while: its containers serve on.
    pub alive: bool,
    /// Its labels.
    pub meta: BTreeMap<String, String>,
}

/// One port of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `project:stack-service-N:port`, a sidekick's `project:stack-service-sidekick-N:port`, or what it was given.
    pub id: String,
    /// The node's name.
    pub node: String,
    /// Where clients connect to.
    pub address: String,
    /// On which port.
    pub port: u16,
    /// Users' tags, and `udp`.
    pub tags: Vec<String>,
    /// Users' other attributes, and what it is to Drover.
    pub meta: BTreeMap<String, String>,
    /// It takes requests.
    pub passing: bool,
    /// Why not, in words; empty if it does.
    pub why: String,
}

/// The catalog of a project.
pub fn catalog(world: &World, project: ProjectId) -> Catalog {
    let mut catalog = Catalog::default();
    let hosts = world.hosts.values().filter(|h| h.project == project && h.removed_at.is_none());
    for host in hosts {
        catalog.nodes.insert(node_name(world, host), node(world, host));
    }
    let services = world.services.values();
    let services = services
        .filter(|s| s.project == project && s.kind.has_units() && s.wanted != Wanted::Removed);
    for service in services {
        let units = world.units_of(service.id).filter(|unit| is_listed(unit));
        for unit in units {
            for (name, instance) in instances(world, service, unit) {
                catalog.services.entry(name).or_default().push(instance);
            }
        }
    }
    for instances in catalog.services.values_mut() {
        instances.sort_by(|a, b| a.id.cmp(&b.id));
    }
    catalog
}

/// One on its way out is still named, as one that is not to be used: clients that watch see it go.
fn is_listed(unit: &Unit) -> bool {
    match unit.desired {
        Desired::Running | Desired::Draining => true,
        Desired::Stopped | Desired::Staged | Desired::Removed => false,
    }
}

fn node(world: &World, host: &Host) -> Node {
    Node {
        id: drover_core::uuid(world.cluster(), &format!("1h{}", host.id)),
        address: host.address.clone(),
        alive: !world.is_lost(host.id),
        meta: host.labels.clone(),
    }
}

/// Its shown name; with its number where two have the same.
fn node_name(world: &World, host: &Host) -> String {
    let twins = world.hosts.values().filter(|other| {
        other.project == host.project
            && other.removed_at.is_none()
            && other.shown_name() == host.shown_name()
    });
    if twins.count() > 1 {
        format!("{}-{}", host.shown_name(), host.id)
    } else {
        host.shown_name().to_owned()
    }
}

/// A container to be listed.
struct Held<'a> {
    world: &'a World,
    service: &'a Service,
    unit: &'a Unit,
    host: &'a Host,
    member: &'a str,
    spec: &'a ContainerSpec,
}

/// One of its ports, and where clients reach it.
struct Door {
    private: u16,
    protocol: Protocol,
    address: String,
    port: u16,
}

fn instances(world: &World, service: &Service, unit: &Unit) -> Vec<(String, Instance)> {
    let Some(template) = world.template(service.id, unit.key.revision) else { return Vec::new() };
    let Some(host) = world.host(unit.host) else { return Vec::new() };
    let members = template.members();
    let held = members.map(|(member, spec)| Held { world, service, unit, host, member, spec });
    held.flat_map(|held| held.instances()).collect()
}

impl Held<'_> {
    fn instances(&self) -> Vec<(String, Instance)> {
        let doors = self.doors();
        let words = Words::of(self.spec);
        let several = doors.len() > 1;
        let own = self.named(&self.service.name);
        let listed = doors.into_iter().filter(|door| !words.ignores(door.private));
        listed
            .map(|door| (words.name(&own, door.private, several), self.instance(&words, door)))
            .collect()
    }

    /// A name, with the sidekick's if it is one.
    fn named(&self, name: &str) -> String {
        if self.member.is_empty() { name.to_owned() } else { format!("{name}-{}", self.member) }
    }

    /// Published ports at the host; where there are none, exposed ones at the container.
    fn doors(&self) -> Vec<Door> {
        let published = published_ports(self.service, self.spec).into_iter().filter_map(|port| {
            let address = port.ip.unwrap_or_else(|| self.host.address.clone());
            let (private, protocol) = (port.private, port.protocol);
            Some(Door { private, protocol, address, port: port.public? })
        });
        let published: Vec<Door> = published.collect();
        // An address on Docker's own bridge means something else on every host.
        let address = member_address(self.world, self.unit, self.member)
            .filter(|_| published.is_empty() && self.spec.network != NetworkMode::Bridge);
        let Some(address) = address else { return published };
        let exposed = self.spec.expose.iter().filter_map(|text| text.parse::<PortSpec>().ok());
        let at_container = exposed.map(|port| Door {
            private: port.private,
            protocol: port.protocol,
            address: address.clone(),
            port: port.private,
        });
        at_container.collect()
    }

    fn instance(&self, words: &Words, door: Door) -> Instance {
        let Self { world, service, unit, host, .. } = self;
        let stack = world.stacks.get(&service.stack).map_or("", |stack| stack.name.as_str());
        let slot = match unit.key.slot {
            Slot::Number(number) => number.to_string(),
            Slot::Host(host) => host.to_string(),
        };
        let container = format!("{stack}-{}-{slot}", self.named(&service.name));
        let mut meta = words.attributes(door.private);
        meta.insert("stack".to_owned(), stack.to_owned());
        meta.insert("service".to_owned(), service.name.clone());
        meta.insert("container".to_owned(), container.clone());
        let mut tags = words.tags(door.private);
        if door.protocol == Protocol::Udp {
            tags.push("udp".to_owned());
        }
        let id = words.id(door.private).unwrap_or_else(|| self.id(&container, &door));
        let (passing, why) = (is_serving(world, unit), why_not(world, unit));
        let (node, Door { address, port, .. }) = (node_name(world, host), door);
        Instance { id, node, address, port, tags, meta, passing, why }
    }

    fn id(&self, container: &str, door: &Door) -> String {
        let Self { world, service, unit, .. } = self;
        let project = world.projects.get(&service.project).map_or("", |p| p.name.as_str());
        let udp = if door.protocol == Protocol::Udp { ":udp" } else { "" };
        // Old and new of an upgrade stand side by side.
        let twin = world.units_of(service.id).any(|other| {
            other.key.slot == unit.key.slot && other.key != unit.key && is_listed(other)
        });
        let serial = if twin { format!(":{}", unit.serial) } else { String::new() };
        format!("{project}:{container}:{}{udp}{serial}", door.private)
    }
}

fn why_not(world: &World, unit: &Unit) -> String {
    if is_serving(world, unit) {
        return String::new();
    }
    if unit.desired != Desired::Running {
        return "on its way out: it gets no new requests".to_owned();
    }
    if world.is_lost(unit.host) {
        return "its host is lost".to_owned();
    }
    let message = world.observed(unit.key).map(|seen| seen.message.clone());
    message
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| "not ready for requests yet".to_owned())
}
