//! Upgrades: forth, back, confirmed, refused, interrupted.

use std::path::Path;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::cluster::Cluster;
use crate::up::shop;

const ONE: &str = "web:\n  image: web:1\n";
const TWO: &str = "web:\n  image: web:2\n";

async fn one() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.write("docker-compose.yml", ONE);
    cluster.write("rancher-compose.yml", "web: {scale: 2}\n");
    cluster.drover("up").await.with(0);
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forth_and_back_and_forth_for_good() {
    let cluster = one().await;
    cluster.write("docker-compose.yml", TWO);
    cluster.drover("up --upgrade --interval 100").await.with(10).said(&[
        "web: upgrading: image web:1 → web:2",
        "web: upgraded; the old containers are kept, stopped",
    ]);
    let both = ["1/1/1 Stopped", "1/2/1 Running", "2/1/1 Stopped", "2/2/1 Running"];
    assert_eq!(cluster.units("web"), both);
    cluster.drover("up --rollback").await.with(0).said(&["web: rolling back", "web: rolled back"]);
    assert_eq!(cluster.units("web"), ["1/1/1 Running", "2/1/1 Running"]);
    cluster.drover("up --rollback").await.with(1).said(&[
        "drover: nothing to roll back: web is active, with no upgrade that waits for a decision",
    ]);
    cluster.drover("up -d -u --interval 100 --batch-size 1 --waiting-ok").await.with(0);
    cluster
        .drover("up -d -c")
        .await
        .with(0)
        .said(&["web: upgrade confirmed; the old containers are removed"]);
    assert_eq!(cluster.units("web"), ["1/3/1 Running", "2/3/1 Running"]);
    cluster.drover("up -c").await.with(0).said(&["nothing to confirm: web is active"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_while_upgraded_is_refused_with_the_way_out() {
    let cluster = one().await;
    cluster.write("docker-compose.yml", TWO);
    cluster.drover("up --upgrade --interval 100").await.with(10);
    let same = cluster.drover("up --upgrade").await.with(10);
    same.said(&[
        "web is upgraded and waits for a decision",
        "nothing to do: web is as in the files",
    ]);
    cluster.write("docker-compose.yml", "web:\n  image: web:3\n");
    for (line, program) in [("up --upgrade", "drover"), ("up --force-upgrade", "drover")] {
        let refused = cluster.drover(line).await.with(4);
        let way_out = format!("{program} up --confirm-upgrade web");
        assert!(
            refused.err.contains("waits for a decision") && refused.err.contains(&way_out),
            "{refused:?}"
        );
    }
    cluster.rancher_compose("up -d --upgrade").await.with(4).said(&[
        "FATA[0000] web is upgraded and waits for a decision",
        "rancher-compose up --rollback web",
    ]);
    assert_eq!(cluster.service("web").current.0, 2);
    cluster.drover("up --upgrade --confirm-upgrade --interval 100").await.with(0).said(&[
        "web: confirming its upgrade",
        "web: upgrading: image web:2 → web:3",
        "web: upgrade confirmed",
    ]);
    assert_eq!(cluster.units("web"), ["1/3/1 Running", "2/3/1 Running"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn force_replaces_what_is_the_same() {
    let cluster = one().await;
    cluster
        .drover("up --force-upgrade --interval 100")
        .await
        .with(10)
        .said(&["web: upgrading: as asked"]);
    assert_eq!(cluster.service("web").current.0, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_refused_before_anything_moves() {
    let cluster = Cluster::start().await;
    let labels = "  labels: {io.rancher.scheduler.affinity:host_label: disk=ssd}\n";
    cluster.write("docker-compose.yml", "web:\n  image: web:1\n  ports: ['8080:80']\n");
    cluster
        .write("rancher-compose.yml", "web: {scale: 2, upgrade_strategy: {start_first: true}}\n");
    cluster.drover("up").await.with(0);
    cluster.write("docker-compose.yml", "web:\n  image: web:2\n  ports: ['8080:80']\n");
    let refused = cluster.drover("up --upgrade").await.with(4);
    // The server's own sentence: the port, its holder, two ways out.
    for part in [
        "drover: web can't be upgraded start-first",
        "8080/tcp",
        "held by",
        "stop-first",
        "another host",
    ] {
        assert!(refused.err.contains(part), "{part}: {}", refused.err);
    }
    assert_eq!(cluster.service("web").current.0, 1);
    let no_host = format!("web:\n  image: web:2\n{labels}");
    cluster.write("docker-compose.yml", &no_host);
    cluster.write("rancher-compose.yml", "web: {scale: 2}\n");
    cluster.drover("up --upgrade").await.with(4).said(&["web can't be upgraded", "disk=ssd"]);
    assert_eq!(cluster.service("web").current.0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_upgrade_goes_on_and_can_be_watched_again() {
    let cluster = one().await;
    cluster.write("docker-compose.yml", "web:\n  image: web:slow\n");
    let drover = Path::new(env!("CARGO_BIN_EXE_drover"));
    let mut child = cluster.command(drover, "up --upgrade").spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("upgrading,") {
            break;
        }
    }
    let pid = child.id().unwrap().to_string();
    let killed = tokio::process::Command::new("kill").args(["-INT", &pid]).status().await.unwrap();
    assert!(killed.success());
    let done = child.wait_with_output().await.unwrap();
    let err = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(130), "{err}");
    assert!(err.contains("the server goes on") && err.contains("up --rollback"), "{err}");
    assert_eq!(cluster.service("web").current.0, 2);
    cluster.drover("up --upgrade --timeout 0").await.with(3).said(&["web (upgrading"]);
    cluster.drover("up --rollback").await.with(0);
    assert_eq!(cluster.units("web"), ["1/1/1 Running", "2/1/1 Running"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_image_fails_with_the_reason_and_the_way_back() {
    let cluster = one().await;
    cluster.write("docker-compose.yml", "web:\n  image: web:missing\n");
    cluster.drover("up --upgrade").await.with(7).said(&[
        "no such image: web:missing",
        "the server keeps trying",
        "To go back: drover up --rollback web",
    ]);
    cluster.drover("up --rollback").await.with(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_stack_is_upgraded_as_one_and_rolled_back() {
    let cluster = shop().await;
    cluster.drover("up").await.with(0);
    cluster.write("vars", "VERSION=2\n");
    let files = crate::up::FILES.replace("db:1", "db:2");
    cluster.write("docker-compose.yml", &files);
    let done = cluster.drover("-e vars up --upgrade --interval 100").await.with(10);
    let at = |text: &str| done.out.find(text).unwrap_or_else(|| panic!("{text}\n{}", done.out));
    assert!(at("db: upgraded") < at("web: upgraded"), "{}", done.out);
    cluster.drover("up --rollback").await.with(0).said(&["web: rolled back", "db: rolled back"]);
    assert_eq!(cluster.service("lb").current.0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_goes_back_as_one_long_after_its_upgrades_were_confirmed() {
    let cluster = Cluster::start().await;
    for number in 1..4 {
        let files = format!("web:\n  image: web:{number}\ndb:\n  image: db:{number}\n");
        cluster.write("docker-compose.yml", &files);
        cluster.drover("up --upgrade --confirm-upgrade --interval 100").await.with(0);
    }
    cluster
        .drover("rollback web@1 db@9")
        .await
        .with(4)
        .said(&["revision 9 of db was never there: there are 1, 2, 3, and it runs 3"]);
    assert_eq!(cluster.units("web"), ["1/3/1 Running"], "all or none");
    for (line, words) in [
        ("rollback web@1 web@2", "web is named twice"),
        ("rollback web@1 db", "either every service with its revision, or none"),
        ("rollback web db --to 2", "--to is for one service"),
        ("rollback web@1 --to 2", "say the revision once"),
        ("rollback web -c", "are for going back to a revision"),
        ("rollback web@", "write SERVICE@REVISION"),
        ("rollback", "SERVICE[@REVISION]"),
    ] {
        cluster.drover(line).await.with(2).said(&[words]);
    }
    cluster
        .drover("rollback web@1 db@2 --interval 100")
        .await
        .with(10)
        .said(&["web: rolling back: to revision 1", "db: rolling back: to revision 2"]);
    cluster.drover("rollback web@1 db@2 --confirm-upgrade").await.with(0);
    assert_eq!(cluster.units("web"), ["1/1/1 Running"]);
    assert_eq!(cluster.units("db"), ["1/2/1 Running"]);
}
