//! The catalog in the shapes of Consul's HTTP API. Pure; which request gets which is the server's.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Catalog, Instance, Node};

/// The only datacenter there is.
pub const DATACENTER: &str = "dc1";

/// Which of a service's instances are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Those that have all of these tags, in any case.
    pub tags: Vec<&'a str>,
    /// Those on nodes that have all of these labels.
    pub node_meta: Vec<(&'a str, &'a str)>,
    /// Those that take requests only.
    pub passing: bool,
}

/// `/v1/catalog/nodes`.
pub fn nodes(catalog: &Catalog, choice: &Choice<'_>, index: u64) -> Value {
    let nodes = catalog.nodes.iter().filter(|(_, held)| is_meant(held, choice));
    let nodes = nodes.map(|(name, held)| {
        let mut shown = node(name, held, index);
        shown["TaggedAddresses"] = addresses(held);
        shown
    });
    nodes.collect()
}

/// `/v1/catalog/services`: names and the tags of all instances.
pub fn services(catalog: &Catalog, choice: &Choice<'_>) -> Value {
    let services = catalog.services.keys().filter_map(|name| {
        let mut meant = chosen(catalog, name, choice).peekable();
        meant.peek()?;
        let tags: BTreeSet<&String> = meant.flat_map(|(_, instance)| &instance.tags).collect();
        Some((name.clone(), json!(tags)))
    });
    Value::Object(services.collect())
}

/// `/v1/catalog/service/{name}`.
pub fn service(catalog: &Catalog, name: &str, choice: &Choice<'_>, index: u64) -> Value {
    let found = chosen(catalog, name, choice).map(|(held, instance)| {
        json!({
            "ID": held.id,
            "Node": instance.node,
            "Address": held.address,
            "Datacenter": DATACENTER,
            "TaggedAddresses": addresses(held),
            "NodeMeta": held.meta,
            "ServiceKind": "",
            "ServiceID": instance.id,
            "ServiceName": name,
            "ServiceTags": instance.tags,
            "ServiceAddress": instance.address,
            "ServicePort": instance.port,
            "ServiceMeta": instance.meta,
            "ServiceWeights": { "Passing": 1, "Warning": 1 },
            "ServiceEnableTagOverride": false,
            "CreateIndex": index,
            "ModifyIndex": index,
        })
    });
    found.collect()
}

/// `/v1/catalog/node/{name}`; null if there is none.
pub fn node_services(catalog: &Catalog, name: &str, index: u64) -> Value {
    let Some(held) = catalog.nodes.get(name) else { return Value::Null };
    let all = catalog.services.iter().flat_map(|(of, instances)| {
        let here = instances.iter().filter(|instance| instance.node == name);
        here.map(move |instance| (instance.id.clone(), entry(of, instance, index)))
    });
    let services: serde_json::Map<String, Value> = all.collect();
    let mut shown = node(name, held, index);
    shown["TaggedAddresses"] = addresses(held);
    json!({ "Node": shown, "Services": services })
}

/// `/v1/health/service/{name}`.
pub fn health(catalog: &Catalog, name: &str, choice: &Choice<'_>, index: u64) -> Value {
    let found = chosen(catalog, name, choice).map(|(held, instance)| {
        let mut shown = node(&instance.node, held, index);
        shown["TaggedAddresses"] = addresses(held);
        let checks =
            [node_check(&instance.node, held, index), instance_check(name, instance, index)];
        json!({ "Node": shown, "Service": entry(name, instance, index), "Checks": checks })
    });
    found.collect()
}

/// `/v1/health/state/{state}`: every check that stands so; `any` is all of them.
pub fn checks(catalog: &Catalog, state: &str, index: u64) -> Value {
    let of_nodes = catalog.nodes.iter().map(|(name, held)| node_check(name, held, index));
    let all = of_nodes.chain(instance_checks(catalog, index));
    all.filter(|check| state == "any" || check["Status"] == state).collect()
}

/// `/v1/health/checks/{service}`: the checks of its instances.
pub fn service_checks(catalog: &Catalog, name: &str, choice: &Choice<'_>, index: u64) -> Value {
    let found = chosen(catalog, name, choice);
    found.map(|(_, instance)| instance_check(name, instance, index)).collect()
}

/// `/v1/health/node/{name}`: its own check, and those of the instances on it.
pub fn node_checks(catalog: &Catalog, name: &str, index: u64) -> Value {
    let own = catalog.nodes.get(name).map(|held| node_check(name, held, index));
    let here = instance_checks(catalog, index).filter(|check| check["Node"] == name);
    own.into_iter().chain(here).collect()
}

/// `/v1/agent/self`: what clients ask to learn the datacenter's name.
pub fn agent_self(cluster: &str, version: &str) -> Value {
    json!({
        "Config": {
            "Datacenter": DATACENTER, "PrimaryDatacenter": DATACENTER, "NodeName": "drover",
            "NodeID": cluster, "Server": true, "Revision": "", "Version": version,
        },
        "Member": { "Name": "drover", "Addr": "127.0.0.1", "Port": 8301, "Status": 1, "Tags": {} },
        "Meta": {},
    })
}

/// `/v1/status/leader`: there is always one, this server.
pub fn leader() -> Value {
    json!("127.0.0.1:8300")
}

fn chosen<'a>(
    catalog: &'a Catalog,
    name: &str,
    choice: &'a Choice<'a>,
) -> impl Iterator<Item = (&'a Node, &'a Instance)> {
    let instances = catalog.services.get(name).into_iter().flatten();
    let at = instances.filter_map(|i| Some((catalog.nodes.get(&i.node)?, i)));
    at.filter(|(held, instance)| {
        let has = |tag: &&str| instance.tags.iter().any(|held| held.eq_ignore_ascii_case(tag));
        is_meant(held, choice)
            && choice.tags.iter().all(has)
            && (!choice.passing || instance.passing && held.alive)
    })
}

fn is_meant(node: &Node, choice: &Choice<'_>) -> bool {
    let held = |key: &str| node.meta.get(key).map(String::as_str);
    choice.node_meta.iter().all(|(key, value)| held(key) == Some(*value))
}

fn instance_checks(catalog: &Catalog, index: u64) -> impl Iterator<Item = Value> {
    catalog.services.iter().flat_map(move |(name, instances)| {
        instances.iter().map(move |instance| instance_check(name, instance, index))
    })
}

fn node(name: &str, held: &Node, index: u64) -> Value {
    json!({
        "ID": held.id,
        "Node": name,
        "Address": held.address,
        "Datacenter": DATACENTER,
        "Meta": held.meta,
        "CreateIndex": index,
        "ModifyIndex": index,
    })
}

fn addresses(held: &Node) -> Value {
    json!(BTreeMap::from([("lan", &held.address), ("wan", &held.address)]))
}

fn entry(name: &str, instance: &Instance, index: u64) -> Value {
    json!({
        "ID": instance.id,
        "Service": name,
        "Tags": instance.tags,
        "Address": instance.address,
        "Port": instance.port,
        "Meta": instance.meta,
        "Weights": { "Passing": 1, "Warning": 1 },
        "EnableTagOverride": false,
        "CreateIndex": index,
        "ModifyIndex": index,
    })
}

fn node_check(name: &str, held: &Node, index: u64) -> Value {
    let (status, output) =
        if held.alive { ("passing", "the host serves") } else { ("critical", "the host is lost") };
    check(name, "serfHealth", "Agent alive", (status, output), index)
}

fn instance_check(name: &str, instance: &Instance, index: u64) -> Value {
    let status = if instance.passing { "passing" } else { "critical" };
    let id = format!("service:{}", instance.id);
    let mut shown =
        check(&instance.node, &id, "Ready for requests", (status, &instance.why), index);
    shown["ServiceID"] = json!(instance.id);
    shown["ServiceName"] = json!(name);
    shown["ServiceTags"] = json!(instance.tags);
    shown
}

fn check(node: &str, id: &str, name: &str, (status, output): (&str, &str), index: u64) -> Value {
    json!({
        "Node": node,
        "CheckID": id,
        "Name": name,
        "Status": status,
        "Notes": "",
        "Output": output,
        "ServiceID": "",
        "ServiceName": "",
        "ServiceTags": [],
        "Type": "",
        "Definition": {},
        "CreateIndex": index,
        "ModifyIndex": index,
    })
}
