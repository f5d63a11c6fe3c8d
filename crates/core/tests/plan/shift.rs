//! Upgrades from one service to another: forward, back, half-way, finished, and with everything that comes between.

use drover_core::{Desired, Link, ServiceId, ServiceKind, UpgradePhase, Wanted, derive};

use crate::lab::{Lab, image};

/// `v1` at this scale and `v2` at that, at rest.
pub(crate) fn pair(v1: u32, v2: u32) -> (Lab, ServiceId, ServiceId) {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let source = lab.service("v1", v1, image("v1"));
    let target = lab.service("v2", v2, image("v2"));
    lab.settle();
    (lab, source, target)
}

fn phase(lab: &Lab, service: ServiceId) -> Option<UpgradePhase> {
    lab.world.upgrade(service).map(|u| u.phase)
}

fn running(lab: &Lab, service: ServiceId) -> usize {
    lab.world.units_of(service).filter(|u| u.desired == Desired::Running).count()
}

fn scales(lab: &Lab, source: ServiceId, target: ServiceId) -> (u32, u32) {
    let scale = |id| lab.world.service(id).unwrap().scale;
    (scale(source), scale(target))
}

/// Plan and obey, a little at a time, until it is done; every pair of units running on the way.
fn way(
    lab: &mut Lab,
    source: ServiceId,
    target: ServiceId,
    done: impl Fn(&Lab) -> bool,
) -> Vec<(usize, usize)> {
    let mut seen = vec![(running(lab, source), running(lab, target))];
    for _ in 0..300 {
        lab.plan();
        let now = (running(lab, source), running(lab, target));
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        if done(lab) {
            return seen;
        }
        lab.obey();
        lab.now = lab.now + 500;
    }
    panic!("it never got there: {:?} {:?}", lab.said(source), lab.said(target));
}

fn forward(lab: &mut Lab, source: ServiceId, target: ServiceId) -> Vec<(usize, usize)> {
    way(lab, source, target, |lab| phase(lab, source) == Some(UpgradePhase::Upgraded))
}

fn back(lab: &mut Lab, source: ServiceId, target: ServiceId) -> Vec<(usize, usize)> {
    lab.phase(source, UpgradePhase::RollingBack);
    way(lab, source, target, |lab| phase(lab, source).is_none())
}

#[test]
fn batches_follow_ranchers_rule() {
    for (v1, v2, goal, batch, want) in [
        // The example of Rancher's documentation.
        (2, 0, 5, 2, &[(2, 0), (2, 2), (2, 4), (1, 4), (1, 5), (0, 5)][..]),
        (5, 0, 2, 2, &[(5, 0), (3, 0), (2, 0), (2, 2), (0, 2)]),
        (3, 0, 3, 1, &[(3, 0), (3, 1), (2, 1), (2, 2), (1, 2), (1, 3), (0, 3)]),
        (2, 0, 2, 9, &[(2, 0), (2, 2), (0, 2)]),
        // The target has more already than it is to have.
        (3, 7, 5, 2, &[(3, 7), (1, 7), (0, 7), (0, 5)]),
        (0, 0, 2, 1, &[(0, 0), (0, 1), (0, 2)]),
    ] {
        let (mut lab, source, target) = pair(v1, v2);
        lab.shift(source, target, goal, batch);
        let mut seen = forward(&mut lab, source, target);
        lab.settle();
        let last = (running(&lab, source), running(&lab, target));
        if seen.last() != Some(&last) {
            seen.push(last);
        }
        assert_eq!(seen, want, "{v1} and {v2} to {goal}, {batch} at a time");
        assert_eq!(lab.serving(target), goal as usize);
        assert_eq!(derive::shown_scale(&lab.world, lab.world.service(source).unwrap()), 0);
    }
}

#[test]
fn the_interval_lies_between_batches() {
    let (mut lab, source, target) = pair(1, 0);
    lab.shift(source, target, 1, 1);
    let started = lab.now;
    lab.settle();
    assert_eq!(phase(&lab, source), Some(UpgradePhase::Upgraded));
    assert_eq!(lab.now - started, 2_000, "one pause between two batches, none after the last");
}

#[test]
fn rollback_starts_the_same_units_and_restores_both_scales() {
    let (mut lab, source, target) = pair(3, 1);
    let original: Vec<_> = lab.world.units_of(source).map(|u| (u.key, u.serial)).collect();
    lab.shift(source, target, 4, 2);
    lab.settle();
    assert_eq!(phase(&lab, source), Some(UpgradePhase::Upgraded));
    assert_eq!((lab.serving(source), lab.serving(target)), (0, 4));
    assert_eq!(lab.show(source).iter().filter(|line| line.ends_with("stopped")).count(), 3);
    back(&mut lab, source, target);
    lab.settle();
    assert_eq!((lab.serving(source), lab.serving(target)), (3, 1));
    assert_eq!(scales(&lab, source, target), (3, 1));
    let now: Vec<_> = lab.world.units_of(source).map(|u| (u.key, u.serial)).collect();
    assert_eq!(now, original, "the very same units");
    assert_eq!(lab.world.units_of(target).count(), 1, "and nothing else is left");
}

#[test]
fn it_can_be_cancelled_and_turned_round_at_every_step() {
    let steps = {
        let (mut lab, source, target) = pair(2, 0);
        lab.shift(source, target, 4, 1);
        forward(&mut lab, source, target).len()
    };
    for stop_at in 0..steps {
        for on in [UpgradePhase::Upgrading, UpgradePhase::RollingBack] {
            for drains in [false, true] {
                let (mut lab, source, target) = pair(2, 0);
                lab.shift(source, target, 4, 1);
                let mut seen = 0;
                let mut last = (2, 0);
                while seen < stop_at {
                    lab.plan();
                    let now = (running(&lab, source), running(&lab, target));
                    seen += usize::from(now != last);
                    last = now;
                    if drains || seen < stop_at {
                        lab.obey();
                        lab.now = lab.now + 500;
                    }
                }
                if phase(&lab, source) == Some(UpgradePhase::Upgrading) {
                    lab.phase(source, UpgradePhase::Canceling);
                    lab.settle();
                    assert_eq!(phase(&lab, source), Some(UpgradePhase::Canceled));
                    let all = lab.serving(source) + lab.serving(target);
                    assert!(all >= 2, "{stop_at}: only {all} serve while it is cancelled");
                    let held = (running(&lab, source), running(&lab, target));
                    lab.now = lab.now + 60_000;
                    lab.settle();
                    assert_eq!((running(&lab, source), running(&lab, target)), held, "it rests");
                    lab.phase(source, on);
                } else if on == UpgradePhase::RollingBack {
                    lab.phase(source, on);
                }
                lab.settle();
                let want = if on == UpgradePhase::RollingBack { (2, 0) } else { (0, 4) };
                assert_eq!((lab.serving(source), lab.serving(target)), want, "{stop_at} {on:?}");
            }
        }
    }
}

#[test]
fn finish_removes_the_source_s_units_and_writes_scales_links_and_rules() {
    let (mut lab, source, target) = pair(2, 0);
    let user = lab.service("user", 1, image("user"));
    let alias = lab.service("www", 0, image(""));
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, source);
    let link = |alias: &str| Link { service: source, alias: alias.into() };
    lab.edit(user, |s| s.links = vec![link("app"), link("")]);
    lab.edit(alias, |s| {
        s.kind = ServiceKind::Alias;
        s.links = vec![link("")];
    });
    lab.shift(source, target, 2, 1);
    let names = |lab: &Lab, id| derive::links(&lab.world, lab.world.service(id).unwrap());
    assert_eq!(
        names(&lab, user),
        [
            ("app".to_owned(), source),
            ("app".to_owned(), target),
            ("v1".to_owned(), source),
            ("v1".to_owned(), target)
        ],
        "both answer, nothing is written"
    );
    assert_eq!(derive::behind(&lab.world, alias), [source, target]);
    lab.settle();
    lab.acknowledge(lb, &[]);
    while phase(&lab, source) == Some(UpgradePhase::Upgrading) {
        lab.settle();
        lab.acknowledge(lb, &[]);
        lab.now = lab.now + 1_000;
    }
    assert_eq!(lab.world.service(user).unwrap().links, [link("app"), link("")]);
    lab.phase(source, UpgradePhase::Finishing);
    lab.settle();
    assert_eq!(phase(&lab, source), None);
    assert_eq!(lab.world.units_of(source).count(), 0);
    assert_eq!(scales(&lab, source, target), (0, 2));
    assert_eq!(names(&lab, user), [("app".to_owned(), target), ("v1".to_owned(), target)]);
    assert_eq!(derive::behind(&lab.world, alias), [target]);
    let rule = lab.world.service(lb).unwrap().balancer.as_ref().unwrap().rules[0].clone();
    assert_eq!((rule.service, rule.target_port), (Some(target), Some(8080)));
}

#[test]
fn a_balancer_sends_to_both_and_each_is_counted_by_itself() {
    let (mut lab, source, target) = pair(1, 0);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, source);
    lab.settle();
    // An address for all that runs, or none could be sent to.
    let address = |lab: &mut Lab| {
        let seen = lab.world.observed.iter().map(|(key, seen)| {
            let mut seen = (**seen).clone();
            let address = format!("10.42.0.{}", key.service.0);
            seen.containers.entry(String::new()).or_default().address = address;
            (*key, std::sync::Arc::new(seen))
        });
        lab.world.observed = seen.collect();
    };
    address(&mut lab);
    lab.shift(source, target, 1, 1);
    lab.plan();
    let lb_unit = lab.world.units_of(lb).next().unwrap().key;
    let config = |lab: &Lab| derive::balancer_config(&lab.world, lb_unit);
    let services = |lab: &Lab| -> Vec<ServiceId> {
        let config = config(lab);
        let routes = &config.listeners[&80].routes;
        assert_eq!(routes.len(), 1, "one route for both");
        routes[0].targets.iter().map(|target| target.unit.service).collect()
    };
    assert_eq!(services(&lab), [source], "not before it serves");
    lab.obey();
    address(&mut lab);
    assert_eq!(services(&lab), [source, target]);
    let number = lab.world.upgrade(source).unwrap().ledger;
    assert_eq!(config(&lab).ledgers, [(source, number), (target, number)].into());
}

#[test]
fn links_stay_with_the_source_if_they_are_to() {
    let (mut lab, source, target) = pair(1, 0);
    let user = lab.service("user", 1, image("user"));
    lab.edit(user, |s| s.links = vec![Link { service: source, alias: String::new() }]);
    lab.shift_with(source, target, 1, 1, false);
    let links = |lab: &Lab| derive::links(&lab.world, lab.world.service(user).unwrap());
    assert_eq!(links(&lab), [("v1".to_owned(), source)]);
    lab.settle();
    lab.phase(source, UpgradePhase::Finishing);
    lab.settle();
    assert_eq!(links(&lab), [("v1".to_owned(), source)]);
}

#[test]
fn a_target_that_never_serves_takes_nothing_down_and_can_be_rolled_back() {
    let (mut lab, source, target) = pair(3, 0);
    lab.broken.insert("v2".into());
    lab.shift(source, target, 3, 2);
    lab.settle();
    lab.now = lab.now + 600_000;
    lab.settle();
    assert_eq!(phase(&lab, source), Some(UpgradePhase::Upgrading));
    assert_eq!((lab.serving(source), running(&lab, target)), (3, 2));
    let said = lab.said(source);
    assert!(said[0].starts_with("upgrading: 0 of 3 moved to v2, 3 of v1 left"), "{said:?}");
    assert!(said.iter().any(|note| note.contains("blog-v2-1")), "why is said too: {said:?}");
    back(&mut lab, source, target);
    lab.settle();
    assert_eq!((lab.serving(source), lab.world.units_of(target).count()), (3, 0));
}

#[test]
fn a_source_that_does_not_serve_does_not_hold_the_upgrade_up() {
    let (mut lab, source, target) = pair(3, 0);
    let slot = lab.world.units_of(source).next().unwrap().key;
    lab.see(slot, drover_core::Phase::BackOff, false, drover_core::ObservedContainer::default());
    lab.shift(source, target, 3, 1);
    for _ in 0..3 {
        lab.plan();
        lab.obey_for(target);
        lab.now = lab.now + 2_500;
    }
    let unit = lab.world.unit(slot).unwrap();
    assert_eq!(unit.desired, Desired::Stopped, "what serves nobody leaves first");
    assert_eq!(lab.serving(source), 2);
}

#[test]
fn a_host_that_is_lost_or_removed_half_way_is_made_up_for() {
    for remove in [false, true] {
        for on in [UpgradePhase::Upgrading, UpgradePhase::Canceling, UpgradePhase::RollingBack] {
            let (mut lab, source, target) = pair(3, 0);
            lab.shift(source, target, 3, 1);
            way(&mut lab, source, target, |lab| running(lab, target) == 2);
            lab.obey();
            let host = lab.world.units_of(target).next().unwrap().host;
            lab.connect(host, false);
            if remove {
                let held = lab.world.host(host).unwrap().clone();
                let removed_at = Some(lab.now);
                lab.commit(vec![drover_core::Change::PutHost(drover_core::Host {
                    removed_at,
                    ..held
                })]);
            }
            if on != UpgradePhase::Upgrading {
                lab.phase(source, on);
            }
            lab.now = lab.now + 61_000;
            lab.settle();
            let ends = match on {
                UpgradePhase::Upgrading => (0, 3),
                UpgradePhase::RollingBack => (3, 0),
                _ => (running(&lab, source), running(&lab, target)),
            };
            let serving = (lab.serving(source), lab.serving(target));
            assert_eq!(serving, ends, "{remove} {on:?}");
            assert!(serving.0 + serving.1 >= 3, "{remove} {on:?} {serving:?}");
        }
    }
}

#[test]
fn a_removed_target_brings_the_source_back() {
    for all_moved in [false, true] {
        let (mut lab, source, target) = pair(2, 0);
        lab.shift(source, target, 2, 1);
        if all_moved {
            lab.settle();
        } else {
            way(&mut lab, source, target, |lab| running(lab, source) == 1);
        }
        lab.edit(target, |s| s.wanted = Wanted::Removed);
        lab.settle();
        assert_eq!(phase(&lab, source), None);
        assert_eq!((lab.serving(source), scales(&lab, source, target).0), (2, 2));
    }
}

#[test]
fn a_removed_source_leaves_everything_to_the_target() {
    for phase in [UpgradePhase::Upgrading, UpgradePhase::Upgraded, UpgradePhase::RollingBack] {
        let (mut lab, source, target) = pair(2, 0);
        let user = lab.service("user", 1, image("user"));
        lab.edit(user, |s| s.links = vec![Link { service: source, alias: String::new() }]);
        lab.shift(source, target, 3, 1);
        if phase == UpgradePhase::Upgrading {
            way(&mut lab, source, target, |lab| running(lab, target) == 1);
        } else {
            lab.settle();
        }
        if phase == UpgradePhase::RollingBack {
            lab.phase(source, phase);
            lab.plan();
        }
        lab.edit(source, |s| s.wanted = Wanted::Removed);
        lab.settle();
        assert_eq!(lab.world.upgrades.len(), 0);
        assert_eq!((running(&lab, source), lab.serving(target)), (0, 3), "{phase:?}");
        let link = Link { service: target, alias: "v1".into() };
        assert_eq!(lab.world.service(user).unwrap().links, [link]);
    }
}

#[test]
fn a_stopped_target_is_waited_for_in_words_and_can_be_left() {
    let (mut lab, source, target) = pair(2, 0);
    lab.shift(source, target, 2, 1);
    way(&mut lab, source, target, |lab| running(lab, target) == 1);
    lab.obey();
    lab.edit(target, |s| s.wanted = Wanted::Inactive);
    lab.settle();
    assert_eq!(lab.serving(source), 2);
    assert!(lab.said(source).iter().any(|n| n.contains("v2 is stopped")), "{:?}", lab.said(source));
    let mut on = (lab, source, target);
    on.0.edit(target, |s| s.wanted = Wanted::Active);
    on.0.settle();
    assert_eq!((on.0.serving(source), on.0.serving(target)), (0, 2));
    on.0.edit(target, |s| s.wanted = Wanted::Inactive);
    on.0.settle();
    on.0.phase(source, UpgradePhase::RollingBack);
    on.0.settle();
    assert_eq!((phase(&on.0, source), on.0.serving(source)), (None, 2));
}

#[test]
fn scales_may_change_while_it_moves() {
    // The target's is where it leads; the source's is what a rollback returns to.
    let (mut lab, source, target) = pair(2, 0);
    lab.shift(source, target, 2, 1);
    way(&mut lab, source, target, |lab| running(lab, target) == 1);
    lab.edit(target, |s| s.scale = 5);
    lab.edit(source, |s| s.scale = 4);
    lab.settle();
    assert_eq!((lab.serving(source), lab.serving(target)), (0, 5));
    back(&mut lab, source, target);
    lab.settle();
    assert_eq!((lab.serving(source), lab.serving(target)), (4, 0));
    assert_eq!(scales(&lab, source, target), (4, 0));
}

#[test]
fn a_restart_of_the_target_waits() {
    let (mut lab, source, target) = pair(2, 1);
    lab.shift(source, target, 2, 1);
    way(&mut lab, source, target, |lab| running(lab, target) == 2);
    let restart = drover_core::Restart { run: 1, batch_size: 9, interval_ms: 0 };
    lab.edit(target, |s| s.restart = Some(restart));
    lab.plan();
    assert!(lab.said(target).iter().any(|note| note.contains("restart waits")));
    assert_eq!(running(&lab, target), 2);
    lab.settle();
    let service = lab.world.service(target).unwrap();
    assert_eq!((service.restart, lab.serving(target)), (None, 2));
    assert!(lab.world.units_of(target).all(|unit| unit.run == 1));
}

/// A unit leaves its host, and the one in its place never serves: the slot is served all the same.
#[test]
fn a_slot_that_moves_to_another_host_holds_nothing_up() {
    let (mut lab, source, target) = pair(2, 1);
    let unit = lab.world.units_of(target).next().unwrap().clone();
    lab.evacuate(unit.host);
    lab.plan();
    let new = lab.world.units_of(target).map(|unit| unit.key).max().unwrap();
    assert_eq!((new.slot, new.incarnation), (unit.key.slot, 2));
    lab.shift(source, target, 2, 1);
    for _ in 0..60 {
        lab.plan();
        lab.obey();
        let failing = drover_core::ObservedContainer::default();
        lab.see(new, drover_core::Phase::BackOff, false, failing);
        lab.now = lab.now + 500;
    }
    assert_eq!(phase(&lab, source), Some(UpgradePhase::Upgraded), "{:?}", lab.said(source));
}

#[test]
fn what_leaves_drains_first() {
    let (mut lab, source, target) = pair(1, 0);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, source);
    lab.settle();
    lab.acknowledge(lb, &[]);
    lab.shift(source, target, 1, 1);
    way(&mut lab, source, target, |lab| running(lab, source) == 0);
    let unit = lab.world.units_of(source).next().unwrap().clone();
    assert_eq!(unit.desired, Desired::Draining);
    lab.acknowledge(lb, &[(unit.key, 1)]);
    lab.plan();
    assert_eq!(lab.world.unit(unit.key).unwrap().desired, Desired::Draining);
    lab.acknowledge(lb, &[]);
    lab.plan();
    assert_eq!(lab.world.unit(unit.key).unwrap().desired, Desired::Stopped);
}

#[test]
fn what_an_upgrade_before_left_draining_goes_on_its_way_out() {
    let (mut lab, source, target) = pair(1, 1);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, target);
    lab.settle();
    lab.upgrade(target, image("v3"), 1, true);
    lab.settle();
    let new = lab.world.units_of(target).find(|unit| unit.key.revision.0 == 2).unwrap().key;
    lab.edit(target, |service| service.scale = 0);
    lab.acknowledge(lb, &[(new, 1)]);
    lab.plan();
    lab.acknowledge(lb, &[(new, 1)]);
    lab.phase(target, UpgradePhase::RollingBack);
    lab.plan();
    assert!(lab.world.upgrade(target).is_none(), "{:?}", lab.said(target));
    assert_eq!(lab.world.unit(new).unwrap().desired, Desired::Draining, "one request is under way");
    lab.shift(source, target, 1, 1);
    lab.plan();
    lab.acknowledge(lb, &[]);
    lab.settle();
    assert!(lab.world.unit(new).is_none(), "{:?}", lab.show(target));
}
