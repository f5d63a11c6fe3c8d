//! Services and a balancer before them, and words for its rules and routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::derive::balancer_config;
use drover_core::{
    BalancerConfig, BalancerSpec, Certificate, Host, HostId, HostSeen, Observed, PortRule,
    ProjectId, Revision, RevisionNo, Service, ServiceId, ServiceKind, Slot, Template, Unit,
    UnitKey, World,
};
use serde_json::{Value, json};

/// The balancer's own number; services `s0`… are 100 and on.
pub(crate) const BALANCER: u64 = 1;

/// Three hosts, and services whose units are as they are.
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) slots: u32,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        for number in 1..=3 {
            let host = Host {
                id: HostId(number),
                project: ProjectId(1),
                identity: format!("i{number}"),
                hostname: format!("h{number}"),
                name: String::new(),
                description: String::new(),
                labels: BTreeMap::new(),
                address: format!("10.0.0.{number}"),
                subnet: Some(format!("10.42.{number}.0/24")),
                active: true,
                evacuation: None,
                memory_limit: None,
                milli_cpu_limit: None,
                created_at: drover_core::Time(0),
                removed_at: None,
            };
            let seen = HostSeen { connected: true, ..HostSeen::default() };
            world.hosts.insert(host.id, Arc::new(host));
            world.seen.insert(HostId(number), Arc::new(seen));
        }
        Self { world, slots: 0 }
    }

    /// Service `s<number>` with units on these hosts, serving or not.
    pub(crate) fn service(&mut self, number: u64, units: &[(u64, bool)]) {
        self.put(100 + number, &format!("s{number}"), Template::default());
        for (host, serves) in units {
            self.slots += 1;
            self.unit(100 + number, *host, *serves);
        }
    }

    pub(crate) fn label(&mut self, number: u64, name: &str, value: &str) {
        let mut template = Template::default();
        template.primary.labels.insert(name.to_owned(), value.to_owned());
        self.put(100 + number, &format!("s{number}"), template);
    }

    pub(crate) fn edit(&mut self, number: u64, edit: impl FnOnce(&mut Value)) {
        let id = ServiceId(100 + number);
        let mut service = serde_json::to_value(&*self.world.services[&id]).expect("JSON");
        edit(&mut service);
        let service: Service = serde_json::from_value(service).expect("a service");
        self.world.services.insert(id, Arc::new(service));
    }

    /// Service `s<number>` as a balancer with rules, for others to find.
    pub(crate) fn balancer(&mut self, number: u64, rules: &[&str]) {
        self.label(number, "glb", "yes");
        let rules: Vec<PortRule> = rules.iter().map(|line| rule(line)).collect();
        self.edit(number, |service| {
            service["kind"] = json!("balancer");
            service["balancer"] = json!({ "rules": rules });
        });
    }

    pub(crate) fn certificate(&mut self, id: u64, name: &str) {
        let certificate: Certificate = serde_json::from_value(json!({
            "id": id, "project": 1, "name": name, "certificate": format!("pem of {name}\n"),
            "key": "k", "created_at": 0,
        }))
        .expect("what is needed is there");
        self.world.certificates.insert(certificate.id, Arc::new(certificate));
    }

    /// The last unit of service `s<number>` was seen otherwise.
    pub(crate) fn see(&mut self, number: u64, otherwise: Value) {
        let keys = self.world.observed.keys().filter(|key| key.service.0 == 100 + number);
        let key = *keys.max().expect("a unit");
        let mut seen = serde_json::to_value(&*self.world.observed[&key]).expect("JSON");
        let Value::Object(otherwise) = otherwise else { panic!("fields") };
        otherwise.into_iter().for_each(|(field, value)| seen[field] = value);
        let seen: Observed = serde_json::from_value(seen).expect("an observation");
        self.world.observed.insert(key, Arc::new(seen));
    }

    /// The configuration of a balancer on the first host.
    pub(crate) fn config(&mut self, rules: &[PortRule], labels: &[(&str, &str)]) -> BalancerConfig {
        let spec = BalancerSpec { rules: rules.to_vec(), ..BalancerSpec::default() };
        self.config_of(spec, labels)
    }

    pub(crate) fn config_of(
        &mut self,
        spec: BalancerSpec,
        labels: &[(&str, &str)],
    ) -> BalancerConfig {
        let mut template = Template::default();
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        template.primary.labels.extend(labels);
        self.put(BALANCER, "lb", template);
        let id = ServiceId(BALANCER);
        let mut service = (*self.world.services[&id]).clone();
        service.kind = ServiceKind::Balancer;
        service.balancer = Some(spec);
        self.world.services.insert(id, Arc::new(service));
        self.slots = 0;
        let unit = self.unit(BALANCER, 1, true);
        balancer_config(&self.world, unit)
    }

    pub(crate) fn put(&mut self, id: u64, name: &str, template: Template) {
        let service: Service = serde_json::from_value(json!({
            "id": id, "project": 1, "stack": 2, "name": name, "kind": "containers", "scale": 1,
            "wanted": "active", "current": 1, "created_at": 0,
        }))
        .expect("what is needed is there");
        let revision = Revision {
            service: service.id,
            number: RevisionNo(1),
            template: Arc::new(template),
            pins: BTreeMap::new(),
            by: "test".to_owned(),
            reason: String::new(),
            created_at: drover_core::Time(0),
        };
        self.world.revisions.insert((service.id, RevisionNo(1)), Arc::new(revision));
        self.world.services.insert(service.id, Arc::new(service));
    }

    pub(crate) fn unit(&mut self, service: u64, host: u64, serves: bool) -> UnitKey {
        let key = UnitKey {
            service: ServiceId(service),
            slot: Slot::Number(self.slots),
            revision: RevisionNo(1),
            incarnation: 1,
        };
        let unit: Unit = serde_json::from_value(json!({
            "key": key, "host": host, "desired": "running", "generation": 1, "serial": 1,
            "created_at": 0,
        }))
        .expect("what is needed is there");
        let address = format!("10.42.{host}.{}", 10 + self.slots);
        let phase = if serves { "running" } else { "stopped" };
        let observed: Observed = serde_json::from_value(json!({
            "generation": 1, "tick": 1, "phase": phase, "ready": serves,
            "containers": { "": { "address": address, "running": serves } },
        }))
        .expect("what is needed is there");
        self.world.units.insert(key, Arc::new(unit));
        self.world.observed.insert(key, Arc::new(observed));
        key
    }
}

pub(crate) fn rule(line: &str) -> PortRule {
    let mut words = line.split_whitespace();
    let target: u64 = words.next().expect("a target")[1..].parse().expect("s and a number");
    let source_port = words.next().expect("a port").parse().expect("a port");
    let mut text = || words.next().filter(|word| *word != "-").map(str::to_owned);
    PortRule {
        source_port,
        service: Some(ServiceId(100 + target)),
        target_port: Some(8080),
        hostname: text(),
        path: text(),
        priority: text().map(|priority| priority.parse().expect("a number")),
        ..PortRule::default()
    }
}

pub(crate) fn lines(config: &BalancerConfig) -> String {
    let mut lines = Vec::new();
    for (port, listener) in &config.listeners {
        for route in &listener.routes {
            let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let mut line = format!("{port} {} {} =", word(&route.hostname), word(&route.path));
            for target in &route.targets {
                line = format!("{line} s{}", target.unit.service.0 - 100);
            }
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// Rules as `target port [host [path [priority]]]`, `-` for none; routes as `port host path = targets`.
#[track_caller]
pub(crate) fn check(rules: &str, routes: &str) {
    let mut cluster = Cluster::new();
    (0..6).for_each(|number| cluster.service(number, &[(1, true)]));
    let rules: Vec<_> = rules.lines().map(rule).collect();
    let routes: Vec<_> = routes.lines().map(str::trim).collect();
    assert_eq!(lines(&cluster.config(&rules, &[])), routes.join("\n"));
}
