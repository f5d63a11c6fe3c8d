//! Which services a service reaches by name, and which containers answer under a service's name: links written down,
//! links by labels, and aliases followed without end or loop. While an upgrade leads from one service to another, a name
//! that is written down for the first leads to both.

use std::collections::BTreeSet;

use crate::{Selector, Service, ServiceId, ServiceKind, Wanted, World};

/// The links of a service: name (the target's own where it has none) and target. Those by labels come last, and never
/// lead to the service itself.
pub fn links(world: &World, service: &Service) -> Vec<(String, ServiceId)> {
    let mut links: Vec<(String, ServiceId)> = Vec::new();
    for link in &service.links {
        let Some(target) = world.service(link.service) else { continue };
        let alias = if link.alias.is_empty() { &target.name } else { &link.alias };
        links.push((alias.clone(), link.service));
        let carried = carried(world, link.service).filter(|carried| *carried != service.id);
        links.extend(carried.map(|carried| (alias.clone(), carried)));
    }
    if let Some(selector) = &service.selector_link {
        let held: BTreeSet<ServiceId> = links.iter().map(|(_, target)| *target).collect();
        let found = selected(world, service, selector).filter(|target| !held.contains(&target.id));
        links.extend(found.map(|target| (target.name.clone(), target.id)));
    }
    links
}

/// The service that answers together with this one wherever this one is named: the target of an upgrade from it, if
/// links are to follow. Nothing of it is written before the end, so that a rollback has nothing to undo.
pub fn carried(world: &World, source: ServiceId) -> Option<ServiceId> {
    let shift = world.upgrade(source)?.shift().filter(|shift| shift.update_links)?;
    let target = world.service(shift.to_service)?;
    (target.wanted != Wanted::Removed).then_some(target.id)
}

/// The live services of the same project whose primary's labels match, but the one that asks.
pub fn selected<'a>(
    world: &'a World,
    asking: &Service,
    selector: &str,
) -> impl Iterator<Item = &'a Service> + use<'a> {
    // What can't be read was refused when it was given; nothing matches it.
    let selector = selector.parse::<Selector>().ok();
    let (project, id) = (asking.project, asking.id);
    let services = world.services.values().map(AsRef::as_ref);
    services.filter(move |s: &&Service| {
        s.project == project
            && s.id != id
            && s.wanted != Wanted::Removed
            && world
                .current_template(s)
                .zip(selector.as_ref())
                .is_some_and(|(template, selector)| selector.matches(&template.primary.labels))
    })
}

/// The services behind a name: itself, or what an alias stands for, however often it leads on.
pub fn behind(world: &World, service: ServiceId) -> Vec<ServiceId> {
    let (mut found, mut seen, mut left) = (Vec::new(), BTreeSet::new(), vec![service]);
    while let Some(next) = left.pop() {
        let Some(service) = world.service(next).filter(|_| seen.insert(next)) else { continue };
        match service.kind {
            ServiceKind::Alias => {
                let targets = links(world, service).into_iter().map(|(_, target)| target);
                left.extend(targets.collect::<Vec<_>>().into_iter().rev());
            }
            ServiceKind::Containers | ServiceKind::Balancer | ServiceKind::External => {
                found.push(next);
            }
        }
    }
    found
}
