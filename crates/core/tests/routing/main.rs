//! What rules come to: which routes a balancer has, in which order, and who answers behind each. The facts are those
//! that Rancher's balancer is known by; which of the routes a request takes is the dataplane's `balancer/facts.rs`.
//! Where the answer here is another, the test's name or a comment says so.

mod cluster;
mod targets;

use drover_core::{BalancerSpec, PortRule, RuleProtocol};

use crate::cluster::{Cluster, check, lines, rule};

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
