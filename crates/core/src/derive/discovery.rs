//! The facts of a project that names and metadata are answered from, object by object, so that whoever distributes
//! them makes anew only what a change touched.
//!
//! Not which name leads where: every host's name service decides that from the same facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{is_serving, links, shown_scale};
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
        silent: BTreeSet::new(), // its agent's to say
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
        scale: shown_scale(world, service),
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

/// Where a member of a unit is reached by other hosts' containers; `None` while that is not known.
pub fn member_address(world: &World, unit: &Unit, member: &str) -> Option<String> {
    let template = world.template(unit.key.service, unit.key.revision)?;
    let host = world.host(unit.host).map_or("", |host| host.address.as_str());
    let found = address(template, member, world.observed(unit.key), host);
    (!found.is_empty()).then_some(found)
}

/// Where a member is reached: where the member is whose network it is in.
fn address(template: &Template, member: &str, seen: Option<&Observed>, host: &str) -> String {
    match owner(template, member) {
        Some((_, NetworkMode::Host)) => host.to_owned(),
        Some((owner, NetworkMode::Managed | NetworkMode::Bridge)) => {
            let held = seen.and_then(|seen| seen.containers.get(owner));
            held.map(|held| held.address.clone()).unwrap_or_default()
        }
        Some((_, NetworkMode::None | NetworkMode::Container(_))) | None => String::new(),
    }
}

/// The member whose network a member is in, and which that is.
pub(super) fn owner<'a>(
    template: &'a Template,
    member: &'a str,
) -> Option<(&'a str, &'a NetworkMode)> {
    let mut owner = member;
    // Each step leads to another member; a circle has no address.
    for _ in 0..template.len() {
        let spec = match owner {
            "" => &template.primary,
            name => template.sidekicks.get(name)?,
        };
        match &spec.network {
            NetworkMode::Container(other) => owner = other,
            network @ (NetworkMode::Managed
            | NetworkMode::Host
            | NetworkMode::Bridge
            | NetworkMode::None) => return Some((owner, network)),
        }
    }
    None
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
                containers: containers.collect(),
                since: crate::Time(0),
                ..Observed::default()
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

    /// As it is stored: shorter than every field spelled out.
    fn read<T: serde::de::DeserializeOwned>(json: Value) -> Arc<T> {
        Arc::new(serde_json::from_value(json).unwrap())
    }

    fn service(world: &mut World, id: u64, name: &str, more: &[(&str, Value)]) {
        let mut json = json!({
            "id": id, "project": 1, "stack": 2, "name": name, "kind": "containers", "scale": 1,
            "wanted": "active", "current": 2, "created_at": 0,
        });
        for (key, value) in more {
            json[key] = value.clone();
        }
        world.services.insert(ServiceId(id), read(json));
    }

    fn unit(world: &mut World, revision: u32, desired: &str, seen: Option<Value>) {
        let key = crate::UnitKey {
            service: ServiceId(3),
            slot: Slot::Number(1),
            revision: crate::RevisionNo(revision),
            incarnation: 0,
        };
        let unit = json!({
            "key": key, "host": 101, "desired": desired, "generation": 1, "serial": revision * 10,
            "created_at": 0,
        });
        world.units.insert(key, read(unit));
        if let Some(containers) = seen {
            let seen = json!({
                "generation": 1, "tick": 1, "phase": "running", "ready": true,
                "containers": containers,
            });
            world.observed.insert(key, read(seen));
        }
    }

    /// `web` of the stack `blog` in the middle of an upgrade from revision 1 to 2, and what is around it.
    fn blog() -> World {
        let mut world = World::new();
        for id in [1, 9] {
            let project = json!({ "id": id, "name": format!("p{id}"), "created_at": 0 });
            world.projects.insert(ProjectId(id), read(project));
        }
        for (id, project) in [(101, 1), (102, 9)] {
            let host = json!({
                "id": id, "project": project, "identity": "i", "hostname": "h", "active": true,
                "address": "192.0.2.1", "created_at": 0,
            });
            world.hosts.insert(HostId(id), read(host));
        }
        let stack = json!({ "id": 2, "project": 1, "name": "blog", "created_at": 0 });
        world.stacks.insert(StackId(2), read(stack));
        let links = json!([{ "service": 4, "alias": "data" }, { "service": 4 }]);
        service(&mut world, 3, "web", &[("links", links)]);
        service(&mut world, 4, "db", &[("kind", "external".into())]);
        service(&mut world, 5, "gone", &[("wanted", "removed".into())]);
        for number in [1, 2] {
            let revision = json!({
                "service": 3, "number": number, "by": "test", "created_at": 0,
                "template": { "primary": {}, "sidekicks": { "log": { "network": { "container": "" } } } },
            });
            let number = crate::RevisionNo(number);
            world.revisions.insert((ServiceId(3), number), read(revision));
        }
        let both =
            |ip| json!({ "": { "running": true, "address": ip }, "log": { "running": true } });
        unit(&mut world, 1, "draining", Some(both("10.42.1.2")));
        unit(&mut world, 2, "running", Some(both("10.42.1.3")));
        unit(&mut world, 3, "removed", None);
        world.withdrawn.insert(ProjectId(1), 17);
        world
    }

    #[test]
    fn a_host_is_told_of_its_project() {
        let told = discovery(&blog(), HostId(101));
        assert_eq!((told.routing, told.host, told.project.name.as_str()), (17, 101, "p1"));
        assert_eq!(told.hosts.keys().map(|id| id.0).collect::<Vec<_>>(), [101]);
        assert_eq!(told.services.keys().map(|id| id.0).collect::<Vec<_>>(), [3, 4]);
        let web = &told.services[&ServiceId(3)];
        let links: Vec<_> = web.links.iter().map(|(alias, id)| (alias.as_str(), id.0)).collect();
        assert_eq!(links, [("data", 4), ("db", 4)]);
        let containers = web.containers.iter().map(|c| {
            let standing = match (c.serving, c.withdrawn) {
                (true, false) => "serves",
                (false, true) => "withdrawn",
                other => panic!("{other:?}"),
            };
            format!("{} {} {} {standing}", c.serial, c.name, c.address)
        });
        assert_eq!(
            containers.collect::<Vec<_>>(),
            [
                "10 blog-web-1 10.42.1.2 withdrawn",
                "11 blog-web-log-1 10.42.1.2 withdrawn",
                "20 blog-web-1 10.42.1.3 serves",
                "21 blog-web-log-1 10.42.1.3 serves",
            ]
        );
        assert_eq!(discovery(&blog(), HostId(7)), Discovery::default());
    }

    #[test]
    fn what_is_removed_is_told_of_until_its_containers_are_gone() {
        let mut world = blog();
        service(&mut world, 3, "web", &[("wanted", "removed".into())]);
        assert!(discovered_service(&world, ServiceId(3)).is_some());
        let running = Some(json!({ "": { "running": true, "address": "10.42.1.2" } }));
        unit(&mut world, 1, "removed", running);
        unit(&mut world, 2, "removed", Some(json!({})));
        let told = discovered_service(&world, ServiceId(3)).unwrap();
        assert_eq!(told.containers.len(), 2, "the one that still runs, with its sidekick");
        unit(&mut world, 1, "removed", Some(json!({})));
        assert_eq!(discovered_service(&world, ServiceId(3)), None);
    }

    #[test]
    fn rules_name_their_targets() {
        let world = blog();
        let rule = PortRule {
            source_port: 80,
            service: Some(ServiceId(3)),
            target_port: Some(8080),
            hostname: Some("a.example".into()),
            ..PortRule::default()
        };
        let spec = BalancerSpec { rules: vec![rule], ..BalancerSpec::default() };
        let told = lb_config(&world, &spec);
        assert_eq!(told["port_rules"][0]["service"], "blog/web");
        assert_eq!(told["port_rules"][0]["target_port"], 8080);
        assert_eq!(told["port_rules"][0]["protocol"], "http");
        assert_eq!(told["stickiness_policy"], Value::Null);
    }
}
