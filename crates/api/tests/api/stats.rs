//! Links to statistics: where they lead, and what is measured then.

use std::sync::Arc;

use drover_api::{Caller, Source, StatsOf, Then};
use drover_core::{Grant, HostId, HostSeen, ProjectId, ServiceId};
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT};
use crate::one::One;

fn caller(grant: Grant) -> Caller {
    Caller { access: "key".into(), grant, within: None }
}

/// Follow a link; what is to be measured then, by id.
fn follow(bench: &mut Bench, link: &str) -> (StatsOf, Vec<String>) {
    bench.ask(&format!("GET {link}"), Value::Null, 200);
    let Some(Then::Stats(of)) = bench.then else { panic!("{link}: {:?}", bench.then) };
    let sources = of.sources(&bench.world, &caller(Grant::Admin)).unwrap();
    (of, sources.into_iter().map(|source| source.id).collect())
}

#[test]
fn where_links_lead() {
    let mut one = One::new(2);
    let web = one.run("web", &json!({ "scale": 2 }));
    one.run("db", &json!({}));
    let bench = &mut one.bench;
    let all = bench.get("~/containers")["data"].as_array().unwrap().clone();
    let ids = |of: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let ids = all.iter().filter(|c| of(c)).map(|c| c["id"].as_str().unwrap().to_owned());
        ids.collect()
    };
    let container = ids(&|c| c["serviceId"] == web.as_str())[0].clone();
    let hosts: Vec<String> = bench.world.hosts.keys().map(|id| format!("1h{id}")).collect();
    let check = |bench: &mut Bench, link: &str, is_of_hosts, want: &[String]| {
        let (of, mut got) = follow(bench, link);
        got.sort_unstable();
        let mut want = want.to_vec();
        want.sort_unstable();
        assert_eq!((of.is_of_hosts(), got), (is_of_hosts, want), "{link}");
    };
    check(
        bench,
        &format!("~/containers/{container}/containerstats"),
        false,
        std::slice::from_ref(&container),
    );
    check(
        bench,
        &format!("~/instances/{container}/containerStats"),
        false,
        std::slice::from_ref(&container),
    );
    check(
        bench,
        &format!("~/services/{web}/containerstats"),
        false,
        &ids(&|c| c["serviceId"] == web.as_str()),
    );
    for host in &hosts {
        check(
            bench,
            &format!("~/hosts/{host}/containerstats"),
            false,
            &ids(&|c| c["hostId"] == host.as_str()),
        );
        check(bench, &format!("~/hosts/{host}/hoststats"), true, std::slice::from_ref(host));
    }
    check(bench, "~/projects/1a1/containerstats", false, &ids(&|_| true));
    check(bench, "~/projects/1a1/hoststats", true, &hosts);
    // As the resource says, and no other.
    let shown = bench.get(&format!("~/services/{web}"));
    assert_eq!(
        shown["links"]["containerStats"],
        format!("http://h/v2-beta/projects/1a1/services/{web}/containerstats")
    );
    for link in [format!("~/services/{web}/hoststats"), "~/services/1s99/containerstats".to_owned()]
    {
        bench.ask(&format!("GET {link}"), Value::Null, 404);
    }
    // Statistics are no rows that could be shown in others.
    let shown = bench.get(&format!("~/services/{web}?include=containerStats"));
    assert!(shown.get("containerStats").is_none());
}

#[test]
fn what_is_measured_follows_the_snapshot() {
    let mut one = One::new(2);
    let web = one.run("web", &json!({ "scale": 2 }));
    let of = StatsOf::Service(ServiceId(web[2..].parse().unwrap()));
    let admin = caller(Grant::Admin);
    let sources = |one: &One, of: StatsOf| of.sources(&one.bench.world, &admin);
    let both = sources(&one, of).unwrap();
    let on: Vec<HostId> = both.iter().map(|source| source.host).collect();
    assert_eq!(both.len(), 2);
    let Source { container, .. } = &both[0];
    assert!(container.ends_with('-'), "Docker's id: {container}");

    // Nobody waits for a host that is away.
    let seen = one.bench.world.seen[&on[0]].clone();
    let away = HostSeen { connected: false, ..(*seen).clone() };
    one.bench.world.seen.insert(on[0], Arc::new(away));
    let left: Vec<HostId> = sources(&one, of).unwrap().iter().map(|source| source.host).collect();
    assert_eq!(left, [on[1]]);
    assert_eq!(sources(&one, StatsOf::Hosts(PROJECT)).unwrap().len(), 1);
    one.bench.world.seen.insert(on[0], seen);

    // What does not run uses nothing.
    one.act(&web, "deactivate", Value::Null, 202);
    one.bench.settle();
    assert_eq!(sources(&one, of), Some(Vec::new()));
    // Who may not see the project is told nothing of it; nor is anybody of what is gone.
    let stranger = caller(Grant::Project(ProjectId(99)));
    assert_eq!(of.sources(&one.bench.world, &stranger), None);
    one.bench.ask(&format!("DELETE ~/services/{web}"), Value::Null, 200);
    one.bench.settle();
    assert_eq!(sources(&one, of), None);
    assert_eq!(sources(&one, StatsOf::Host(HostId(99))), None);
    assert_eq!(sources(&one, StatsOf::Container(1 << 50)), None);
}
