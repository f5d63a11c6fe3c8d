//! What name services have to be told of a step: the objects whose facts it may have changed, and what of them differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{discovered_host, discovered_project, discovered_service, discovered_stack};
use crate::{
    Discovery, DiscoveryUpdate, HostId, ProjectId, RowKey, Service, ServiceId, StackId, World,
};

/// Objects whose facts may differ after an update. One too many costs a derivation; one too few leaves hosts
/// with old facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    all: bool,
    hosts: BTreeSet<HostId>,
    services: BTreeSet<ServiceId>,
    stacks: BTreeSet<StackId>,
}

impl Affected {
    /// What of a project's facts differs from those that are held; `None` if nothing does.
    pub fn update(
        &self,
        held: &Discovery,
        world: &World,
        project: ProjectId,
    ) -> Option<DiscoveryUpdate> {
        let mut update = DiscoveryUpdate {
            routing: world.withdrawn.get(&project).copied().unwrap_or_default(),
            project: discovered_project(world, project),
            ..DiscoveryUpdate::default()
        };
        let is_own = |own: Option<ProjectId>| own == Some(project);
        let hosts = self.all.then(|| world.hosts.keys()).into_iter().flatten();
        for id in hosts.chain(&self.hosts) {
            let own = is_own(world.host(*id).map(|host| host.project));
            let next = own.then(|| discovered_host(world, *id)).flatten();
            put(&mut update.hosts, &held.hosts, *id, next);
        }
        let stacks = self.all.then(|| world.stacks.keys()).into_iter().flatten();
        for id in stacks.chain(&self.stacks) {
            let own = is_own(world.stacks.get(id).map(|stack| stack.project));
            let next = own.then(|| discovered_stack(world, *id)).flatten();
            put(&mut update.stacks, &held.stacks, *id, next);
        }
        let services = self.all.then(|| world.services.keys()).into_iter().flatten();
        for id in services.chain(&self.services) {
            let own = is_own(world.service(*id).map(|service| service.project));
            let next = own.then(|| discovered_service(world, *id)).flatten();
            put(&mut update.services, &held.services, *id, next);
        }
        let same = update.hosts.is_empty()
            && update.stacks.is_empty()
            && update.services.is_empty()
            && (held.routing, &held.project) == (update.routing, &update.project);
        (!same).then_some(update)
    }
}

/// What a step from one world to another affects, which wrote or removed these rows.
pub fn affected(before: &World, world: &World, touched: &BTreeSet<RowKey>) -> Affected {
    let mut found = Affected::default();
    let mut edited = BTreeSet::new();
    let worlds = [before, world];
    for key in touched {
        match key {
            RowKey::Unit(key) | RowKey::Observed(key) => drop(found.services.insert(key.service)),
            RowKey::Revision(id, _) => drop(edited.insert(*id)),
            RowKey::Service(id) if is_edited(worlds, *id) => drop(edited.insert(*id)),
            RowKey::Service(id) => drop(found.services.insert(*id)),
            // Names of the one lead to the other too: whoever links to it is told anew.
            RowKey::Upgrade(id) => {
                match worlds.iter().find_map(|world| world.upgrade(*id)?.shift()) {
                    Some(shift) => edited.extend([*id, shift.to_service]),
                    None => drop(found.services.insert(*id)),
                }
            }
            RowKey::Seen(id) => drop(found.hosts.insert(*id)),
            RowKey::Host(id) | RowKey::Lost(id) => {
                found.hosts.insert(*id);
                let units = worlds.iter().flat_map(|world| world.units_on(*id));
                found.services.extend(units.map(|unit| unit.key.service));
            }
            RowKey::Stack(id) => drop(found.stacks.insert(*id)),
            // The cluster's own name is in every object's.
            RowKey::Setting(_) => found.all = true,
            RowKey::Project(_)
            | RowKey::Withdrawn(_)
            | RowKey::Counters
            | RowKey::VolumeTemplate(_)
            | RowKey::Volume(_)
            | RowKey::Credential(_)
            | RowKey::Registry(_)
            | RowKey::Certificate(_)
            | RowKey::Secret(_)
            | RowKey::ProjectVolume(_)
            | RowKey::Webhook(_)
            | RowKey::ProjectTemplate(_)
            | RowKey::Account(_)
            | RowKey::Member(_)
            | RowKey::Outcome(_)
            | RowKey::BalancerFollowed(_)
            | RowKey::NamesFollowed(_)
            | RowKey::Witnessed(_) => {}
        }
    }
    let carried = |id: &ServiceId| Some(world.shift(*id)?.0.service);
    edited.extend(edited.iter().filter_map(carried).collect::<Vec<_>>());
    found.services.extend(readers(world, &edited, &found.stacks));
    // A stack is told of for as long as something of it is left.
    let of_stacks =
        worlds.iter().flat_map(|world| edited.iter().filter_map(|id| world.service(*id)));
    found.stacks.extend(of_stacks.map(|service| service.stack));
    found.services.extend(edited);
    found
}

/// Whether more of a service changed than how many there shall be, which hosts and their names hear of by its units.
pub(super) fn is_edited(worlds: [&World; 2], id: ServiceId) -> bool {
    let [before, after] = worlds.map(|world| {
        world.service(id).map(|service| Service { settled: None, scale: 0, ..service.clone() })
    });
    before != after
}

/// Services whose facts are made with names or labels of other services.
fn readers(
    world: &World,
    edited: &BTreeSet<ServiceId>,
    stacks: &BTreeSet<StackId>,
) -> BTreeSet<ServiceId> {
    if edited.is_empty() && stacks.is_empty() {
        return BTreeSet::new();
    }
    let reads = |service: &Service| {
        service.selector_link.is_some()
            || service.balancer.is_some()
            || stacks.contains(&service.stack)
            || service.links.iter().any(|link| edited.contains(&link.service))
    };
    world.services.values().filter(|service| reads(service)).map(|service| service.id).collect()
}

/// Note what an object is now, if it was something else.
fn put<K: Ord, V: PartialEq>(
    changes: &mut BTreeMap<K, Option<Arc<V>>>,
    held: &BTreeMap<K, Arc<V>>,
    key: K,
    next: Option<V>,
) {
    if held.get(&key).map(Arc::as_ref) != next.as_ref() {
        changes.insert(key, next.map(Arc::new));
    }
}
