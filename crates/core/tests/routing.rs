//! What rules come to: which routes a balancer has, in which order, and who answers behind each. The facts are those
//! that Rancher's balancer is known by; which of the routes a request takes is the dataplane's `balancer/facts.rs`.
//! Where the answer here is another, the test's name or a comment says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use drover_core::derive::balancer_config;
use drover_core::{
    BalancerConfig, BalancerSpec, Certificate, Host, HostId, HostSeen, Observed, PortRule,
    ProjectId, Revision, RevisionNo, RuleProtocol, Service, ServiceId, ServiceKind, Slot, Template,
    Unit, UnitKey, World,
};
use serde_json::{Value, json};

/// The balancer's own number; services `s0`… are 100 and on.
const BALANCER: u64 = 1;

#[test]
fn rules_for_one_host_and_path_share_a_route() {
    check(
        "s0 80 www.abc1.com /service1.html
         s0 80 www.abc2.com /service2.html
         s1 80 www.abc1.com /service1.html
         s1 80 www.abc2.com /service2.html
         s2 80 www.abc3.com /service1.html
         s2 80 www.abc4.com /service2.html
         s3 80 www.abc3.com /service1.html
         s3 80 www.abc4.com /service2.html",
        "80 www.abc1.com /service1.html = s0 s1
         80 www.abc2.com /service2.html = s0 s1
         80 www.abc3.com /service1.html = s2 s3
         80 www.abc4.com /service2.html = s2 s3",
    );
    check(
        "s0 80 www.abc.com
         s2 80
         s3 80 - /service2.html
         s4 80 www.abc.com
         s4 80 www.abc1.com",
        "80 www.abc1.com - = s4
         80 www.abc.com - = s0 s4
         80 - /service2.html = s3
         80 - - = s2",
    );
}

#[test]
fn a_rule_makes_a_route_of_what_it_names() {
    check(
        "s0 80 www.abc1.com /service1.html
         s0 80 www.abc2.com /service2.html
         s1 80 www.abc1.com /service1.html
         s1 80 www.abc2.com /service2.html
         s2 80 www.abc1.com /name.html
         s2 80 www.abc2.com /name.html",
        "80 www.abc1.com /service1.html = s0 s1
         80 www.abc2.com /service2.html = s0 s1
         80 www.abc1.com /name.html = s2
         80 www.abc2.com /name.html = s2",
    );
    check(
        "s0 80 - /service1.html\ns1 80 - /service2.html",
        "80 - /service1.html = s0\n80 - /service2.html = s1",
    );
    check("s0 80 www.abc.com\ns1 80 www.abc1.com", "80 www.abc1.com - = s1\n80 www.abc.com - = s0");
    check("s0 80 www.abc.com\ns0 80 www.abc2.com", "80 www.abc2.com - = s0\n80 www.abc.com - = s0");
    check("s0 80 www.abc.com", "80 www.abc.com - = s0");
    check("s0 80 www.abc.com /shop", "80 www.abc.com /shop = s0");
}

#[test]
fn hosts_go_before_paths_and_paths_before_the_default() {
    check(
        "s0 80 www.abc.com
         s1 80 www.abc1.com
         s2 80
         s3 80 - /service1.html",
        "80 www.abc1.com - = s1
         80 www.abc.com - = s0
         80 - /service1.html = s3
         80 - - = s2",
    );
    check(
        "s0 80 *.domain.com
         s1 80 domain.*
         s2 80 abc.domain.com
         s3 80 abc.domain.com /service1.html
         s4 80 *.domain.com /service1.html",
        "80 abc.domain.com /service1.html = s3
         80 abc.domain.com - = s2
         80 *.domain.com /service1.html = s4
         80 *.domain.com - = s0
         80 domain.* - = s1",
    );
    check(
        "s0 80 *.domain.com
         s1 80 domain.*
         s2 80 abc.domain.com",
        "80 abc.domain.com - = s2
         80 *.domain.com - = s0
         80 domain.* - = s1",
    );
}

#[test]
fn where_the_rank_is_the_same_the_longer_path_goes_first_then_the_longer_host() {
    check(
        "s0 80 - /a
         s1 80 - /a/b
         s2 80 *.b.c
         s3 80 *.a.b.c
         s4 80 x.y
         s5 80 y.x",
        "80 x.y - = s4
         80 y.x - = s5
         80 *.a.b.c - = s3
         80 *.b.c - = s2
         80 - /a/b = s1
         80 - /a = s0",
    );
}

#[test]
fn a_star_elsewhere_is_no_wildcard() {
    check(
        "s0 80 *.com /a
         s1 80 w*w.com",
        "80 w*w.com - = s1
         80 *.com /a = s0",
    );
}

#[test]
fn priorities_go_before_everything_and_count_up() {
    check(
        "s0 80 *.com /service1.html 1
         s1 80 abc.domain.com /service1.html 2",
        "80 *.com /service1.html = s0
         80 abc.domain.com /service1.html = s1",
    );
    check(
        "s0 80 abc.com /service1.html
         s1 80 *.com /service1.html 9",
        "80 *.com /service1.html = s1
         80 abc.com /service1.html = s0",
    );
    check(
        "s0 80 fooff - 3
         s1 80 foo - 100
         s2 80 *.bar - 2
         s3 80 baz - 4
         s4 80 bazfsd - 1",
        "80 bazfsd - = s4
         80 *.bar - = s2
         80 fooff - = s0
         80 baz - = s3
         80 foo - = s1",
    );
    for rules in ["s0 80 *.fooff - 1\ns1 80 foo - 2", "s1 80 foo - 2\ns0 80 *.fooff - 1"] {
        check(rules, "80 *.fooff - = s0\n80 foo - = s1");
    }
}

#[test]
fn each_port_has_routes_of_its_own() {
    check(
        "s0 1000 www.abc1.com /service1.html
         s0 1001 www.abc1.com /service3.html
         s1 1000 www.abc2.com
         s1 1001 www.abc2.com
         s2 1000 - /service1.html
         s2 1001 - /service3.html
         s3 1000
         s3 1001",
        "1000 www.abc1.com /service1.html = s0
         1000 www.abc2.com - = s1
         1000 - /service1.html = s2
         1000 - - = s3
         1001 www.abc1.com /service3.html = s0
         1001 www.abc2.com - = s1
         1001 - /service3.html = s2
         1001 - - = s3",
    );
    check("s0 45 one\ns1 46 two", "45 one - = s0\n46 two - = s1");
    check("s0 45 one\ns1 45 two", "45 one - = s0\n45 two - = s1");
}

#[test]
fn a_tcp_port_knows_no_hosts_and_paths() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[(1, true)]);
    cluster.service(1, &[(1, true), (2, true)]);
    let rules = "s0 90 foo.com /foo\ns1 90 bar.com /bar".lines().map(rule);
    let tcp = rules.map(|rule| PortRule { protocol: RuleProtocol::Tcp, ..rule });
    let config = cluster.config(&tcp.collect::<Vec<_>>(), &[]);
    assert_eq!(lines(&config), "90 - - = s0 s1 s1");
}

/// Rancher sends to starting containers too, and lets the target's check find out. Here a target is ready first.
#[test]
fn units_that_do_not_serve_are_left_out() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[(1, true)]);
    cluster.service(1, &[(1, false)]);
    cluster.service(2, &[(1, true), (1, true)]);
    cluster.see(2, json!({ "phase": "starting", "ready": false }));
    let config = |cluster: &mut Cluster, rules: &[&str]| {
        let rules: Vec<_> = rules.iter().map(|line| rule(line)).collect();
        lines(&cluster.config(&rules, &[]))
    };
    assert_eq!(config(&mut cluster, &["s0 80", "s1 80"]), "80 - - = s0");
    assert_eq!(config(&mut cluster, &["s1 80"]), "80 - - =");
    assert_eq!(config(&mut cluster, &["s0 80", "s2 80"]), "80 - - = s0 s2");
}

#[test]
fn a_service_that_is_not_active_answers_nothing() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[(1, true)]);
    cluster.service(1, &[(1, true)]);
    cluster.edit(1, |service| service["wanted"] = json!("inactive"));
    assert_eq!(lines(&cluster.config(&["s0 80", "s1 80"].map(rule), &[])), "80 - - = s0");
}

#[test]
fn targets_here_are_all_or_first_where_the_label_asks() {
    for (wish, hosts, want) in [
        ("only-local", [1, 2], "80 - - = s0"),
        ("prefer-local", [1, 2], "80 - - = s0"),
        ("prefer-local", [2, 3], "80 - - = s0 s0"),
        ("only-local", [2, 3], "80 - - ="),
        ("any", [1, 2], "80 - - = s0 s0"),
    ] {
        let mut cluster = Cluster::new();
        cluster.service(0, &hosts.map(|host| (host, true)));
        let labels = [("io.rancher.lb_service.target", wish)];
        assert_eq!(lines(&cluster.config(&[rule("s0 80")], &labels)), want, "{wish} {hosts:?}");
    }
}

#[test]
fn an_external_service_answers_by_its_addresses_or_its_name() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[]);
    cluster.edit(0, |service| {
        service["kind"] = json!("external");
        service["external"] = json!({ "hostname": "google.com" });
    });
    let weighed = PortRule { weight: Some(100), ..rule("s0 80") };
    let config = cluster.config(&[weighed], &[]);
    let targets = &config.listeners[&80].routes[0].targets;
    let addresses: Vec<_> = targets.iter().map(|t| (t.address.as_str(), t.weight)).collect();
    assert_eq!(addresses, [("google.com:8080", 100)]);

    cluster.edit(0, |service| {
        service["external"] = json!({
            "addresses": ["192.0.2.1", "2001:db8::1"], "health_check": { "port": 9000 },
        });
    });
    let config = cluster.config(&[rule("s0 80")], &[]);
    let route = &config.listeners[&80].routes[0];
    let addresses: Vec<_> = route.targets.iter().map(|t| t.address.as_str()).collect();
    assert_eq!(addresses, ["192.0.2.1:8080", "[2001:db8::1]:8080"]);
    let checks: Vec<_> =
        route.targets.iter().filter_map(|t| Some(t.check.as_ref()?.port)).collect();
    assert_eq!(checks, [9000, 9000], "and is checked");

    // What shares its route is not checked by that.
    cluster.service(1, &[(1, true)]);
    let config = cluster.config(&["s0 80", "s1 80"].map(rule), &[]);
    let targets = &config.listeners[&80].routes[0].targets;
    let checked: Vec<_> = targets.iter().map(|target| target.check.is_some()).collect();
    assert_eq!(checked, [true, true, false]);
}

/// A balancer that sends to whatever other balancers send to.
#[test]
fn a_balancer_that_is_found_by_its_labels_is_asked_for_its_rules() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[(1, true)]);
    cluster.service(1, &[(1, true), (2, true)]);
    cluster.service(2, &[(3, true)]);
    let all =
        PortRule { source_port: 45, selector: Some("glb=yes".to_owned()), ..PortRule::default() };
    let found = |cluster: &mut Cluster, rule: &PortRule| {
        let config = cluster.config(std::slice::from_ref(rule), &[]);
        let targets = config.listeners.values().flat_map(|l| &l.routes).flat_map(|r| &r.targets);
        let ports: Vec<_> = targets.filter_map(|t| t.address.rsplit(':').next()).collect();
        format!("{} {}", lines(&config), ports.join(" "))
    };
    cluster.balancer(3, &["s0 80 foo.com /foo"]);
    cluster.balancer(4, &["s1 81 bar.com /bar 7"]);
    assert_eq!(
        found(&mut cluster, &all),
        "45 bar.com /bar = s1 s1\n45 foo.com /foo = s0 8080 8080 8080"
    );

    // What two of them say of one host and path is one route.
    cluster.balancer(4, &["s2 80 foo.com /foo"]);
    cluster.edit(4, |service| service["balancer"]["rules"][0]["target_port"] = json!(103));
    assert_eq!(found(&mut cluster, &all), "45 foo.com /foo = s0 s2 8080 103");
    cluster.edit(4, |service| service["wanted"] = json!("inactive"));
    assert_eq!(found(&mut cluster, &all), "45 foo.com /foo = s0 8080");

    // What is not HTTP has no place on this port, and those that ask each other end.
    cluster.balancer(4, &["s2 80", "s2 81 x.com"]);
    cluster.edit(4, |service| {
        service["balancer"]["rules"][0]["protocol"] = json!("tcp");
        let circle = &mut service["balancer"]["rules"][1];
        (circle["selector"], circle["target_port"]) = (json!("glb=yes"), Value::Null);
    });
    assert_eq!(found(&mut cluster, &all), "45 foo.com /foo = s0 8080");

    // With a port it is the balancer's own container that is sent to.
    cluster.unit(103, 1, true);
    let itself = PortRule { target_port: Some(80), ..all };
    assert_eq!(found(&mut cluster, &itself), "45 - - = s3 80");
}

#[test]
fn a_service_found_by_its_labels_says_itself_where_it_is() {
    let by_label = |own: Value, rule: PortRule| {
        let mut cluster = Cluster::new();
        cluster.service(0, &[(1, true)]);
        cluster.label(0, "foo", "bar");
        cluster.edit(0, |service| service["balancer"] = own.clone());
        let config = cluster.config(&[rule], &[]);
        let routes = config.listeners.values().flat_map(|listener| &listener.routes);
        let addresses = routes.flat_map(|r| &r.targets).map(|t| t.address.clone());
        let ports: Vec<_> =
            addresses.filter_map(|a| Some(a.rsplit_once(':')?.1.to_owned())).collect();
        let backends = config.listeners.values().flat_map(|listener| &listener.routes);
        let backends: Vec<_> = backends.map(|route| route.backend.clone()).collect();
        format!("{} {} {}", lines(&config), ports.join(" "), backends.join(" "))
    };
    let own = json!({ "rules": [
        { "hostname": "baz.com", "path": "/baz", "target_port": 46, "backend_name": "baz" }
    ] });
    let asks = |selector: &str, target_port, hostname: Option<&str>, path: Option<&str>| PortRule {
        source_port: 45,
        selector: Some(selector.to_owned()),
        target_port,
        hostname: hostname.map(str::to_owned),
        path: path.map(str::to_owned),
        ..PortRule::default()
    };
    assert_eq!(
        by_label(own.clone(), asks("foo=bar", None, None, None)),
        "45 baz.com /baz = s0 46 baz"
    );
    assert_eq!(
        by_label(Value::Null, asks("foo=bar", Some(46), Some("ab.com"), Some("/ab"))),
        "45 ab.com /ab = s0 46 45_ab_com__ab"
    );
    assert_eq!(by_label(own, asks("foo1=bar1", None, None, None)), "  ");
}

#[test]
fn a_backend_has_its_name_or_one_of_its_rule() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[(1, true)]);
    let named = PortRule { backend_name: Some("mybackend".to_owned()), ..rule("s0 45") };
    let config = cluster.config(&[named, rule("s0 45 *.a-b.com /x")], &[]);
    let backends: Vec<_> =
        config.listeners[&45].routes.iter().map(|route| route.backend.as_str()).collect();
    assert_eq!(backends, ["45___a_b_com__x", "mybackend"]);
}

#[test]
fn a_port_that_ends_tls_offers_the_certificates_of_its_balancer() {
    let mut cluster = Cluster::new();
    cluster.service(0, &[(1, true)]);
    cluster.certificate(1, "shop");
    cluster.certificate(2, "my default certificate");
    cluster.certificate(3, "of nobody");
    let secure = PortRule { protocol: RuleProtocol::Https, ..rule("s0 443") };
    let spec = BalancerSpec {
        rules: vec![secure, rule("s0 80")],
        certificates: vec!["Shop".to_owned()],
        default_certificate: Some("my default certificate".to_owned()),
        ..BalancerSpec::default()
    };
    let config = cluster.config_of(spec, &[]);
    let offered = |port: u16| {
        let listener = &config.listeners[&port];
        let default = listener.default_certificate.as_deref();
        (listener.certificates.join(" "), default.unwrap_or_default().to_owned())
    };
    assert_eq!(offered(443), ("Shop".to_owned(), "my default certificate".to_owned()));
    assert_eq!(offered(80), (String::new(), String::new()));
    assert_eq!(config.certificates.keys().collect::<Vec<_>>(), ["Shop", "my default certificate"]);
    assert_eq!(config.certificates["Shop"].chain, "pem of shop\n");
}

/// Rules as `target port [host [path [priority]]]`, `-` for none; routes as `port host path = targets`.
#[track_caller]
fn check(rules: &str, routes: &str) {
    let mut cluster = Cluster::new();
    (0..6).for_each(|number| cluster.service(number, &[(1, true)]));
    let rules: Vec<_> = rules.lines().map(rule).collect();
    let routes: Vec<_> = routes.lines().map(str::trim).collect();
    assert_eq!(lines(&cluster.config(&rules, &[])), routes.join("\n"));
}

fn rule(line: &str) -> PortRule {
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

fn lines(config: &BalancerConfig) -> String {
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

/// Three hosts, and services whose units are as they are.
struct Cluster {
    world: World,
    slots: u32,
}

impl Cluster {
    fn new() -> Self {
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
    fn service(&mut self, number: u64, units: &[(u64, bool)]) {
        self.put(100 + number, &format!("s{number}"), Template::default());
        for (host, serves) in units {
            self.slots += 1;
            self.unit(100 + number, *host, *serves);
        }
    }

    fn label(&mut self, number: u64, name: &str, value: &str) {
        let mut template = Template::default();
        template.primary.labels.insert(name.to_owned(), value.to_owned());
        self.put(100 + number, &format!("s{number}"), template);
    }

    fn edit(&mut self, number: u64, edit: impl FnOnce(&mut Value)) {
        let id = ServiceId(100 + number);
        let mut service = serde_json::to_value(&*self.world.services[&id]).expect("JSON");
        edit(&mut service);
        let service: Service = serde_json::from_value(service).expect("a service");
        self.world.services.insert(id, Arc::new(service));
    }

    /// Service `s<number>` as a balancer with rules, for others to find.
    fn balancer(&mut self, number: u64, rules: &[&str]) {
        self.label(number, "glb", "yes");
        let rules: Vec<PortRule> = rules.iter().map(|line| rule(line)).collect();
        self.edit(number, |service| {
            service["kind"] = json!("balancer");
            service["balancer"] = json!({ "rules": rules });
        });
    }

    fn certificate(&mut self, id: u64, name: &str) {
        let certificate: Certificate = serde_json::from_value(json!({
            "id": id, "project": 1, "name": name, "certificate": format!("pem of {name}\n"),
            "key": "k", "created_at": 0,
        }))
        .expect("what is needed is there");
        self.world.certificates.insert(certificate.id, Arc::new(certificate));
    }

    /// The last unit of service `s<number>` was seen otherwise.
    fn see(&mut self, number: u64, otherwise: Value) {
        let keys = self.world.observed.keys().filter(|key| key.service.0 == 100 + number);
        let key = *keys.max().expect("a unit");
        let mut seen = serde_json::to_value(&*self.world.observed[&key]).expect("JSON");
        let Value::Object(otherwise) = otherwise else { panic!("fields") };
        otherwise.into_iter().for_each(|(field, value)| seen[field] = value);
        let seen: Observed = serde_json::from_value(seen).expect("an observation");
        self.world.observed.insert(key, Arc::new(seen));
    }

    /// The configuration of a balancer on the first host.
    fn config(&mut self, rules: &[PortRule], labels: &[(&str, &str)]) -> BalancerConfig {
        let spec = BalancerSpec { rules: rules.to_vec(), ..BalancerSpec::default() };
        self.config_of(spec, labels)
    }

    fn config_of(&mut self, spec: BalancerSpec, labels: &[(&str, &str)]) -> BalancerConfig {
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

    fn put(&mut self, id: u64, name: &str, template: Template) {
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
            created_at: drover_core::Time(0),
        };
        self.world.revisions.insert((service.id, RevisionNo(1)), Arc::new(revision));
        self.world.services.insert(service.id, Arc::new(service));
    }

    fn unit(&mut self, service: u64, host: u64, serves: bool) -> UnitKey {
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
