//! The members of a unit, in the order they are started: what a member builds on (its network, its volumes)
//! comes before it.

use std::collections::BTreeMap;

use drover_core::{AssignedUnit, ContainerSpec, NetworkMode, Template};

/// A member with what it builds on.
pub(crate) struct Member<'a> {
    /// Its name; empty for the primary.
    pub(crate) name: &'a str,
    /// Its configuration.
    pub(crate) spec: &'a ContainerSpec,
    /// The member whose network it shares.
    pub(crate) network: Option<&'a str>,
    /// The members whose volumes it mounts.
    pub(crate) volumes: Vec<&'a str>,
}

impl<'a> Member<'a> {
    /// Everything it builds on.
    pub(crate) fn providers(&self) -> impl Iterator<Item = &'a str> {
        self.network.iter().copied().chain(self.volumes.iter().copied())
    }
}

/// All members, providers first. Where members build on each other in a circle, Docker will refuse one of them
/// and say so.
pub(crate) fn in_start_order<'a>(unit: &AssignedUnit, template: &'a Template) -> Vec<Member<'a>> {
    if template.sidekicks.is_empty() {
        return vec![member(unit, template, "", &template.primary)];
    }
    let mut waiting: BTreeMap<&str, Member<'a>> =
        template.members().map(|(name, spec)| (name, member(unit, template, name, spec))).collect();
    let mut order: Vec<Member<'a>> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = |m: &&Member<'_>| m.providers().all(|p| !waiting.contains_key(p));
        let next = waiting.values().find(free).or_else(|| waiting.values().next());
        let Some(name) = next.map(|m| m.name) else { break };
        order.extend(waiting.remove(name));
    }
    order
}

/// The member a name in a spec stands for: its own name, or the service's for the primary. A suffix `:ro` or
/// `:rw` is the mount's.
pub(crate) fn named<'a>(
    unit: &AssignedUnit,
    template: &'a Template,
    name: &str,
) -> Option<&'a str> {
    let name = name.strip_suffix(":ro").or_else(|| name.strip_suffix(":rw")).unwrap_or(name);
    if let Some((sidekick, _)) = template.sidekicks.get_key_value(name) {
        return Some(sidekick);
    }
    (name.is_empty() || name == unit.service).then_some("")
}

fn member<'a>(
    unit: &AssignedUnit,
    template: &'a Template,
    name: &'a str,
    spec: &'a ContainerSpec,
) -> Member<'a> {
    let other = |found: &&str| *found != name;
    let network = match &spec.network {
        NetworkMode::Container(provider) => named(unit, template, provider).filter(other),
        NetworkMode::Managed | NetworkMode::Host | NetworkMode::Bridge | NetworkMode::None => None,
    };
    let volumes = spec.volumes_from.iter().filter_map(|p| named(unit, template, p)).filter(other);
    Member { name, spec, network, volumes: volumes.collect() }
}
