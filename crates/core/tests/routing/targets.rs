//! Who answers behind a route.

use drover_core::PortRule;
use serde_json::{Value, json};

use crate::cluster::{Cluster, lines, rule};

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
