//! The volumes with names that a project has, and who mounts them: those asked for by name, those made for what stacks
//! declare, and on each host those that services name without anybody having declared them.
//!
//! What Docker really holds only hosts know; this is what they were told to hold.

use std::collections::BTreeMap;

use crate::schedule::volume_name;
use crate::{
    ContainerSpec, Desired, HostId, ProjectId, ProjectVolume, Service, Slot, Unit, UnitKey,
    VolumeId, VolumeKey, VolumeTemplate, World,
};

/// What a volume came from. Its key: no two volumes of a cluster share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeOrigin {
    /// Asked for by itself.
    Asked(VolumeId),
    /// Made for a declaration of a stack. Data that isn't bound to a host is one, wherever it is mounted.
    Declared(VolumeKey),
    /// Named by services, and Docker's affair on each host.
    Named(HostId, String),
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVolume {
    /// The environment it belongs to.
    pub project: ProjectId,
    /// What it came from.
    pub origin: VolumeOrigin,
    /// Docker's name of it.
    pub name: String,
    /// The host it lies on; `None` if it is not known or on several.
    pub host: Option<HostId>,
    /// Who mounts it.
    pub mounts: Vec<VolumeMount>,
}

/// A container that mounts a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// Its unit.
    pub unit: UnitKey,
    /// Its place in the unit.
    pub member: usize,
    /// Where in the container.
    pub path: String,
    /// It can't write.
    pub read_only: bool,
}

/// All volumes of the projects that `sees` says, by origin.
pub fn volumes(world: &World, sees: impl Fn(ProjectId) -> bool) -> Vec<KnownVolume> {
    let mut all: BTreeMap<VolumeOrigin, KnownVolume> = BTreeMap::new();
    for held in world.project_volumes.values().filter(|held| sees(held.project)) {
        let origin = VolumeOrigin::Asked(held.id);
        let known = known(held.project, origin.clone(), held.name.clone(), None);
        all.insert(origin, known);
    }
    for (key, host) in &world.volumes {
        let Some(template) = world.volume_templates.get(&key.template) else { continue };
        if sees(template.project) {
            let origin = VolumeOrigin::Declared(*key);
            let name = docker_name(world, template, key.slot);
            all.insert(origin.clone(), known(template.project, origin, name, Some(*host)));
        }
    }
    for unit in world.units.values().filter(|unit| unit.desired != Desired::Removed) {
        if let Some(service) = world.service(unit.key.service).filter(|s| sees(s.project)) {
            mounted(world, service, unit, &mut all);
        }
    }
    all.into_values().collect()
}

/// The project's volume of a name that was asked for by itself, unless it was removed.
pub fn asked_volume<'a>(
    world: &'a World,
    project: ProjectId,
    name: &str,
) -> Option<&'a ProjectVolume> {
    let mut held = world.project_volumes.values();
    let found =
        held.find(|held| held.project == project && held.removed_at.is_none() && held.name == name);
    found.map(AsRef::as_ref)
}

/// Docker's name of the volume made for a declaration.
pub(super) fn docker_name(world: &World, declared: &VolumeTemplate, slot: Option<Slot>) -> String {
    let stack = world.stacks.get(&declared.stack).map_or("", |stack| stack.name.as_str());
    let (name, template) = (&declared.name, declared.id);
    match (declared.external, slot) {
        (true, _) => name.clone(),
        (false, None) => format!("{stack}_{name}_{template}"),
        (false, Some(slot)) => format!("{stack}_{name}_{slot}_{template}"),
    }
}

fn known(
    project: ProjectId,
    origin: VolumeOrigin,
    name: String,
    host: Option<HostId>,
) -> KnownVolume {
    KnownVolume { project, origin, name, host, mounts: Vec::new() }
}

/// Take in what one unit mounts.
fn mounted(
    world: &World,
    service: &Service,
    unit: &Unit,
    all: &mut BTreeMap<VolumeOrigin, KnownVolume>,
) {
    let Some(template) = world.template(service.id, unit.key.revision) else { return };
    for (member, (_, spec)) in template.members().enumerate() {
        for (origin, name, mount) in mounts(world, service, unit, (member, spec)) {
            let entry = all.entry(origin.clone());
            let held =
                entry.or_insert_with(|| known(service.project, origin, name, Some(unit.host)));
            if held.mounts.is_empty() && held.host.is_none() {
                held.host = Some(unit.host);
            }
            if held.host != Some(unit.host) {
                held.host = None;
            }
            held.mounts.push(mount);
        }
    }
}

/// What one container mounts by name: the volume, Docker's name of it, and where.
pub fn mounts<'a>(
    world: &'a World,
    service: &'a Service,
    unit: &'a Unit,
    (member, spec): (usize, &'a ContainerSpec),
) -> impl Iterator<Item = (VolumeOrigin, String, VolumeMount)> + 'a {
    spec.volumes.iter().filter_map(move |mount| {
        let (origin, name) = origin(world, service, unit, volume_name(mount)?);
        let mut parts = mount.split(':').skip(1);
        let path = parts.next().unwrap_or_default().to_owned();
        let read_only = parts.flat_map(|modes| modes.split(',')).any(|mode| mode == "ro");
        Some((origin, name, VolumeMount { unit: unit.key, member, path, read_only }))
    })
}

fn origin(world: &World, service: &Service, unit: &Unit, name: &str) -> (VolumeOrigin, String) {
    let mut declared = world.volumes_in(service.stack).filter(|t| t.removed_at.is_none());
    let declared = declared.find(|template| template.name == name);
    if let Some(template) = declared.filter(|template| !template.external) {
        let slot = template.per_container.then_some(unit.key.slot);
        let key = VolumeKey { template: template.id, slot };
        return (VolumeOrigin::Declared(key), docker_name(world, template, slot));
    }
    let origin = match asked_volume(world, service.project, name) {
        Some(held) => VolumeOrigin::Asked(held.id),
        None => VolumeOrigin::Named(unit.host, name.to_owned()),
    };
    (origin, name.to_owned())
}
