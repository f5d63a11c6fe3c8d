//! Which services a service reaches by name, and which containers answer under a service's name: links written down,
//! links by labels, and aliases followed without end or loop.

use std::collections::BTreeSet;

use crate::{Selector, Service, ServiceId, ServiceKind, Wanted, World};

/// The links of a service: name (the target's own where it has none) and target. Those by labels come last, and never
/// lead to the service itself.
pub fn links(world: &World, service: &Service) -> Vec<(String, ServiceId)> {
    let written = service.links.iter().filter_map(|link| {
        let target = world.service(link.service)?;
        let alias = if link.alias.is_empty() { &target.name } else { &link.alias };
        Some((alias.clone(), link.service))
    });
    let mut links: Vec<_> = written.collect();
    if let Some(selector) = &service.selector_link {
        let held: BTreeSet<ServiceId> = links.iter().map(|(_, target)| *target).collect();
        let found = selected(world, service, selector).filter(|target| !held.contains(&target.id));
        links.extend(found.map(|target| (target.name.clone(), target.id)));
    }
    links
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
