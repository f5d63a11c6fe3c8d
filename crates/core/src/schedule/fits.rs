//! Whether one host can take one unit, and if not, why.

use std::collections::BTreeSet;

use super::usage::{HostUse, published};
use super::{BadConstraint, Constraint, Subject, constraints};
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
        let declared = world.volume_templates.values();
        let mut declared = declared.filter(|t| t.stack == service.stack && t.removed_at.is_none());
        let found = declared.find(|t| t.name == name)?;
        let slot = found.per_container.then_some(slot);
        Some((VolumeKey { template: found.id, slot }, name.to_owned(), found.is_local()))
    })
}

/// The volume's name in a mount like `name:/path`; `None` for a bind mount or an anonymous volume.
fn volume_name(mount: &str) -> Option<&str> {
    let (source, _) = mount.split_once(':')?;
    (!source.is_empty() && !source.starts_with(['/', '.', '~'])).then_some(source)
}

/// Whether `host` can take the unit; `taken` is what is taken there.
pub fn fits(world: &World, host: &Host, taken: &HostUse, need: &Need) -> Result<(), Misfit> {
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
    fits_ports(world, taken, need)?;
    fits_resources(world, host, taken, need)?;
    fits_require_any(host, need)?;
    let broken = need.constraints.iter().filter(|c| c.hard).find(|c| !holds(world, host, need, c));
    match broken {
        Some(c) if c.negated => Err(Misfit::Has(c.to_string())),
        Some(c) => Err(Misfit::Lacks(c.to_string())),
        None => Ok(()),
    }
}

/// How many soft constraints a host breaks.
pub(super) fn soft_misfits(world: &World, host: &Host, need: &Need) -> usize {
    need.constraints.iter().filter(|c| !c.hard && !holds(world, host, need, c)).count()
}

fn fits_ports(world: &World, taken: &HostUse, need: &Need) -> Result<(), Misfit> {
    for port in &need.ports {
        let held = taken.ports.iter().filter(|held| !need.replaces.contains(&held.holder));
        if let Some(held) = { held }.find(|held| held.clashes(port)) {
            let (port, protocol) = (held.public, held.protocol);
            return Err(Misfit::PortTaken { port, protocol, holder: name_of(world, held.holder) });
        }
    }
    Ok(())
}

fn fits_resources(world: &World, host: &Host, taken: &HostUse, need: &Need) -> Result<(), Misfit> {
    let (memory, milli_cpu) = capacity(world, host);
    if need.memory > 0 && taken.memory + need.memory > memory {
        return Err(Misfit::Memory);
    }
    if need.milli_cpu > 0 && taken.milli_cpu + need.milli_cpu > milli_cpu {
        return Err(Misfit::Cpu);
    }
    Ok(())
}

/// Memory (bytes) and CPU (thousandths of a core) the scheduler may give away on a host.
pub(super) fn capacity(world: &World, host: &Host) -> (i64, i64) {
    let facts = world.seen.get(&host.id).map(|s| (s.facts.memory, i64::from(s.facts.cpus) * 1000));
    let (memory, milli_cpu) = facts.unwrap_or_default();
    (host.memory_limit.unwrap_or(memory), host.milli_cpu_limit.unwrap_or(milli_cpu))
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

fn holds(world: &World, host: &Host, need: &Need, constraint: &Constraint) -> bool {
    let present = match &constraint.subject {
        Subject::HostLabel(key, value) => {
            host_label(host, key).is_some_and(|v| v.trim().eq_ignore_ascii_case(value))
        }
        Subject::ContainerLabel(key, value) => {
            others(world, host, need).any(|unit| has_label(world, unit, key, value))
        }
        Subject::Container(name) => {
            others(world, host, need).any(|unit| has_name(world, unit, name))
        }
    };
    present != constraint.negated
}

/// Units on the host that constraints see: not the slot's own, which are being replaced, nor those parked
/// by an upgrade, nor those on their way out.
fn others<'a>(world: &'a World, host: &Host, need: &'a Need) -> impl Iterator<Item = &'a Unit> {
    world.units_on(host.id).filter(move |unit| {
        let parked = unit.desired == Desired::Stopped && world.upgrade(unit.key.service).is_some();
        let own_slot = unit.key.service == need.service && unit.key.slot == need.slot;
        unit.desired != Desired::Removed && !parked && !own_slot
    })
}

fn has_label(world: &World, unit: &Unit, key: &str, value: &str) -> bool {
    let Some(service) = world.service(unit.key.service) else { return false };
    let stack = world.stacks.get(&service.stack).map_or("", |s| s.name.as_str());
    match key {
        label::STACK => return stack.eq_ignore_ascii_case(value),
        label::STACK_SERVICE => {
            return format!("{stack}/{}", service.name).eq_ignore_ascii_case(value);
        }
        _ => {}
    }
    world.template(unit.key.service, unit.key.revision).is_some_and(|template| {
        template.members().any(|(_, spec)| {
            let mut labels = spec.labels.iter();
            labels.any(|(k, v)| k.eq_ignore_ascii_case(key) && v.eq_ignore_ascii_case(value))
        })
    })
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
