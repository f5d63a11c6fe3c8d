//! What a CI job sees of an upgrade: one exit status for each way it can end, also for a job that lost its machine and
//! comes back.

use std::path::Path;

use drover_core::UpgradePhase;
use tokio::process::Child;
use tokio::time::timeout;

use crate::cluster::{Cluster, Ended, PATIENCE};

/// Two services, the second after the first, whose upgrades go by this policy.
async fn deployed(policy: &str) -> Cluster {
    let cluster = Cluster::start().await;
    files(&cluster, "db:1", "web:1");
    let strategy = format!("upgrade_strategy: {{interval_millis: 50, {policy}}}");
    cluster.write(
        "rancher-compose.yml",
        &format!("db: {{{strategy}}}\nweb: {{scale: 2, {strategy}}}\n"),
    );
    cluster.drover("up").await.with(0);
    cluster
}

fn files(cluster: &Cluster, db: &str, web: &str) {
    let text = format!("db:\n  image: {db}\nweb:\n  image: {web}\n  links: [db]\n");
    cluster.write("docker-compose.yml", &text);
}

/// The command, and then, as somebody else's, `wait`: both must end like that.
async fn both(cluster: &Cluster, line: &str, status: i32, says: &[&str]) -> Ended {
    let ended = cluster.drover(line).await.with(status).said(says);
    cluster.drover("wait --timeout 1").await.with(status);
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished() {
    let cluster = deployed("finish: auto").await;
    files(&cluster, "db:2", "web:2");
    let said =
        ["web: upgraded, and confirmed by itself: ", "all containers serve, watched for 0 s"];
    both(&cluster, "up --upgrade", 0, &said).await;
    assert_eq!(cluster.units("web"), ["1/2/1 Running", "2/2/1 Running"]);
    files(&cluster, "db:3", "web:3");
    both(&cluster, "up --upgrade --confirm-upgrade", 0, &[]).await;
    let json = cluster.drover("--json wait").await.with(0);
    assert!(json.out.contains(r#""event":"ended","status":0"#), "{}", json.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upgraded_and_waiting() {
    let cluster = deployed("finish: manual").await;
    files(&cluster, "db:2", "web:2");
    let said = ["db and web wait for a decision: up --confirm-upgrade keeps the new version"];
    both(&cluster, "up --upgrade", 10, &said).await;
    cluster.drover("wait --waiting-ok").await.with(0);
    // A shell that stops at anything but 0, and jobs written for Rancher's program.
    cluster.drover("up --upgrade --waiting-ok").await.with(0);
    cluster.rancher_compose("up -d --upgrade").await.with(0);
    cluster.drover("up --confirm-upgrade db").await.with(0);
    assert_eq!(cluster.units("web"), ["1/2/1 Running", "2/2/1 Running"], "one finish for both");
    cluster.drover("wait").await.with(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolled_back_by_policy() {
    let cluster = deployed("on_failure: rollback").await;
    files(&cluster, "db:2", "web:crashes");
    let said = [
        "db was rolled back to revision 1: with web: shop-web-",
        "web was rolled back to revision 1: shop-web-",
        "exited with code 1",
        "2 are tolerated (max_failures)",
    ];
    both(&cluster, "up --upgrade", 20, &said).await;
    assert_eq!(cluster.units("web"), ["1/1/1 Running", "2/1/1 Running"]);
    assert_eq!(cluster.units("db"), ["1/1/1 Running"], "what had moved is back too");
    cluster.rancher_compose("up -d --upgrade").await.with(20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocked() {
    let cluster = deployed("on_failure: pause, max_failures: 0").await;
    files(&cluster, "db:1", "web:crashes");
    let said = [
        "web stays half-way: its upgrade was paused: shop-web-",
        "To go on: up --upgrade web; to go back: up --rollback web",
    ];
    both(&cluster, "up --upgrade", 7, &said).await;
    cluster.drover("up --rollback").await.with(0);
    // Nobody decides here: it is tried again and again, and that is said.
    cluster.write("rancher-compose.yml", "web: {scale: 2}\n");
    files(&cluster, "db:1", "web:missing");
    cluster.drover("up --upgrade").await.with(7).said(&["web is stuck", "no such image"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timed_out() {
    let cluster = deployed("deadline: 1h").await;
    files(&cluster, "db:1", "web:slow");
    both(&cluster, "--timeout 1 up --upgrade", 3, &["time is up", "web (upgrading"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_half_way_and_on_again() {
    let cluster = deployed("deadline: 1h").await;
    files(&cluster, "db:1", "web:slow");
    cluster.drover("--timeout 1 up --upgrade").await.with(3);
    let stopped = cluster.drover("upgrade cancel web").await.with(0);
    stopped.said(&["web: its upgrade stands half-way", "`drover upgrade continue`"]);
    let refused = cluster.drover("upgrade cancel db").await.with(1);
    refused.said(&["can't stop the upgrade of db: it is active"]);
    let why = cluster.drover("why web").await.with(0);
    why.said(&["to go on with the upgrade: drover upgrade continue web"]);
    let line = "--timeout 1 upgrade continue";
    cluster.drover(line).await.with(3).said(&["web: going on with its upgrade", "web (upgrading"]);
    cluster.drover("upgrade cancel").await.with(0);
    cluster.drover("up --rollback").await.with(0);
    cluster.drover("upgrade cancel").await.with(0).said(&["nothing to stop"]);
    cluster.drover("upgrade continue").await.with(0).said(&["nothing to go on with"]);
    files(&cluster, "db:1", "web:2");
    cluster.drover("up --upgrade").await.with(10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timed_out_before_the_upgrade_was_asked_for() {
    let cluster = deployed("deadline: 1h").await;
    let text = "db:\n  image: db:2\nweb:\n  image: web:1\n  links: [db]\napi:\n  image: api:slow\n";
    cluster.write("docker-compose.yml", text);
    let ended = cluster.drover("--timeout 1 up --upgrade").await.with(3);
    let ended =
        ended.said(&["api (activating", "not all was asked of it yet; the same command again"]);
    assert!(!ended.err.contains("drover wait"), "{}", ended.err);
    assert!(cluster.store.world().upgrades.is_empty());
}

/// The command, as far as all containers are new ones and its policy looks at them.
async fn watched(cluster: &Cluster, line: &str) -> Child {
    files(cluster, "db:1", "web:2");
    let drover = Path::new(env!("CARGO_BIN_EXE_drover"));
    let child = cluster.command(drover, line).spawn().unwrap();
    cluster.reaches("web", UpgradePhase::Upgraded).await;
    child
}

#[track_caller]
fn ended_with(done: &std::process::Output, status: i32, says: &str) {
    let err = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(status), "{err}");
    assert!(err.contains(says), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn found_bad_while_it_is_watched() {
    for (policy, line, status, says) in [
        ("pause", "up --upgrade", 7, "web has moved, but is not to be kept: shop-web-"),
        ("rollback", "up --upgrade", 20, "web was rolled back to revision 1: shop-web-"),
        ("rollback", "up --upgrade --confirm-upgrade", 20, "web was rolled back to revision 1"),
    ] {
        let cluster = deployed(&format!("on_failure: {policy}, verify: {{for: 1h}}")).await;
        let child = watched(&cluster, line).await;
        cluster.fail("web").await;
        let done = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        ended_with(&done, status, says);
        if policy == "pause" {
            // A job that tries the same again must not pass where the first one did not.
            both(&cluster, line, status, &[says]).await;
            both(&cluster, "up --upgrade --confirm-upgrade", status, &[says]).await;
            cluster.drover("up --confirm-upgrade").await.with(0);
        } else {
            cluster.drover("wait --timeout 1").await.with(status);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_again_waits_for_the_policy_too() {
    let cluster = deployed("on_failure: rollback, verify: {for: 4s}").await;
    watched(&cluster, "up --upgrade").await.kill().await.unwrap();
    let again = both(&cluster, "up --upgrade", 10, &["web: upgraded; the old containers"]).await;
    assert!(again.out.contains("watching the new version for another"), "{}", again.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_unreachable_and_wrong_key() {
    let cluster = deployed("start_first: true").await;
    cluster.write(
        "docker-compose.yml",
        "web:\n  image: web:2\n  labels: {io.rancher.scheduler.affinity:host_label: 'gpu=yes'}\n",
    );
    cluster.drover("up --upgrade").await.with(4).said(&["web can't be upgraded", "gpu=yes"]);
    let nowhere = "--url http://127.0.0.1:1";
    cluster.drover(&format!("{nowhere} up --upgrade")).await.with(5).said(&["no answer from"]);
    cluster.drover(&format!("{nowhere} wait")).await.with(5);
    let key = format!("--access-key {} --secret-key wrong", cluster.access);
    for line in ["up --upgrade", "wait"] {
        let ended = cluster.drover(&format!("{key} {line}")).await.with(6);
        ended.said(&["does not accept the access key"]);
    }
    cluster.drover("up --no-such-option").await.with(2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_was_killed_comes_back_to_the_outcome() {
    let cluster = deployed("on_failure: rollback, deadline: 3s").await;
    files(&cluster, "db:2", "web:slow");
    let drover = Path::new(env!("CARGO_BIN_EXE_drover"));
    let mut child = cluster.command(drover, "up --upgrade").spawn().unwrap();
    // It may be through with its own part before anybody looks; then it waits for web.
    let db = cluster.service("db").id;
    cluster.comes_to("db is upgraded", |world| world.upgrade(db).is_some()).await;
    child.kill().await.unwrap();
    let said = [
        "nothing moved for 3 s (deadline); shop-web-1",
        "db was rolled back to revision 1: with web",
    ];
    cluster.drover("wait").await.with(20).said(&said);
    assert_eq!(cluster.units("db"), ["1/1/1 Running"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_says_what_then_happens_or_nothing_does() {
    let cluster = deployed("start_first: true").await;
    files(&cluster, "db:2", "web:latest");
    let plan = cluster.drover("plan -o shop.plan").await.with(0);
    plan.said(&[
        "SERVICE",
        "web      upgrade  2        2         2",
        "would pull web:latest",
        "web: the tag of web:latest moves",
        "db: it has no health_check",
    ]);
    assert!(cluster.store.world().upgrades.is_empty(), "nothing was done");
    cluster.drover("scale web=3").await.with(0);
    cluster.drover("up --upgrade --plan shop.plan").await.with(4).said(&[
        "nothing was done: what would come of it is not what shop.plan says any more",
        "web, serving: 3, not 2",
    ]);
    assert!(cluster.store.world().upgrades.is_empty());
    cluster.drover("plan -o shop.plan").await.with(0);
    cluster.drover("up --upgrade --plan shop.plan").await.with(10);
    let json = cluster.drover("--json plan").await.with(0);
    assert!(json.out.contains(r#""type":"forecast""#), "{}", json.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_that_is_not_there_is_planned_too() {
    let cluster = Cluster::start().await;
    files(&cluster, "db:1", "web:1");
    cluster.drover("plan").await.with(0).said(&[
        "db       create",
        "web      create",
        "shop-web-1 node",
    ]);
    assert!(cluster.store.world().stacks.is_empty());
}
