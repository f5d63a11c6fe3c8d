//! Facts in a few lines, for tests: `service foo/web 10.0.0.1 10.0.0.2:unready port=80`.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::{
    DiscoveredContainer, DiscoveredHost, DiscoveredMember, DiscoveredProject, DiscoveredService,
    DiscoveredStack, Discovery, External, Health, HealthCheck, HostId, NetworkMode, Phase,
    RevisionNo, ServiceId, ServiceKind, Slot, StackId, UnitKey, Wanted,
};
use serde_json::{Map, Value};

/// A line is a kind (`service`, `alias`, `external`), `stack/name` and words:
///
/// - an address: a container that serves; with a state after a colon: `unready`, `unhealthy`, `stopped`, `withdrawn`;
///   with `@2` at the end, on that host instead of host 1; for an external service an address or a name;
/// - `old:` before an address: of the same name as the next container;
/// - `>alias=stack/name`, `>stack/name`: a link;
/// - `+name=address` a sidekick with a container of its own, `+name` one in the primary's network;
/// - `port=8080:80`, `expose=53/udp`, `dns=10.0.0.9`, `label=k=v`, `check`, `bridge`, `host`, `inactive`.
pub(super) fn facts(lines: &[&str]) -> Discovery {
    let mut facts = Discovery {
        routing: 7,
        host: 1,
        project: DiscoveredProject { id: 5, name: "Default".into(), uuid: "p-5".into() },
        ..Discovery::default()
    };
    for id in 1..=2 {
        let host = DiscoveredHost {
            name: format!("h{id}"),
            hostname: format!("h{id}.lan"),
            uuid: format!("h-{id}"),
            address: format!("192.0.2.{id}"),
            active: true,
            connected: true,
            ..DiscoveredHost::default()
        };
        facts.hosts.insert(HostId(id), Arc::new(host));
    }
    let named: BTreeMap<&str, ServiceId> =
        (10..).zip(lines).map(|(id, line)| (words(line)[1], ServiceId(id))).collect();
    for (line, id) in lines.iter().map(|line| (line, named[words(line)[1]])) {
        add(&mut facts, id, line, &named);
    }
    facts
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn add(facts: &mut Discovery, id: ServiceId, line: &str, named: &BTreeMap<&str, ServiceId>) {
    let words = words(line);
    let (stack, name) = words[1].split_once('/').unwrap();
    let stacks = &mut facts.stacks;
    let known = stacks.iter().find(|(_, held)| held.name == stack).map(|(id, _)| *id);
    let stack_id = known.unwrap_or(StackId(100 + stacks.len() as u64));
    let uuid = format!("st-{}", stack_id.0);
    stacks.insert(stack_id, Arc::new(DiscoveredStack { name: stack.into(), uuid }));
    let mut service = DiscoveredService {
        stack: stack_id,
        name: name.into(),
        uuid: format!("s-{id}"),
        kind: match words[0] {
            "alias" => ServiceKind::Alias,
            "external" => ServiceKind::External,
            _ => ServiceKind::Containers,
        },
        wanted: Wanted::Active,
        scale: 1,
        links: Vec::new(),
        external: None,
        sidekicks: std::collections::BTreeSet::new(),
        members: BTreeMap::from([(String::new(), DiscoveredMember::default())]),
        metadata: Map::new(),
        lb_config: Value::Null,
        containers: Vec::new(),
    };
    for word in &words[2..] {
        set(&mut service, stack, id, word, named);
    }
    facts.services.insert(id, Arc::new(service));
}

fn set(
    service: &mut DiscoveredService,
    stack: &str,
    id: ServiceId,
    word: &str,
    named: &BTreeMap<&str, ServiceId>,
) {
    let primary = service.members.get_mut("").unwrap();
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "port" => primary.ports.push(value.parse().unwrap()),
        "expose" => primary.expose.push(value.into()),
        "dns" => primary.dns.push(value.into()),
        "search" => primary.dns_search.push(value.into()),
        "check" => primary.health_check = Some(HealthCheck { port: 80, ..HealthCheck::default() }),
        "bridge" => primary.network = NetworkMode::Bridge,
        "host" => primary.network = NetworkMode::Host,
        "inactive" => service.wanted = Wanted::Inactive,
        "label" => {
            let (key, value) = value.split_once('=').unwrap();
            primary.labels.insert(key.into(), value.into());
        }
        key if key.starts_with('>') => {
            let alias = if value.is_empty() { "" } else { &key[1..] };
            let target = if value.is_empty() { &key[1..] } else { value };
            let target_name = target.split_once('/').unwrap().1;
            let alias = if alias.is_empty() { target_name } else { alias };
            service.links.push((alias.into(), named[target]));
        }
        key if key.starts_with('+') => add_sidekick(service, stack, id, &key[1..], value),
        _ if service.kind == ServiceKind::External => {
            let external = service.external.get_or_insert_with(External::default);
            if word.parse::<std::net::IpAddr>().is_ok() {
                external.addresses.push(word.into());
            } else {
                external.hostname = Some(word.into());
            }
        }
        _ => {
            let made = container(service, stack, id, "", word);
            service.containers.push(made);
        }
    }
}

fn add_sidekick(
    service: &mut DiscoveredService,
    stack: &str,
    id: ServiceId,
    name: &str,
    address: &str,
) {
    let shared = service.containers.first().map(|c| c.address.clone());
    let network = match address {
        "" => NetworkMode::Container(String::new()),
        _ => NetworkMode::Managed,
    };
    let member = DiscoveredMember { network, ..DiscoveredMember::default() };
    service.members.insert(name.into(), member);
    service.sidekicks.insert(name.into());
    let address = if address.is_empty() { shared.unwrap() } else { address.into() };
    let mut made = container(service, stack, id, name, &address);
    made.unit = service.containers[0].unit;
    made.index.clone_from(&service.containers[0].index);
    made.name = format!("{stack}-{}-{name}-{}", service.name, made.index);
    service.containers.push(made);
}

fn container(
    service: &DiscoveredService,
    stack: &str,
    id: ServiceId,
    member: &str,
    word: &str,
) -> DiscoveredContainer {
    let (word, host) = word.split_once('@').unwrap_or((word, "1"));
    let (is_old, word) = word.strip_prefix("old:").map_or((false, word), |rest| (true, rest));
    let (address, state) = word.split_once(':').unwrap_or((word, "serving"));
    let made = service.containers.len() as u64;
    let earlier = service.containers.iter().filter(|c| c.member.is_empty());
    let index = 1 + earlier.filter(|c| c.unit.incarnation > 0).count();
    let serial = id.0 * 100 + made;
    DiscoveredContainer {
        unit: UnitKey {
            service: id,
            slot: Slot::Number(u32::try_from(index).unwrap()),
            revision: RevisionNo(1),
            incarnation: u32::from(!is_old),
        },
        member: member.into(),
        name: format!("{stack}-{}-{index}", service.name),
        uuid: format!("i-{serial}"),
        serial,
        index: index.to_string(),
        host: HostId(host.parse().unwrap()),
        docker_id: format!("{serial:064x}"),
        address: address.into(),
        phase: if state == "stopped" { Phase::Stopped } else { Phase::Running },
        running: state != "stopped",
        serving: state == "serving",
        withdrawn: matches!(state, "stopped" | "withdrawn"),
        health: match state {
            "unhealthy" => Health::Unhealthy,
            "serving" => Health::Healthy,
            _ => Health::Starting,
        },
        starts: 1,
    }
}
