//! Upgrades in service: forward, back, half-way, finished.

use std::collections::BTreeSet;

use drover_core::{
    Change, Desired, ObservedContainer, Phase, REVISIONS_SETTING, RevisionNo, UpgradePhase,
};

use crate::lab::{Lab, image, labelled, with_port};

/// Run until the upgrade rests in `phase`, keeping the fewest that served.
fn fewest_until(
    lab: &mut Lab,
    service: drover_core::ServiceId,
    done: impl Fn(&Lab) -> bool,
) -> usize {
    let mut fewest = lab.serving(service);
    for _ in 0..200 {
        if done(lab) {
            return fewest;
        }
        lab.plan();
        fewest = fewest.min(lab.serving(service));
        lab.obey();
        fewest = fewest.min(lab.serving(service));
        lab.now = lab.now + 700;
    }
    panic!("it never got there: {:?}", lab.said(service));
}

fn phase(lab: &Lab, service: drover_core::ServiceId) -> Option<UpgradePhase> {
    lab.world.upgrade(service).map(|u| u.phase)
}

#[test]
fn batches_keep_the_floor_and_the_old_units_are_parked() {
    for (scale, batch, start_first, floor) in
        [(3, 1, false, 2), (3, 2, false, 1), (3, 9, false, 0), (3, 1, true, 3), (1, 1, true, 1)]
    {
        let mut lab = Lab::new(&[&[], &[], &[]]);
        let web = lab.service("web", scale, image("v1"));
        lab.settle();
        lab.upgrade(web, image("v2"), batch, start_first);
        let fewest = fewest_until(&mut lab, web, |l| phase(l, web) == Some(UpgradePhase::Upgraded));
        assert_eq!(fewest, floor, "scale {scale} batch {batch} start_first {start_first}");
        let parked = lab
            .world
            .units_of(web)
            .filter(|u| u.key.revision == RevisionNo(1) && u.desired == Desired::Stopped);
        assert_eq!(parked.count(), scale as usize, "old units are kept");
    }
}

#[test]
fn the_interval_lies_between_batches() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 2, image("v1"));
    lab.settle();
    lab.upgrade(web, image("v2"), 1, true);
    let started = lab.now;
    lab.settle();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded));
    assert_eq!(lab.now - started, 2_000, "one pause between two batches, none after the last");
}

#[test]
fn rollback_starts_the_same_units_and_finish_removes_them() {
    for start_first in [false, true] {
        let mut lab = Lab::new(&[&[], &[]]);
        let web = lab.service("web", 2, image("v1"));
        lab.settle();
        let original: Vec<_> = lab.world.units_of(web).map(|u| (u.key, u.serial)).collect();

        lab.upgrade(web, image("v2"), 1, start_first);
        lab.settle();
        lab.phase(web, UpgradePhase::RollingBack);
        lab.settle();
        assert_eq!(phase(&lab, web), None);
        let back: Vec<_> = lab.world.units_of(web).map(|u| (u.key, u.serial)).collect();
        assert_eq!(back, original, "the very same units");
        assert_eq!(lab.serving(web), 2);

        lab.upgrade(web, image("v3"), 1, start_first);
        lab.settle();
        lab.phase(web, UpgradePhase::Finishing);
        lab.settle();
        assert_eq!(phase(&lab, web), None);
        assert_eq!(lab.show(web), ["1.3 h1 running", "2.3 h2 running"]);
    }
}

#[test]
fn a_version_that_never_serves_stops_at_its_first_batch_and_can_be_rolled_back() {
    for start_first in [false, true] {
        let mut lab = Lab::new(&[&[], &[]]);
        let web = lab.service("web", 3, image("v1"));
        lab.settle();
        lab.broken.insert("v2".into());
        lab.upgrade(web, image("v2"), 1, start_first);
        lab.settle();
        assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgrading));
        assert_eq!(lab.serving(web), if start_first { 3 } else { 2 });
        assert!(lab.said(web)[0].contains("0 of 3 moved"), "{:?}", lab.said(web));
        lab.phase(web, UpgradePhase::RollingBack);
        lab.settle();
        assert_eq!((phase(&lab, web), lab.serving(web)), (None, 3));
    }
}

#[test]
fn cancel_holds_what_there_is_and_leads_on_both_ways() {
    for (start_first, on) in [
        (false, UpgradePhase::Upgrading),
        (true, UpgradePhase::Upgrading),
        (false, UpgradePhase::RollingBack),
        (true, UpgradePhase::RollingBack),
    ] {
        let mut lab = Lab::new(&[&[]]);
        let web = lab.service("web", 3, image("v1"));
        lab.settle();
        lab.upgrade(web, image("v2"), 1, start_first);
        lab.plan(); // caught in the middle of the first batch
        lab.obey();
        lab.phase(web, UpgradePhase::Canceling);
        lab.settle();
        assert_eq!(phase(&lab, web), Some(UpgradePhase::Canceled));
        assert!(lab.serving(web) >= 3, "a slot between old and new got one back");
        lab.phase(web, on);
        lab.settle();
        assert_eq!(lab.serving(web), 3, "{start_first} {on:?}");
        let left = (on == UpgradePhase::Upgrading).then_some(UpgradePhase::Upgraded);
        assert_eq!(phase(&lab, web), left);
    }
}

#[test]
fn scale_may_change_while_it_moves() {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", 3, image("v1"));
    lab.settle();
    lab.upgrade(web, image("v2"), 1, false);
    lab.plan();
    lab.edit(web, |s| s.scale = 5);
    lab.settle();
    assert_eq!((phase(&lab, web), lab.serving(web)), (Some(UpgradePhase::Upgraded), 5));
    lab.phase(web, UpgradePhase::RollingBack);
    lab.plan();
    lab.edit(web, |s| s.scale = 2);
    lab.settle();
    assert_eq!((phase(&lab, web), lab.serving(web)), (None, 2));
}

#[test]
fn what_serves_is_not_stopped_for_something_without_a_place() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, image("v1"));
    let other = lab.service("other", 1, with_port("o", "80:80"));
    lab.settle();
    lab.upgrade(web, with_port("v2", "80:80"), 1, false);
    lab.settle();
    assert_eq!(lab.serving(web), 1, "the old one still serves");
    assert!(
        lab.said(web)
            .iter()
            .any(|n| n.contains("keeps its old version") && n.contains("blog-other-1")),
        "{:?}",
        lab.said(web)
    );
    lab.edit(other, |s| s.wanted = drover_core::Wanted::Removed);
    lab.settle();
    assert_eq!(phase(&lab, web), Some(UpgradePhase::Upgraded), "freed, it goes on by itself");
}

#[test]
fn a_fixed_port_is_handed_over_stop_first() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    lab.upgrade(web, with_port("v2", "80:80"), 1, false);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 stopped", "1.2 h1 running"]);
    lab.phase(web, UpgradePhase::RollingBack);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running"]);
}

#[test]
fn what_serves_is_not_stopped_for_a_version_that_could_not_start_again() {
    let mut lab = Lab::new(&[&[]]);
    let web = lab.service("web", 1, with_port("v1", "80:80"));
    lab.settle();
    lab.upgrade(web, with_port("v2", "8080:80"), 1, false);
    lab.settle();
    let other = lab.service("other", 1, with_port("o", "80:80"));
    lab.settle();
    lab.phase(web, UpgradePhase::RollingBack);
    lab.settle();
    assert_eq!(lab.serving(web), 1, "the new one still serves");
    assert_eq!(
        lab.said(web),
        [
            "rolling back: 0 of 1 moved",
            "! blog-web-1 stays as it is: the version it is to return to can't be started again: \
             port 80/tcp of h1 is taken by blog-other-1"
        ]
    );
    lab.edit(other, |s| s.wanted = drover_core::Wanted::Removed);
    lab.settle();
    assert_eq!(lab.show(web), ["1.1 h1 running"], "freed, it goes on by itself");
}

#[test]
fn a_rollback_undoes_first_what_holds_the_ports_of_others() {
    for batch in [1, 3] {
        let mut lab = Lab::new(&[&[], &[], &[], &[]]);
        lab.policy.back.batch_size = Some(batch);
        let web = lab.service("web", 3, with_port("v1", "80:80"));
        lab.settle();
        let before = lab.show(web);
        lab.upgrade(web, with_port("v2", "80:80"), 1, true);
        lab.settle();
        assert_eq!(lab.serving(web), 3, "each went to the host that the one before it left");
        lab.phase(web, UpgradePhase::RollingBack);
        let fewest = fewest_until(&mut lab, web, |lab| phase(lab, web).is_none());
        lab.settle();
        assert_eq!((lab.show(web), fewest), (before, 3), "batch {batch}");
    }
}

#[test]
fn revisions_are_kept_as_many_as_are_asked_for() {
    let mut lab = Lab::new(&[&[]]);
    let set = |value: &str| Change::SetSetting {
        name: REVISIONS_SETTING.into(),
        value: Some(value.into()),
    };
    lab.commit(vec![set("3")]);
    let web = lab.service("web", 1, image("v1"));
    lab.settle();
    let kept = |lab: &Lab| lab.world.revisions(web).map(|held| held.number.0).collect::<Vec<_>>();
    for version in 2..=6 {
        lab.upgrade(web, image(&format!("v{version}")), 1, true);
        lab.settle();
        if version == 4 {
            // The old one is kept, stopped, and what it was made from with it.
            lab.commit(vec![set("2")]);
            lab.settle();
            assert_eq!(kept(&lab), [3, 4]);
        }
        lab.phase(web, UpgradePhase::Finishing);
        lab.settle();
    }
    assert_eq!(kept(&lab), [5, 6]);
    lab.upgrade(web, image("v7"), 1, true);
    lab.settle();
    assert_eq!(kept(&lab), [6, 7]);
    lab.phase(web, UpgradePhase::RollingBack);
    lab.settle();
    lab.upgrade(web, image("v8"), 1, true);
    lab.settle();
    assert_eq!(kept(&lab), [6, 7, 8], "6 may run again, and 7 is among the newest two");
    lab.phase(web, UpgradePhase::Finishing);
    lab.settle();
    assert_eq!(kept(&lab), [7, 8]);
}

#[test]
fn what_ended_well_while_it_drained_is_called_back_before_its_successor_goes() {
    let mut lab = Lab::new(&[&[], &[]]);
    let job = labelled(image("job"), "io.rancher.container.start_once", "true");
    let web = lab.service("web", 1, job);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.upgrade(web, image("v2"), 1, true);
    lab.plan();
    lab.obey();
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 draining", "1.2 h1 running"]);
    let unit = |lab: &Lab, revision: u32| {
        let mut units = lab.world.units_of(web);
        units.find(|unit| unit.key.revision.0 == revision).unwrap().key
    };
    let old = unit(&lab, 1);
    lab.see(old, Phase::Completed, false, ObservedContainer::default());
    lab.phase(web, UpgradePhase::RollingBack);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "1.2 h1 running"]);
}

#[test]
fn whoever_was_bound_by_an_upgrade_hears_that_it_is_over() {
    let mut lab = Lab::new(&[&[]]);
    let [api, web, old, new, other] =
        ["api", "web", "old", "new", "other"].map(|name| lab.service(name, 1, image("v1")));
    lab.settle();
    lab.upgrade_together(&[(api, "v2", vec![]), (web, "v2", vec![api])]);
    lab.shift(old, new, 1, 1);
    let heard = |id| Change::EndUpgrade(id).dirties(&lab.world).services;
    assert_eq!(heard(web), BTreeSet::from([api, web]));
    assert_eq!(heard(old), BTreeSet::from([old, new]));
    assert_eq!(heard(other), BTreeSet::from([other]));
}
