//! Which secrets a host is told: those that its units read, and no others.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Desired, HostId, ProjectId, ProjectSecret, Secret, World};

/// The values of the secrets that units on the host read, by the name they use. One that was removed is left out: what
/// runs keeps what it read, and nothing new is made with it.
pub(super) fn secrets(world: &World, host: HostId) -> BTreeMap<String, Secret> {
    let Some(project) = world.host(host).map(|host| host.project) else { return BTreeMap::new() };
    let mut names = BTreeSet::new();
    for unit in world.units_on(host).filter(|unit| unit.desired != Desired::Removed) {
        let template = world.template(unit.key.service, unit.key.revision);
        let members = template.into_iter().flat_map(|template| template.members());
        names.extend(members.flat_map(|(_, spec)| spec.secrets.iter().map(|file| &file.secret)));
    }
    let values = names.into_iter().filter_map(|name| {
        let held = secret(world, project, name)?;
        Some((name.clone(), held.value.clone()))
    });
    values.collect()
}

/// A project's secret by its name, unless it was removed.
pub fn secret<'a>(world: &'a World, project: ProjectId, name: &str) -> Option<&'a ProjectSecret> {
    let mut held = world.secrets.values();
    let found = held.find(|held| {
        held.project == project && held.removed_at.is_none() && held.name.eq_ignore_ascii_case(name)
    });
    found.map(AsRef::as_ref)
}
