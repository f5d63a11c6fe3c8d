//! The facts of a project that names and metadata are answered from, object by object, so that whoever distributes
//! them makes anew only what a change touched.
//!
//! Not which name leads where: every host's name service decides that from the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{is_serving, links};
use crate::schedule::{container_name, resolve};
use crate::uuid::uuid;
use crate::{
    BalancerSpec, ContainerSpec, Desired, DiscoveredContainer, DiscoveredHost, DiscoveredMember,
    DiscoveredProject, DiscoveredService, DiscoveredStack, Discovery, HostId, NetworkMode,
    Observed, ObservedContainer, Phase, PortRule, ProjectId, RuleProtocol, Service, ServiceId,
    Slot, StackId, Template, Unit, Wanted, World,
};

/// Everything the name service of `host` knows; nothing if there is no such host.
pub fn discovery(world: &World, host: HostId) -> Discovery {
    let Some(project) = world.host(host).map(|host| host.project) else {
        return Discovery::default();
    };
    let hosts = world.hosts.values().filter(|h| h.project == project);
    let stacks = world.stacks.values().filter(|stack| stack.project == project);
    let services = world.services.values().filter(|service| service.project == project);
    Discovery {
        routing: world.withdrawn.get(&project).copied().unwrap_or_default(),
        host: host.0,
        project: discovered_project(world, project),
        hosts: all(hosts.map(|h| h.id), |id| discovered_host(world, id)),
        stacks: all(stacks.map(|s| s.id), |id| discovered_stack(world, id)),
        services: all(services.map(|s| s.id), |id| discovered_service(world, id)),
        recursers: Vec::new(),
    }
}

/// A project.
pub fn discovered_project(world: &World, id: ProjectId) -> DiscoveredProject {
    DiscoveredProject {
        id: id.0,
        name: world.projects.get(&id).map(|project| project.name.clone()).unwrap_or_default(),
        uuid: uuid(world.cluster(), &format!("1a{id}")),
    }
}

/// A host; `None` once it is removed.
pub fn discovered_host(world: &World, id: HostId) -> Option<DiscoveredHost> {
    let host = world.host(id).filter(|host| host.removed_at.is_none())?;
    let facts = world.seen.get(&id).map(|seen| seen.facts.clone()).unwrap_or_default();
    Some(DiscoveredHost {
        name: host.shown_name().to_owned(),
        hostname: host.hostname.clone(),
        uuid: uuid(world.cluster(), &format!("1h{id}")),
        address: host.address.clone(),
        labels: host.labels.clone(),
        active: host.active,
        connected: world.is_connected(id),
        milli_cpu: u64::from(facts.cpus) * 1_000,
        memory: facts.memory,
    })
}

/// A stack; `None` once it is removed and nothing of it is left.
pub fn discovered_stack(world: &World, id: StackId) -> Option<DiscoveredStack> {
    let stack = world.stacks.get(&id)?;
    let is_told = || world.services_in(id).any(|service| is_told(world, service));
    (stack.removed_at.is_none() || is_told()).then(|| DiscoveredStack {
        name: stack.name.clone(),
        uuid: uuid(world.cluster(), &format!("1st{id}")),
    })
}

/// A service; `None` once it is removed and no container of it is left.
pub fn discovered_service(world: &World, id: ServiceId) -> Option<DiscoveredService> {
    let service = world.service(id).filter(|service| is_told(world, service))?;
    let template = world.current_template(service);
    let members = template.into_iter().flat_map(|template| template.members());
    let members = members.map(|(name, spec)| (name.to_owned(), member(service, spec)));
    let units = world.units_of(id).filter(|unit| is_left(world, unit));
    Some(DiscoveredService {
        stack: service.stack,
        name: service.name.clone(),
        uuid: uuid(world.cluster(), &format!("1s{id}")),
        kind: service.kind,
        wanted: service.wanted,
        scale: service.scale,
        links: links(world, service),
        external: service.external.clone(),
        sidekicks: template.map_or_else(BTreeSet::new, |t| t.sidekicks.keys().cloned().collect()),
        members: members.collect(),
        metadata: service.metadata.clone(),
        lb_config: service.balancer.as_ref().map_or(Value::Null, |spec| lb_config(world, spec)),
        containers: units.flat_map(|unit| containers(world, unit)).collect(),
    })
}

fn all<K: Ord + Copy, V>(
    ids: impl Iterator<Item = K>,
    make: impl Fn(K) -> Option<V>,
) -> BTreeMap<K, Arc<V>> {
    ids.filter_map(|id| make(id).map(|made| (id, Arc::new(made)))).collect()
}

/// Containers that are on their way out ask for names to their end, so their service stays until they are gone.
fn is_told(world: &World, service: &Service) -> bool {
    service.wanted != Wanted::Removed || world.units_of(service.id).any(|unit| is_left(world, unit))
}

fn is_left(world: &World, unit: &Unit) -> bool {
    unit.desired != Desired::Removed
        || world.observed(unit.key).is_some_and(|seen| seen.containers.values().any(|c| c.running))
}

fn member(service: &Service, spec: &ContainerSpec) -> DiscoveredMember {
    DiscoveredMember {
        labels: spec.labels.clone(),
        ports: resolve(service, &spec.ports).collect(),
        expose: spec.expose.clone(),
        hostname: spec.hostname.clone(),
        network: spec.network.clone(),
        health_check: spec.health_check.clone(),
        dns: spec.dns.clone(),
        dns_search: spec.dns_search.clone(),
    }
}

fn containers(world: &World, unit: &Unit) -> Vec<DiscoveredContainer> {
    let Some(template) = world.template(unit.key.service, unit.key.revision) else {
        return Vec::new();
    };
    let seen = world.observed(unit.key);
    let host = world.host(unit.host).map_or("", |host| host.address.as_str());
    let none = ObservedContainer::default();
    let members = (unit.serial..).zip(template.members());
    let made = members.map(|(serial, (member, _))| {
        let held = seen.and_then(|seen| seen.containers.get(member)).unwrap_or(&none);
        DiscoveredContainer {
            unit: unit.key,
            member: member.to_owned(),
            name: container_name(world, unit.key, member),
            uuid: uuid(world.cluster(), &format!("1i{serial}")),
            serial,
            index: match unit.key.slot {
                Slot::Number(n) => n.to_string(),
                Slot::Host(host) => host.to_string(),
            },
            host: unit.host,
            docker_id: held.docker_id.clone(),
            address: address(template, member, seen, host),
            phase: seen.map_or(Phase::Pending, |seen| seen.phase),
            running: held.running && !world.is_lost(unit.host),
            serving: is_serving(world, unit),
            withdrawn: unit.desired != Desired::Running,
            health: held.health,
            starts: held.starts,
        }
    });
    made.collect()
}

/// Where a member is reached: where the member is whose network it is in.
fn address(template: &Template, member: &str, seen: Option<&Observed>, host: &str) -> String {
    let spec = |name: &str| match name {
        "" => Some(&template.primary),
        name => template.sidekicks.get(name),
    };
    let mut owner = member;
    // Each step leads to another member; a circle has no address.
    for _ in 0..template.len() {
        match spec(owner).map(|spec| &spec.network) {
            Some(NetworkMode::Container(other)) => owner = other,
            Some(NetworkMode::Host) => return host.to_owned(),
            Some(NetworkMode::Managed | NetworkMode::Bridge) => {
                let held = seen.and_then(|seen| seen.containers.get(owner));
                return held.map(|held| held.address.clone()).unwrap_or_default();
            }
            Some(NetworkMode::None) | None => break,
        }
    }
    String::new()
}

/// As Rancher's metadata spells it: targets by name, and every key there.
fn lb_config(world: &World, spec: &BalancerSpec) -> Value {
    let sticky = spec.stickiness.as_ref().map(|given| {
        let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default();
        let flag = |key: &str| given.get(key).and_then(Value::as_bool).unwrap_or_default();
        json!({
            "name": text("name"),
            "cookie": text("cookie"),
            "domain": text("domain"),
            "indirect": flag("indirect"),
            "nocache": flag("nocache"),
            "postonly": flag("postonly"),
            "mode": text("mode"),
        })
    });
    json!({
        "certs": spec.certificates,
        "default_cert": spec.default_certificate.as_deref().unwrap_or_default(),
        "port_rules": spec.rules.iter().map(|rule| port_rule(world, rule)).collect::<Vec<_>>(),
        "config": spec.custom.as_deref().unwrap_or_default(),
        "stickiness_policy": sticky,
    })
}

fn port_rule(world: &World, rule: &PortRule) -> Value {
    let service = rule.service.and_then(|id| world.service(id)).map(|target| {
        let stack = world.stacks.get(&target.stack).map_or("", |stack| stack.name.as_str());
        format!("{stack}/{}", target.name)
    });
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    json!({
        "source_port": rule.source_port,
        "protocol": protocol(rule.protocol),
        "path": text(&rule.path),
        "hostname": text(&rule.hostname),
        "service": service.unwrap_or_default(),
        "target_port": rule.target_port.unwrap_or_default(),
        "priority": rule.priority.unwrap_or_default(),
        "backend_name": text(&rule.backend_name),
        "selector": text(&rule.selector),
        "weight": rule.weight.unwrap_or_default(),
    })
}

fn protocol(protocol: RuleProtocol) -> &'static str {
    match protocol {
        RuleProtocol::Http => "http",
        RuleProtocol::Https => "https",
        RuleProtocol::Tcp => "tcp",
        RuleProtocol::Tls => "tls",
        RuleProtocol::Sni => "sni",
        RuleProtocol::Udp => "udp",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(network: NetworkMode) -> ContainerSpec {
        ContainerSpec { network, ..ContainerSpec::default() }
    }

    fn in_network_of(name: &str) -> NetworkMode {
        NetworkMode::Container(name.to_owned())
    }

    #[test]
    fn a_container_is_where_its_network_is() {
        use NetworkMode::{Bridge, Host, Managed};
        let seen = |addresses: &[(&str, &str)]| {
            let container = |address: &str| ObservedContainer {
                address: address.to_owned(),
                ..ObservedContainer::default()
            };
            let containers = addresses.iter().map(|(m, a)| ((*m).to_owned(), container(a)));
            Observed {
                generation: 1,
                tick: 1,
                phase: Phase::Running,
                ready: true,
                attempt: 0,
                message: String::new(),
                containers: containers.collect(),
                since: crate::Time(0),
            }
        };
        let check = |primary: NetworkMode, sidekick: NetworkMode, want: [&str; 2]| {
            let template = Template {
                primary: spec(primary),
                sidekicks: BTreeMap::from([("side".to_owned(), spec(sidekick))]),
            };
            let seen = seen(&[("", "10.42.1.2"), ("side", "10.42.1.3")]);
            let got = ["", "side"].map(|m| address(&template, m, Some(&seen), "192.0.2.1"));
            assert_eq!(got, want, "{template:?}");
            let unseen = address(&template, "side", None, "192.0.2.1");
            assert!(unseen.is_empty() || unseen == "192.0.2.1", "{unseen}");
        };
        check(Managed, Managed, ["10.42.1.2", "10.42.1.3"]);
        check(Managed, in_network_of(""), ["10.42.1.2", "10.42.1.2"]);
        check(in_network_of("side"), Managed, ["10.42.1.3", "10.42.1.3"]);
        check(Host, in_network_of(""), ["192.0.2.1", "192.0.2.1"]);
        check(Bridge, Host, ["10.42.1.2", "192.0.2.1"]);
        check(NetworkMode::None, in_network_of(""), ["", ""]);
        check(in_network_of("side"), in_network_of(""), ["", ""]);
        check(Managed, in_network_of("gone"), ["10.42.1.2", ""]);
    }
}
