//! One clear sentence for everything that is wrong, and the exit status that goes with it.

use crate::cluster::Cluster;
use crate::up::shop;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files() {
    let cluster = Cluster::start().await;
    cluster.drover("up").await.with(1).said(&["there is no docker-compose.yml here", "-f"]);
    for (text, parts) in [
        ("web: [", &["docker-compose.yml:"][..]),
        (
            "version: '2'\nservices:\n  web:\n    image: a\n    prots: []\n",
            &["docker-compose.yml:5:", "prots"],
        ),
        ("web:\n  image: a\n  scale: x\n", &["docker-compose.yml:3:"]),
        (
            "web:\n  image: ${NAME:?is needed}\n",
            &["docker-compose.yml:2:", "NAME must be set: is needed"],
        ),
    ] {
        cluster.write("docker-compose.yml", text);
        cluster.drover("up").await.with(1).said(parts);
    }
    cluster
        .drover("up -f nowhere.yml")
        .await
        .with(1)
        .said(&["could not read nowhere.yml: No such file"]);
    // A file with mistakes is worth more than a server that is away.
    cluster.drover("up --url http://127.0.0.1:1").await.with(1).said(&["docker-compose.yml:2:"]);
    assert!(cluster.store.world().stacks.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_and_key() {
    let cluster = shop().await;
    let away = cluster.drover("up --url http://127.0.0.1:1").await.with(5);
    away.said(&[
        "could not find the environment",
        "no answer from http://127.0.0.1:1",
        "is it running",
    ]);
    let denied = cluster.drover("up --secret-key wrong-one").await.with(6);
    assert!(
        denied.err.contains("does not accept the access key") && !denied.err.contains("wrong-one")
    );
    cluster
        .drover("up --url nonsense")
        .await
        .with(2)
        .said(&["`nonsense` is not the URL of a server"]);
    cluster
        .drover("up --environment Moon")
        .await
        .with(2)
        .said(&["no environment `Moon`", "Default (1a5)"]);
    cluster.drover("up --environment default").await.with(0);
    let url = format!("{}/v1/projects/1a5", cluster.url);
    cluster.drover(&format!("ps --url {url}")).await.with(0);
    let missing = cluster
        .command(std::path::Path::new(env!("CARGO_BIN_EXE_drover")), "up")
        .env_remove("RANCHER_URL")
        .output()
        .await
        .unwrap();
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("set DROVER_URL (or RANCHER_URL)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names() {
    let cluster = shop().await;
    cluster
        .drover("up nobody")
        .await
        .with(1)
        .said(&["No such service: nobody; the files have db, web and lb"]);
    cluster.drover("upgrade web db").await.with(1).said(&["there is no stack shop"]);
    cluster.drover("stop").await.with(1).said(&["there is no stack shop"]);
    let link = "web:\n  image: a\n  external_links: ['other/db:db']\n";
    cluster.write("docker-compose.yml", link);
    cluster.write("rancher-compose.yml", "web: {}\n");
    cluster.drover("up").await.with(0).said(&["warning: web links to db, which is not there"]);
    cluster.write("docker-compose.yml", "web:\n  image: rancher/dns-service\n");
    cluster.drover("up").await.with(4).said(&["one can't become the other", "rm web"]);
}
