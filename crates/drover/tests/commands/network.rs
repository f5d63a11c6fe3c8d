//! The network doctor, where nobody answers: the hosts of these tests have no agents.

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_say_nothing_are_named_one_by_one() {
    let cluster = Cluster::start().await;
    let told = cluster.drover("network doctor").await.with(1);
    let row = told.out.lines().find(|line| line.starts_with("node2")).unwrap().to_owned();
    assert!(row.contains("10.0.0.2") && row.contains("not asked"), "{row}");
    told.said(&[
        "HOST",
        "error: node1 was asked to say how it is, and did not: its agent is not connected",
        "  → see the log of the agent on node2",
        "2 things are wrong.",
    ]);
    let told = cluster.drover("network doctor --json").await.with(1);
    let line = told.out.lines().next().unwrap();
    let diagnosis: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&diagnosis["healthy"], &diagnosis["hosts"][1]["name"]),
        (&false.into(), &"node2".into())
    );
    cluster.drover("network").await.with(2).said(&["doctor"]);
}
