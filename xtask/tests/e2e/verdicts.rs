//! Upgrades that decide by themselves: every kind of bad release is recognised and taken back, whatever it does to hide it;
//! a good one is confirmed. On real containers, under load.

use std::collections::BTreeSet;

use xtask::load::Load;
use xtask::releases::{BAD, GOOD, RANCHER, Release};

use super::stage::{STACK, Stage};

#[test]
fn bad_releases_are_taken_back_and_good_ones_kept() {
    let Some(stage) = Stage::set() else { return };
    stage.files(&GOOD.compose("demo/web:v1"), RANCHER);
    stage.ok("up -d");
    let load = Load::start(stage.balancer(), 4);
    for bad in &BAD {
        let old = stage.running_ids("web");
        let said = deploy(&stage, bad, 20);
        assert!(said.contains(bad.verdict), "{bad}: {said}");
        assert_eq!(stage.running_ids("web"), old, "{bad}: the very containers of before");
        // Whoever comes late sees the same.
        assert_eq!(stage.drover("wait").status, Some(20), "{bad}");
        let counts = load.take();
        eprintln!("{bad}: {counts}");
    }
    for round in 0..3 {
        let old = stage.running_ids("web");
        let good = GOOD.compose(if round % 2 == 0 { "demo/web:v2" } else { "demo/web:v1" });
        stage.files(&good, RANCHER);
        let done = stage.drover("up -d --upgrade");
        assert_eq!(done.status, Some(0), "{}", done.text);
        let new: BTreeSet<String> = stage.running_ids("web");
        assert!(old.is_disjoint(&new) && new.len() == 3, "{round}");
        assert_eq!(stage.cluster.service(STACK, "web").unwrap()["state"], "active");
        let counts = load.take();
        eprintln!("good: {counts}");
        assert_eq!(counts.failed(), 0, "{counts}");
    }
}

/// Ask for it; what was said of it.
fn deploy(stage: &Stage, release: &Release, status: i32) -> String {
    stage.files(&release.compose("demo/web:v2"), RANCHER);
    let done = stage.drover("up -d --upgrade");
    assert_eq!(done.status, Some(status), "{release}: {}", done.text);
    eprintln!("{release}: {}", done.text.lines().last().unwrap_or_default());
    done.text
}

#[test]
fn what_its_containers_are_asked_must_be_answered() {
    let Some(stage) = Stage::set() else { return };
    let strategy = |verify: &str| {
        format!(
            "version: '2'\nservices:\n  web:\n    scale: 2\n    upgrade_strategy: {{start_first: true, interval_millis: 100, on_failure: rollback, finish: auto, verify: {{for: 6s, {verify}}}}}\n"
        )
    };
    let deploy = |version: &str, verify: &str| {
        let compose = format!("version: '2'\nservices:\n  web:\n    image: demo/web:{version}\n");
        stage.files(&compose, &strategy(verify));
        stage.drover("up -d --upgrade")
    };
    assert_eq!(deploy("v1", "").status, Some(0));
    let good =
        ["command: [/testapp, health]", "request: {port: 80, request_line: GET /env HTTP/1.0}"];
    let bad = [
        ("command: [/testapp, exit, '3']", "`/testapp` ended with 3"),
        ("request: {port: 80, request_line: GET /nowhere HTTP/1.0}", "was answered 404"),
    ];
    for (verify, version) in good.into_iter().zip(["v2", "v1"]) {
        let done = deploy(version, verify);
        assert_eq!(done.status, Some(0), "{verify}: {}", done.text);
    }
    for (verify, says) in bad {
        let done = deploy("v2", verify);
        assert_eq!(done.status, Some(20), "{verify}: {}", done.text);
        assert!(
            done.text.contains("failed its verification") && done.text.contains(says),
            "{}",
            done.text
        );
    }
}
