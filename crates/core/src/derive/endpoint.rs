//! Where a service can be reached from outside.

use super::filling;
use crate::schedule::resolve;
use crate::{ContainerSpec, Desired, HostId, PortSpec, Service, UnitKey, World};

/// One public port of one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address of the host, or the one the port is bound to.
    pub ip: String,
    /// Public port.
    pub port: u16,
    /// The unit.
    pub unit: UnitKey,
    /// Which of its members, by its place in [`crate::Template::members`].
    pub member: usize,
    /// The unit's host.
    pub host: HostId,
}

/// The public ports of every unit that shall run.
pub fn endpoints(world: &World, service: &Service) -> Vec<Endpoint> {
    let mut found = Vec::new();
    for unit in filling(world, service).filter(|unit| unit.desired == Desired::Running) {
        let Some(template) = world.template(service.id, unit.key.revision) else { continue };
        let address = world.host(unit.host).map_or("", |host| host.address.as_str());
        for (member, (_, spec)) in template.members().enumerate() {
            for port in published_ports(service, spec) {
                let Some(public) = port.public else { continue };
                let ip = port.ip.unwrap_or_else(|| address.to_owned());
                found.push(Endpoint { ip, port: public, unit: unit.key, member, host: unit.host });
            }
        }
    }
    found
}

/// The ports a container of a service publishes, every public port that is known filled in.
pub fn published_ports(service: &Service, spec: &ContainerSpec) -> Vec<PortSpec> {
    resolve(service, &spec.ports).collect()
}
