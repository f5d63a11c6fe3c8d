//! Under the name `rancher-compose`: a job that was written for that program runs unchanged.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cluster::Cluster;

async fn deployed() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", "web:\n  image: web:$VERSION\n");
    cluster.write("rancher-compose.yml", "web:\n  scale: 2\n");
    cluster.write("one", "VERSION=1\n");
    cluster.write("two", "VERSION=2\n");
    cluster.rancher_compose("-p app -e one up -d --upgrade").await.with(0);
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline() {
    let cluster = deployed().await;
    let again = cluster.rancher_compose("-p app -e one up -d --upgrade").await.with(0);
    assert_eq!(
        (again.out.as_str(), again.err.as_str()),
        ("", "INFO[0000] Nothing to do: web is as in the files\n")
    );
    cluster
        .rancher_compose("-p app -e two up -d --upgrade --interval 100")
        .await
        .with(0)
        .said(&["Upgrading web", "[web]: Upgraded; the old containers are kept, stopped"]);
    cluster
        .rancher_compose("-p app -e two up -d --rollback")
        .await
        .with(0)
        .said(&["[web]: Rolled back"]);
    assert_eq!(cluster.units("web"), ["1/1/1 Running", "2/1/1 Running"]);
    cluster.rancher_compose("-p app -e two up -d --upgrade --interval 100").await.with(0);
    cluster.rancher_compose("-p app -e two up -d --confirm-upgrade").await.with(0);
    assert_eq!(cluster.units("web"), ["1/3/1 Running", "2/3/1 Running"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_one_fatal_line_and_not_hidden() {
    let cluster = deployed().await;
    cluster.write("three", "VERSION=missing\n");
    let failed = cluster.rancher_compose("-p app -e three up -d --upgrade").await.with(7);
    let last = failed.err.lines().last().unwrap();
    assert!(last.starts_with("FATA[00") && last.contains("no such image: web:missing"), "{last}");
    cluster
        .rancher_compose("-p app -e one scale nobody=2")
        .await
        .with(1)
        .said(&["FATA[0000] No such service"]);
    cluster.rancher_compose("-p app scale web").await.with(2);
    cluster.rancher_compose("-p app nonsense").await.with(2);
    cluster.rancher_compose("--url http://127.0.0.1:1 -p app up -d").await.with(5);
    let link = cluster.rancher_link();
    let missing = cluster.command(&link, "up -d").env_remove("RANCHER_URL").output().await.unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("FATA[0000] no server is given"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_variable_that_is_not_set_is_a_warning() {
    let cluster = deployed().await;
    // No `.env` under this name: a stray one must not change what a job has always done.
    cluster.write(".env", "VERSION=7\n");
    cluster.rancher_compose("-p app up -d").await.said(&["WARN[0000]", "VERSION is not set"]);
    cluster.drover("-p app up").await.with(0).said(&["image web:1 → web:7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_without_d_stays() {
    let cluster = deployed().await;
    let link = cluster.rancher_link();
    let mut command = cluster.command(&link, "-p app -e one up");
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("Nothing to do") {
            break;
        }
    }
    // It is past its work and still there; nothing but a signal ends it.
    assert!(child.try_wait().unwrap().is_none());
    let pid = child.id().unwrap().to_string();
    tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}
