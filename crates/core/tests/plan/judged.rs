//! When an upgrade's policy may judge, and when it has: stale words, what was found good, and what goes on by itself.

use std::collections::BTreeMap;

use drover_core::{
    Change, ContainerSpec, Desired, Failed, FinishPolicy, HostId, HostSeen, Observed, OnFailure,
    OnHostLoss, Pace, Phase, RevisionNo, ServiceId, Tally, Unit, UpgradePhase, UpgradePolicy,
    Verify, VerifyAsk, VerifyProbe,
};

use crate::lab::{Lab, image, with_port};

const SECOND: u64 = 1_000;
const DAY: u64 = 86_400 * SECOND;

fn rollback() -> UpgradePolicy {
    UpgradePolicy { on_failure: OnFailure::Rollback, ..UpgradePolicy::default() }
}

fn auto(policy: UpgradePolicy) -> UpgradePolicy {
    UpgradePolicy { finish: FinishPolicy::Auto, ..policy }
}

fn watched(seconds: u64, policy: UpgradePolicy) -> UpgradePolicy {
    let verify = Verify { for_ms: Some(seconds * SECOND), ..policy.verify };
    UpgradePolicy { verify, ..policy }
}

/// A service of one at v1 on the first of two hosts, and an upgrade of it that has moved.
fn upgraded(policy: UpgradePolicy, start_first: bool) -> (Lab, ServiceId) {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.policy = policy;
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    lab.upgrade(web, image("v2"), 1, start_first);
    move_all(&mut lab, web);
    (lab, web)
}

fn move_all(lab: &mut Lab, service: ServiceId) {
    for _ in 0..40 {
        if phase(lab, service) != Some(UpgradePhase::Upgrading) {
            return;
        }
        lab.plan();
        lab.obey();
        lab.now = lab.now + 500;
    }
    panic!("it did not move: {:?}", lab.said(service));
}

fn phase(lab: &Lab, service: ServiceId) -> Option<UpgradePhase> {
    lab.world.upgrade(service).map(|upgrade| upgrade.phase)
}

fn new_unit(lab: &Lab, service: ServiceId) -> Unit {
    let mut units = lab.world.units_of(service);
    units.rfind(|unit| unit.key.revision == RevisionNo(2)).unwrap().clone()
}

/// Its agent says something else of a unit.
fn tell(lab: &mut Lab, unit: &Unit, change: impl FnOnce(&mut Observed)) {
    let mut seen = lab.world.observed(unit.key).unwrap().clone();
    seen.tick += 1;
    seen.since = lab.now;
    change(&mut seen);
    lab.world.observe(unit.host, &BTreeMap::from([(unit.key, seen)]), lab.now);
}

fn crash(seen: &mut Observed) {
    (seen.phase, seen.ready) = (Phase::BackOff, false);
    seen.failed = Failed { times: 9, how: "exited with code 1".into(), ..Failed::default() };
}

fn see_host(lab: &mut Lab, host: HostId, change: impl FnOnce(&mut HostSeen)) {
    let mut seen = lab.world.seen[&host].as_ref().clone();
    change(&mut seen);
    lab.commit(vec![Change::SeeHost { host, seen: Box::new(seen) }]);
}

#[test]
fn what_was_found_good_is_not_judged_the_day_after() {
    let (mut lab, web) = upgraded(watched(20, rollback()), true);
    lab.now = lab.now + 60 * SECOND;
    lab.plan();
    let found = lab.world.upgrade(web).unwrap().approved.clone();
    assert_eq!(found.as_deref(), Some("all containers serve, watched for 20 s"));
    lab.now = lab.now + DAY;
    let unit = new_unit(&lab, web);
    tell(&mut lab, &unit, crash);
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded), "it waits for people");
}

#[test]
fn who_goes_on_after_it_was_good_has_it_judged_again() {
    let (mut lab, web) = upgraded(watched(20, rollback()), true);
    lab.now = lab.now + 60 * SECOND;
    lab.plan();
    lab.phase(web, UpgradePhase::Upgrading);
    assert_eq!(lab.world.upgrade(web).unwrap().approved, None);
}

#[test]
fn a_moment_without_serving_is_not_a_deadline_that_is_over() {
    let policy = UpgradePolicy { deadline_ms: Some(30 * SECOND), ..watched(60, rollback()) };
    let (mut lab, web) = upgraded(policy, true);
    lab.now = lab.now + 59 * SECOND;
    let unit = new_unit(&lab, web);
    tell(&mut lab, &unit, |seen| (seen.phase, seen.ready) = (Phase::Starting, false));
    lab.now = lab.now + 2 * SECOND;
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded), "down for two seconds");
    assert!(
        lab.said(web).join(" ").contains("does not serve as a whole; judged in 30 s"),
        "{:?}",
        lab.said(web)
    );
    lab.now = lab.now + 31 * SECOND;
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::RollingBack));
}

#[test]
fn what_stands_still_is_said_with_what_comes_of_it_and_when() {
    for (on_failure, then) in [
        (OnFailure::Rollback, "rolled back"),
        (OnFailure::Pause, "paused"),
        (OnFailure::Retry, "no longer finished by itself"),
    ] {
        let policy = UpgradePolicy {
            on_failure,
            deadline_ms: Some(30 * SECOND),
            ..auto(UpgradePolicy::default())
        };
        let mut lab = Lab::new(&[&[], &[]]);
        lab.policy = policy;
        lab.broken.insert("v2".into());
        let web = lab.service("web", 1, image("v1"));
        lab.settle();
        lab.upgrade(web, image("v2"), 1, true);
        lab.settle_now();
        assert!(!lab.said(web).join(" ").contains("nothing has moved"), "{:?}", lab.said(web));
        // Its interval of two seconds is no standing still.
        lab.now = lab.now + 12 * SECOND;
        lab.plan();
        let note = lab.notes[&web].iter().find(|note| note.text.contains("nothing has moved"));
        let note = note.unwrap_or_else(|| panic!("{:?}", lab.said(web)));
        assert_eq!(note.text, format!("nothing has moved for 12 s: it is {then} in 20 s"));
        assert_eq!(note.until, Some(lab.now + 20 * SECOND));
    }
}

#[test]
fn nothing_is_judged_by_what_was_said_before_the_server_was_away() {
    // What the rows say is from before: whether it is good or bad, nobody knows yet.
    for crashed in [false, true] {
        let (mut lab, web) = upgraded(auto(watched(20, rollback())), true);
        let unit = new_unit(&lab, web);
        see_host(&mut lab, unit.host, |seen| seen.caught_up = false);
        lab.now = lab.now + 600 * SECOND;
        lab.plan();
        assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
        if crashed {
            tell(&mut lab, &unit, crash);
        }
        let now = lab.now;
        see_host(&mut lab, unit.host, |seen| (seen.caught_up, seen.since) = (true, now));
        lab.plan();
        let wanted = if crashed { UpgradePhase::RollingBack } else { UpgradePhase::Finishing };
        assert_eq!(phase(&lab, web), Some(wanted));
    }
}

#[test]
fn an_upgrade_that_stood_while_the_server_was_away_has_its_time_again() {
    let policy = UpgradePolicy { deadline_ms: Some(30 * SECOND), ..rollback() };
    let mut lab = Lab::new(&[&[], &[]]);
    lab.policy = policy;
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    lab.obey();
    lab.now = lab.now + 600 * SECOND;
    let now = lab.now;
    for host in [HostId(101), HostId(102)] {
        see_host(&mut lab, host, |seen| seen.since = now);
    }
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgrading));
}

#[test]
fn a_host_that_is_away_is_not_one_that_serves() {
    let (mut lab, web) = upgraded(auto(watched(20, rollback())), true);
    let host = new_unit(&lab, web).host;
    lab.connect(host, false);
    lab.now = lab.now + 30 * SECOND;
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
}

#[test]
fn what_was_never_asked_has_not_passed() {
    let ask = VerifyAsk::Command(vec!["ok".into()]);
    let verify = Verify { probe: Some(VerifyProbe { ask, failures: 0 }), ..Verify::default() };
    let (mut lab, web) = upgraded(auto(watched(1, UpgradePolicy { verify, ..rollback() })), true);
    lab.now = lab.now + 30 * SECOND;
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
    let unit = new_unit(&lab, web);
    tell(&mut lab, &unit, |seen| seen.verified = Some(Tally { passed: 1, ..Tally::default() }));
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Finishing));
    let said = lab.world.upgrade(web).unwrap().verdict.clone().unwrap();
    assert_eq!(said, "all containers serve, watched for 1 s; 1 passed their verification");
}

#[test]
fn who_goes_on_forgives_failed_verifications_too() {
    let ask = VerifyAsk::Command(vec!["ok".into()]);
    let verify = Verify { probe: Some(VerifyProbe { ask, failures: 0 }), ..Verify::default() };
    let (mut lab, web) =
        upgraded(UpgradePolicy { on_failure: OnFailure::Pause, verify, ..rollback() }, true);
    let unit = new_unit(&lab, web);
    let failed = |failed| {
        move |seen: &mut Observed| {
            seen.verified = Some(Tally { passed: 0, failed, why: "ended with 1".into() });
        }
    };
    tell(&mut lab, &unit, failed(2));
    lab.plan();
    let verdict = |lab: &Lab| lab.world.upgrade(web).unwrap().verdict.is_some();
    assert!(verdict(&lab), "it is paused");
    lab.phase(web, UpgradePhase::Upgrading);
    lab.plan();
    assert!(!verdict(&lab), "what was seen does not count again");
    tell(&mut lab, &unit, failed(3));
    lab.plan();
    assert!(verdict(&lab));
}

#[test]
fn one_that_retries_tries_a_stop_only_once() {
    let policy = UpgradePolicy { on_failure: OnFailure::Retry, ..auto(watched(0, rollback())) };
    let verify = Verify { stop: true, ..policy.verify.clone() };
    let (mut lab, web) = upgraded(UpgradePolicy { verify, ..policy }, true);
    let mut stops = 0;
    for _ in 0..40 {
        lab.plan();
        let unit = new_unit(&lab, web);
        if unit.desired == Desired::Stopped {
            let killed =
                drover_core::ObservedContainer { exit_code: Some(137), ..Default::default() };
            stops += usize::from(lab.see(unit.key, Phase::Stopped, false, killed));
        }
        lab.obey();
        lab.now = lab.now + SECOND;
    }
    assert_eq!((stops, phase(&lab, web)), (1, Some(UpgradePhase::Upgraded)));
    let said = lab.world.upgrade(web).unwrap().verdict.clone().unwrap_or_default();
    assert!(said.contains("did not end on SIGTERM"), "{said}");
    assert_eq!(lab.serving(web), 1, "it runs again");
}

#[test]
fn a_trial_stop_on_a_host_that_is_lost_holds_nothing_up() {
    let verify = Verify { stop: true, ..Verify::default() };
    let (mut lab, web) = upgraded(UpgradePolicy { verify, ..rollback() }, true);
    while new_unit(&lab, web).desired == Desired::Running {
        assert!(lab.plan(), "it is stopped to see whether it ends");
    }
    let host = new_unit(&lab, web).host;
    lab.connect(host, false);
    lab.now = lab.now + 300 * SECOND;
    lab.settle();
    assert_eq!(lab.serving(web), 1, "{:?} {:?}", lab.show(web), lab.said(web));
}

#[test]
fn a_trial_stop_is_tried_between_services_too() {
    let mut lab = Lab::new(&[&[], &[]]);
    let verify = Verify { stop: true, for_ms: Some(0), ..Verify::default() };
    lab.policy = auto(UpgradePolicy { verify, ..rollback() });
    let (web, next) = (lab.service("web", 2, image("v1")), lab.service("next", 0, image("v2")));
    lab.settle();
    lab.shift(web, next, 2, 1);
    for _ in 0..60 {
        lab.plan();
        lab.obey();
        lab.now = lab.now + SECOND;
    }
    let end = lab.world.outcomes.get(&web).map(|outcome| outcome.upgrade.clone()).unwrap();
    assert_eq!(end.phase, UpgradePhase::Finishing, "{:?}", end.verdict);
    assert!(end.verdict.unwrap_or_default().ends_with("one was stopped and ended in time"));
}

#[test]
fn what_a_target_did_before_does_not_count() {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.policy = rollback();
    let (web, next) = (lab.service("web", 1, image("v1")), lab.service("next", 1, image("v2")));
    lab.settle();
    let unit = lab.world.units_of(next).next().unwrap().clone();
    tell(&mut lab, &unit, |seen| {
        seen.failed = Failed { times: 5, out_of_memory: true, ..Failed::default() }
    });
    lab.shift(web, next, 2, 1);
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgrading));
}

#[test]
fn a_long_drain_is_not_standing_still() {
    let slow = ContainerSpec { drain_timeout_ms: Some(300 * SECOND), ..image("v1") };
    let mut lab = Lab::new(&[&[], &[]]);
    lab.policy = UpgradePolicy { deadline_ms: Some(30 * SECOND), ..rollback() };
    let web = lab.service("web", 1, slow);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.upgrade(web, image("v2"), 1, true);
    for _ in 0..20 {
        lab.plan();
        let old = lab.world.units_of(web).next().unwrap().key;
        lab.acknowledge(lb, &[(old, 1)]);
        lab.obey();
        lab.now = lab.now + 10 * SECOND;
    }
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgrading), "{:?}", lab.said(web));
    lab.acknowledge(lb, &[]);
    lab.settle();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
}

#[test]
fn a_rollback_start_first_stops_first_where_two_cannot_run() {
    let single = ContainerSpec { on_host_loss: Some(OnHostLoss::Fence), ..image("v1") };
    for (old, new) in [(single, image("v2")), (with_port("v1", "80:80"), with_port("v2", "80:80"))]
    {
        let mut lab = Lab::new(&[&[]]);
        let back = Pace { start_first: Some(true), ..Pace::default() };
        lab.policy = UpgradePolicy { back, ..UpgradePolicy::default() };
        let web = lab.service("web", 1, old);
        lab.settle();
        lab.upgrade(web, new, 1, false);
        lab.settle();
        assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
        lab.phase(web, UpgradePhase::RollingBack);
        lab.settle();
        assert_eq!(phase(&lab, web), None, "{:?}", lab.said(web));
        assert_eq!(lab.show(web), ["1.1 h1 running"]);
    }
}

#[test]
fn a_pause_gives_back_what_stood_on_the_same_port() {
    let pause = UpgradePolicy { on_failure: OnFailure::Pause, max_failures: Some(0), ..rollback() };
    let mut lab = Lab::new(&[&[]]);
    lab.policy = pause;
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    lab.broken.insert("v2".into());
    lab.upgrade(web, with_port("v2", "80:80"), 1, false);
    for _ in 0..8 {
        lab.plan();
        lab.obey();
    }
    let unit = new_unit(&lab, web);
    tell(&mut lab, &unit, crash);
    lab.settle();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Canceled));
    assert_eq!(lab.serving(web), 1, "{:?} {:?}", lab.show(web), lab.said(web));
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.2 h1 stopped"]);
}

#[test]
fn nobody_begins_after_one_that_was_found_bad() {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.policy = UpgradePolicy {
        on_failure: OnFailure::Pause,
        max_failures: Some(0),
        ..watched(60, rollback())
    };
    let (db, app) = (lab.service("db", 1, image("d1")), lab.service("app", 2, image("a1")));
    lab.settle();
    lab.upgrade_together(&[(app, "a2", vec![db]), (db, "d2", Vec::new())]);
    while phase(&lab, db) == Some(UpgradePhase::Upgrading) {
        lab.plan();
        lab.obey_for(db);
        lab.now = lab.now + 500;
    }
    let unit = new_unit(&lab, db);
    tell(&mut lab, &unit, crash);
    for _ in 0..10 {
        lab.plan();
        lab.obey_for(app);
        lab.now = lab.now + SECOND;
    }
    let moved = lab.world.units_of(app).filter(|u| u.key.revision == RevisionNo(2)).count();
    assert!(moved <= 1, "not one more than had begun: {:?}", lab.show(app));
    let said = lab.said(app).join(" ");
    assert!(said.contains("goes on when it is decided about db"), "{said}");
}

#[test]
fn what_has_no_unit_yet_is_not_found_good() {
    let (mut lab, web) = upgraded(auto(watched(1, rollback())), true);
    lab.now = lab.now + 30 * SECOND;
    lab.edit(web, |service| service.scale = 2);
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded), "{:?}", lab.show(web));
    lab.settle();
    assert_eq!(phase(&lab, web), None, "{:?}", lab.said(web));
}
