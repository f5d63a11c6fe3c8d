//! Which hosts have to look at their assignments anew after a change: those that it is about, and those whose balancers, network
//! or probes it reaches.
//!
//! One too many costs a derivation; one too few leaves an agent with old orders until its session looks by itself.

use std::collections::BTreeSet;

use super::affected::is_edited;
use super::watched;
use crate::{
    HostId, ProjectId, RowKey, Service, ServiceId, ServiceKind, Stack, StackId, Tunnels, UnitKey,
    Upgrade, World,
};

/// Hosts whose assignment may differ after a step.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Concerned {
    all: bool,
    /// All hosts of these.
    projects: BTreeSet<ProjectId>,
    /// Those with balancers of these.
    balanced: BTreeSet<ProjectId>,
    hosts: BTreeSet<HostId>,
}

impl Concerned {
    /// Whether it is one of them, in the world after.
    pub fn contains(&self, world: &World, host: HostId) -> bool {
        let of_project = || world.host(host).is_some_and(|h| self.projects.contains(&h.project));
        self.all || self.hosts.contains(&host) || (!self.projects.is_empty() && of_project())
    }
}

/// The hosts that a step from one world to another concerns, which wrote or removed these rows.
pub fn concerned(before: &World, world: &World, touched: &BTreeSet<RowKey>) -> Concerned {
    let mut look = Look { worlds: [before, world], found: Concerned::default() };
    for key in touched {
        look.at(key);
    }
    let mut found = look.found;
    for project in std::mem::take(&mut found.balanced) {
        let units = world.balancers(project).flat_map(|service| world.units_of(service));
        found.hosts.extend(units.map(|unit| unit.host));
    }
    found
}

/// The worlds before and after, and what was found so far.
struct Look<'a> {
    worlds: [&'a World; 2],
    found: Concerned,
}

impl Look<'_> {
    fn at(&mut self, key: &RowKey) {
        match key {
            RowKey::Unit(key) => {
                let units = self.worlds.iter().filter_map(|world| world.unit(*key));
                self.found.hosts.extend(units.map(|unit| unit.host));
                self.witnesses(*key);
                self.balancers_of(key.service);
            }
            RowKey::Observed(key) => {
                self.witnesses(*key);
                self.balancers_of(key.service);
            }
            RowKey::Revision(service, _) => self.service(*service),
            RowKey::Service(service) if is_edited(self.worlds, *service) => {
                self.service(*service);
                // Its rules reach units of other services: which ports must accept, and on what.
                let is_rule = |service: &Service| {
                    service.kind == ServiceKind::Balancer || service.balancer.is_some()
                };
                for held in self.worlds.iter().filter_map(|world| world.service(*service)) {
                    self.found.projects.extend(is_rule(held).then_some(held.project));
                }
            }
            RowKey::Upgrade(service) => {
                self.balancers_of(*service);
                // What it asks of its own new units, or no longer does.
                let asks = |upgrade: &Upgrade| upgrade.policy.verify.probe.is_some();
                if self.worlds.iter().any(|world| world.upgrade(*service).is_some_and(asks)) {
                    self.service(*service);
                }
                // What balancers send to the source they send to the target, too: on other ports than before.
                let shifts =
                    self.worlds.iter().filter_map(|world| world.upgrade(*service)?.shift());
                let targets: Vec<ServiceId> = shifts.map(|shift| shift.to_service).collect();
                for target in targets {
                    self.service(target);
                }
            }
            RowKey::Seen(host) => {
                let [before, after] = self.worlds.map(|world| sealing(world, *host));
                if before != after {
                    self.peers(*host);
                }
            }
            RowKey::Host(host) => {
                // Also one that is gone by now.
                self.found.hosts.insert(*host);
                self.peers(*host);
            }
            RowKey::Lost(host) => self.lost(*host),
            RowKey::Stack(stack) => {
                let [before, after] = self.worlds.map(|world| world.stacks.get(stack));
                let named = |stack: &Stack| (stack.name.clone(), stack.removed_at);
                if before.map(|s| named(s)) != after.map(|s| named(s)) {
                    self.stack(*stack);
                }
            }
            RowKey::VolumeTemplate(id) => {
                let held = self.worlds.iter().filter_map(|world| world.volume_templates.get(id));
                let stacks: Vec<StackId> = held.map(|template| template.stack).collect();
                for stack in stacks {
                    self.stack(stack);
                }
            }
            RowKey::Volume(volume) => self.at(&RowKey::VolumeTemplate(volume.template)),
            RowKey::Registry(id) => {
                let held = self.worlds.iter().filter_map(|world| world.registries.get(id));
                self.found.projects.extend(held.map(|held| held.project));
            }
            RowKey::Secret(id) => {
                let held = self.worlds.iter().filter_map(|world| world.secrets.get(id));
                self.found.projects.extend(held.map(|held| held.project));
            }
            RowKey::ProjectVolume(id) => {
                let held = self.worlds.iter().filter_map(|world| world.project_volumes.get(id));
                self.found.projects.extend(held.map(|held| held.project));
            }
            RowKey::Withdrawn(project) => drop(self.found.balanced.insert(*project)),
            RowKey::Certificate(id) => {
                let held = self.worlds.iter().filter_map(|world| world.certificates.get(id));
                self.found.balanced.extend(held.map(|held| held.project));
            }
            RowKey::Setting(_) => self.found.all = true,
            RowKey::Service(_)
            | RowKey::Counters
            | RowKey::Credential(_)
            | RowKey::Webhook(_)
            | RowKey::ProjectTemplate(_)
            | RowKey::Account(_)
            | RowKey::Member(_)
            | RowKey::Project(_)
            | RowKey::Outcome(_)
            | RowKey::BalancerFollowed(_)
            | RowKey::NamesFollowed(_)
            | RowKey::Witnessed(_) => {}
        }
    }

    /// Where a service's units are, who looks at them, and who balances them.
    fn service(&mut self, id: ServiceId) {
        for world in self.worlds {
            for unit in world.units_of(id) {
                self.found.hosts.insert(unit.host);
            }
        }
        let keys: BTreeSet<UnitKey> =
            self.worlds.iter().flat_map(|world| world.units_of(id)).map(|unit| unit.key).collect();
        for key in keys {
            self.witnesses(key);
        }
        self.balancers_of(id);
    }

    /// The same for all services of a stack.
    fn stack(&mut self, id: StackId) {
        let services = self.worlds.iter().flat_map(|world| world.services_in(id));
        let services: BTreeSet<ServiceId> = services.map(|service| service.id).collect();
        for service in services {
            self.service(service);
        }
    }

    fn balancers_of(&mut self, id: ServiceId) {
        let held = self.worlds.iter().filter_map(|world| world.service(id));
        self.found.balanced.extend(held.map(|service| service.project));
    }

    /// The hosts that probe a unit, if there is anything else to probe than before.
    fn witnesses(&mut self, key: UnitKey) {
        let [before, world] = self.worlds;
        let watched = |world: &World| watched(world, world.unit(key)?);
        let unit = world.unit(key).or_else(|| before.unit(key));
        if let Some(unit) = unit.filter(|_| watched(before) != watched(world)) {
            self.found.hosts.extend(world.witnesses_of(unit.host));
        }
    }

    /// The hosts that share a network with one.
    fn peers(&mut self, id: HostId) {
        let held = self.worlds.iter().filter_map(|world| world.host(id));
        self.found.projects.extend(held.map(|host| host.project));
    }

    /// Others look at what a lost host looked at, or no longer have to; and what runs on it is looked at no more, or again.
    fn lost(&mut self, id: HostId) {
        let [before, world] = self.worlds;
        let watched = [before, world].map(|world| world.watched_by(id));
        if watched[0] != watched[1] {
            for other in watched.iter().flatten() {
                self.found.hosts.extend(before.witnesses_of(*other));
                self.found.hosts.extend(world.witnesses_of(*other));
            }
            self.found.hosts.insert(id);
        }
        let units: Vec<UnitKey> = world.units_on(id).map(|unit| unit.key).collect();
        for unit in units {
            self.witnesses(unit);
        }
        let held = self.worlds.iter().filter_map(|world| world.host(id));
        self.found.balanced.extend(held.map(|host| host.project));
    }
}

/// What other hosts follow of a host's facts: its key, and how it sends and takes in.
fn sealing(world: &World, host: HostId) -> Option<(&str, &Tunnels)> {
    world.seen.get(&host).map(|seen| (seen.facts.public_key.as_str(), &seen.facts.tunnels))
}
