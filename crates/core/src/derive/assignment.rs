//! What one host shall run, from the snapshot: names, templates, ports and volumes filled in, so that the agent
//! has nothing to look up.

use std::collections::BTreeMap;

use super::balancer::{balancer_config, target_ports};
use super::lease::leases;
use super::release::verification;
use super::secrets::secrets;
use super::volumes::{asked_volume, docker_name};
use super::vote::watched;
use crate::schedule::{declared_volumes, resolve, volume_name};
use crate::{
    AssignedTemplate, AssignedUnit, AssignedVolume, HostAssignment, HostId, RegistryLogin,
    Revision, Role, RuleProtocol, Service, ServiceKind, Slot, Unit, UnitKey, VolumeKey, World,
};

/// Everything the agent of `host` needs to know, as of this snapshot.
pub fn assignment(world: &World, host: HostId) -> HostAssignment {
    let mut assignment = HostAssignment {
        cluster: world.cluster().to_owned(),
        generation: world.version,
        network: world.host_network(host),
        registries: registries(world, host),
        secrets: secrets(world, host),
        leases: leases(world, host),
        ..HostAssignment::none(host)
    };
    for unit in world.units_on(host) {
        let Some(service) = world.service(unit.key.service) else { continue };
        let Some(revision) = world.revision_of(service.id, unit.key.revision) else { continue };
        let name = format!("{}/{}", service.id, revision.number);
        assignment.units.insert(unit.key, assigned(world, service, revision, unit, &name));
        let template = assignment.templates.entry(name);
        template.or_insert_with(|| assigned_template(service, revision));
        if service.kind == ServiceKind::Balancer {
            let config = balancer_config(world, unit.key);
            assignment.balancers.insert(unit.key, config);
        }
    }
    for unit in world.watched_by(host).into_iter().flat_map(|other| world.units_on(other)) {
        if let Some(watched) = watched(world, unit) {
            assignment.watched.insert(unit.key, watched);
        }
    }
    assignment
}

fn assigned(
    world: &World,
    service: &Service,
    revision: &Revision,
    unit: &Unit,
    template: &str,
) -> AssignedUnit {
    let stack = world.stacks.get(&service.stack).map_or("", |s| s.name.as_str());
    AssignedUnit {
        desired: unit.desired,
        generation: unit.generation,
        template: template.to_owned(),
        stack: stack.to_owned(),
        service: service.name.clone(),
        number: number(unit.key),
        serial: unit.serial,
        volumes: volumes(world, service, unit.key.slot, revision),
        retain_ip: service.retain_ip,
        ready_ports: ready_ports(world, service),
        verify: verification(world, unit),
    }
}

/// `N` of the names of a unit's containers.
fn number(key: UnitKey) -> String {
    match key.slot {
        Slot::Number(n) => n.to_string(),
        Slot::Host(host) => host.to_string(),
    }
}

fn assigned_template(service: &Service, revision: &Revision) -> AssignedTemplate {
    let ports = revision.template.members().filter(|(_, spec)| !spec.ports.is_empty());
    let ports =
        ports.map(|(name, spec)| (name.to_owned(), resolve(service, &spec.ports).collect()));
    AssignedTemplate {
        template: revision.template.clone(),
        role: match service.kind {
            ServiceKind::Balancer => Role::Balancer,
            ServiceKind::Containers | ServiceKind::Alias | ServiceKind::External => Role::Image,
        },
        ports: ports.collect(),
        pins: revision.pins.clone(),
    }
}

/// The volumes behind the names that members mount: those that the stack declares, and those that somebody asked for by
/// themselves. Other names are Docker's affair.
fn volumes(
    world: &World,
    service: &Service,
    slot: Slot,
    revision: &Revision,
) -> BTreeMap<String, AssignedVolume> {
    let mounts = revision.template.members().flat_map(|(_, spec)| &spec.volumes);
    let asked = mounts.filter_map(|mount| {
        let name = volume_name(mount)?;
        let held = asked_volume(world, service.project, name)?;
        let volume = AssignedVolume {
            name: held.name.clone(),
            driver: held.driver.clone(),
            options: held.driver_options.clone(),
            external: false,
            kept: true,
        };
        Some((name.to_owned(), volume))
    });
    let mut all: BTreeMap<String, AssignedVolume> = asked.collect();
    for (VolumeKey { template, slot }, name, _) in
        declared_volumes(world, service, slot, &revision.template)
    {
        let Some(declared) = world.volume_templates.get(&template) else { continue };
        if declared.external && all.contains_key(&name) {
            continue;
        }
        let volume = AssignedVolume {
            name: docker_name(world, declared, slot),
            driver: declared.driver.clone(),
            options: declared.driver_options.clone(),
            external: declared.external,
            kept: false,
        };
        all.insert(name, volume);
    }
    all
}

/// Where the unit must accept connections before it counts as ready: a balancer on its listeners, anything
/// else on the ports balancers send to.
fn ready_ports(world: &World, service: &Service) -> Vec<u16> {
    let listeners = service.balancer.as_ref().filter(|_| service.kind == ServiceKind::Balancer);
    let mut ports: Vec<u16> = if let Some(spec) = listeners {
        let tcp = spec.rules.iter().filter(|rule| rule.protocol != RuleProtocol::Udp);
        tcp.map(|rule| rule.source_port).collect()
    } else {
        target_ports(world, service)
    };
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn registries(world: &World, host: HostId) -> BTreeMap<String, RegistryLogin> {
    let Some(host) = world.host(host) else { return BTreeMap::new() };
    let registries = world.registries.values();
    let registries = registries.filter(|r| r.project == host.project);
    let logins = registries.filter_map(|r| {
        let login = r.usable_login()?;
        let login =
            RegistryLogin { username: login.username.clone(), password: login.password.clone() };
        Some((r.server.clone(), login))
    });
    logins.collect()
}
