//! Two services upgraded as one under load: one that never gets well takes the other back with it, though that had moved, to the
//! very containers of before; and where both are well, one finish is both's.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use xtask::load::{Load, first_to_answer};
use xtask::wait::wait;

use super::stage::{STACK, Stage};

/// What one release is of both.
struct Release<'a> {
    version: &'a str,
    /// So that no release is one that was said no to before.
    number: u8,
    /// What else `api` has in its environment.
    habit: &'a str,
}

const RANCHER: &str = "version: '2'
services:
  web:
    scale: 2
    health_check: {port: 80, request_line: GET /health HTTP/1.0, interval: 500, initializing_timeout: 60000}
    upgrade_strategy: {start_first: true, batch_size: 1, interval_millis: 100, on_failure: rollback}
  api:
    scale: 2
    health_check: {port: 80, request_line: GET /health HTTP/1.0, interval: 500, initializing_timeout: 60000}
    upgrade_strategy: {start_first: true, batch_size: 1, interval_millis: 100, on_failure: rollback, deadline: 8s}
  balancer:
    lb_config:
      port_rules:
        - {protocol: http, source_port: 80, target_port: 80, service: web}
        - {protocol: http, source_port: 81, target_port: 80, service: api}
";

#[test]
fn one_that_never_gets_well_takes_the_other_back_and_one_finish_is_boths() {
    let Some(stage) = Stage::set() else { return };
    files(&stage, &Release { version: "v1", number: 1, habit: "" });
    stage.ok("up -d");
    let front = stage.balancer();
    let loads = [front, SocketAddr::new(front.ip(), 81)]
        .map(|place| Load::start(first_to_answer(&[place]).unwrap(), 2));
    let old = both(&stage);

    files(&stage, &Release { version: "v2", number: 2, habit: "\n      TESTAPP_SICK: 1" });
    let said =
        ["web was rolled back to revision 1: with api: ", "api was rolled back to revision 1"];
    stage.drover("up -d --upgrade").must(20, &said);
    assert_eq!(both(&stage), old, "the very containers of before");
    are(&stage, "active");
    for versions in nothing_lost(&loads, "there and back") {
        assert!(versions.contains("v1"), "{versions:?}");
    }
    // Whoever comes late sees the same.
    assert_eq!(stage.drover("wait").status, Some(20));

    files(&stage, &Release { version: "v2", number: 3, habit: "" });
    stage.ok("up -d --upgrade --waiting-ok");
    are(&stage, "upgraded");
    let new = both(&stage);
    for (new, old) in new.iter().zip(&old) {
        assert!(new.len() == 2 && new.is_disjoint(old), "{new:?}, {old:?}");
    }
    stage.ok("up -d --confirm-upgrade web");
    // Of the other nobody waited for the end.
    let left = || SERVICES.map(|service| stage.containers(service).len());
    let is_over = wait(Duration::from_secs(20), || left() == [2, 2]);
    assert!(is_over, "one finish removes the old ones of both: {:?}", left());
    let active = |service: &Value| service["state"] == "active";
    for service in SERVICES {
        stage.cluster.wait_for_service(STACK, service, active).unwrap();
    }
    assert_eq!(both(&stage), new);
    nothing_lost(&loads, "to the end");
}

const SERVICES: [&str; 2] = ["web", "api"];

/// `api` needs `web`, and so comes after it.
fn files(stage: &Stage, release: &Release<'_>) {
    let Release { version, number, habit } = release;
    stage.files(
        &format!(
            "version: '2'\nservices:\n  web:\n    image: demo/web:{version}\n    environment:\n      RELEASE: '{number}'\n  api:\n    image: demo/web:{version}\n    depends_on: [web]\n    environment:\n      RELEASE: '{number}'{habit}\n  balancer:\n    image: any/balancer\n    ports:\n      - 80:80/tcp\n      - 81:81/tcp\n"
        ),
        RANCHER,
    );
}

fn both(stage: &Stage) -> [BTreeSet<String>; 2] {
    SERVICES.map(|service| stage.running_ids(service))
}

#[track_caller]
fn are(stage: &Stage, state: &str) {
    let states = SERVICES.map(|name| stage.cluster.service(STACK, name).unwrap()["state"].take());
    assert_eq!(states, [state, state]);
}

/// No request failed since the last look; which versions answered each.
#[track_caller]
fn nothing_lost(loads: &[Load; 2], when: &str) -> [BTreeSet<String>; 2] {
    loads.each_ref().map(|load| {
        let counts = load.take();
        eprintln!("{when}: {counts}");
        assert_eq!(counts.failed(), 0, "{when}: {counts}");
        counts.answers.into_keys().collect()
    })
}
