//! `up` without an upgrade: creating, leaving alone, saying what differs.

use serde_json::Value;

use crate::cluster::Cluster;

pub(crate) const FILES: &str = "version: '2'
services:
  lb:
    image: rancher/lb-service-haproxy
    ports: ['80:80']
  web:
    image: web:${VERSION:-1}
    environment: {MODE: prod, PASSWORD: hunter2}
    links: ['db:database']
  db:
    image: db:1
    volumes: ['data:/data']
volumes:
  data: {}
";
pub(crate) const RANCHER: &str = "version: '2'
services:
  lb:
    lb_config:
      port_rules:
        - {source_port: 80, service: web, target_port: 8080}
  web: {scale: 3}
";

pub(crate) async fn shop() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", FILES);
    cluster.write("rancher-compose.yml", RANCHER);
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_is_created_started_and_then_left_alone() {
    let cluster = shop().await;
    let first = cluster.drover("up").await.with(0);
    for line in [
        "creating stack shop",
        "creating volume data",
        "db: creating",
        "web: creating",
        "lb: creating",
        "web: starting",
        "web: running",
        "db: running",
        "lb: running",
    ] {
        assert!(first.out.contains(line), "{line}\n{}", first.out);
    }
    assert_eq!(cluster.units("web"), ["1/1/1 Running", "2/1/1 Running", "3/1/1 Running"]);
    let (web, db) = (cluster.service("web"), cluster.service("db"));
    assert_eq!(web.links[0].alias, "database");
    assert_eq!(cluster.service("lb").balancer.unwrap().rules[0].service, Some(web.id));
    assert_eq!(web.links[0].service, db.id);
    let before = cluster.store.world().revision;
    for line in ["up", "up -d", "up --upgrade", "up --upgrade --pull"] {
        let again = cluster.drover(line).await.with(0);
        assert_eq!(again.out, "nothing to do: db, web, lb are as in the files\n", "{line}");
    }
    cluster
        .drover("up --upgrade web")
        .await
        .with(0)
        .said(&["nothing to do: web is as in the files"]);
    assert_eq!(cluster.store.world().revision, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_is_said_and_not_applied() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    let changed = FILES.replace("hunter2", "swordfish").replace("db:1", "db:2");
    cluster.write("docker-compose.yml", &changed);
    let said = cluster.drover("up").await.with(0).said(&[
        "warning: db is out of sync with the files: image db:1 → db:2. Nothing of it was changed; to apply: \
         drover up --upgrade db",
        "warning: web is out of sync with the files: environment (PASSWORD).",
    ]);
    assert!(!format!("{said:?}").contains("swordfish"));
    assert_eq!(cluster.service("db").current.0, 1);
    let dry = cluster.drover("up --upgrade --dry-run").await.with(0);
    let would =
        "would upgrade db: image db:1 → db:2\nwould upgrade web: environment (PASSWORD)\nSERVICE ";
    assert!(dry.out.starts_with(would), "{}", dry.out);
    assert_eq!(cluster.service("db").current.0, 1);
}

/// One of each of the other kinds, foretold, made and left alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alias_an_external_service_and_a_driver_of_volumes() {
    let cluster = shop().await;
    let more = "  site:
    image: rancher/dns-service
    links: [web]
  outside:
    image: rancher/external-service
  nfs:
    image: nfs:1
volumes:
  data: {}
";
    let said = "  outside: {external_ips: [10.9.9.9]}
  nfs:
    storage_driver: {name: rancher-nfs, scope: environment, volume_access_mode: multiHostRW}
";
    cluster.write("docker-compose.yml", &FILES.replace("volumes:\n  data: {}\n", more));
    cluster.write("rancher-compose.yml", &format!("{RANCHER}{said}"));
    let dry = cluster.drover("up --dry-run").await.with(0);
    for name in ["lb", "site", "outside", "nfs"] {
        let is_made = |line: &str| line.split_whitespace().take(2).eq([name, "create"]);
        assert!(dry.out.lines().any(is_made), "{name}: {}", dry.out);
    }
    cluster.drover("up -d").await.with(0);
    let driver = serde_json::json!(cluster.service("nfs").driver);
    assert_eq!(driver["storage"]["volumeAccessMode"], "multiHostRW");
    let again = cluster.drover("up -d").await.with(0);
    assert!(!format!("{again:?}").contains("changing"), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_and_links_change_without_an_upgrade() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    cluster.write(
        "rancher-compose.yml",
        &RANCHER.replace("8080", "9090").replace("scale: 3", "scale: 5"),
    );
    cluster.write("docker-compose.yml", &FILES.replace("db:database", "db:store"));
    cluster.drover("up -d").await.with(0).said(&[
        "lb: changing lb_config",
        "web keeps its scale of 3, the files say 5; to change it: scale web=5",
    ]);
    assert_eq!(cluster.service("lb").balancer.unwrap().rules[0].target_port, Some(9090));
    let web = cluster.service("web");
    assert_eq!((web.links[0].alias.as_str(), web.scale, web.current.0), ("store", 3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_vanished_from_the_files_is_said_and_pruned_on_demand() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    let files =
        FILES.replace("  lb:\n    image: rancher/lb-service-haproxy\n    ports: ['80:80']\n", "");
    cluster.write("docker-compose.yml", &files);
    cluster.write("rancher-compose.yml", "version: '2'\nservices: {web: {scale: 3}}\n");
    cluster.drover("up").await.with(0).said(&["lb of the stack: not in the files", "up --prune"]);
    cluster.service("lb");
    cluster
        .drover("up --prune")
        .await
        .with(0)
        .said(&["lb: removing, not in the files", "lb: removed"]);
    let world = cluster.store.world();
    assert!(world.services.values().all(|s| s.name != "lb" || s.removed_at.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_service_brings_what_it_needs() {
    let cluster = shop().await;
    cluster.drover("up web").await.with(0).said(&["db: creating", "web: creating"]);
    let world = cluster.store.world();
    assert!(world.services.values().all(|s| s.name != "lb"));
    cluster.drover("create").await.with(0).said(&["lb: creating"]);
    assert_eq!(cluster.units("lb"), Vec::<String>::new());
    cluster.drover("create").await.with(0).said(&["nothing to create"]);
    cluster.drover("start lb").await.with(0).said(&["lb: running"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_for_programs() {
    let cluster = shop().await;
    let done = cluster.drover("up --json").await.with(0);
    let events: Vec<Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is = |event: &Value, name: &str, service: &str| {
        event["event"] == name && event["service"] == service
    };
    assert!(events.iter().any(|e| is(e, "step", "web") && e["action"] == "create"));
    assert!(events.iter().any(|e| is(e, "done", "web") && e["message"] == "running"));
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["status"]), (&"ended".into(), &0.into()));
    cluster.write("docker-compose.yml", "version: '2'\nservices:\n  web: {image: 'web:missing'}\n");
    cluster.write("rancher-compose.yml", "version: '2'\nservices: {}\n");
    let failed = cluster.drover("--json -p other up").await.with(7);
    let last: Value = serde_json::from_str(failed.out.lines().last().unwrap()).unwrap();
    assert_eq!(last["status"], 7);
    assert!(last["message"].as_str().unwrap().contains("no such image: web:missing"), "{last}");
    assert!(failed.err.starts_with("drover: web is stuck"), "{}", failed.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_with_status_3_and_the_server_goes_on() {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", "web:\n  image: web:slow\n");
    cluster.drover("up --timeout 1").await.with(3).said(&[
        "drover: time is up, and still on the way: web (activating",
        "pulling its image",
        "`drover wait` watches it again",
    ]);
    assert_eq!(cluster.units("web"), ["1/1/1 Running"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_depends_on_a_job_starts_when_that_has_ended_well() {
    let cluster = Cluster::start().await;
    let files = |image: &str| {
        format!(
            "version: '2'
services:
  web: {{image: 'web:1', depends_on: {{migrate: {{condition: service_completed_successfully}}}}}}
  migrate: {{image: '{image}', depends_on: {{db: {{condition: service_healthy}}}}}}
  db: {{image: 'db:1'}}
"
        )
    };
    cluster.write("docker-compose.yml", &files("crashes:1"));
    let stuck = cluster.drover("up -d").await.with(7);
    stuck.said(&[
        "web is stuck: web starts when migrate has ended with exit code 0: shop-migrate-1 ended with 1; correct it",
    ]);
    let why = cluster.drover("why web").await.with(0);
    assert_eq!(
        why.out,
        "web: activating, unhealthy, 0 of 1 run\n  because web starts when migrate has ended with exit code 0: shop-migrate-1 ended \
         with 1; correct it and upgrade it, or stop and start it to run it again\n  to mend what is said above, or go back to an earlier \
         configuration: drover history web, drover rollback web --to N\n"
    );
    assert_eq!(cluster.units("web"), [""; 0]);
    cluster.write("docker-compose.yml", &files("migrate:2"));
    cluster.drover("up -d --upgrade --confirm-upgrade").await.with(0);
    cluster.drover("wait web").await.with(0);
    assert_eq!(cluster.units("web"), ["1/1/1 Running"]);
}
