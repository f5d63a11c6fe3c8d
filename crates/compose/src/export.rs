//! A stack as compose files: docker-compose.yml and rancher-compose.yml, both of version 2.
//!
//! Reading them again gives the same stack. Defaults are left out, dollar signs doubled, and a balancer is
//! written as `lb_config`, whatever form it came in.

mod container;
mod emit;
mod upgrade;

use drover_core::{Condition, ContainerSpec, Driver, RuleProtocol, ServiceKind, label};
use serde_json::{Map, Value, json};

use crate::service::{ALIAS_IMAGE, BALANCER_IMAGE, EXTERNAL_IMAGE};
use crate::stack::{
    LinkSpec, NamedBalancer, NamedRule, NeedSpec, ServiceSpec, StackSpec, VolumeSpec,
};

/// The two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// docker-compose.yml.
    pub docker_compose: String,
    /// rancher-compose.yml.
    pub rancher_compose: String,
}

/// Write a stack as compose files.
pub fn export(stack: &StackSpec) -> Exported {
    let (mut docker, mut rancher) = (Map::new(), Map::new());
    for service in &stack.services {
        docker.insert(service.name.clone(), Value::Object(docker_service(service)));
        put(&mut rancher, &service.name, Value::Object(rancher_service(service)));
        for (name, spec) in &service.template.sidekicks {
            let keys = container::docker_keys(spec, &service.name);
            docker.insert(name.clone(), Value::Object(keys));
            put(&mut rancher, name, Value::Object(container::rancher_keys(spec)));
        }
    }
    let mut top = Map::new();
    top.insert("version".into(), json!("2"));
    top.insert("services".into(), Value::Object(docker));
    if !stack.volumes.is_empty() {
        let volumes = stack.volumes.iter().map(|(name, v)| (name.clone(), volume(v)));
        top.insert("volumes".into(), Value::Object(volumes.collect()));
    }
    let secrets = secrets(stack);
    if !secrets.is_empty() {
        top.insert("secrets".into(), Value::Object(secrets));
    }
    let rancher = json!({ "version": "2", "services": rancher });
    Exported {
        docker_compose: emit::yaml(&Value::Object(top)),
        rancher_compose: emit::yaml(&rancher),
    }
}

/// The secrets that any container reads; all are in the cluster already.
fn secrets(stack: &StackSpec) -> Map<String, Value> {
    let members = stack.services.iter().flat_map(|service| service.template.members());
    let files = members.flat_map(|(_, spec)| &spec.secrets);
    files.map(|file| (file.secret.clone(), json!({ "external": true }))).collect()
}

/// Put a value that says something.
fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    let value = value.into();
    let says_nothing = match &value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Number(_) => false,
    };
    if !says_nothing {
        map.insert(key.to_owned(), value);
    }
}

fn docker_service(service: &ServiceSpec) -> Map<String, Value> {
    let mut primary: ContainerSpec = service.template.primary.clone();
    match service.kind {
        ServiceKind::Containers => {}
        ServiceKind::Balancer if !primary.image.is_empty() => {}
        ServiceKind::Balancer => primary.image = BALANCER_IMAGE.into(),
        ServiceKind::Alias => primary.image = ALIAS_IMAGE.into(),
        ServiceKind::External => primary.image = EXTERNAL_IMAGE.into(),
    }
    add_labels(service, &mut primary);
    let mut keys = container::docker_keys(&primary, &service.name);
    let (own, other): (Vec<_>, Vec<_>) = service.links.iter().partition(|l| l.stack.is_none());
    put(&mut keys, "links", own.into_iter().map(link).collect::<Vec<_>>());
    put(&mut keys, "external_links", other.into_iter().map(link).collect::<Vec<_>>());
    put(&mut keys, "depends_on", depends_on(&service.depends_on));
    keys
}

/// A list of names, where nothing but the order matters.
fn depends_on(needs: &[NeedSpec]) -> Value {
    let plain = |need: &NeedSpec| need.condition == Condition::ServiceStarted;
    if needs.iter().all(plain) {
        return needs.iter().map(|need| json!(need.service)).collect();
    }
    let entry =
        |need: &NeedSpec| (need.service.clone(), json!({ "condition": need.condition.word() }));
    Value::Object(needs.iter().map(entry).collect())
}

/// Labels that say in the file what a service made through the API says in fields.
fn add_labels(service: &ServiceSpec, primary: &mut ContainerSpec) {
    let names: Vec<&str> = service.template.sidekicks.keys().map(String::as_str).collect();
    let said = primary.label(label::SIDEKICKS).unwrap_or_default();
    let mut said: Vec<&str> = said.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
    said.sort_unstable();
    let same = said.len() == names.len()
        && said.iter().all(|s| names.iter().any(|n| n.eq_ignore_ascii_case(s)));
    if !same {
        primary.labels.retain(|key, _| !key.eq_ignore_ascii_case(label::SIDEKICKS));
        if !names.is_empty() {
            primary.labels.insert(label::SIDEKICKS.into(), names.join(","));
        }
    }
    for (key, value) in [
        ("io.rancher.service.selector.link", &service.selector_link),
        ("io.rancher.service.selector.container", &service.selector_container),
    ] {
        if let (Some(value), None) = (value, primary.label(key)) {
            primary.labels.insert(key.into(), value.clone());
        }
    }
}

fn link(link: &LinkSpec) -> String {
    let stack = link.stack.as_ref().map(|stack| format!("{stack}/")).unwrap_or_default();
    let alias = if link.alias.is_empty() { String::new() } else { format!(":{}", link.alias) };
    format!("{stack}{}{alias}", link.service)
}

fn rancher_service(service: &ServiceSpec) -> Map<String, Value> {
    let mut keys = Map::new();
    put(&mut keys, "scale", service.scale);
    if !service.start_on_create {
        keys.insert("start_on_create".into(), json!(false));
    }
    put(&mut keys, "retain_ip", service.retain_ip);
    if let Some(policy) = service.scale_policy {
        let policy = json!({ "min": policy.min, "max": policy.max, "increment": policy.increment });
        put(&mut keys, "scale_policy", policy);
    }
    put(&mut keys, "upgrade_strategy", upgrade::strategy(&service.upgrade));
    if let Some(external) = &service.external {
        put(&mut keys, "external_ips", external.addresses.clone());
        put(&mut keys, "hostname", external.hostname.clone());
        let check = external.health_check.as_ref().map(container::health_check);
        put(&mut keys, "health_check", check.unwrap_or_default());
    }
    if let Some(balancer) = &service.balancer {
        // Even an empty one is something: it was asked for.
        keys.insert("lb_config".into(), Value::Object(lb_config(balancer)));
    }
    match &service.driver {
        Some(Driver::Storage(said)) => {
            let said = said.iter().map(|(key, value)| (snake(key), value.clone()));
            let said: Map<String, Value> = said.filter(|(_, value)| !value.is_null()).collect();
            // Even an empty one is something: it says what the service is.
            keys.insert("storage_driver".into(), said.into());
        }
        // Files can't have one: its containers run without being it.
        Some(Driver::Network(_)) | None => {}
    }
    keys.extend(container::rancher_keys(&service.template.primary));
    put(&mut keys, "metadata", Value::Object(service.metadata.clone()));
    keys
}

/// `volume_access_mode` for `volumeAccessMode`.
fn snake(key: &str) -> String {
    let mut out = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn lb_config(balancer: &NamedBalancer) -> Map<String, Value> {
    let mut keys = Map::new();
    let rules: Vec<Value> = balancer.rules.iter().map(|r| Value::Object(rule(r))).collect();
    put(&mut keys, "port_rules", rules);
    put(&mut keys, "certs", balancer.certificates.clone());
    put(&mut keys, "default_cert", balancer.default_certificate.clone());
    put(&mut keys, "config", balancer.custom.clone());
    put(&mut keys, "stickiness_policy", balancer.stickiness.clone());
    keys
}

fn rule(rule: &NamedRule) -> Map<String, Value> {
    let mut keys = Map::new();
    if rule.source_port != 0 {
        put(&mut keys, "source_port", rule.source_port);
    }
    let protocol = match rule.protocol {
        RuleProtocol::Http => None,
        RuleProtocol::Https => Some("https"),
        RuleProtocol::Tcp => Some("tcp"),
        RuleProtocol::Tls => Some("tls"),
        RuleProtocol::Sni => Some("sni"),
        RuleProtocol::Udp => Some("udp"),
    };
    put(&mut keys, "protocol", protocol);
    put(&mut keys, "hostname", rule.hostname.clone());
    put(&mut keys, "path", rule.path.clone());
    put(&mut keys, "priority", rule.priority);
    put(&mut keys, "service", rule.service.clone());
    put(&mut keys, "selector", rule.selector.clone());
    put(&mut keys, "target_port", rule.target_port);
    put(&mut keys, "backend_name", rule.backend_name.clone());
    put(&mut keys, "weight", rule.weight);
    keys
}

fn volume(volume: &VolumeSpec) -> Value {
    let mut keys = Map::new();
    put(&mut keys, "driver", volume.driver.clone());
    put(&mut keys, "driver_opts", json!(volume.driver_options));
    put(&mut keys, "external", volume.external);
    put(&mut keys, "per_container", volume.per_container);
    Value::Object(keys)
}
