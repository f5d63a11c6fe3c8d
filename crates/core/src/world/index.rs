//! What is looked up in a world otherwise than by a row's own key: what is on a host, which host is free, who has a label.
//!
//! Kept by whoever writes the rows (`apply`), made anew when a world is loaded, and compared with that by [`crate::check`].
//! Nothing is decided here: an index says which rows to look at, and the rows say what is so. That is why none of it
//! depends on what agents see.

use std::cmp::Reverse;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::World;
use super::witnesses::{Place, place};
use crate::schedule::{Asks, HostUse, Tail, published};
use crate::{
    Credential, CredentialId, Desired, Host, HostId, ProjectId, Protocol, Revision, Service,
    ServiceId, ServiceKind, Stack, StackId, Unit, UnitKey, Upgrade, VolumeTemplate,
    VolumeTemplateId,
};

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Index {
    /// Units by host.
    pub(super) by_host: OrdMap<(HostId, UnitKey), Arc<Unit>>,
    /// Units by the number of their first container.
    pub(super) by_serial: OrdMap<u64, UnitKey>,
    /// Units that drain.
    pub(super) draining: OrdSet<UnitKey>,
    /// What the units on a host take of it.
    pub(super) taken: OrdMap<HostId, HostUse>,
    /// Hosts that may take units, the freest first, for each kind of need.
    pub(super) free: OrdSet<(ProjectId, Asks, Tail)>,
    /// Units that publish a port of a host while they are up.
    pub(super) ports: OrdSet<(HostId, u16, Protocol, UnitKey)>,
    /// Hosts by label.
    pub(super) hosts_labelled: OrdSet<(ProjectId, Label, HostId)>,
    /// Services by the labels of their containers, in any revision.
    pub(super) services_labelled: OrdSet<(Label, ServiceId)>,
    /// Stacks by name.
    pub(super) stacks_named: OrdSet<(Arc<str>, StackId)>,
    /// Services by stack.
    pub(super) in_stack: OrdSet<(StackId, ServiceId)>,
    /// Balancers' services by project.
    pub(super) balancers: OrdSet<(ProjectId, ServiceId)>,
    /// Credentials by their public half.
    pub(super) credentials_named: OrdSet<(Arc<str>, CredentialId)>,
    /// Declared volumes by stack.
    pub(super) volumes_in: OrdSet<(StackId, VolumeTemplateId)>,
    /// Hosts in the order in which they look at each other's units.
    pub(super) ring: OrdSet<Place>,
    /// Upgrades between services: target and source.
    pub(super) shifts: OrdSet<(ServiceId, ServiceId)>,
}

/// Key and value as they are compared: in lower case.
pub(super) type Label = (Arc<str>, Arc<str>);

/// A label as it is looked for.
pub(super) fn label(key: &str, value: &str) -> Label {
    (lower(key), lower(value))
}

/// A name as it is looked for.
pub(super) fn lower(text: &str) -> Arc<str> {
    text.to_ascii_lowercase().into()
}

impl Index {
    pub(super) fn stack(&mut self, stack: &Stack, there: bool) {
        keep(&mut self.stacks_named, (lower(&stack.name), stack.id), there);
    }

    pub(super) fn service(&mut self, service: &Service, there: bool) {
        keep(&mut self.in_stack, (service.stack, service.id), there);
        if service.kind == ServiceKind::Balancer {
            keep(&mut self.balancers, (service.project, service.id), there);
        }
    }

    pub(super) fn revision(&mut self, revision: &Revision, there: bool) {
        for (key, value) in revision.template.members().flat_map(|(_, spec)| &spec.labels) {
            keep(&mut self.services_labelled, (label(key, value), revision.service), there);
        }
    }

    pub(super) fn volume(&mut self, template: &VolumeTemplate, there: bool) {
        keep(&mut self.volumes_in, (template.stack, template.id), there);
    }

    pub(super) fn credential(&mut self, credential: &Credential, there: bool) {
        let entry = (Arc::from(credential.public.as_str()), credential.id);
        keep(&mut self.credentials_named, entry, there);
    }

    pub(super) fn upgrade(&mut self, upgrade: &Upgrade, there: bool) {
        if let Some(shift) = upgrade.shift() {
            keep(&mut self.shifts, (shift.to_service, upgrade.service), there);
        }
    }

    pub(super) fn host(&mut self, host: &Host, there: bool) {
        self.labels(host, there);
        keep(&mut self.ring, place(host), there && host.removed_at.is_none());
    }

    fn labels(&mut self, host: &Host, there: bool) {
        for (key, value) in &host.labels {
            let label = label(key.trim(), value.trim());
            keep(&mut self.hosts_labelled, (host.project, label, host.id), there);
        }
    }
}

impl World {
    /// Make all of it anew.
    pub(super) fn reindex(&mut self) {
        self.index = self.indexed();
    }

    /// Whether what was kept is what would be made anew, for [`crate::check`].
    pub(crate) fn index_is_right(&self) -> bool {
        self.index == self.indexed()
    }

    fn indexed(&self) -> Index {
        let mut made = Self { index: Index::default(), ..self.clone() };
        let index = &mut made.index;
        self.stacks.values().for_each(|stack| index.stack(stack, true));
        self.services.values().for_each(|service| index.service(service, true));
        self.revisions.values().for_each(|revision| index.revision(revision, true));
        self.volume_templates.values().for_each(|template| index.volume(template, true));
        self.credentials.values().for_each(|held| index.credential(held, true));
        self.upgrades.values().for_each(|upgrade| index.upgrade(upgrade, true));
        self.hosts.values().for_each(|host| index.host(host, true));
        for unit in self.units.values() {
            made.index_ports(unit, true);
            made.count_unit(unit, true);
        }
        let places = self.hosts.keys().filter_map(|host| made.places(*host));
        made.index.free = places.flatten().collect();
        made.index
    }

    /// A unit comes or goes.
    pub(super) fn index_unit(&mut self, unit: &Arc<Unit>, there: bool) {
        self.index_ports(unit, there);
        self.moving(unit.host, |world| world.count_unit(unit, there));
    }

    fn count_unit(&mut self, unit: &Arc<Unit>, there: bool) {
        if there {
            self.index.by_host.insert((unit.host, unit.key), unit.clone());
            self.index.by_serial.insert(unit.serial, unit.key);
        } else {
            self.index.by_host.remove(&(unit.host, unit.key));
            self.index.by_serial.remove(&unit.serial);
        }
        keep(&mut self.index.draining, unit.key, there && unit.desired == Desired::Draining);
        let Some(template) = self.template(unit.key.service, unit.key.revision) else { return };
        let part = HostUse::of(template);
        let held = self.index.taken.get(&unit.host).copied().unwrap_or_default();
        let now = if there { held + part } else { held - part };
        if now == HostUse::default() {
            self.index.taken.remove(&unit.host);
        } else {
            self.index.taken.insert(unit.host, now);
        }
    }

    /// A unit is what it was, but for what it shall be.
    pub(super) fn write_unit(&mut self, unit: Unit) {
        let unit = Arc::new(unit);
        self.index.by_host.insert((unit.host, unit.key), unit.clone());
        keep(&mut self.index.draining, unit.key, unit.desired == Desired::Draining);
        self.units.insert(unit.key, unit);
    }

    /// The ports that a unit publishes come or go.
    pub(super) fn index_ports(&mut self, unit: &Unit, there: bool) {
        let Some(service) = self.service(unit.key.service) else { return };
        let Some(template) = self.template(unit.key.service, unit.key.revision) else { return };
        for port in published(service, template) {
            let Some(public) = port.public else { continue };
            let entry = (unit.host, public, port.protocol, unit.key);
            keep(&mut self.index.ports, entry, there);
        }
    }

    /// Do something after which a host may stand elsewhere in the order of hosts.
    pub(super) fn moving(&mut self, host: HostId, act: impl FnOnce(&mut Self)) {
        let before = self.places(host);
        act(self);
        let after = self.places(host);
        if before == after {
            return;
        }
        for place in before.iter().flatten() {
            self.index.free.remove(place);
        }
        self.index.free.extend(after.into_iter().flatten());
    }

    /// Where a host stands in the order of hosts for each kind of need; nowhere if it takes no units.
    fn places(&self, id: HostId) -> Option<[(ProjectId, Asks, Tail); 4]> {
        let host = self.host(id).filter(|host| host.active && host.removed_at.is_none())?;
        let seen = self.seen.get(&id);
        seen.filter(|seen| seen.connected && seen.facts.problem.is_empty())?;
        let kinds = [(false, false), (false, true), (true, false), (true, true)];
        let (taken, capacity) = (self.taken(id), self.capacity(host));
        Some(kinds.map(|asks| (host.project, asks, tail(id, taken, capacity, asks))))
    }

    /// What a host's rank ends with, for a need that asks for memory, or CPU, or not: the most free, the fewest
    /// containers, and its number.
    pub(crate) fn tail(&self, host: &Host, asks: Asks) -> Tail {
        tail(host.id, self.taken(host.id), self.capacity(host), asks)
    }
}

fn tail(host: HostId, taken: HostUse, capacity: (i64, i64), asks: Asks) -> Tail {
    let free = |asked: bool, all: i64, taken: i64| Reverse(if asked { all - taken } else { 0 });
    (
        free(asks.0, capacity.0, taken.memory),
        free(asks.1, capacity.1, taken.milli_cpu),
        taken.containers,
        host,
    )
}

fn keep<T: Ord + Clone>(set: &mut OrdSet<T>, entry: T, there: bool) {
    if there {
        set.insert(entry);
    } else {
        set.remove(&entry);
    }
}
