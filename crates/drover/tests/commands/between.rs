//! `upgrade FROM TO`: forth, back, cleaned up, refused, under both names.

use crate::cluster::Cluster;

const FILE: &str =
    "v1:\n  image: app:1\nv2:\n  image: app:2\nuser:\n  image: user:1\n  links: ['v1:app']\n";

/// `v1` at scale 2 and `user`, which links to it; `v2` is in the files only.
async fn roll() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", FILE);
    cluster.write("rancher-compose.yml", "v1: {scale: 2}\nv2: {scale: 4}\n");
    cluster.drover("up v1 user").await.with(0);
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forth_and_back() {
    let cluster = roll().await;
    let line = "upgrade v1 v2 --scale 3 --batch-size 3 --interval 100 --wait --waiting-ok";
    cluster.drover(line).await.with(0).said(&[
        "v2: creating",
        "v2: starting",
        "Upgrading v1 to v2, scale=3",
        "v1: upgraded; the old containers are kept, stopped",
    ]);
    assert_eq!(cluster.units("v1"), ["1/1/1 Stopped", "2/1/1 Stopped"]);
    assert_eq!(cluster.units("v2"), ["1/1/1 Running", "2/1/1 Running", "3/1/1 Running"]);
    cluster
        .drover("upgrade status v1")
        .await
        .with(0)
        .said(&["v1: upgraded, to v2, 3 of 3 units there"]);
    cluster.drover(line).await.with(0).said(&["v1 is upgraded already"]);
    cluster.drover("up --rollback v1").await.with(0).said(&["v1: rolled back"]);
    assert_eq!(cluster.units("v1"), ["1/1/1 Running", "2/1/1 Running"]);
    cluster
        .drover("upgrade status v1")
        .await
        .with(0)
        .said(&["v1: active, last upgrade to v2 rolled back"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_rancher_s_name_with_cleanup() {
    let cluster = roll().await;
    let line = "upgrade --batch-size 2 --interval 100 --cleanup v1 v2";
    let done = cluster.rancher_compose(line).await.with(0);
    let done = done.said(&["Upgrading v1 to v2, scale=2", "[v1]: Removed"]);
    assert_eq!(done.err.to_lowercase().matches("upgrade confirmed").count(), 1, "{}", done.err);
    assert_eq!(cluster.units("v2"), ["1/1/1 Running", "2/1/1 Running"]);
    let world = cluster.store.world();
    let named = |name: &str| world.services.values().find(|s| s.name == name).unwrap().clone();
    let (user, v2) = (named("user"), named("v2"));
    assert_eq!((user.links[0].service, user.links[0].alias.as_str()), (v2.id, "app"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_said_before_anything_moves() {
    let cluster = roll().await;
    let global = "  labels: {io.rancher.scheduler.global: 'true'}\n";
    cluster.write("docker-compose.yml", &format!("{FILE}all:\n  image: a\n{global}"));
    for (line, words) in [
        ("upgrade v1 v9", "No such service: v9"),
        ("upgrade v2 v1", "v2 is not on the server"),
        ("upgrade v1 v1", "can't be upgraded to itself"),
        ("upgrade v1 all", "Upgrade is not supported for global services"),
        ("upgrade v1 v2 --scale 0", "at least 1"),
    ] {
        cluster.drover(line).await.with(1).said(&[words]);
    }
    assert_eq!(cluster.units("v1"), ["1/1/1 Running", "2/1/1 Running"]);
    // A new version that never serves: the wait ends, the old one serves.
    cluster.write("docker-compose.yml", &FILE.replace("app:2", "slow:2"));
    cluster
        .drover("upgrade v1 v2 --interval 100 --wait --timeout 2")
        .await
        .with(3)
        .said(&["time is up", "0 of 2 moved to v2, 2 of v1 left"]);
    assert_eq!(cluster.units("v1"), ["1/1/1 Running", "2/1/1 Running"]);
}
