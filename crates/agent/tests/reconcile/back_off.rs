//! What fails is tried again: at once at first, then ever more slowly.

use drover_core::{Desired, Phase};

use crate::fake::{Host, key, says};

#[test]
fn a_killed_container_is_back_at_once() {
    let mut host = Host::plain();
    host.seen();
    host.now = host.now + 5_000;
    host.end("", 137);
    assert_eq!(says(&host.seen()), (Phase::Running, true, 1, ""));
    assert_eq!(
        host.told(),
        ["app-web-1 exited with code 137 (killed by SIGKILL); started again after 0.0 s"]
    );
    assert_eq!(host.seen().containers[""].starts, 2);
}

#[test]
fn a_crash_loop_slows_down() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80]; // it never gets ready
    host.seen();
    let mut waits = Vec::new();
    for _ in 0..10 {
        host.end("", 1);
        let result = host.settle();
        let wait = result.wake_at.filter(|_| !host.container("").is_up());
        waits.push(wait.map_or(0, |at| (at - host.now) / 1_000));
        host.now = wait.unwrap_or(host.now);
        host.seen();
        host.now = host.now + 500;
    }
    assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
}

#[test]
fn it_says_what_it_waits_for() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80];
    host.seen();
    for _ in 0..2 {
        host.end("", 1);
        host.after(1_500);
    }
    host.end("", 139);
    let want = "exited with code 139 (crashed: SIGSEGV); next attempt in 2 s (4th)";
    assert_eq!(says(&host.seen()), (Phase::BackOff, false, 3, want));
    let told = host.told();
    assert_eq!(told.last().unwrap(), &format!("app-web-1 {want}"));
}

#[test]
fn a_stable_run_is_forgiven() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80];
    host.seen();
    host.end("", 1);
    host.after(0);
    host.end("", 1);
    assert_eq!(host.after(59_000).attempt, 2);
    assert_eq!(host.after(5_000).attempt, 0, "a minute of running");
    host.end("", 1);
    assert_eq!(host.seen().phase, Phase::Running, "so that it is back at once");

    host.accept();
    assert_eq!(host.seen().attempt, 1);
    assert_eq!(host.after(9_000).attempt, 1);
    assert_eq!(host.after(2_000).attempt, 0, "ten seconds of being ready");
}

#[test]
fn a_long_run_that_nobody_watched_is_forgiven_too() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80];
    host.seen();
    for _ in 0..3 {
        host.end("", 1);
        host.after(10_000);
    }
    host.now = host.now + 100_000; // the agent was away
    host.end("", 1);
    assert_eq!(says(&host.seen()), (Phase::Running, false, 1, host.seen().message.as_str()));
}

#[test]
fn a_new_wish_is_a_new_chance() {
    let mut host = Host::plain();
    host.unit_mut().ready_ports = vec![80];
    host.seen();
    for _ in 0..6 {
        host.end("", 1);
        host.after(9_000);
        if !host.container("").is_up() {
            break;
        }
    }
    host.after(20_000);
    host.end("", 1);
    assert_eq!(host.seen().phase, Phase::BackOff);
    host.want(Desired::Stopped);
    assert_eq!(says(&host.seen()), (Phase::Stopped, false, 0, ""));
    host.want(Desired::Running);
    assert_eq!(host.seen().phase, Phase::Running);
}

#[test]
fn what_docker_refuses_is_tried_again_later() {
    let mut host = Host::plain();
    host.refuses.insert(String::new(), "image x can't be pulled: no such host".into());
    let want = "image x can't be pulled: no such host; next attempt in 1 s (2nd)";
    assert_eq!(says(&host.seen()), (Phase::BackOff, false, 1, want));
    let seen = host.after(3_100);
    assert_eq!((seen.phase, seen.attempt), (Phase::BackOff, 3));
    assert_eq!(host.done(), "refused primary, refused primary, refused primary");
    host.refuses.clear();
    assert_eq!(says(&host.after(4_000)), (Phase::Running, true, 3, ""));
    assert_eq!(host.after(11_000).attempt, 0);
}

#[test]
fn a_refused_removal_is_tried_again_later() {
    let mut host = Host::plain();
    host.seen();
    host.refuses.insert(String::new(), "device is busy".into());
    host.want(Desired::Removed);
    let want = "device is busy; next attempt in 1 s (2nd)";
    assert_eq!(says(&host.seen()), (Phase::Stopping, false, 1, want));
    host.refuses.clear();
    assert_eq!(host.after(1_000).phase, Phase::Gone);
}

#[test]
fn a_repeated_reason_is_no_news() {
    let mut host = Host::plain();
    let now = host.now;
    let mut refused = |why: &str| host.attempts.refused(key(1), 1, "", why.into(), now).1;
    assert!(refused("disk full"));
    assert!(!refused("disk full"));
    assert!(refused("bad mount"));
}
