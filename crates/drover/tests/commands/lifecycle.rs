//! Stopping, starting, scaling, restarting, removing, looking.

use crate::cluster::Cluster;
use crate::up::shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_start_restart_scale() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    cluster.drover("stop web").await.with(0).said(&["web: stopping", "web: stopped"]);
    assert_eq!(cluster.units("web"), ["1/1/1 Stopped", "2/1/1 Stopped", "3/1/1 Stopped"]);
    cluster.drover("stop web").await.with(0).said(&["nothing to stop"]);
    cluster.drover("start").await.with(0).said(&["web: running"]);
    cluster
        .drover("scale web=5")
        .await
        .with(0)
        .said(&["web: scaling from 3 to 5", "web: running at scale 5"]);
    assert_eq!(cluster.units("web").len(), 5);
    cluster.drover("scale web=1").await.with(0).said(&["web: running at scale 1"]);
    cluster.drover("restart web").await.with(0).said(&["web: restarted"]);
    cluster
        .drover("scale nobody=2")
        .await
        .with(1)
        .said(&["No such service: nobody; the stack has"]);
    cluster.drover("scale web").await.with(2).said(&["SERVICE=N"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    let table = cluster.drover("ps").await.with(0);
    let lines: Vec<&str> = table.out.lines().collect();
    assert!(lines[0].contains("NAME") && lines[0].contains("RESTARTS"), "{}", lines[0]);
    assert_eq!(lines.len(), 6, "{}", table.out);
    let web = lines.iter().find(|line| line.contains("shop-web-2")).unwrap();
    for part in ["web", "running", "node", "web:1"] {
        assert!(web.contains(part), "{web}");
    }
    let rows = cluster.drover("ps --json web").await.with(0);
    let row: serde_json::Value = serde_json::from_str(rows.out.lines().next().unwrap()).unwrap();
    assert_eq!((&row["name"], &row["image"]), (&"shop-web-1".into(), &"web:1".into()));
    cluster.drover("host ls").await.with(0).said(&["node1", "node2", "10.0.0.2"]);
    cluster.drover("host deactivate node2").await.with(0).said(&["node2: inactive"]);
    cluster.drover("host deactivate node2").await.with(0).said(&["node2 is inactive already"]);
    cluster.drover("host activate node2").await.with(0);
    cluster
        .drover("host rm nobody")
        .await
        .with(1)
        .said(&["there is no host `nobody`; there are node1 and node2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptying_hosts() {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", "web:\n  image: web:1\n");
    cluster.write("rancher-compose.yml", "web:\n  scale: 4\n");
    cluster.drover("up").await.with(0);
    let emptied = cluster.drover("host evacuate node2").await.with(0);
    emptied.said(&["node2: takes no new units; those on it leave", "node2: empty"]);
    let table = cluster.drover("host ls").await.with(0);
    let node2 = table.out.lines().find(|line| line.contains("node2")).unwrap().to_owned();
    assert!(node2.contains("inactive"), "{node2}");
    let table = cluster.drover("ps").await.with(0);
    assert!(!table.out.contains("node2"), "{}", table.out);
    // There is no place left.
    cluster.drover("host evacuate node1").await.with(4).said(&["node1 can't be emptied"]);
    cluster.drover("host activate node2").await.with(0);
    cluster.drover("host evacuate -d node1").await.with(0);
    cluster.drover("host evacuate node1").await.with(0).said(&["node1: empty"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_keeps_something_says_what() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    let table = cluster.drover("ps").await.with(0);
    let db = table.out.lines().find(|line| line.contains("shop-db-1")).unwrap();
    let host = if db.contains("node1") { "node1" } else { "node2" };
    let emptied = cluster.drover(&format!("host evacuate {host} --timeout 2")).await.with(3);
    let stays = "shop-db-1 stays: its data, volume data, lies there";
    emptied.said(&[&format!("host {host} is not empty yet"), stays]);
    cluster.drover("host ls").await.with(0).said(&["evacuating", stays]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rebalancing() {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", "web:\n  image: web:1\ndb:\n  image: db:1\n");
    cluster.write("rancher-compose.yml", "web:\n  scale: 4\n");
    cluster.drover("host deactivate node2").await.with(0);
    cluster.drover("up").await.with(0);
    cluster.drover("host activate node2").await.with(0);
    let plan = cluster.drover("rebalance --dry-run").await.with(0);
    plan.said(&[
        "SERVICE",
        "shop/web",
        "shop-web-4",
        "node1",
        "node2",
        "4 of web on node1, 0 on node2",
    ]);
    let plan = cluster.drover("rebalance --dry-run --json web").await.with(0);
    let read: serde_json::Value = serde_json::from_str(plan.out.lines().next().unwrap()).unwrap();
    assert_eq!(read["moves"].as_array().unwrap().len(), 2, "{read:#}");
    // Nobody can be asked here.
    let refused = cluster.drover("rebalance").await.with(1);
    refused.said(&["nothing was moved: there is no terminal to ask on; --yes does it"]);
    let done = cluster.drover("rebalance --yes shop/web").await.with(0);
    done.said(&["2 units to move", "all have moved"]);
    let table = cluster.drover("ps web").await.with(0);
    assert_eq!(table.out.lines().filter(|line| line.contains("node2")).count(), 2, "{}", table.out);
    cluster.drover("rebalance web").await.with(0).said(&["nothing to move"]);
    cluster.drover("rebalance nobody").await.with(1).said(&["there is no service `nobody`"]);
    cluster.drover("rebalance --cancel").await.with(0).said(&["called off"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    cluster.drover("rm web").await.with(0).said(&["web: removed"]);
    cluster.drover("ps").await.with(0).said(&["shop-db-1"]);
    cluster.drover("rm --force --stack-too").await.with(0).said(&["stack shop: removed"]);
    cluster
        .drover("ps")
        .await
        .with(1)
        .said(&["there is no stack shop on http://", "`up` creates it"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_and_keys() {
    let cluster = shop().await;
    let token = cluster.drover("token create").await.with(0);
    assert_eq!(token.out.lines().count(), 1, "{}", token.out);
    assert!(token.err.contains(&format!("--token {}", token.out.trim())), "{}", token.err);
    let key = cluster.drover("key create --name ci").await.with(0);
    let value = |name: &str| {
        let line = key.out.lines().find_map(|line| line.strip_prefix(&format!("export {name}=")));
        line.unwrap_or_else(|| panic!("{}", key.out)).to_owned()
    };
    let (access, secret) = (value("DROVER_ACCESS_KEY"), value("DROVER_SECRET_KEY"));
    cluster.drover(&format!("--access-key {access} --secret-key {secret} host ls")).await.with(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_files_a_named_stack_is_meant_as_a_whole() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    let elsewhere = tempfile::tempdir().unwrap();
    let drover = std::path::Path::new(env!("CARGO_BIN_EXE_drover"));
    let done = cluster.command(drover, "ps").current_dir(elsewhere.path()).output().await.unwrap();
    assert!(String::from_utf8_lossy(&done.stdout).contains("shop-web-1"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scale_policy() {
    let cluster = Cluster::start().await;
    let apart =
        "io.rancher.scheduler.affinity:container_label_ne: io.rancher.stack_service.name=shop/db";
    cluster.write("docker-compose.yml", &format!("db:\n  image: db:1\n  labels:\n    {apart}\n"));
    cluster.write("rancher-compose.yml", "db:\n  scale_policy: {min: 1, max: 5}\n");
    cluster.drover("up").await.with(0).said(&["db: running"]);
    cluster.drover("start db").await.with(0);
    cluster.drover("scale db=1").await.with(1).said(&["db has a scale_policy"]);
    cluster.write("rancher-compose.yml", "db:\n  scale_policy: {min: 1, max: 1}\n");
    cluster.drover("up").await.with(0).said(&["changing scale_policy"]);
    assert_eq!(cluster.service("db").scale_policy.unwrap().max, 1);
    cluster.drover("up").await.with(0);
}
