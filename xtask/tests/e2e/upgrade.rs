//! `up --upgrade` and its two ends, on real containers: finish removes the old ones, rollback starts the same old ones.

use std::collections::BTreeSet;

use super::stage::{STACK, Stage};

#[test]
fn a_rollback_starts_the_same_containers_again() {
    let Some(stage) = Stage::set() else { return };
    stage.web("v1", 3);
    stage.ok("up -d");
    let old = stage.running_ids("web");

    stage.web("v2", 3);
    stage.ok("up -d --upgrade --waiting-ok");
    let new = stage.running_ids("web");
    assert_eq!(new.len(), 3);
    assert!(stage.running("web").iter().all(|(_, c)| c.image == "demo/web:v2"));
    assert!(new.is_disjoint(&old));
    let all: BTreeSet<String> = stage.containers("web").into_iter().map(|(_, c)| c.id).collect();
    assert!(old.is_subset(&all), "the old ones are kept");
    assert_eq!(stage.cluster.service(STACK, "web").unwrap()["state"], "upgraded");

    // One upgrade at a time: the reason, and the two ways out.
    stage.web("v1", 3);
    let again = stage.drover("up -d --upgrade --waiting-ok");
    again.must(4, &["web", "--confirm-upgrade", "--rollback"]);
    assert_eq!(stage.running_ids("web"), new);

    stage.ok("up -d --rollback");
    assert_eq!(stage.running_ids("web"), old);
    assert_eq!(stage.cluster.service(STACK, "web").unwrap()["state"], "active");
}

#[test]
fn confirm_removes_the_old_containers_and_force_replaces_what_is_the_same() {
    let Some(stage) = Stage::set() else { return };
    stage.web("v1", 2);
    stage.ok("up -d");
    let old = stage.running_ids("web");

    stage.ok("up -d --force-upgrade --waiting-ok");
    let new = stage.running_ids("web");
    assert!(new.len() == 2 && new.is_disjoint(&old));
    stage.ok("up -d --confirm-upgrade");
    let left: BTreeSet<String> = stage.containers("web").into_iter().map(|(_, c)| c.id).collect();
    assert_eq!(left, new);
    assert_eq!(stage.cluster.service(STACK, "web").unwrap()["state"], "active");

    // There is nothing to go back to, and it says so.
    stage.drover("up -d --rollback").must(1, &["web"]);
    assert_eq!(stage.running_ids("web"), new);
}
