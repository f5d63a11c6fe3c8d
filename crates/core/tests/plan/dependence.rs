//! Services that depend on others: they start when those are as they need them, and are their own from then on.

use drover_core::{
    Condition, ContainerSpec, DependsOn, ObservedContainer, OnFailure, Phase, ServiceId, UnitKey,
    UpgradePhase, Wanted, label,
};

use crate::lab::{Lab, image, labelled};

const HEALTHY: Condition = Condition::ServiceHealthy;
const COMPLETED: Condition = Condition::ServiceCompletedSuccessfully;

fn job(name: &str) -> ContainerSpec {
    labelled(image(name), label::START_ONCE, "true")
}

fn depend(lab: &mut Lab, service: ServiceId, needed: ServiceId, condition: Condition) {
    lab.edit(service, |service| {
        service.depends_on.push(DependsOn { service: needed, condition });
    });
}

/// A service is started, stopped or removed, and all comes to rest.
fn want(lab: &mut Lab, service: ServiceId, wanted: Wanted) {
    lab.edit(service, |service| service.wanted = wanted);
    lab.settle();
}

/// What a service needs, and the service.
fn needed_and_web(lab: &mut Lab, needed: ContainerSpec, condition: Condition) -> [ServiceId; 2] {
    let needed = lab.service("needed", 1, needed);
    let web = lab.service("web", 1, image("v1"));
    depend(lab, web, needed, condition);
    lab.plan();
    [needed, web]
}

fn unit_of(lab: &Lab, service: ServiceId) -> UnitKey {
    lab.world.units_of(service).max_by_key(|unit| unit.serial).unwrap().key
}

/// A job's container ends, after it was run again if it had already.
fn end(lab: &mut Lab, service: ServiceId, code: i64) {
    lab.see(unit_of(lab, service), Phase::Running, true, ObservedContainer::default());
    let ended = ObservedContainer { exit_code: Some(code), starts: 1, ..Default::default() };
    lab.see(unit_of(lab, service), Phase::Completed, false, ended);
}

#[test]
fn what_is_to_be_healthy_is_waited_for_once() {
    let mut lab = Lab::new(&[&[], &[]]);
    let [db, web] = needed_and_web(&mut lab, image("v1"), HEALTHY);
    assert_eq!(lab.show(web), [""; 0]);
    assert_eq!(lab.said(web), ["web starts when needed is healthy: 0 of 1 containers are"]);
    lab.settle();
    assert_eq!(lab.serving(web), 1);
    // From then on it is its own: it is healed while what it needed is down.
    let [down, dead] = [db, web].map(|service| unit_of(&lab, service));
    want(&mut lab, db, Wanted::Inactive);
    lab.see(dead, Phase::BackOff, false, ObservedContainer::default());
    lab.settle();
    assert_eq!((lab.serving(db), lab.serving(web)), (0, 1), "{down}");
}

#[test]
fn what_is_stopped_has_to_be_started_by_someone() {
    let mut lab = Lab::new(&[&[]]);
    let [db, web] = needed_and_web(&mut lab, image("v1"), HEALTHY);
    want(&mut lab, db, Wanted::Inactive);
    assert_eq!(
        lab.said(web),
        ["! web starts when needed is healthy, and needed is stopped: start it"]
    );
    want(&mut lab, db, Wanted::Active);
    assert_eq!(lab.serving(web), 1);
}

#[test]
fn what_is_gone_keeps_nobody_waiting() {
    let mut lab = Lab::new(&[&[]]);
    let [db, web] = needed_and_web(&mut lab, image("v1"), HEALTHY);
    want(&mut lab, db, Wanted::Removed);
    assert_eq!(lab.serving(web), 1);
}

#[test]
fn a_job_has_to_end_well_and_not_only_to_run() {
    let mut lab = Lab::new(&[&[]]);
    let [migrate, web] = needed_and_web(&mut lab, job("v1"), COMPLETED);
    lab.settle_now();
    let said = |lab: &Lab| lab.said(web).concat();
    assert_eq!(said(&lab), "web starts when needed has ended with exit code 0: blog-needed-1 runs");
    end(&mut lab, migrate, 3);
    lab.plan();
    assert_eq!(
        said(&lab),
        "! web starts when needed has ended with exit code 0: blog-needed-1 ended with 3; correct it and upgrade \
         it, or stop and start it to run it again"
    );
    assert_eq!(lab.show(web), [""; 0]);
    end(&mut lab, migrate, 0);
    lab.plan();
    lab.obey_for(web);
    assert_eq!(lab.serving(web), 1);
}

#[test]
fn one_that_is_run_again_whenever_it_ends_never_ends() {
    let mut lab = Lab::new(&[&[]]);
    let [_, web] = needed_and_web(&mut lab, image("v1"), COMPLETED);
    lab.settle_now();
    let said = lab.said(web).concat();
    assert!(
        said.starts_with("! web starts when needed has ended with exit code 0, which it never")
    );
    assert!(said.contains(label::START_ONCE), "{said}");
}

/// In an upgrade of both the web moves when the job's new version has ended, and not when it has failed.
#[test]
fn in_an_upgrade_of_several_the_job_ends_before_others_move() {
    let mut lab = Lab::new(&[&[], &[]]);
    let [migrate, web] = needed_and_web(&mut lab, job("v1"), COMPLETED);
    lab.settle_now();
    end(&mut lab, migrate, 0);
    lab.plan();
    lab.obey_for(web);
    lab.upgrade_members(vec![(migrate, job("v2"), vec![]), (web, image("v2"), vec![migrate])]);
    for _ in 0..20 {
        lab.plan();
        lab.obey_for(migrate);
    }
    let phases =
        |lab: &Lab| [migrate, web].map(|service| lab.world.upgrade(service).unwrap().phase);
    assert_eq!(phases(&lab), [UpgradePhase::Upgraded, UpgradePhase::Upgrading]);
    assert_eq!(lab.show(web), ["1.1 h2 running"], "{:?}", lab.said(web));
    let said = lab.said(web).concat();
    assert_eq!(
        said,
        "begins when needed has ended with exit code 0: blog-needed-1 runs; to go on all the same, cancel this upgrade \
         and continue it"
    );
    end(&mut lab, migrate, 1);
    lab.plan();
    assert_eq!(
        lab.said(web).concat(),
        "! begins when needed has ended with exit code 0: blog-needed-1 ended with 1; to go on all the \
         same, cancel this upgrade and continue it"
    );
    assert_eq!(lab.show(web), ["1.1 h2 running"]);
    end(&mut lab, migrate, 0);
    for _ in 0..20 {
        lab.plan();
        lab.obey_for(web);
    }
    assert_eq!(phases(&lab), [UpgradePhase::Upgraded; 2]);
}

/// Nothing runs yet, so that nothing is to be moved: an upgrade is over at once, either way.
#[test]
fn an_upgrade_of_what_waits_is_a_swap() {
    for back in [false, true] {
        let mut lab = Lab::new(&[&[]]);
        let [_, web] = needed_and_web(&mut lab, image("v1"), HEALTHY);
        lab.upgrade(web, image("v2"), 1, false);
        lab.plan();
        assert_eq!(lab.world.upgrade(web).unwrap().phase, UpgradePhase::Upgraded);
        lab.phase(web, if back { UpgradePhase::RollingBack } else { UpgradePhase::Finishing });
        lab.plan();
        assert!(lab.world.upgrade(web).is_none());
        assert_eq!(lab.world.service(web).unwrap().current.0, if back { 1 } else { 2 });
    }
}

/// The clock of a policy's deadline runs from when it could begin, not from when the job came to run.
#[test]
fn what_waits_for_a_long_job_is_not_judged_for_standing_still() {
    let mut lab = Lab::new(&[&[], &[]]);
    let [migrate, web] = needed_and_web(&mut lab, job("v1"), COMPLETED);
    lab.settle_now();
    end(&mut lab, migrate, 0);
    lab.plan();
    lab.obey_for(web);
    lab.policy.on_failure = OnFailure::Rollback;
    lab.policy.deadline_ms = Some(30_000);
    lab.upgrade_members(vec![(migrate, job("v2"), vec![]), (web, image("v2"), vec![migrate])]);
    for _ in 0..20 {
        lab.plan();
        lab.obey_for(migrate);
    }
    lab.now = lab.now + 900_000;
    lab.plan();
    end(&mut lab, migrate, 0);
    for _ in 0..20 {
        lab.plan();
        lab.obey_for(web);
    }
    assert_eq!(
        lab.world.upgrade(web).unwrap().phase,
        UpgradePhase::Upgraded,
        "{:?}",
        lab.said(web)
    );
}

#[test]
fn what_does_not_start_yet_leaves_a_host_that_is_emptied() {
    let mut lab = Lab::new(&[&[], &[]]);
    let [needed, web] = needed_and_web(&mut lab, image("v1"), HEALTHY);
    lab.settle();
    want(&mut lab, web, Wanted::Inactive);
    want(&mut lab, needed, Wanted::Inactive);
    want(&mut lab, web, Wanted::Active);
    let host = lab.world.units_of(web).next().unwrap().host;
    assert_eq!(lab.serving(web), 0, "it waits: {:?}", lab.said(web));
    lab.evacuate(host);
    lab.settle();
    assert_eq!(lab.world.units_on(host).count(), 0, "{:?}", lab.show(web));
    want(&mut lab, needed, Wanted::Active);
    assert_eq!(lab.serving(web), 1);
    assert!(lab.world.units_of(web).all(|unit| unit.host != host));
}
