//! Questions to a world that its index answers, for the scheduler and the planner.

use std::ops::Bound;
use std::sync::Arc;

use super::index::{label, lower};
use super::{World, whole_service};
use crate::schedule::{Asks, HostUse, Tail};
use crate::{
    Credential, CredentialId, Host, HostId, ProjectId, Protocol, ServiceId, StackId, Unit,
    VolumeTemplate, VolumeTemplateId,
};

impl World {
    /// The units on a host.
    pub fn units_on(&self, host: HostId) -> impl Iterator<Item = &Unit> {
        self.held_on(host).map(|(_, unit)| unit)
    }

    /// The unit that the container of this number is of, if there is one: numbers of a unit's containers follow its own.
    pub fn unit_numbered(&self, container: u64) -> Option<&Unit> {
        let (_, key) = self.index.by_serial.range(..=container).next_back()?;
        self.unit(*key)
    }

    /// The same with their services, which can be told without a look at the unit.
    pub(crate) fn held_on(&self, host: HostId) -> impl Iterator<Item = (ServiceId, &Unit)> {
        let (low, high) = (whole_service(ServiceId(0)).0, whole_service(ServiceId(u64::MAX)).1);
        let range = self.index.by_host.range((host, low)..=(host, high));
        range.map(|((_, key), unit)| (key.service, unit.as_ref()))
    }

    /// A service's units on a host.
    pub(crate) fn units_of_on(
        &self,
        service: ServiceId,
        host: HostId,
    ) -> impl Iterator<Item = &Unit> {
        let (low, high) = whole_service(service);
        self.index.by_host.range((host, low)..=(host, high)).map(|(_, unit)| unit.as_ref())
    }

    /// What the units on a host take of it.
    pub fn taken(&self, host: HostId) -> HostUse {
        self.index.taken.get(&host).copied().unwrap_or_default()
    }

    /// Memory (bytes) and CPU (thousandths of a core) the scheduler may give away on a host.
    pub(crate) fn capacity(&self, host: &Host) -> (i64, i64) {
        let facts =
            self.seen.get(&host.id).map(|s| (s.facts.memory, i64::from(s.facts.cpus) * 1000));
        let (memory, milli_cpu) = facts.unwrap_or_default();
        (host.memory_limit.unwrap_or(memory), host.milli_cpu_limit.unwrap_or(milli_cpu))
    }

    /// Hosts of a project that may take units, the freest first, from `after` on.
    pub(crate) fn freest(
        &self,
        project: ProjectId,
        asks: Asks,
        after: Option<Tail>,
    ) -> impl Iterator<Item = Tail> {
        let low = match after {
            Some(tail) => Bound::Excluded((project, asks, tail)),
            None => Bound::Included((project, asks, FIRST)),
        };
        let range = self.index.free.range((low, Bound::Unbounded));
        range.take_while(move |held| (held.0, held.1) == (project, asks)).map(|held| held.2)
    }

    /// Units that publish a port of a host while they are up.
    pub(crate) fn publishing(
        &self,
        host: HostId,
        port: u16,
        protocol: Protocol,
    ) -> impl Iterator<Item = &Unit> {
        let (low, high) = (whole_service(ServiceId(0)).0, whole_service(ServiceId(u64::MAX)).1);
        let range =
            self.index.ports.range((host, port, protocol, low)..=(host, port, protocol, high));
        range.filter_map(|held| self.unit(held.3))
    }

    /// Hosts of a project with a label, by the way labels are compared; also those where another value stands before it.
    pub(crate) fn hosts_labelled(
        &self,
        project: ProjectId,
        key: &str,
        value: &str,
    ) -> impl Iterator<Item = HostId> {
        let label = label(key, value);
        let (low, high) = (HostId(0), HostId(u64::MAX));
        let range = (project, label.clone(), low)..=(project, label, high);
        self.index.hosts_labelled.range(range).map(|held| held.2)
    }

    /// Services of which a revision has a container with a label.
    pub(crate) fn services_labelled(
        &self,
        key: &str,
        value: &str,
    ) -> impl Iterator<Item = ServiceId> {
        let label = label(key, value);
        let range = (label.clone(), ServiceId(0))..=(label, ServiceId(u64::MAX));
        self.index.services_labelled.range(range).map(|held| held.1)
    }

    /// Stacks of this name, in any project, removed ones included.
    pub fn stacks_named(&self, name: &str) -> impl Iterator<Item = StackId> + use<'_> {
        let name = lower(name);
        let range = (name.clone(), StackId(0))..=(name, StackId(u64::MAX));
        self.index.stacks_named.range(range).map(|held| held.1)
    }

    /// Numbers of the services of a stack, removed ones included.
    pub(crate) fn in_stack(&self, stack: StackId) -> impl Iterator<Item = ServiceId> {
        let range = (stack, ServiceId(0))..=(stack, ServiceId(u64::MAX));
        self.index.in_stack.range(range).map(|held| held.1)
    }

    /// A project's services that are balancers.
    pub fn balancers(&self, project: ProjectId) -> impl Iterator<Item = ServiceId> {
        let range = (project, ServiceId(0))..=(project, ServiceId(u64::MAX));
        self.index.balancers.range(range).map(|held| held.1)
    }

    /// The hosts of a project, removed ones left out.
    pub fn hosts_in(&self, project: ProjectId) -> impl Iterator<Item = &Host> {
        let (low, high) = super::witnesses::ends(project);
        self.index.ring.range(low..=high).filter_map(|place| self.host(place.2))
    }

    /// The credentials with this public half, switched on or not.
    pub fn credentials_named(&self, public: &str) -> impl Iterator<Item = &Credential> {
        let public: Arc<str> = public.into();
        let range = (public.clone(), CredentialId(0))..=(public, CredentialId(u64::MAX));
        let held = self.index.credentials_named.range(range);
        held.filter_map(|(_, id)| self.credentials.get(id).map(AsRef::as_ref))
    }

    /// The volumes a stack declares, removed ones included.
    pub fn volumes_in(&self, stack: StackId) -> impl Iterator<Item = &VolumeTemplate> {
        let range = (stack, VolumeTemplateId(0))..=(stack, VolumeTemplateId(u64::MAX));
        let held = self.index.volumes_in.range(range);
        held.filter_map(|(_, id)| self.volume_templates.get(id).map(AsRef::as_ref))
    }

    /// The service from which an upgrade leads to this one.
    pub(crate) fn shifted_from(&self, target: ServiceId) -> Option<ServiceId> {
        let range = (target, ServiceId(0))..=(target, ServiceId(u64::MAX));
        self.index.shifts.range(range).next().map(|(_, source)| *source)
    }
}

/// Before every host.
const FIRST: Tail = (std::cmp::Reverse(i64::MAX), std::cmp::Reverse(i64::MAX), 0, HostId(0));
