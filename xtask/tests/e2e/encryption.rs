//! Encryption between hosts is switched on, all keys are renewed and it is switched off again, while requests of every kind
//! flow from one host to others: none is lost, and what users are told is so. That nothing readable is on the cable is
//! shown by the agent's own tests.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use xtask::traffic::Mix;
use xtask::wait::wait;

use super::stage::Stage;

/// Every host tells of itself within seconds; each way between two of them changes on its own.
const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn encryption_comes_and_goes_without_losing_a_request() {
    let Some(stage) = Stage::set() else { return };
    stage.files(
        "version: '2'\nservices:\n  web:\n    image: demo/web:v1\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n",
        "version: '2'\nservices:\n  web:\n    scale: 3\n  balancer:\n    lb_config:\n      port_rules:\n        - protocol: http\n          source_port: 80\n          target_port: 80\n          service: web\n",
    );
    stage.ok("up -d");
    all_are(&stage, "in the clear");
    let ear = SocketAddr::from((stage.cluster.bed.server, 0));
    let mix = Mix::start(vec![stage.balancer()], 100, ear, "in the clear").unwrap();

    let flows = || {
        let enough = mix.sent() + 200;
        assert!(wait(PATIENCE, || mix.sent() >= enough), "requests go on");
    };
    flows();
    mix.begin("on");
    stage.ok("network encryption on").must(0, &["hosts change over one by one"]);
    all_are(&stage, "encrypted");
    // A host that has just changed over is told so a moment later.
    let well = wait(PATIENCE, || stage.drover("network doctor").status == Some(0));
    assert!(well, "{}", stage.drover("network doctor").text);

    flows();
    mix.begin("new keys");
    let before = keys(&stage);
    stage.ok("network rotate-keys").must(0, &["every host makes a new key"]);
    let renewed = wait(PATIENCE, || keys(&stage).is_disjoint(&before));
    assert!(renewed, "{:?} after {before:?}", keys(&stage));
    all_are(&stage, "encrypted");

    flows();
    mix.begin("off");
    stage.ok("network encryption off");
    all_are(&stage, "in the clear");
    flows();
    let tally = mix.finish().unwrap();
    eprintln!("{} requests, {} failed", tally.requests(), tally.failed());
    assert_eq!(tally.failed(), 0, "{}", tally.causes().join("\n"));
    assert_eq!(tally.orders.replays(), Vec::<usize>::new());
    assert!(tally.phases.iter().all(|phase| phase.requests() > 0));
}

/// Wait until every way between two hosts is like this, by the command that users ask.
#[track_caller]
fn all_are(stage: &Stage, wanted: &str) {
    let mut last = String::new();
    let other = if wanted == "encrypted" { "in the clear" } else { "encrypted" };
    let so = wait(PATIENCE, || {
        let done = stage.drover("network encryption status");
        last = done.text;
        done.status == Some(0) && last.contains(wanted) && !last.contains(other)
    });
    assert!(so, "not all is {wanted}:\n{last}");
}

/// The hosts' public keys.
fn keys(stage: &Stage) -> BTreeSet<String> {
    let hosts = stage.cluster.api().list("/v2-beta/hosts").unwrap();
    hosts.iter().map(|host| host["info"]["networkInfo"]["publicKey"].to_string()).collect()
}
