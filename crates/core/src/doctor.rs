//! The network doctor: what every agent finds on its own host and on the ways to the others, and [`diagnose`], which
//! turns all of it into sentences: what is wrong, where, and what to do.
//!
//! Agents only look and measure; what it means is decided here, from all hosts' findings at once, because one host
//! alone can't tell a silent neighbour from its own broken cable.

mod addresses;
mod extent;
mod hosts;
mod verdict;
mod ways;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{HostId, HostNetwork, NetworkMode, ProjectId, ServiceKind, UnitKey, World, derive};

pub use verdict::{Diagnosis, Finding, HostRow, Severity};

/// The zone of names that name services answer.
const ZONE: &str = "rancher.internal";

/// What came of asking one host's agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// How it finds its own host; or why it did not say, in words.
    pub examined: Option<Result<Examined, String>>,
    /// The ways to the others; or why it did not say, in words.
    pub probed: Option<Result<Probed, String>>,
}

/// A host's own part of the network, as its agent finds it. Answer to [`crate::protocol::Ask::Examine`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Examined {
    /// The network that the agent follows; `None` while it has no part of one.
    pub network: Option<HostNetwork>,
    /// Why it is not set up; empty if it is.
    pub problem: String,
    /// Bytes of the largest packet that devices on the way to other hosts take.
    pub underlay_mtu: u32,
    /// Bytes of the largest packet that fits the tunnel.
    pub mtu: u32,
    /// What the kernel holds otherwise than it shall.
    pub deviations: Vec<Deviation>,
    /// Addresses that the kernel takes for another container's.
    pub neighbours: Vec<WrongNeighbour>,
    /// Addresses that Docker gave on the network.
    pub endpoints: Vec<Endpoint>,
    /// Addresses that slots keep here (`retain_ip`), by `service/slot`.
    pub kept: BTreeMap<String, String>,
    /// The name service.
    pub names: NamesFound,
}

/// One thing that the kernel holds otherwise than it shall.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deviation {
    /// Whom it keeps this host from.
    pub hinders: Hindered,
    /// What the agent has to do about it, in words: "route 10.42.2.0/24 through 10.42.2.1".
    pub to_do: String,
}

/// Who is not reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hindered {
    /// Nobody.
    #[default]
    Nobody,
    /// The host with this subnet; the host's own: what is sent to its containers, by itself too.
    Subnet(String),
    /// Everyone.
    Everyone,
}

/// A neighbour of the bridge that has a container's address and another link layer address than the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WrongNeighbour {
    /// The address.
    pub address: String,
    /// What the kernel sends to.
    pub held: String,
    /// What the container has.
    pub right: String,
    /// The container's name.
    pub container: String,
    /// It stays until someone removes it.
    pub permanent: bool,
}

/// An address that Docker gave on the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// The address.
    pub address: String,
    /// Docker's id of the container it was given to.
    pub docker_id: String,
    /// Name of that container if it runs; empty if none does.
    pub container: String,
    /// The unit it is of, if it is one of ours.
    pub unit: Option<UnitKey>,
    /// It answers there.
    pub answers: bool,
}

/// How a host's name service does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamesFound {
    /// Name of its container; empty if there is none.
    pub container: String,
    /// It runs.
    pub running: bool,
    /// Its address on the network, beside the one it is asked at.
    pub address: String,
    /// Why a question for a name is not answered; empty if it is. Of one that does not run: why it could not be started.
    pub dns: String,
    /// Why the project's own name that it was asked for is not answered; empty if it is, or none was asked for.
    pub name: String,
    /// Why metadata are not answered; empty if they are.
    pub metadata: String,
}

/// A host to probe the way to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProbeTarget {
    /// Which.
    pub host: u64,
    /// Address other hosts reach it by.
    pub address: String,
    /// Its bridge's address on the network.
    pub gateway: String,
    /// Address of one of its containers; empty if none is known.
    pub container: String,
}

/// The ways from one host to the others. Answer to [`crate::protocol::Ask::Probe`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Probed {
    /// Why nothing could be probed; empty if it could.
    pub problem: String,
    /// By host.
    pub ways: BTreeMap<u64, Way>,
    /// Whose probes arrived here meanwhile, by host.
    pub heard: BTreeMap<u64, Heard>,
}

/// The way to another host and back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Way {
    /// From host address to host address.
    pub underlay: Reach,
    /// From gateway to gateway, through the tunnel.
    pub overlay: Reach,
    /// To a container there, and back; `None` if none was named.
    pub container: Option<bool>,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// Bytes of the largest packet that was tried; 0 if none was, because the address is none of IPv4.
    pub full: u32,
    /// Bytes of the largest packet that was answered; 0 if none was.
    pub largest: u32,
    /// What was said instead, by this host's kernel or by someone on the way: "10.0.0.254 says: frames above 1400
    /// bytes don't fit"; empty if nothing was.
    pub said: String,
}

/// What arrived: bytes of the largest packet, 0 if none did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Heard {
    /// At the host's address.
    pub underlay: u32,
    /// At the gateway's.
    pub overlay: u32,
}

/// The hosts of a project whose agents can be asked.
pub fn asked(world: &World, project: ProjectId) -> Vec<HostId> {
    let hosts = world.hosts.values();
    let hosts = hosts.filter(|host| host.project == project && host.removed_at.is_none());
    hosts.filter(|host| world.is_connected(host.id)).map(|host| host.id).collect()
}

/// A name that every name service of the project must answer: that of a service with a container that serves.
pub fn known_name(world: &World, project: ProjectId) -> Option<String> {
    let mut services = world.services.values().filter(|service| {
        let serves = || world.units_of(service.id).any(|unit| derive::is_serving(world, unit));
        let managed = || {
            let template = world.current_template(service);
            template.is_some_and(|template| template.primary.network == NetworkMode::Managed)
        };
        service.project == project
            && service.removed_at.is_none()
            && service.kind == ServiceKind::Containers
            && managed()
            && serves()
    });
    let service = services.next()?;
    let stack = world.stacks.get(&service.stack)?;
    let (service, stack) = (service.name.to_ascii_lowercase(), stack.name.to_ascii_lowercase());
    Some(format!("{service}.{stack}.{ZONE}"))
}

/// Whom a host shall probe: all others of its project that have a part of the network, connected or not.
pub fn targets(
    world: &World,
    host: HostId,
    answers: &BTreeMap<HostId, Answers>,
) -> Vec<ProbeTarget> {
    let peers = world.host_network(host).map(|network| network.peers).unwrap_or_default();
    let target = |peer: crate::Peer| {
        let examined = answers.get(&HostId(peer.host)).and_then(|a| a.examined.as_ref());
        let names = examined.and_then(|examined| examined.as_ref().ok()).map(|e| &e.names);
        ProbeTarget {
            host: peer.host,
            gateway: gateway(&peer.subnet).unwrap_or_default(),
            address: peer.address,
            container: names.map(|names| names.address.clone()).unwrap_or_default(),
        }
    };
    peers.into_iter().map(target).collect()
}

/// The first address of a subnet.
fn gateway(subnet: &str) -> Option<String> {
    let base: std::net::Ipv4Addr = subnet.split_once('/')?.0.parse().ok()?;
    Some(std::net::Ipv4Addr::from(u32::from(base).checked_add(1)?).to_string())
}

/// What all this means. `answers` holds what came from every host that was asked.
///
/// What was different when agents were asked (`before`) from what it is now (`world`) says nothing: they may have looked on
/// either side of the change.
pub fn diagnose(
    (before, world): (&World, &World),
    project: ProjectId,
    answers: &BTreeMap<HostId, Answers>,
    now: crate::Time,
) -> Diagnosis {
    verdict::diagnose(&verdict::Case::new((before, world), project, answers, now))
}
