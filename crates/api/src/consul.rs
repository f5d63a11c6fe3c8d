//! The cluster as Consul's catalog has it, for programs that find services there: every published port of every unit
//! is a service instance at its host's address, named as registrator would name it.
//!
//! Read-only, and no Consul: nothing can be registered, and the only checks are Drover's own verdicts. What a
//! `SERVICE_…` variable or label means is registrator's vocabulary.

mod answer;
mod words;

use std::collections::BTreeMap;

use drover_core::derive::{is_serving, published_ports};
use drover_core::{
    ContainerSpec, Desired, Host, PortSpec, ProjectId, Protocol, Service, Slot, Unit, Wanted, World,
};

pub use answer::{
    DATACENTER, agent_self, checks, health, leader, node_services, nodes, service, services,
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

/// One port of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `project:stack-service-N:port`, or what it was given.
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

/// A port of a unit, and where clients reach it.
struct Door {
    private: u16,
    protocol: Protocol,
    address: String,
    port: u16,
}

fn instances(world: &World, service: &Service, unit: &Unit) -> Vec<(String, Instance)> {
    let Some(template) = world.template(service.id, unit.key.revision) else { return Vec::new() };
    let Some(host) = world.host(unit.host) else { return Vec::new() };
    let spec = &template.primary;
    let doors = doors(world, service, unit, host, spec);
    let words = Words::of(spec);
    let several = doors.len() > 1;
    let listed = doors.into_iter().filter(|door| !words.ignores(door.private));
    listed
        .map(|door| {
            (
                words.name(&service.name, door.private, several),
                instance(world, service, unit, host, &words, door),
            )
        })
        .collect()
}

/// Published ports at the host; where there are none, exposed ones at the container.
fn doors(
    world: &World,
    service: &Service,
    unit: &Unit,
    host: &Host,
    spec: &ContainerSpec,
) -> Vec<Door> {
    let published: Vec<Door> = published_ports(service, spec)
        .into_iter()
        .filter_map(|port| {
            let address = port.ip.unwrap_or_else(|| host.address.clone());
            Some(Door {
                private: port.private,
                protocol: port.protocol,
                address,
                port: port.public?,
            })
        })
        .collect();
    if !published.is_empty() {
        return published;
    }
    let own = world.observed(unit.key).and_then(|seen| seen.containers.get(""));
    let Some(own) = own.filter(|own| !own.address.is_empty()) else { return Vec::new() };
    let exposed = spec.expose.iter().filter_map(|text| text.parse::<PortSpec>().ok());
    exposed
        .map(|port| Door {
            private: port.private,
            protocol: port.protocol,
            address: own.address.clone(),
            port: port.private,
        })
        .collect()
}

fn instance(
    world: &World,
    service: &Service,
    unit: &Unit,
    host: &Host,
    words: &Words,
    door: Door,
) -> Instance {
    let project = world.projects.get(&service.project).map_or("", |p| p.name.as_str());
    let stack = world.stacks.get(&service.stack).map_or("", |stack| stack.name.as_str());
    let slot = match unit.key.slot {
        Slot::Number(number) => number.to_string(),
        Slot::Host(host) => host.to_string(),
    };
    let container = format!("{stack}-{}-{slot}", service.name);
    let mut meta = words.attributes(door.private);
    meta.insert("stack".to_owned(), stack.to_owned());
    meta.insert("service".to_owned(), service.name.clone());
    meta.insert("container".to_owned(), container.clone());
    let udp = if door.protocol == Protocol::Udp { ":udp" } else { "" };
    // Old and new of an upgrade stand side by side.
    let twin = world
        .units_of(service.id)
        .any(|other| other.key.slot == unit.key.slot && other.key != unit.key && is_listed(other));
    let revision = if twin { format!(":{}", unit.serial) } else { String::new() };
    let id = format!("{project}:{container}:{}{udp}{revision}", door.private);
    let mut tags = words.tags(door.private);
    if door.protocol == Protocol::Udp {
        tags.push("udp".to_owned());
    }
    Instance {
        id: words.id(door.private).unwrap_or(id),
        node: node_name(world, host),
        address: door.address,
        port: door.port,
        tags,
        meta,
        passing: is_serving(world, unit),
        why: why_not(world, unit),
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
