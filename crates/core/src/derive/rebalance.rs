//! Which units would stand better elsewhere: after a host came back, or a new one joined, what was made meanwhile sits
//! crowded on the others.
//!
//! It is found by trying: in a copy of the world one unit after another is put where the scheduler would put it now, as long
//! as that is strictly better by the scheduler's own rank; first what spreads the units of a service, then what evens out
//! hosts. Every such step makes a sum smaller, so that it ends, and asked again of what came out there is nothing to move.
//! What stays where it is whatever is free elsewhere is never moved.
//!
//! Nothing is moved here: users look at it first, see `plan/rebalance.rs`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{busy, has_arrived, is_single, stays};
use crate::schedule::{Gain, Need, Scheduler, container_name, declared_volumes, gain, volume_name};
use crate::{
    Desired, Host, HostId, Move, ProjectId, Service, ServiceId, Template, Unit, UnitKey, Wanted,
    World,
};

/// What rebalancing would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebalancing {
    /// Units that would stand better elsewhere, by service and slot.
    pub moves: Vec<BetterPlace>,
    /// What is left as it is though it might stand better elsewhere, and why, in words.
    pub held: Vec<String>,
}

/// A unit that would stand better on another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BetterPlace {
    /// The unit.
    pub unit: UnitKey,
    /// Where it is.
    pub from: HostId,
    /// Where it would go.
    pub to: HostId,
    /// What is gained, in words.
    pub why: String,
}

impl BetterPlace {
    /// The move itself.
    pub fn as_move(&self) -> Move {
        Move { unit: self.unit, to: self.to }
    }
}

/// Steps per unit after which it is enough: constraints between services may chase each other round.
const STEPS: usize = 8;

/// What rebalancing the services of a project would do; none named is all of them.
pub fn rebalancing(world: &World, project: ProjectId, only: &BTreeSet<ServiceId>) -> Rebalancing {
    let mut found = Rebalancing::default();
    let services = world.services.values().filter(|service| {
        service.project == project && (only.is_empty() || only.contains(&service.id))
    });
    let mut free: Vec<ServiceId> = Vec::new();
    for service in services.filter(|service| is_of_concern(world, service)) {
        match waits(world, service) {
            Some(why) => found.held.push(why),
            None => free.push(service.id),
        }
    }
    let mut trial = Trial::new(world);
    for service in &free {
        trial.improve(*service, Gain::is_of_service);
    }
    loop {
        let before = trial.steps_left;
        for service in &free {
            trial.improve(*service, |_| true);
        }
        if trial.steps_left == before || trial.steps_left == 0 {
            break;
        }
    }
    for service in &free {
        found.held.extend(trial.held(*service));
    }
    found.moves = trial.moves(world);
    found
}

/// Why a unit is not moved for the sake of balance, whatever is free elsewhere; `None` if it may be. More stays than on a
/// host that is to be emptied: nothing forces this.
pub fn keeps_place(world: &World, unit: &Unit) -> Option<String> {
    if let Some(why) = stays(world, unit) {
        return Some(why);
    }
    let service = world.service(unit.key.service)?;
    let template = world.template(service.id, unit.key.revision)?;
    if is_single(template) {
        let why = "no two of it may run at once (`on_host_loss: fence`), so that it would be down";
        return Some(why.to_owned());
    }
    let path = written(world, service, unit, template)?;
    Some(format!("what it writes to {path} lies there"))
}

/// Why nothing of a service is moved now; `None` if it may be.
pub fn waits(world: &World, service: &Service) -> Option<String> {
    busy(world, service).or_else(|| {
        service.rebalance.as_ref().map(|_| format!("{} is being rebalanced already", service.name))
    })
}

impl Gain {
    fn is_of_service(self) -> bool {
        matches!(self, Self::Wishes | Self::Spread)
    }
}

/// It has units that could be elsewhere.
fn is_of_concern(world: &World, service: &Service) -> bool {
    let template = world.current_template(service);
    let is_global = template.is_some_and(|template| template.primary.is_global());
    service.wanted == Wanted::Active && service.kind.has_units() && !is_global
}

/// A place of its host, or a volume nobody declared, that a unit may write to. Sockets are the host's own.
fn written(world: &World, service: &Service, unit: &Unit, template: &Template) -> Option<String> {
    let declared: BTreeSet<String> = declared_volumes(world, service, unit.key.slot, template)
        .map(|(_, name, _)| name)
        .collect();
    let mounts = template.members().flat_map(|(_, spec)| &spec.volumes);
    let mut written = mounts.filter(|mount| !mount.ends_with(":ro")).filter_map(|mount| {
        let (source, _) = mount.split_once(':')?;
        let is_declared = volume_name(mount).is_some_and(|name| declared.contains(name));
        let is_socket = source.rsplit_once('.').is_some_and(|(_, ending)| ending == "sock");
        (!is_declared && !is_socket).then(|| source.to_owned())
    });
    written.next()
}

/// A unit that stands alone in its slot and does what it is for.
fn is_steady(world: &World, unit: &Unit) -> bool {
    let same =
        |other: &Unit| (other.key.slot, other.key.revision) == (unit.key.slot, unit.key.revision);
    let twin =
        |other: &Unit| other.key != unit.key && same(other) && other.desired != Desired::Removed;
    unit.desired == Desired::Running
        && has_arrived(world, unit)
        && !world.host(unit.host).is_some_and(Host::is_evacuating)
        && !world.units_of(unit.key.service).any(twin)
}

/// The world as it would be.
struct Trial {
    world: World,
    scheduler: Scheduler,
    /// What the last step of a unit gained.
    gains: BTreeMap<UnitKey, Gain>,
    steps_left: usize,
}

impl Trial {
    fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            scheduler: Scheduler::default(),
            gains: BTreeMap::new(),
            steps_left: world.units.len() * STEPS,
        }
    }

    /// Put units of a service where they stand better, as long as any does.
    fn improve(&mut self, service: ServiceId, counts: fn(Gain) -> bool) {
        while self.steps_left > 0 {
            let units = self.steady(service);
            let units = units.into_iter().filter(|u| keeps_place(&self.world, u).is_none());
            let units: Vec<Unit> = units.collect();
            let Some((unit, to, gain)) = self.first_better(&units, counts) else { return };
            self.world.suppose(unit.key, to);
            self.scheduler.touch(unit.host);
            self.scheduler.touch(to);
            self.gains.insert(unit.key, gain);
            self.steps_left -= 1;
        }
    }

    /// The units of a service that might move, from the most crowded hosts first, the highest slot first.
    fn steady(&self, service: ServiceId) -> Vec<Unit> {
        let world = &self.world;
        let units = world.units_of(service).filter(|unit| is_steady(world, unit));
        let mut units: Vec<Unit> = units.cloned().collect();
        let mut crowd: BTreeMap<HostId, usize> = BTreeMap::new();
        for unit in &units {
            *crowd.entry(unit.host).or_default() += 1;
        }
        units.sort_by_key(|unit| {
            let here = (crowd.get(&unit.host).copied(), world.taken(unit.host).containers);
            (Reverse(here), Reverse(unit.key))
        });
        units
    }

    /// The first of these that stands better elsewhere. Units of one revision on one host are asked once: what holds for
    /// one holds for all.
    fn first_better(
        &mut self,
        units: &[Unit],
        counts: fn(Gain) -> bool,
    ) -> Option<(Unit, HostId, Gain)> {
        let mut asked: BTreeSet<(HostId, u32)> = BTreeSet::new();
        for unit in units {
            if !asked.insert((unit.host, unit.key.revision.0)) {
                continue;
            }
            if let Some((to, gain)) = self.better(unit).filter(|(_, gain)| counts(*gain)) {
                return Some((unit.clone(), to, gain));
            }
        }
        None
    }

    /// Where a unit stands best, if that is better than where it is.
    fn better(&mut self, unit: &Unit) -> Option<(HostId, Gain)> {
        let world = &self.world;
        let service = world.service(unit.key.service)?;
        let template = world.template(service.id, unit.key.revision)?;
        let need = Need::of(world, service, unit.key.slot, template).ok()?;
        // Its own ports don't keep it from where it is.
        let staying = Need { replaces: BTreeSet::from([unit.key]), ..need.clone() };
        let to = self.scheduler.place(world, &staying, None).ok().filter(|to| *to != unit.host)?;
        let gain = gain(world, &need, template, unit, world.host(to)?)?;
        Some((to, gain))
    }

    /// What of a service would stand better elsewhere still, and keeps its place.
    fn held(&mut self, service: ServiceId) -> Vec<String> {
        let mut held = Vec::new();
        for unit in self.steady(service) {
            let Some(why) = keeps_place(&self.world, &unit) else { continue };
            if self.better(&unit).is_some_and(|(_, gain)| gain.is_of_service()) {
                let host = self.world.host(unit.host).map_or("?", Host::shown_name);
                let name = container_name(&self.world, unit.key, "");
                held.push(format!("{name} stays on {host}: {why}"));
            }
        }
        held.sort();
        held
    }

    /// Units that ended elsewhere than they are.
    fn moves(&self, now: &World) -> Vec<BetterPlace> {
        let moved = self.gains.iter().filter_map(|(key, gain)| {
            let (from, to) = (now.unit(*key)?.host, self.world.unit(*key)?.host);
            let why = words(now, *key, (from, to), *gain);
            (from != to).then_some(BetterPlace { unit: *key, from, to, why })
        });
        moved.collect()
    }
}

/// What is gained, as the hosts are now.
fn words(now: &World, unit: UnitKey, (from, to): (HostId, HostId), gain: Gain) -> String {
    let name = |host| now.host(host).map_or("?", Host::shown_name);
    let (here, there) = (name(from), name(to));
    match gain {
        Gain::Wishes => format!("{there} has more of what it would rather have"),
        Gain::Spread => {
            let units = |host| {
                let units = now.units_of_on(unit.service, host);
                units.filter(|unit| unit.desired == Desired::Running).count()
            };
            let service = now.service(unit.service).map_or("?", |service| service.name.as_str());
            format!("{} of {service} on {here}, {} on {there}", units(from), units(to))
        }
        Gain::Memory => format!("more memory is free on {there}"),
        Gain::Cpu => format!("more CPU is free on {there}"),
        Gain::Containers => {
            let containers = |host| now.taken(host).containers;
            format!("{} containers on {here}, {} on {there}", containers(from), containers(to))
        }
    }
}
