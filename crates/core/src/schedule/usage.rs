//! What units take of their host: memory and CPU set aside, containers, published ports.
//!
//! Sums are the world's to keep (`world/index.rs`); who holds a port is read from the units that publish it, since it
//! hangs on what is seen of them.

use std::ops::{Add, Sub};

use crate::{Desired, HostId, Phase, PortSpec, Protocol, Service, Template, Unit, UnitKey, World};

/// What is taken on a host, or what a unit takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostUse {
    /// Containers, stopped ones included.
    pub containers: usize,
    /// Memory set aside, bytes.
    pub memory: i64,
    /// CPU set aside, thousandths of a core.
    pub milli_cpu: i64,
}

/// A published port and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPort {
    /// The port.
    pub public: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The unit.
    pub holder: UnitKey,
}

impl HostUse {
    /// What a unit takes.
    pub(crate) fn of(template: &Template) -> Self {
        Self {
            containers: template.len(),
            memory: reserved(template, |c| c.memory_reservation),
            milli_cpu: reserved(template, |c| c.milli_cpu_reservation),
        }
    }
}

impl Add for HostUse {
    type Output = Self;

    fn add(self, part: Self) -> Self {
        Self {
            containers: self.containers + part.containers,
            memory: self.memory + part.memory,
            milli_cpu: self.milli_cpu + part.milli_cpu,
        }
    }
}

impl Sub for HostUse {
    type Output = Self;

    fn sub(self, part: Self) -> Self {
        Self {
            containers: self.containers.saturating_sub(part.containers),
            memory: self.memory - part.memory,
            milli_cpu: self.milli_cpu - part.milli_cpu,
        }
    }
}

/// The first of these ports that another unit than `but` holds on a host.
pub(crate) fn port_taken(
    world: &World,
    host: HostId,
    ports: &[PortSpec],
    but: impl Fn(UnitKey) -> bool,
) -> Option<HeldPort> {
    ports.iter().find_map(|port| {
        let public = port.public?;
        let mut units = world.publishing(host, public, port.protocol);
        let holder = units.find(|unit| {
            !but(unit.key) && holds_ports(world, unit) && publishes(world, unit, port)
        })?;
        Some(HeldPort { public, protocol: port.protocol, holder: holder.key })
    })
}

/// Whether a unit and a port can't both be bound on one host.
fn publishes(world: &World, unit: &Unit, port: &PortSpec) -> bool {
    let Some(service) = world.service(unit.key.service) else { return false };
    let Some(template) = world.template(unit.key.service, unit.key.revision) else { return false };
    published(service, template).iter().any(|held| {
        let same_address = match (&held.ip, &port.ip) {
            (Some(a), Some(b)) => a == b,
            (None, _) | (_, None) => true,
        };
        (held.public, held.protocol) == (port.public, port.protocol) && same_address
    })
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
