//! Whether one host can take one unit, and if not, why.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::bearers::{Bearers, bearers};
use super::usage::{port_taken, published};
use super::{Asks, BadConstraint, Constraint, Subject, constraints};
use crate::{
    Desired, Host, HostId, PortSpec, ProjectId, Protocol, Service, ServiceId, Slot, Template, Unit,
    UnitKey, VolumeKey, World, label,
};

/// What a unit needs of a host.
#[derive(Clone, Debug)]
pub struct Need {
    /// The environment whose hosts count.
    pub project: ProjectId,
    /// The service.
    pub service: ServiceId,
    /// The slot; its other units are being replaced and stand in no constraint's way.
    pub slot: Slot,
    /// The only host allowed.
    pub pinned: Option<HostId>,
    /// Hosts with data the unit must be next to, and the volume's name.
    pub data: Vec<(HostId, String)>,
    /// Published ports.
    pub ports: Vec<PortSpec>,
    /// Units whose ports don't count: they are stopped before this one starts.
    pub replaces: BTreeSet<UnitKey>,
    /// Memory set aside, bytes.
    pub memory: i64,
    /// CPU set aside, thousandths of a core.
    pub milli_cpu: i64,
    /// Placement constraints.
    pub constraints: Vec<Constraint>,
    /// Labels of all members, for hosts that require some.
    pub labels: Vec<(String, String)>,
}

/// A slot that no service has: their numbers begin with 1.
const NO_SLOT: Slot = Slot::Number(0);

/// Why a host can't take a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the words are in `explain`
pub enum Misfit {
    Inactive,
    Disconnected,
    Impaired(String),
    NotTheRequestedHost,
    DataElsewhere { volume: String },
    PortTaken { port: u16, protocol: Protocol, holder: String },
    Memory,
    Cpu,
    RequireAny(String),
    Lacks(String),
    Has(String),
}

impl Need {
    /// What a unit of `service` running `template` in `slot` needs.
    pub fn of(
        world: &World,
        service: &Service,
        slot: Slot,
        template: &Template,
    ) -> Result<Self, BadConstraint> {
        let stack = world.stacks.get(&service.stack).map_or("", |s| s.name.as_str());
        let members = || template.members().map(|(_, spec)| spec);
        let pinned = match slot {
            Slot::Host(host) => Some(host),
            Slot::Number(_) => members().find_map(|m| m.requested_host),
        };
        Ok(Self {
            project: service.project,
            service: service.id,
            slot,
            pinned,
            data: data_of(world, service, slot, template),
            ports: published(service, template),
            replaces: BTreeSet::new(),
            memory: members().filter_map(|m| m.memory_reservation).sum(),
            milli_cpu: members().filter_map(|m| m.milli_cpu_reservation).sum(),
            constraints: constraints(template, stack, &service.name)?,
            labels: members()
                .flat_map(|m| &m.labels)
                .map(|(k, v)| (k.to_ascii_lowercase(), v.to_ascii_lowercase()))
                .collect(),
        })
    }

    /// The same for a slot that has no unit yet.
    pub(super) fn of_no_slot(&self) -> Self {
        Self { slot: NO_SLOT, replaces: BTreeSet::new(), ..self.clone() }
    }

    /// The same as far as constraints go, of which these are left.
    pub(super) fn with_only(self, constraints: Vec<Constraint>) -> Self {
        Self { constraints, ports: Vec::new(), labels: Vec::new(), data: Vec::new(), ..self }
    }

    /// Whether it is of a slot that has no unit yet.
    pub(super) fn is_of_no_slot(&self) -> bool {
        self.slot == NO_SLOT
    }

    /// Whether it asks for memory, and for CPU.
    pub(super) fn asks(&self) -> Asks {
        (self.memory > 0, self.milli_cpu > 0)
    }

    /// Whether another one asks the same but for its slot and what it replaces.
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        let Self { project, service, slot: _, pinned, data, ports, replaces: _, .. } = self;
        let Self { memory, milli_cpu, constraints, labels, .. } = self;
        (*project, *service, *pinned) == (other.project, other.service, other.pinned)
            && (*memory, *milli_cpu) == (other.memory, other.milli_cpu)
            && (data, ports) == (&other.data, &other.ports)
            && (constraints, labels) == (&other.constraints, &other.labels)
    }
}

/// Declared local volumes the unit mounts whose data lies somewhere already.
fn data_of(
    world: &World,
    service: &Service,
    slot: Slot,
    template: &Template,
) -> Vec<(HostId, String)> {
    declared_volumes(world, service, slot, template)
        .filter(|(_, _, local)| *local)
        .filter_map(|(key, name, _)| world.volumes.get(&key).map(|host| (*host, name)))
        .collect()
}

/// The declared volumes that members mount by name: key, name, and whether the data is bound to a host.
pub(crate) fn declared_volumes<'a>(
    world: &'a World,
    service: &'a Service,
    slot: Slot,
    template: &'a Template,
) -> impl Iterator<Item = (VolumeKey, String, bool)> + 'a {
    let mounts = template.members().flat_map(|(_, spec)| &spec.volumes);
    let names: BTreeSet<&str> = mounts.filter_map(|m| volume_name(m)).collect();
    names.into_iter().filter_map(move |name| {
        let mut declared = world.volumes_in(service.stack).filter(|t| t.removed_at.is_none());
        let found = declared.find(|t| t.name == name)?;
        let slot = found.per_container.then_some(slot);
        Some((VolumeKey { template: found.id, slot }, name.to_owned(), found.is_local()))
    })
}

/// The volume's name in a mount like `name:/path`; `None` for a bind mount or an anonymous volume.
pub(crate) fn volume_name(mount: &str) -> Option<&str> {
    let (source, _) = mount.split_once(':')?;
    (!source.is_empty() && !source.starts_with(['/', '.', '~'])).then_some(source)
}

/// Whether `host` can take the unit.
pub fn fits(world: &World, host: &Host, need: &Need) -> Result<(), Misfit> {
    let bearers = bearers(world, &need.constraints);
    Asker { world, need, bearers: &bearers }.fits(host)
}

/// A need that is put to hosts.
pub(super) struct Asker<'a> {
    pub(super) world: &'a World,
    pub(super) need: &'a Need,
    /// Of each of its constraints.
    pub(super) bearers: &'a [Rc<Bearers>],
}

impl Asker<'_> {
    /// Whether a host can take the unit.
    pub(super) fn fits(&self, host: &Host) -> Result<(), Misfit> {
        let Self { world, need, .. } = self;
        if !host.active {
            return Err(Misfit::Inactive);
        }
        let seen = world.seen.get(&host.id);
        if !seen.is_some_and(|s| s.connected) || world.is_lost(host.id) {
            return Err(Misfit::Disconnected);
        }
        if let Some(problem) = seen.map(|s| &s.facts.problem).filter(|p| !p.is_empty()) {
            return Err(Misfit::Impaired(problem.clone()));
        }
        if need.pinned.is_some_and(|pinned| pinned != host.id) {
            return Err(Misfit::NotTheRequestedHost);
        }
        if let Some((_, volume)) = need.data.iter().find(|(at, _)| *at != host.id) {
            return Err(Misfit::DataElsewhere { volume: volume.clone() });
        }
        fits_ports(world, host, need)?;
        fits_resources(world, host, need)?;
        fits_require_any(host, need)?;
        let mut hard = self.constraints().filter(|(c, _)| c.hard);
        match hard.find(|(c, bearers)| !holds(world, host, need, c, bearers)) {
            Some((c, _)) if c.negated => Err(Misfit::Has(c.to_string())),
            Some((c, _)) => Err(Misfit::Lacks(c.to_string())),
            None => Ok(()),
        }
    }

    /// How many soft constraints a host breaks.
    pub(super) fn soft_misfits(&self, host: &Host) -> usize {
        let soft = self.constraints().filter(|(c, _)| !c.hard);
        soft.filter(|(c, bearers)| !holds(self.world, host, self.need, c, bearers)).count()
    }

    fn constraints(&self) -> impl Iterator<Item = (&Constraint, &Bearers)> {
        self.need.constraints.iter().zip(self.bearers.iter().map(AsRef::as_ref))
    }
}

fn fits_ports(world: &World, host: &Host, need: &Need) -> Result<(), Misfit> {
    match port_taken(world, host.id, &need.ports, |holder| need.replaces.contains(&holder)) {
        Some(held) => {
            let (port, protocol) = (held.public, held.protocol);
            Err(Misfit::PortTaken { port, protocol, holder: name_of(world, held.holder) })
        }
        None => Ok(()),
    }
}

fn fits_resources(world: &World, host: &Host, need: &Need) -> Result<(), Misfit> {
    if need.memory <= 0 && need.milli_cpu <= 0 {
        return Ok(());
    }
    let (memory, milli_cpu) = world.capacity(host);
    let taken = world.taken(host.id);
    if need.memory > 0 && taken.memory + need.memory > memory {
        return Err(Misfit::Memory);
    }
    if need.milli_cpu > 0 && taken.milli_cpu + need.milli_cpu > milli_cpu {
        return Err(Misfit::Cpu);
    }
    Ok(())
}

/// A host may take only units that carry one of the labels it names.
fn fits_require_any(host: &Host, need: &Need) -> Result<(), Misfit> {
    let Some(required) = host_label(host, label::HOST_REQUIRE_ANY) else { return Ok(()) };
    let any = required.split(',').map(str::trim).filter(|item| !item.is_empty()).any(|item| {
        let item = item.to_ascii_lowercase();
        match item.split_once('=') {
            Some((key, value)) => need.labels.iter().any(|(k, v)| k == key && v == value),
            None => need.labels.iter().any(|(k, _)| *k == item),
        }
    });
    if any { Ok(()) } else { Err(Misfit::RequireAny(required.to_owned())) }
}

fn host_label<'a>(host: &'a Host, key: &str) -> Option<&'a str> {
    let found = host.labels.iter().find(|(k, _)| k.trim().eq_ignore_ascii_case(key));
    found.map(|(_, v)| v.as_str())
}

/// Whether a host has the label that a constraint looks for.
pub(super) fn has_host_label(host: &Host, constraint: &Constraint) -> bool {
    let Subject::HostLabel(key, value) = &constraint.subject else { return false };
    host_label(host, key).is_some_and(|v| v.trim().eq_ignore_ascii_case(value))
}

fn holds(
    world: &World,
    host: &Host,
    need: &Need,
    constraint: &Constraint,
    bearers: &Bearers,
) -> bool {
    let seen = |is_it: &dyn Fn(&Unit) -> bool| {
        bearers.any_on(world, host.id, need, |unit| is_other(world, unit, need), is_it)
    };
    let present = match &constraint.subject {
        Subject::HostLabel(..) => has_host_label(host, constraint),
        Subject::ContainerLabel(key, value) => seen(&|unit| has_label(world, unit, key, value)),
        Subject::Container(name) => seen(&|unit| has_name(world, unit, name)),
    };
    present != constraint.negated
}

/// Whether constraints see a unit: not one of the slot's own, which are being replaced, nor one that is parked
/// by an upgrade, nor one on its way out.
fn is_other(world: &World, unit: &Unit, need: &Need) -> bool {
    let parked = || unit.desired == Desired::Stopped && world.upgrade(unit.key.service).is_some();
    let own_slot = unit.key.service == need.service && unit.key.slot == need.slot;
    unit.desired != Desired::Removed && !own_slot && !parked()
}

fn has_label(world: &World, unit: &Unit, key: &str, value: &str) -> bool {
    let names = || {
        let service = world.service(unit.key.service)?;
        Some((world.stacks.get(&service.stack).map_or("", |s| s.name.as_str()), service))
    };
    match key {
        label::STACK => names().is_some_and(|(stack, _)| stack.eq_ignore_ascii_case(value)),
        label::STACK_SERVICE => names().is_some_and(|(stack, service)| {
            format!("{stack}/{}", service.name).eq_ignore_ascii_case(value)
        }),
        _ => world.template(unit.key.service, unit.key.revision).is_some_and(|template| {
            template.members().any(|(_, spec)| {
                let mut labels = spec.labels.iter();
                labels.any(|(k, v)| k.eq_ignore_ascii_case(key) && v.eq_ignore_ascii_case(value))
            })
        }),
    }
}

fn has_name(world: &World, unit: &Unit, name: &str) -> bool {
    let members = world.template(unit.key.service, unit.key.revision);
    members.is_some_and(|t| {
        t.members().any(|(m, _)| container_name(world, unit.key, m).eq_ignore_ascii_case(name))
    })
}

/// Display name of a member's container: `stack-service[-sidekick]-N`.
pub(crate) fn container_name(world: &World, key: UnitKey, member: &str) -> String {
    let service = world.service(key.service);
    let stack = service.and_then(|s| world.stacks.get(&s.stack));
    let stack = stack.map_or("?", |s| s.name.as_str());
    let service = service.map_or("?", |s| s.name.as_str());
    let number = match key.slot {
        Slot::Number(n) => n.to_string(),
        Slot::Host(host) => host.to_string(),
    };
    if member.is_empty() {
        format!("{stack}-{service}-{number}")
    } else {
        format!("{stack}-{service}-{member}-{number}")
    }
}

fn name_of(world: &World, key: UnitKey) -> String {
    container_name(world, key, "")
}
