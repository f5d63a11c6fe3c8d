//! What stands in the catalog that Consul's clients read: names, ids, addresses and tags, as registrator would register
//! the same containers.

use std::sync::Arc;

use drover_api::consul::{self, Catalog, Choice, catalog};
use drover_core::HostId;
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};

/// Services of the stack `shop`, up on one host at 10.0.0.1; containers are at 10.42.0.9.
fn up(services: &[(&str, Value)]) -> Bench {
    let mut bench = Bench::new(1);
    let stack = bench.ask("POST ~/stacks", json!({ "name": "shop" }), 201)["id"].clone();
    for (name, more) in services {
        let mut body = json!({ "name": name, "stackId": stack, "startOnCreate": true, "scale": 1 });
        more.as_object().unwrap().iter().for_each(|(key, value)| body[key] = value.clone());
        bench.ask("POST ~/services", body, 201);
    }
    bench.settle();
    let seen: Vec<_> = bench.world.observed.iter().map(|(k, seen)| (*k, seen.clone())).collect();
    for (key, mut seen) in seen {
        let containers = &mut Arc::make_mut(&mut seen).containers;
        for held in containers.values_mut() {
            held.address = "10.42.0.9".into();
        }
        bench.world.observed.insert(key, seen);
    }
    bench
}

/// Instances as `name id address:port tags`.
fn lines(catalog: &Catalog) -> Vec<String> {
    let all = catalog.services.iter().flat_map(|(name, all)| all.iter().map(move |i| (name, i)));
    let line = |(name, i): (&String, &consul::Instance)| {
        format!("{name} {} {}:{} {}", i.id, i.address, i.port, i.tags.join("+"))
    };
    all.map(|held| line(held).trim_end().to_owned()).collect()
}

#[track_caller]
fn check(launch: Value, more: &Value, want: &[&str]) {
    let mut config = json!({ "imageUuid": "docker:acme/app:1" });
    launch.as_object().unwrap().iter().for_each(|(key, value)| config[key] = value.clone());
    let mut body = more.clone();
    body["launchConfig"] = config;
    assert_eq!(lines(&catalog(&up(&[("web", body)]).world, PROJECT)), want);
}

#[test]
fn a_port_is_an_instance_at_its_host() {
    let none = json!({});
    check(json!({}), &none, &[]);
    check(json!({ "ports": ["8080:80"] }), &none, &["web Default:shop-web-1:80 10.0.0.1:8080"]);
    check(
        json!({ "ports": ["8080:80", "53:53/udp"] }),
        &none,
        &[
            "web-53 Default:shop-web-1:53:udp 10.0.0.1:53 udp",
            "web-80 Default:shop-web-1:80 10.0.0.1:8080",
        ],
    );
    check(
        json!({ "ports": ["8080:80"] }),
        &json!({ "scale": 1, "secondaryLaunchConfigs": [
            { "name": "stats", "imageUuid": "docker:acme/stats:1", "ports": ["9100:9100"] }
        ] }),
        &[
            "web Default:shop-web-1:80 10.0.0.1:8080",
            "web-stats Default:shop-web-stats-1:9100 10.0.0.1:9100",
        ],
    );
}

#[test]
fn labels_and_variables_say_how_it_is_called() {
    let none = json!({});
    check(
        json!({ "ports": ["8080:80"], "labels": { "SERVICE_NAME": "site", "SERVICE_TAGS": "blue,v1" } }),
        &none,
        &["site Default:shop-web-1:80 10.0.0.1:8080 blue+v1"],
    );
    check(
        json!({
            "ports": ["8080:80", "8443:443", "9000:9000"],
            "environment": { "SERVICE_NAME": "site", "SERVICE_443_TAGS": "tls" },
            "labels": { "SERVICE_80_NAME": "plain", "SERVICE_80_ID": "p1", "SERVICE_9000_IGNORE": "1" },
        }),
        &none,
        &["plain p1 10.0.0.1:8080", "site-443 Default:shop-web-1:443 10.0.0.1:8443 tls"],
    );
    check(json!({ "ports": ["8080:80"], "labels": { "SERVICE_IGNORE": "x" } }), &none, &[]);
}

#[test]
fn what_publishes_nothing_is_where_its_container_is() {
    let none = json!({});
    let expose = |network: &str| json!({ "expose": ["9100"], "networkMode": network });
    check(expose("managed"), &none, &["web Default:shop-web-1:9100 10.42.0.9:9100"]);
    check(expose("host"), &none, &["web Default:shop-web-1:9100 10.0.0.1:9100"]);
    // An address on Docker's own bridge means something else on every host.
    check(expose("bridge"), &none, &[]);
}

#[test]
fn instances_are_chosen_by_tag_and_by_their_node_s_labels() {
    let port = |port: u16, tags: &str| {
        json!({ "launchConfig": {
            "imageUuid": "docker:a:1", "ports": [format!("{port}:80")],
            "labels": { "SERVICE_NAME": "web", "SERVICE_TAGS": tags },
        } })
    };
    let mut bench = up(&[("one", port(8001, "a,b")), ("two", port(8002, "a"))]);
    let host = bench.world.hosts.keys().next().copied().unwrap_or(HostId(0));
    let mut with_label = (*bench.world.hosts[&host]).clone();
    with_label.labels.insert("rack".into(), "r1".into());
    bench.world.hosts.insert(host, Arc::new(with_label));
    let held = catalog(&bench.world, PROJECT);
    let ports = |tags: &[&'static str], node_meta: &[(&'static str, &'static str)]| {
        let choice = Choice { tags: tags.to_vec(), node_meta: node_meta.to_vec(), passing: true };
        let found = consul::health(&held, "web", &choice, 1);
        let found = found.as_array().unwrap().clone();
        found.iter().map(|one| one["Service"]["Port"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ports(&[], &[]), [8001, 8002]);
    assert_eq!(ports(&["A"], &[]), [8001, 8002]);
    assert_eq!(ports(&["a", "b"], &[]), [8001]);
    assert_eq!(ports(&[], &[("rack", "r1")]), [8001, 8002]);
    assert_eq!(ports(&[], &[("rack", "r2")]), Vec::<u64>::new());
    let elsewhere = Choice { node_meta: vec![("rack", "r2")], ..Choice::default() };
    assert_eq!(consul::services(&held, &elsewhere), json!({}));
    assert_eq!(consul::services(&held, &Choice::default()), json!({ "web": ["a", "b"] }));
    assert_eq!(consul::nodes(&held, &elsewhere, 1), json!([]));
}
