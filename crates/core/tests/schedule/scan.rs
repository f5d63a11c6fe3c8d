//! The plain scan that placement began as: all units are read, every host is asked. What the scheduler does instead must
//! come to the same, which the tests beside this ask; the benchmark asks how much sooner.
//!
//! It shares the nouns with the scheduler and no rule.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use drover_core::schedule::{Constraint, Need, Subject};
use drover_core::{
    ContainerSpec, Desired, Host, HostId, Phase, PortSpec, Service, ServiceKind, Slot, Template,
    Unit, UnitKey, World,
};

/// What is taken on every host.
pub struct Usage(BTreeMap<HostId, Taken>);

#[derive(Default)]
struct Taken {
    containers: usize,
    memory: i64,
    milli_cpu: i64,
    ports: Vec<(PortSpec, UnitKey)>,
}

impl Usage {
    /// What is taken in a snapshot.
    pub fn of(world: &World) -> Self {
        let mut usage = Self(BTreeMap::new());
        world.units.values().for_each(|unit| usage.add(world, unit));
        usage
    }

    /// Take what a unit needs.
    pub fn add(&mut self, world: &World, unit: &Unit) {
        let Some(service) = world.service(unit.key.service) else { return };
        let Some(template) = world.template(unit.key.service, unit.key.revision) else { return };
        let sum = |get: fn(&ContainerSpec) -> Option<i64>| -> i64 {
            template.members().filter_map(|(_, spec)| get(spec)).sum()
        };
        let taken = self.0.entry(unit.host).or_default();
        taken.containers += template.len();
        taken.memory += sum(|spec| spec.memory_reservation);
        taken.milli_cpu += sum(|spec| spec.milli_cpu_reservation);
        if holds_ports(world, unit) {
            let ports = published(service, template).into_iter().filter(|p| p.public.is_some());
            taken.ports.extend(ports.map(|port| (port, unit.key)));
        }
    }
}

/// The host with the least rank of those that fit.
pub fn place(world: &World, usage: &Usage, need: &Need, stay: Option<HostId>) -> Option<HostId> {
    let nothing = Taken::default();
    let mut siblings: BTreeMap<HostId, usize> = BTreeMap::new();
    for unit in world.units_of(need.service) {
        if unit.key.slot != need.slot && unit.desired == Desired::Running {
            *siblings.entry(unit.host).or_default() += 1;
        }
    }
    let hosts = world.hosts.values().filter(|h| h.project == need.project);
    let hosts = hosts.filter(|host| host.removed_at.is_none());
    let ranked = hosts.filter_map(|host| {
        let taken = usage.0.get(&host.id).unwrap_or(&nothing);
        if !fits(world, host, taken, need) {
            return None;
        }
        let (memory, milli_cpu) = capacity(world, host);
        let soft = need.constraints.iter().filter(|c| !c.hard);
        let free =
            |asked: i64, all: i64, taken: i64| Reverse(if asked > 0 { all - taken } else { 0 });
        Some((
            soft.filter(|c| !holds(world, host, need, c)).count(),
            stay.is_some_and(|stay| stay != host.id),
            siblings.get(&host.id).copied().unwrap_or(0),
            free(need.memory, memory, taken.memory),
            free(need.milli_cpu, milli_cpu, taken.milli_cpu),
            taken.containers,
            host.id,
        ))
    });
    ranked.min().map(|rank| rank.6)
}

fn fits(world: &World, host: &Host, taken: &Taken, need: &Need) -> bool {
    let seen = world.seen.get(&host.id);
    let (memory, milli_cpu) = capacity(world, host);
    let mut held = taken.ports.iter().filter(|(_, holder)| !need.replaces.contains(holder));
    host.active
        && seen.is_some_and(|seen| seen.connected && seen.facts.problem.is_empty())
        && !world.is_lost(host.id)
        && need.pinned.is_none_or(|pinned| pinned == host.id)
        && need.data.iter().all(|(at, _)| *at == host.id)
        && !held.any(|(held, _)| need.ports.iter().any(|port| clash(held, port)))
        && (need.memory <= 0 || taken.memory + need.memory <= memory)
        && (need.milli_cpu <= 0 || taken.milli_cpu + need.milli_cpu <= milli_cpu)
        && takes_labels(host, need)
        && need.constraints.iter().filter(|c| c.hard).all(|c| holds(world, host, need, c))
}

fn clash(held: &PortSpec, port: &PortSpec) -> bool {
    let same_address = match (&held.ip, &port.ip) {
        (Some(a), Some(b)) => a == b,
        (None, _) | (_, None) => true,
    };
    (held.public, held.protocol) == (port.public, port.protocol) && same_address
}

fn capacity(world: &World, host: &Host) -> (i64, i64) {
    let facts = world.seen.get(&host.id).map(|s| (s.facts.memory, i64::from(s.facts.cpus) * 1000));
    let (memory, milli_cpu) = facts.unwrap_or_default();
    (host.memory_limit.unwrap_or(memory), host.milli_cpu_limit.unwrap_or(milli_cpu))
}

fn takes_labels(host: &Host, need: &Need) -> bool {
    let Some(required) = host_label(host, "io.rancher.scheduler.require_any") else { return true };
    required.split(',').map(str::trim).filter(|item| !item.is_empty()).any(|item| {
        let item = item.to_ascii_lowercase();
        match item.split_once('=') {
            Some((key, value)) => need.labels.iter().any(|(k, v)| k == key && v == value),
            None => need.labels.iter().any(|(k, _)| *k == item),
        }
    })
}

fn host_label<'a>(host: &'a Host, key: &str) -> Option<&'a str> {
    let found = host.labels.iter().find(|(k, _)| k.trim().eq_ignore_ascii_case(key));
    found.map(|(_, v)| v.as_str())
}

fn holds(world: &World, host: &Host, need: &Need, constraint: &Constraint) -> bool {
    let others = || {
        world.units_on(host.id).filter(|unit| {
            let parked =
                unit.desired == Desired::Stopped && world.upgrade(unit.key.service).is_some();
            let own_slot = unit.key.service == need.service && unit.key.slot == need.slot;
            unit.desired != Desired::Removed && !parked && !own_slot
        })
    };
    let present = match &constraint.subject {
        Subject::HostLabel(key, value) => {
            host_label(host, key).is_some_and(|v| v.trim().eq_ignore_ascii_case(value))
        }
        Subject::ContainerLabel(key, value) => {
            others().any(|unit| has_label(world, unit, key, value))
        }
        Subject::Container(name) => others().any(|unit| has_name(world, unit, name)),
    };
    present != constraint.negated
}

fn has_label(world: &World, unit: &Unit, key: &str, value: &str) -> bool {
    let Some(service) = world.service(unit.key.service) else { return false };
    let stack = world.stacks.get(&service.stack).map_or("", |s| s.name.as_str());
    match key {
        "io.rancher.stack.name" => return stack.eq_ignore_ascii_case(value),
        "io.rancher.stack_service.name" => {
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
    let Some(template) = world.template(unit.key.service, unit.key.revision) else { return false };
    let service = world.service(unit.key.service);
    let stack = service.and_then(|s| world.stacks.get(&s.stack)).map_or("?", |s| &s.name);
    let service = service.map_or("?", |s| s.name.as_str());
    let number = match unit.key.slot {
        Slot::Number(n) => n.to_string(),
        Slot::Host(host) => host.to_string(),
    };
    template.members().any(|(member, _)| {
        let held = match member {
            "" => format!("{stack}-{service}-{number}"),
            member => format!("{stack}-{service}-{member}-{number}"),
        };
        held.eq_ignore_ascii_case(name)
    })
}

fn published(service: &Service, template: &Template) -> Vec<PortSpec> {
    let ports = template.members().flat_map(|(_, spec)| &spec.ports);
    let public = |port: &PortSpec| {
        let same = (service.kind == ServiceKind::Balancer).then_some(port.private);
        let mut picked = service.picked_ports.iter();
        let picked = picked.find(|p| (p.private, p.protocol) == (port.private, port.protocol));
        port.public.or(same).or(picked.map(|p| p.public))
    };
    ports.map(|port| PortSpec { public: public(port), ..port.clone() }).collect()
}

fn holds_ports(world: &World, unit: &Unit) -> bool {
    let down = world.observed(unit.key).is_some_and(|seen| {
        matches!(seen.phase, Phase::Stopped | Phase::Gone | Phase::Completed)
            && seen.generation == unit.generation
    });
    match unit.desired {
        Desired::Running | Desired::Draining | Desired::Staged => true,
        Desired::Stopped | Desired::Removed => !down,
    }
}
