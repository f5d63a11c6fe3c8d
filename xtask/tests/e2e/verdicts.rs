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
