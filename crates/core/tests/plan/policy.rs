//! Upgrades that are decided on without people: what counts as bad, what becomes of it, and who goes along.

use std::collections::BTreeMap;

use drover_core::{
    Counts, Course, Failed, FinishPolicy, Followed, Ledger, Observed, ObservedContainer, OnFailure,
    Outcome, Phase, RequestBounds, RevisionNo, ServiceId, Slot, Tally, UpgradePhase, UpgradePolicy,
    Verify, VerifyAsk, VerifyProbe,
};

use crate::lab::{Lab, image};

fn rollback() -> UpgradePolicy {
    UpgradePolicy { on_failure: OnFailure::Rollback, ..UpgradePolicy::default() }
}

/// A service of that many at v1, on two hosts, whose next upgrades go by this policy.
fn lab(scale: u32, policy: UpgradePolicy) -> (Lab, ServiceId) {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.policy = policy;
    let web = lab.service("web", scale, image("v1"));
    lab.settle();
    (lab, web)
}

/// Its newest unit at a revision fails as an agent tells it.
fn fail(lab: &mut Lab, service: ServiceId, failed: Failed) {
    let to = lab.world.upgrade(service).unwrap().leads_to().1;
    let unit = lab.world.units_of(service).find(|u| Some(u.key.revision) == to).unwrap();
    let (key, host, generation) = (unit.key, unit.host, unit.generation);
    let tick = lab.world.observed(key).map_or(1, |seen| seen.tick + 1);
    let phase = Phase::BackOff;
    let seen = Observed { generation, tick, phase, failed, ..Observed::default() };
    lab.world.observe(host, &BTreeMap::from([(key, seen)]), lab.now);
}

fn crashed(times: u32) -> Failed {
    Failed { times, how: "exited with code 1".into(), ..Failed::default() }
}

fn phase(lab: &Lab, service: ServiceId) -> Option<UpgradePhase> {
    lab.world.upgrade(service).map(|upgrade| upgrade.phase)
}

fn outcome(lab: &Lab, service: ServiceId) -> &Outcome {
    lab.world.outcomes.get(&service).unwrap()
}

fn verdict(lab: &Lab, service: ServiceId) -> String {
    let held = lab.world.upgrade(service);
    let held = held.unwrap_or_else(|| &outcome(lab, service).upgrade);
    held.verdict.clone().unwrap_or_default()
}

#[test]
fn more_failures_than_are_tolerated_take_it_back() {
    let (mut lab, web) = lab(2, rollback());
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    fail(&mut lab, web, crashed(2));
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgrading), "two are tolerated");
    fail(&mut lab, web, crashed(3));
    lab.plan();
    let said = "blog-web-1 on h1 exited with code 1; 3 failures of new containers, 2 are tolerated (max_failures)";
    assert_eq!(verdict(&lab, web), said);
    lab.settle();
    assert_eq!(phase(&lab, web), None);
    assert_eq!(outcome(&lab, web).upgrade.phase, UpgradePhase::RollingBack);
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 running"]);
}

#[test]
fn without_a_policy_it_keeps_trying() {
    let (mut lab, web) = lab(1, UpgradePolicy::default());
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    fail(&mut lab, web, crashed(99));
    lab.now = lab.now + 10_000_000;
    lab.plan();
    assert_eq!(
        (phase(&lab, web), verdict(&lab, web)),
        (Some(UpgradePhase::Upgrading), String::new())
    );
}

#[test]
fn want_of_memory_is_not_tried_again() {
    let (mut lab, web) = lab(1, rollback());
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    fail(&mut lab, web, Failed { out_of_memory: true, ..crashed(1) });
    lab.plan();
    assert!(
        verdict(&lab, web).contains("wants more memory than it may have"),
        "{}",
        verdict(&lab, web)
    );
}

#[test]
fn a_pause_is_a_cancel_and_who_goes_on_forgives() {
    let pause = UpgradePolicy { on_failure: OnFailure::Pause, max_failures: Some(0), ..rollback() };
    let (mut lab, web) = lab(1, pause);
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    fail(&mut lab, web, crashed(1));
    lab.plan();
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Canceled));
    assert!(
        verdict(&lab, web).contains("1 failure of new containers, 0 are"),
        "{}",
        verdict(&lab, web)
    );
    lab.now = lab.now + 5_000;
    lab.phase(web, UpgradePhase::Upgrading);
    lab.plan();
    assert_eq!(
        (phase(&lab, web), verdict(&lab, web)),
        (Some(UpgradePhase::Upgrading), String::new())
    );
    fail(&mut lab, web, crashed(2));
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Canceled), "but not what comes after");
}

#[test]
fn what_never_serves_runs_out_of_time() {
    let policy = UpgradePolicy { deadline_ms: Some(30_000), ..rollback() };
    let (mut lab, web) = lab(1, policy);
    lab.broken.insert("v2".into());
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    lab.obey();
    lab.now = lab.now + 31_999; // with the pause between batches
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgrading));
    lab.now = lab.now + 1;
    lab.plan();
    let said = "nothing moved for 30 s (deadline); blog-web-1 on h1: it does not serve";
    assert_eq!(verdict(&lab, web), said);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running"]);
}

#[test]
fn one_that_went_well_is_watched_and_then_finished() {
    let policy = UpgradePolicy {
        finish: FinishPolicy::Auto,
        verify: Verify { for_ms: Some(20_000), ..Verify::default() },
        ..rollback()
    };
    let (mut lab, web) = lab(2, policy);
    lab.upgrade(web, image("v2"), 1, true);
    while phase(&lab, web) == Some(UpgradePhase::Upgrading) {
        lab.plan();
        lab.obey();
        lab.now = lab.now + 1_000;
    }
    let moved_at = lab.world.upgrade(web).unwrap().phase_at;
    lab.now = moved_at + 19_999;
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
    lab.now = moved_at + 20_000;
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Finishing));
    lab.settle();
    let said = "all containers serve, watched for 20 s";
    assert_eq!((phase(&lab, web), verdict(&lab, web).as_str()), (None, said));
    assert_eq!(outcome(&lab, web).upgrade.phase, UpgradePhase::Finishing);
}

#[test]
fn what_fails_while_it_is_watched_is_taken_back() {
    let policy = UpgradePolicy {
        finish: FinishPolicy::Auto,
        verify: Verify { for_ms: Some(20_000), ..Verify::default() },
        max_failures: Some(0),
        ..rollback()
    };
    let (mut lab, web) = lab(1, policy);
    lab.upgrade(web, image("v2"), 1, true);
    for _ in 0..6 {
        lab.plan();
        lab.obey();
    }
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
    fail(&mut lab, web, crashed(1));
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::RollingBack));
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running"]);
}

/// Balancers counted so many answers of the new version, so many of them errors.
fn answered(lab: &mut Lab, service: ServiceId, answers: u64, errors: u64) {
    let upgrade = lab.world.upgrade(service).unwrap().clone();
    let Course::InService { to, .. } = upgrade.course else { panic!() };
    let mut counts = Counts::default();
    (0..answers).for_each(|_| counts.answer(5));
    counts.server_errors = errors;
    let ledger = Ledger { number: upgrade.ledger, revisions: BTreeMap::from([(to, counts)]) };
    let ledgers = BTreeMap::from([(service, ledger)]);
    let followed = Followed { ledgers, ..Followed::default() };
    let balancer = lab.world.units_of(service).next().unwrap().clone();
    lab.world.follow(balancer.host, &BTreeMap::from([(balancer.key, followed)]), None);
}

#[test]
fn errors_that_the_old_version_did_not_give_take_it_back() {
    let verify = Verify { requests: Some(RequestBounds::default()), ..Verify::default() };
    let (mut lab, web) = lab(1, UpgradePolicy { verify, ..rollback() });
    lab.upgrade(web, image("v2"), 1, true);
    for _ in 0..6 {
        lab.plan();
        lab.obey();
    }
    answered(&mut lab, web, 200, 1);
    lab.plan();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
    answered(&mut lab, web, 400, 20);
    lab.plan();
    assert!(verdict(&lab, web).contains("20 of 400 answers"), "{}", verdict(&lab, web));
}

#[test]
fn what_its_containers_are_asked_must_be_answered() {
    let ask = VerifyAsk::Command(vec!["ok".into()]);
    let verify = Verify { probe: Some(VerifyProbe { ask, failures: 1 }), ..Verify::default() };
    let (mut lab, web) = lab(1, UpgradePolicy { verify, ..rollback() });
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    lab.obey();
    let unit = lab.world.units_of(web).find(|u| u.key.revision == RevisionNo(2)).unwrap().clone();
    let mut tell = |failed| {
        let held = lab.world.observed(unit.key).unwrap().clone();
        let verified = Some(Tally { passed: 3, failed, why: "ended with 1".into() });
        let seen = Observed { tick: held.tick + 1, verified, ..held };
        lab.world.observe(unit.host, &BTreeMap::from([(unit.key, seen)]), lab.now);
        lab.plan();
        verdict(&lab, web)
    };
    assert_eq!(tell(1), "");
    assert_eq!(tell(2), "blog-web-1 on h1 failed its verification: ended with 1");
}

#[test]
fn one_new_container_is_stopped_to_see_whether_it_ends() {
    let policy = UpgradePolicy {
        finish: FinishPolicy::Auto,
        verify: Verify { for_ms: Some(0), stop: true, ..Verify::default() },
        ..rollback()
    };
    for (exit_code, good) in [(0, true), (143, true), (137, false)] {
        let (mut lab, web) = lab(2, policy.clone());
        lab.upgrade(web, image("v2"), 2, true);
        let ends = |lab: &mut Lab| {
            let units = lab.world.units_of(web);
            let stopped = units.filter(|u| {
                u.key.revision == RevisionNo(2) && u.desired == drover_core::Desired::Stopped
            });
            let keys: Vec<_> = stopped.map(|u| u.key).collect();
            let ended =
                ObservedContainer { exit_code: Some(exit_code), ..ObservedContainer::default() };
            keys.iter().filter(|key| lab.see(**key, Phase::Stopped, false, ended.clone())).count()
        };
        let (mut tried, mut both_down) = (0, false);
        for _ in 0..40 {
            lab.plan();
            tried += ends(&mut lab);
            both_down |= lab.show(web).iter().filter(|line| line.ends_with("running")).count() == 0;
            lab.obey();
            lab.now = lab.now + 500;
        }
        assert_eq!((tried, both_down), (if good { 1 } else { tried.max(1) }, false));
        let end = outcome(&lab, web);
        if good {
            assert_eq!(end.upgrade.phase, UpgradePhase::Finishing, "{exit_code}");
            assert!(verdict(&lab, web).ends_with("one was stopped and ended in time"));
        } else {
            assert_eq!(end.upgrade.phase, UpgradePhase::RollingBack, "{exit_code}");
            let said = "blog-web-1 did not end on SIGTERM and was killed after 10 s (verify.stop)";
            assert_eq!(verdict(&lab, web), said);
        }
    }
}

#[test]
fn a_policy_decides_on_an_upgrade_between_services_too() {
    let (mut lab, web) = lab(2, UpgradePolicy { deadline_ms: Some(30_000), ..rollback() });
    let next = lab.service("next", 0, image("v2"));
    lab.broken.insert("v2".into());
    lab.settle();
    lab.shift(web, next, 2, 1);
    for _ in 0..20 {
        lab.plan();
        lab.obey();
        lab.now = lab.now + 2_000;
    }
    lab.settle();
    assert_eq!(outcome(&lab, web).upgrade.phase, UpgradePhase::RollingBack);
    assert!(verdict(&lab, web).starts_with("nothing moved for 30 s"), "{}", verdict(&lab, web));
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h2 running"]);
}

/// Two services that are upgraded as one, the second after the first.
fn two(policy: UpgradePolicy) -> (Lab, ServiceId, ServiceId) {
    let (mut lab, db) = lab(1, policy);
    let app = lab.service("app", 1, image("a1"));
    lab.settle();
    lab.upgrade_together(&[(app, "a2", vec![db]), (db, "v2", Vec::new())]);
    (lab, db, app)
}

#[test]
fn who_comes_after_another_waits_for_it() {
    let (mut lab, db, app) = two(rollback());
    lab.plan();
    assert_eq!(lab.show(app), ["1.1 h2 running"]);
    assert!(lab.said(app).join(" ").contains("begins when web is upgraded"), "{:?}", lab.said(app));
    lab.settle();
    let both = |lab: &Lab| [phase(lab, db), phase(lab, app)];
    assert_eq!(both(&lab), [Some(UpgradePhase::Upgraded); 2]);
    lab.phase(app, UpgradePhase::Finishing);
    lab.settle();
    assert_eq!(both(&lab), [None; 2], "one finish");
    assert_eq!(outcome(&lab, db).upgrade.phase, UpgradePhase::Finishing);
}

#[test]
fn who_fails_takes_all_back_the_last_first() {
    let (mut lab, db, app) = two(UpgradePolicy { max_failures: Some(0), ..rollback() });
    while phase(&lab, db) != Some(UpgradePhase::Upgraded) {
        lab.plan();
        lab.obey_for(db);
        lab.now = lab.now + 1_000;
    }
    lab.plan();
    fail(&mut lab, app, crashed(1));
    lab.plan();
    assert_eq!(phase(&lab, db), Some(UpgradePhase::RollingBack));
    assert!(
        verdict(&lab, db).starts_with("with app: blog-app-1 on h2 exited"),
        "{}",
        verdict(&lab, db)
    );
    let slot = |lab: &Lab| {
        let units = lab.world.units_of(db).filter(|u| u.key.slot == Slot::Number(1));
        units
            .filter(|u| u.desired == drover_core::Desired::Running)
            .map(|u| u.key.revision)
            .collect::<Vec<_>>()
    };
    assert_eq!(slot(&lab), [RevisionNo(2)], "the first waits until the last is back");
    lab.settle();
    assert_eq!([phase(&lab, db), phase(&lab, app)], [None; 2]);
    assert_eq!(
        (lab.show(db), lab.show(app)),
        (vec!["1.1 h1 running".into()], vec!["1.1 h2 running".into()])
    );
}

#[test]
fn who_has_not_begun_goes_back_with_the_first_at_once() {
    let (mut lab, db, app) = two(UpgradePolicy { max_failures: Some(0), ..rollback() });
    lab.missing.insert("v2".into());
    lab.plan();
    fail(&mut lab, db, crashed(1));
    lab.settle();
    assert_eq!([phase(&lab, db), phase(&lab, app)], [None; 2]);
    assert_eq!(lab.world.units_of(app).count(), 1, "nothing of it was ever made");
}
