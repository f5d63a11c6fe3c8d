//! What is so on the server, in lines that rows name parts of.

use drover_core::{Service, Wanted, World};

/// Stacks and services that are not removed; of a service its kind, what is wanted of it, and what it runs.
pub(super) fn facts(world: &World) -> String {
    let stacks = world.stacks.values().filter(|stack| stack.removed_at.is_none());
    let stacks = stacks.map(|stack| format!("stack {}\n", stack.name));
    let services = world.services.values().filter(|service| service.wanted != Wanted::Removed);
    stacks.chain(services.map(|service| one(world, service))).collect()
}

fn one(world: &World, service: &Service) -> String {
    let stack = world.stacks.get(&service.stack).map_or("?", |stack| stack.name.as_str());
    let template = world.current_template(service).cloned().unwrap_or_default();
    let name = |id| world.service(id).map_or("?", |held| held.name.as_str());
    let at = format!("{stack}/{}", service.name);
    let mut lines = vec![format!(
        "{at}: {:?} {:?} scale {} image {} revision {}",
        service.kind, service.wanted, service.scale, template.primary.image, service.current.0
    )];
    for link in &service.links {
        let alias = if link.alias.is_empty() { name(link.service) } else { &link.alias };
        lines.push(format!("{at} links {alias}->{}", name(link.service)));
    }
    for (member, spec) in template.members() {
        let of = if member.is_empty() { at.clone() } else { format!("{at}.{member}") };
        for (key, value) in &spec.environment {
            lines.push(format!("{of} env {key}={value}"));
        }
        if let Some(check) = &spec.health_check {
            lines.push(format!("{of} checked at {}", check.port));
        }
        lines.push(format!("{of} runs {}", spec.image));
    }
    for rule in service.balancer.iter().flat_map(|held| &held.rules) {
        let target = rule.service.map_or("?", name);
        lines.push(format!("{at} balances {} to {target}", rule.source_port));
    }
    if let Some(external) = &service.external {
        lines.push(format!("{at} is {:?} {:?}", external.addresses, external.hostname));
    }
    if let Some(policy) = service.scale_policy {
        lines.push(format!("{at} scales {}-{}", policy.min, policy.max));
    }
    if service.retain_ip {
        lines.push(format!("{at} retains ip"));
    }
    for (key, value) in &service.metadata {
        lines.push(format!("{at} metadata {key}={value}"));
    }
    if let Some(upgrade) = world.upgrade(service.id) {
        lines.push(format!("{at} upgrade {:?} batch {}", upgrade.phase, upgrade.batch_size));
    }
    lines.push(String::new());
    lines.join("\n")
}
