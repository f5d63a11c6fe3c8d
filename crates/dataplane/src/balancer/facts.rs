//! What Rancher's balancer is known to answer, as a table. The routes of each case stand in the order a config
//! has them; whoever derives configs is tested for that order.

use std::collections::{BTreeMap, BTreeSet};

use drover_core::{BalancerConfig, Listener, RevisionNo, Route, ServiceId, Slot, Target, UnitKey};

use super::board::Board;
use super::choice::Asker;
use super::table::Table;

#[test]
fn services_with_the_same_host_and_path_share_a_route() {
    check(
        "80 www.abc1.com /service1.html = s0 s1
         80 www.abc2.com /service2.html = s0 s1
         80 www.abc3.com /service1.html = s2 s3
         80 www.abc4.com /service2.html = s2 s3",
        "80 www.abc1.com /service1.html = s0 s1
         80 www.abc2.com /service2.html = s0 s1
         80 www.abc3.com /service1.html = s2 s3
         80 www.abc4.com /service2.html = s2 s3",
    );
}

#[test]
fn a_known_host_with_an_unknown_path_is_nobodys() {
    check(
        "80 www.abc1.com /service1.html = s0 s1
         80 www.abc2.com /service2.html = s0 s1
         80 www.abc1.com /name.html = s2
         80 www.abc2.com /name.html = s2",
        "80 www.abc1.com /service1.html = s0 s1
         80 www.abc2.com /service2.html = s0 s1
         80 www.abc1.com /name.html = s2
         80 www.abc2.com /name.html = s2
         80 www.abc1.com /service2.html = 503
         80 www.abc2.com /service1.html = 503",
    );
}

#[test]
fn a_route_without_a_host_serves_every_host() {
    check(
        "80 - /service1.html = s0
         80 - /service2.html = s1",
        "80 www.abc1.com /service1.html = s0
         80 www.abc2.com /service1.html = s0
         80 192.0.2.1:80 /service1.html = s0
         80 www.abc3.com /service2.html = s1
         80 www.abc2.com /service2.html = s1
         80 www.abc3.com /name.html = 503",
    );
}

#[test]
fn a_route_without_a_path_serves_every_path() {
    check(
        "80 www.abc.com - = s0
         80 www.abc1.com - = s1",
        "80 www.abc.com /service1.html = s0
         80 www.abc.com /service2.html = s0
         80 www.abc1.com /name.html = s1
         80 www.abc2.com /name.html = 503",
    );
}

#[test]
fn a_host_goes_before_a_path_and_a_path_before_the_default() {
    check(
        "80 www.abc.com - = s0
         80 www.abc1.com - = s1
         80 - /service1.html = s3
         80 - - = s2",
        "80 www.abc.com /service2.html = s0
         80 www.abc1.com /name.html = s1
         80 www.abc2.com /name.html = s2
         80 www.abc3.com /service1.html = s3
         80 www.abc.com /service1.html = s0",
    );
}

#[test]
fn a_host_shared_by_two_services_beside_a_default() {
    check(
        "80 www.abc.com - = s0 s4
         80 www.abc1.com - = s4
         80 - /service2.html = s3
         80 - - = s2",
        "80 www.abc.com /service1.html = s0 s4
         80 www.abc1.com /name.html = s4
         80 www.abc2.com /name.html = s2
         80 www.abc3.com /service2.html = s3",
    );
}

#[test]
fn a_host_is_known_while_a_route_names_it() {
    let asked = "80 www.abc.com /service2.html = s0";
    check(
        "80 www.abc.com - = s0
         80 www.abc2.com - = s0",
        &format!("{asked}\n80 www.abc2.com /name.html = s0\n80 www.abc3.com /name.html = 503"),
    );
    check("80 www.abc.com - = s0", &format!("{asked}\n80 www.abc2.com /name.html = 503"));
}

#[test]
fn each_port_has_routes_and_a_default_of_its_own() {
    check(
        "1000 www.abc1.com /service1.html = s0
         1000 www.abc2.com - = s1
         1000 - /service1.html = s2
         1000 - - = s3
         1001 www.abc1.com /service3.html = s0
         1001 www.abc2.com - = s1
         1001 - /service3.html = s2
         1001 - - = s3",
        "1000 www.abc1.com /service1.html = s0
         1000 www.abc1.com /service2.html = s3
         1000 www.abc2.com /service1.html = s1
         1000 www.abc2.com /service2.html = s1
         1001 www.abc2.com /service3.html = s1
         1001 www.abc1.com /service3.html = s0
         1000 www.abc4.com /service1.html = s2
         1001 www.abc4.com /service3.html = s2
         1000 www.abc3.com /service2.html = s3
         1001 www.abc3.com /name.html = s3
         1002 www.abc1.com /service1.html = 503",
    );
}

#[test]
fn wildcards_are_suffixes_or_prefixes() {
    check(
        "80 abc.domain.com - = s2
         80 *.domain.com - = s0
         80 domain.* - = s1",
        "80 abc.domain.com /name.html = s2
         80 abc.def.domain.com /service1.html = s0
         80 domain.abc.def.com /service1.html = s1
         80 domain.abc.com /name.html = s1",
    );
}

#[test]
fn wildcards_come_after_exact_hosts_and_paths_before_none() {
    check(
        "80 abc.domain.com /service1.html = s3
         80 abc.domain.com - = s2
         80 *.domain.com /service1.html = s4
         80 *.domain.com - = s0
         80 domain.* - = s1",
        "80 abc.def.domain.com /service1.html = s4
         80 abc.def.domain.com /name.html = s0
         80 domain.abc.com /service1.html = s1
         80 domain.def.com /service1.html = s1
         80 abc.domain.com /name.html = s2
         80 abc.domain.com /service1.html = s3",
    );
}

#[test]
fn the_config_s_order_decides_even_against_the_more_exact() {
    check(
        "80 *.com /service1.html = s0
         80 abc.domain.com /service1.html = s1",
        "80 abc.domain.com /service1.html = s0
         80 xyz.com /service1.html = s0
         80 abc.domain.com /service2.html = 503",
    );
}

#[test]
fn a_path_is_a_prefix_and_case_and_port_do_not_count() {
    check(
        "80 www.abc.com /shop = s0",
        "80 www.abc.com /shop = s0
         80 www.abc.com /shopping/cart = s0
         80 www.abc.com /SHOP/1 = s0
         80 WWW.abc.com /shop = s0
         80 www.abc.com:80 /shop = s0
         80 www.abc.com /sho = 503",
    );
}

#[test]
fn a_route_that_nobody_serves_takes_its_requests_all_the_same() {
    check("80 www.abc.com - =\n80 - - = s1", "80 www.abc.com / = 503\n80 other / = s1");
}

/// Lines of `port host path = services`; `-` is none, 503 nobody.
fn check(routes: &str, requests: &str) {
    let table = Table::default().next(&config(routes), &Board::default());
    for line in requests.lines() {
        let (port, host, path, want) = parse(line);
        let want: BTreeSet<&str> = want.into_iter().filter(|name| *name != "503").collect();
        let route = table.route(port, host, path);
        let answers: Vec<_> = route
            .iter()
            .flat_map(|r| (0..4).filter_map(|_| r.choose_for(Asker::ANYBODY, &[])))
            .collect();
        let answers: BTreeSet<&str> = answers.iter().map(|t| t.address.as_str()).collect();
        assert_eq!(answers, want, "{line}");
    }
}

fn config(routes: &str) -> BalancerConfig {
    let mut listeners: BTreeMap<u16, Listener> = BTreeMap::new();
    for line in routes.lines() {
        let (port, host, path, services) = parse(line);
        let text = |word: &str| Some(word.to_owned()).filter(|word| word != "-");
        let targets = services.into_iter().map(target).collect();
        let route = Route { hostname: text(host), path: text(path), targets, ..Route::default() };
        listeners.entry(port).or_default().routes.push(route);
    }
    BalancerConfig { listeners, ..BalancerConfig::default() }
}

fn parse(line: &str) -> (u16, &str, &str, Vec<&str>) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [port, host, path, "=", services @ ..] = &words[..] else { panic!("{line}") };
    (port.parse().unwrap(), host, path, services.to_vec())
}

fn target(service: &str) -> Target {
    let unit = UnitKey {
        service: ServiceId(service[1..].parse().unwrap()),
        slot: Slot::Number(1),
        revision: RevisionNo(1),
        incarnation: 1,
    };
    Target { unit, address: service.to_owned(), host: None, weight: 1, check: None }
}
