//! What is taken on each host: published ports, reservations, containers.
//!
//! Made once per plan from the snapshot and kept up as the plan goes on, so that units placed by one plan see
//! each other.

use std::collections::BTreeMap;

use crate::{Desired, HostId, Phase, PortSpec, Protocol, Service, Template, Unit, UnitKey, World};

/// What is taken on every host.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    hosts: BTreeMap<HostId, HostUse>,
}

/// What is taken on one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostUse {
    /// Containers, stopped ones included.
    pub containers: usize,
    /// Memory set aside, bytes.
    pub memory: i64,
    /// CPU set aside, thousandths of a core.
    pub milli_cpu: i64,
    /// Ports held.
    pub ports: Vec<HeldPort>,
}

/// A published port and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPort {
    /// Address it is bound to; `None` is all.
    pub ip: Option<String>,
    /// The port.
    pub public: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The unit.
    pub holder: UnitKey,
}

impl Usage {
    /// What is taken in a snapshot.
    pub fn of(world: &World) -> Self {
        let mut usage = Self::default();
        for unit in world.units.values() {
            usage.add(world, unit);
        }
        usage
    }

    /// Take what a unit needs.
    pub fn add(&mut self, world: &World, unit: &Unit) {
        let Some(service) = world.service(unit.key.service) else { return };
        let Some(template) = world.template(unit.key.service, unit.key.revision) else { return };
        let host = self.hosts.entry(unit.host).or_default();
        host.containers += template.len();
        host.memory += reserved(template, |c| c.memory_reservation);
        host.milli_cpu += reserved(template, |c| c.milli_cpu_reservation);
        if holds_ports(world, unit) {
            let ports = published(service, template).into_iter().filter_map(|p| {
                let PortSpec { ip, public, protocol, .. } = p;
                public.map(|public| HeldPort { ip, public, protocol, holder: unit.key })
            });
            host.ports.extend(ports);
        }
    }

    /// What is taken on a host.
    pub fn on(&self, host: HostId) -> Option<&HostUse> {
        self.hosts.get(&host)
    }
}

impl HeldPort {
    /// Whether both can't be bound on one host.
    pub fn clashes(&self, port: &PortSpec) -> bool {
        let same_address = match (&self.ip, &port.ip) {
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => true,
        };
        port.public == Some(self.public) && port.protocol == self.protocol && same_address
    }
}

/// The ports a unit publishes, with every public port filled in: the service's picks, and for a balancer
/// the same number.
pub(crate) fn published(service: &Service, template: &Template) -> Vec<PortSpec> {
    template.members().flat_map(|(_, spec)| resolve(service, &spec.ports)).collect()
}

/// Fill in the public ports that were left open.
pub(crate) fn resolve<'a>(
    service: &'a Service,
    ports: &'a [PortSpec],
) -> impl Iterator<Item = PortSpec> + 'a {
    ports.iter().map(|port| {
        let picked = || {
            let is_it =
                |p: &&crate::PickedPort| p.private == port.private && p.protocol == port.protocol;
            service.picked_ports.iter().find(is_it).map(|p| p.public)
        };
        let same = || (service.kind == crate::ServiceKind::Balancer).then_some(port.private);
        let public = port.public.or_else(same).or_else(picked);
        PortSpec { public, ..port.clone() }
    })
}

/// A unit holds its ports from the moment it is to run until it is seen down.
fn holds_ports(world: &World, unit: &Unit) -> bool {
    match unit.desired {
        Desired::Running | Desired::Draining | Desired::Staged => true,
        Desired::Stopped | Desired::Removed => !is_down(world, unit),
    }
}

/// Seen down under its current generation.
pub(crate) fn is_down(world: &World, unit: &Unit) -> bool {
    world.observed(unit.key).is_some_and(|seen| {
        let down = match seen.phase {
            Phase::Stopped | Phase::Gone | Phase::Completed => true,
            Phase::Pending
            | Phase::Pulling
            | Phase::Starting
            | Phase::Running
            | Phase::BackOff
            | Phase::Stopping => false,
        };
        down && seen.generation == unit.generation
    })
}

fn reserved(template: &Template, get: impl Fn(&crate::ContainerSpec) -> Option<i64>) -> i64 {
    template.members().filter_map(|(_, spec)| get(spec)).sum()
}
