//! What differs between a service of the files and the same service on the server.
//!
//! Pure. Both sides go through the same reading of Rancher's wire shape, so that what the wire can't hold, or
//! holds in another spelling, is no difference. Values of environment variables are never in the outcome's words.

use std::collections::{BTreeMap, BTreeSet};

use drover_api::{ApiError, Kind, launch_config, lb_config};
use drover_compose::{NamedBalancer, NamedRule, NeedSpec, ServiceSpec};
use drover_core::{
    BalancerSpec, ContainerSpec, Driver, PortRule, ServiceId, ServiceKind, Template,
};
use serde_json::{Map, Value, json};

use crate::view::ServiceView;

/// Rancher's client keeps its own fingerprints under this name, in labels and metadata; they say nothing.
const HASH: &str = "io.rancher.service.hash";

/// What differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// What differs in the primary container; empty if nothing.
    pub primary: Vec<String>,
    /// The same for its sidekicks, by name; those without a difference are left out.
    pub sidekicks: BTreeMap<String, Sidekick>,
    /// Members of the service itself that a PUT changes, no container touched: name on the wire → new value.
    pub fields: Map<String, Value>,
}

/// How a sidekick differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sidekick {
    /// In these members.
    Changed(Vec<String>),
    /// The server has none of this name.
    Added,
    /// The files have none of this name.
    Removed,
}

impl Sidekick {
    /// In words.
    pub fn words(&self, name: &str) -> String {
        match self {
            Self::Changed(what) => format!("sidekick {name}: {}", what.join(", ")),
            Self::Added => format!("sidekick {name}: new"),
            Self::Removed => format!("sidekick {name}: gone"),
        }
    }
}

impl Difference {
    /// Whether containers must be replaced to remove the difference.
    pub fn needs_upgrade(&self) -> bool {
        !self.primary.is_empty() || !self.sidekicks.is_empty()
    }

    /// What must be replaced, in words: `image v1 → v2, environment (DB_HOST); sidekick log: new`.
    pub fn containers(&self) -> String {
        let mut parts = Vec::new();
        if !self.primary.is_empty() {
            parts.push(self.primary.join(", "));
        }
        for (name, sidekick) in &self.sidekicks {
            parts.push(match sidekick {
                Sidekick::Removed => format!("sidekick {name}: not in the files"),
                Sidekick::Changed(_) | Sidekick::Added => sidekick.words(name),
            });
        }
        parts.join("; ")
    }

    /// Take in what differs between the containers of two units.
    fn compare(&mut self, ours: &Template, theirs: &Template) {
        let (ours, theirs) = (plain(ours), plain(theirs));
        self.primary = members(&ours.primary, &theirs.primary);
        let names: BTreeSet<&String> =
            ours.sidekicks.keys().chain(theirs.sidekicks.keys()).collect();
        for name in names {
            let differs = match (ours.sidekicks.get(name), theirs.sidekicks.get(name)) {
                (Some(ours), Some(theirs)) => {
                    Some(members(ours, theirs)).filter(|w| !w.is_empty()).map(Sidekick::Changed)
                }
                (Some(_), None) => Some(Sidekick::Added),
                (None, _) => Some(Sidekick::Removed),
            };
            self.sidekicks.extend(differs.map(|differs| (name.clone(), differs)));
        }
    }

    /// What a PUT changes, in the words of the files.
    pub fn members(&self) -> String {
        self.fields.keys().map(|name| spelled(name)).collect::<Vec<_>>().join(", ")
    }
}

/// Compare. `find` gives the id of a service by its name or `stack/name`.
pub fn compare(
    ours: &ServiceSpec,
    theirs: &ServiceView,
    find: &dyn Fn(&str) -> Option<ServiceId>,
) -> Result<Difference, ApiError> {
    let mut difference =
        Difference { fields: fields(ours, theirs, find)?, ..Difference::default() };
    if !ours.kind.has_units() {
        // An alias or an external service has nothing to replace.
        return Ok(difference);
    }
    difference.compare(&normal(ours)?, &theirs.template()?);
    Ok(difference)
}

/// Compare what two revisions of a service ran: what became different from `old` to `new`.
pub fn between(old: &Template, new: &Template) -> Difference {
    let mut difference = Difference::default();
    difference.compare(new, old);
    difference
}

/// The balancer's rules with targets by id. A target that isn't there (yet) gets an id that nothing has.
pub fn resolve(named: &NamedBalancer, find: &dyn Fn(&str) -> Option<ServiceId>) -> BalancerSpec {
    let target = |name: &String| find(name).unwrap_or(ServiceId(0));
    let rule = |rule: &NamedRule| PortRule {
        source_port: rule.source_port,
        protocol: rule.protocol,
        hostname: rule.hostname.clone(),
        path: rule.path.clone(),
        priority: rule.priority,
        service: rule.service.as_ref().map(target),
        selector: rule.selector.clone(),
        target_port: rule.target_port,
        backend_name: rule.backend_name.clone(),
        weight: rule.weight,
    };
    BalancerSpec {
        rules: named.rules.iter().map(rule).collect(),
        certificates: named.certificates.clone(),
        default_certificate: named.default_certificate.clone(),
        custom: named.custom.clone(),
        stickiness: named.stickiness.clone(),
    }
}

/// `lbConfig` as a service of this kind has it on the wire.
pub fn balancer_to_wire(kind: ServiceKind, spec: &BalancerSpec) -> Value {
    if kind == ServiceKind::Balancer {
        lb_config::to_wire(spec)
    } else {
        lb_config::target_to_wire(spec)
    }
}

/// `dependsOn` as the wire has it; of those that are not there yet nothing.
pub fn needs_to_wire(spec: &ServiceSpec, find: &dyn Fn(&str) -> Option<ServiceId>) -> Vec<Value> {
    let needs = spec.depends_on.iter().filter_map(|need| Some((find(&need.service)?, need)));
    let wire = |(id, need): (ServiceId, &NeedSpec)| json!({ "serviceId": Kind::Service.id(id.0), "condition": need.condition.word() });
    needs.map(wire).collect()
}

/// `scalePolicy` as the wire has it; null is none.
pub fn scale_policy_to_wire(spec: &ServiceSpec) -> Value {
    spec.scale_policy.map_or(
        Value::Null,
        |policy| json!({ "min": policy.min, "max": policy.max, "increment": policy.increment }),
    )
}

/// The members of the service itself that differ, with the files' values.
fn fields(
    ours: &ServiceSpec,
    theirs: &ServiceView,
    find: &dyn Fn(&str) -> Option<ServiceId>,
) -> Result<Map<String, Value>, ApiError> {
    let mut out = Map::new();
    let whole = &theirs.whole;
    let mut compare = |name: &str, ours: Value, theirs: &Value| {
        if !same(&ours, theirs) {
            out.insert(name.to_owned(), ours);
        }
    };
    let mut metadata = theirs.metadata();
    metadata.remove(HASH);
    compare("metadata", ours.metadata.clone().into(), &metadata.into());
    if ours.kind.has_units() {
        compare("scalePolicy", scale_policy_to_wire(ours), &whole["scalePolicy"]);
    }
    compare("dependsOn", needs_to_wire(ours, find).into(), &whole["dependsOn"]);
    compare("retainIp", ours.retain_ip.into(), &whole["retainIp"]);
    compare("selectorLink", json!(ours.selector_link), &whole["selectorLink"]);
    compare("selectorContainer", json!(ours.selector_container), &whole["selectorContainer"]);
    if ours.kind == ServiceKind::External {
        let external = ours.external.clone().unwrap_or_default();
        compare("externalIpAddresses", json!(external.addresses), &whole["externalIpAddresses"]);
        compare("hostname", json!(external.hostname), &whole["hostname"]);
        let check = external.health_check.as_ref().map(launch_config::write_check);
        compare("healthCheck", json!(check), &whole["healthCheck"]);
    }
    if let Some(Driver::Storage(said)) = &ours.driver {
        compare("storageDriver", json!(said), &whole["storageDriver"]);
    }
    let balancer = ours.balancer.as_ref().map(|named| resolve(named, find)).unwrap_or_default();
    if balancer != held_balancer(theirs)? {
        out.insert("lbConfig".to_owned(), balancer_to_wire(ours.kind, &balancer));
    }
    Ok(out)
}

fn held_balancer(theirs: &ServiceView) -> Result<BalancerSpec, ApiError> {
    let config = &theirs.whole["lbConfig"];
    match (config, theirs.kind) {
        (Value::Null, _) => Ok(BalancerSpec::default()),
        (_, ServiceKind::Balancer) => {
            let mut spec = lb_config::from_wire(config)?;
            // Files name certificates; their ids say nothing there.
            if let Some(names) = config["certificateNames"].as_array() {
                let names = names.iter().filter_map(Value::as_str);
                spec.certificates = names.map(str::to_owned).collect();
                spec.default_certificate =
                    config["defaultCertificateName"].as_str().map(str::to_owned);
            }
            Ok(spec)
        }
        (_, ServiceKind::Containers | ServiceKind::Alias | ServiceKind::External) => {
            lb_config::target_from_wire(config)
        }
    }
}

/// Null, false and empty all say "nothing".
fn same(ours: &Value, theirs: &Value) -> bool {
    let says_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    ours == theirs || (says_nothing(ours) && says_nothing(theirs))
}

/// The template as it is after a journey over the wire.
fn normal(ours: &ServiceSpec) -> Result<Template, ApiError> {
    let (launch, secondaries) = launch_config::template_to_wire(&ours.name, &ours.template);
    if ours.kind == ServiceKind::Balancer {
        launch_config::balancer_from_wire(&launch)
    } else {
        launch_config::template_from_wire(&ours.name, &launch, &secondaries.into())
    }
}

/// Without the fingerprints of Rancher's client.
fn plain(template: &Template) -> Template {
    let mut template = template.clone();
    for spec in std::iter::once(&mut template.primary).chain(template.sidekicks.values_mut()) {
        spec.labels.remove(HASH);
    }
    template
}

/// What differs between two containers, in words.
fn members(ours: &ContainerSpec, theirs: &ContainerSpec) -> Vec<String> {
    if ours == theirs {
        return Vec::new();
    }
    let mut words = Vec::new();
    if ours.image != theirs.image {
        words.push(format!("image {} → {}", theirs.image, ours.image));
    }
    let (ours, theirs) = (launch_config::to_wire(ours), launch_config::to_wire(theirs));
    let empty = Map::new();
    let (ours, theirs) = (ours.as_object().unwrap_or(&empty), theirs.as_object().unwrap_or(&empty));
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names.into_iter().filter(|name| name.as_str() != "imageUuid") {
        let (ours, theirs) =
            (ours.get(name).unwrap_or(&Value::Null), theirs.get(name).unwrap_or(&Value::Null));
        if ours != theirs {
            words.push(member(name, ours, theirs));
        }
    }
    words
}

/// One member: of environment and labels the names, of everything else only that it differs.
fn member(name: &str, ours: &Value, theirs: &Value) -> String {
    if !matches!(name, "environment" | "labels" | "sysctls" | "tmpfs") {
        return spelled(name);
    }
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
    };
    let all = &keys(ours) | &keys(theirs);
    let differ: Vec<String> =
        all.into_iter().filter(|key| ours.get(key) != theirs.get(key)).collect();
    format!("{} ({})", spelled(name), differ.join(", "))
}

/// A member of the wire as the files spell it: `dataVolumes` is `volumes`, and `capAdd` is `cap_add`.
fn spelled(name: &str) -> String {
    match name {
        "dataVolumes" => return "volumes".to_owned(),
        "dataVolumesFromLaunchConfigs" => return "volumes_from".to_owned(),
        "entryPoint" => return "entrypoint".to_owned(),
        "networkLaunchConfig" => return "network_mode".to_owned(),
        "externalIpAddresses" => return "external_ips".to_owned(),
        _ => {}
    }
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ServiceSpec {
        let input = drover_compose::Input {
            docker_compose: vec![("c.yml".into(), text.into())],
            rancher_compose: None,
            variables: &|_| None,
            read: &|_| Err("no".into()),
            project: "s",
        };
        let mut stack = drover_compose::parse(&input).unwrap().stack;
        let at = stack.services.iter().position(|s| s.name == "web").unwrap();
        stack.services.remove(at)
    }

    fn web(more: &str) -> ServiceSpec {
        spec(&format!("version: '2'\nservices:\n  web:\n    image: nginx:1\n{more}"))
    }

    /// The service as the server would show it.
    fn held(of: &ServiceSpec) -> ServiceView {
        let (launch, secondaries) = launch_config::template_to_wire(&of.name, &of.template);
        let kind = if of.kind == ServiceKind::Balancer { "loadBalancerService" } else { "service" };
        let config = of
            .balancer
            .as_ref()
            .map(|named| balancer_to_wire(of.kind, &resolve(named, &|_| Some(ServiceId(7)))));
        ServiceView::read(&json!({
            "id": "1s5", "type": kind, "name": of.name, "launchConfig": launch,
            "secondaryLaunchConfigs": if secondaries.is_empty() { Value::Null } else { secondaries.into() },
            "metadata": of.metadata, "lbConfig": config, "retainIp": false,
        }))
    }

    fn check(ours: &ServiceSpec, theirs: &ServiceSpec, containers: &str, members: &str) {
        let found = compare(ours, &held(theirs), &|_| Some(ServiceId(7))).unwrap();
        assert_eq!((found.containers().as_str(), found.members().as_str()), (containers, members));
    }

    #[test]
    fn nothing_differs_from_itself() {
        let full = "    command: [a, b]\n    environment: {A: 1, B: ''}\n    ports: ['8080:80', '53/udp']\n    \
                    volumes: ['data:/d']\n    mem_limit: 10m\n    labels: {x: y}\n    cap_add: [ALL]\n";
        for text in ["", full] {
            check(&web(text), &web(text), "", "");
        }
    }

    #[test]
    fn containers() {
        let plain = web("");
        let mut v2 = web("");
        v2.template.primary.image = "nginx:2".into();
        check(&v2, &plain, "image nginx:1 → nginx:2", "");
        let secret = web("    environment: {PASSWORD: hunter2, SAME: 1}\n");
        let other = web("    environment: {PASSWORD: swordfish, SAME: 1}\n");
        check(&secret, &other, "environment (PASSWORD)", "");
        check(&plain, &secret, "environment (PASSWORD, SAME)", "");
        check(&web("    command: x\n    volumes: ['/d']\n"), &plain, "command, volumes", "");
        check(&web("    cap_add: [ALL]\n    labels: {a: b}\n"), &plain, "cap_add, labels (a)", "");
    }

    #[test]
    fn ranchers_fingerprints_say_nothing() {
        let plain = web("");
        let mut marked = held(&plain);
        marked.whole["launchConfig"]["labels"] = json!({ HASH: "abc" });
        marked.whole["metadata"] = json!({ HASH: "def" });
        assert_eq!(compare(&plain, &marked, &|_| None), Ok(Difference::default()));
    }

    #[test]
    fn sidekicks() {
        let with = |image: &str, name: &str| {
            web(&format!(
                "    labels: {{io.rancher.sidekicks: {name}}}\n  {name}:\n    image: {image}\n"
            ))
        };
        check(&with("b:2", "log"), &with("b:1", "log"), "sidekick log: image b:1 → b:2", "");
        check(
            &with("b", "log"),
            &with("b", "old"),
            "labels (io.rancher.sidekicks); sidekick log: new; sidekick old: not in the files",
            "",
        );
    }

    #[test]
    fn members_of_the_service_itself() {
        let mut ours = web("");
        ours.metadata.insert("a".into(), json!(1));
        ours.retain_ip = true;
        ours.selector_link = Some("a=b".into());
        check(&ours, &web(""), "", "metadata, retain_ip, selector_link");
        let found = compare(&ours, &held(&web("")), &|_| None).unwrap();
        assert_eq!(found.fields["metadata"], json!({ "a": 1 }));
        assert!(!found.needs_upgrade());
    }

    #[test]
    fn what_is_said_of_a_driver() {
        let driver =
            |scope: &str| Driver::Storage(json!({ "scope": scope }).as_object().unwrap().clone());
        let ours = ServiceSpec { driver: Some(driver("local")), ..web("") };
        let mut theirs = held(&ours);
        theirs.whole["type"] = json!("storageDriverService");
        theirs.whole["storageDriver"] = json!({ "scope": "local" });
        assert_eq!(compare(&ours, &theirs, &|_| None), Ok(Difference::default()));
        theirs.whole["storageDriver"] = json!({ "scope": "environment" });
        let found = compare(&ours, &theirs, &|_| None).unwrap();
        assert_eq!((found.members().as_str(), found.needs_upgrade()), ("storage_driver", false));
    }

    #[test]
    fn rules_of_a_balancer() {
        let rule = NamedRule {
            source_port: 80,
            service: Some("web".into()),
            target_port: Some(8080),
            ..NamedRule::default()
        };
        let named = NamedBalancer { rules: vec![rule], ..NamedBalancer::default() };
        let mut ours = web("");
        ours.kind = ServiceKind::Balancer;
        ours.balancer = Some(named);
        check(&ours, &ours, "", "");
        let elsewhere = compare(&ours, &held(&ours), &|_| Some(ServiceId(9))).unwrap();
        assert_eq!(elsewhere.fields["lbConfig"]["portRules"][0]["serviceId"], "1s9");
        // A target that has still to be made differs from every one there is.
        assert_eq!(compare(&ours, &held(&ours), &|_| None).unwrap().members(), "lb_config");
    }
}
