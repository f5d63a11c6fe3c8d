//! A unit is stopped when nobody sends to it any more, or when its time is over; not before.

use drover_core::{Desired, HostId, ServiceId, UnitKey, Wanted, derive};

use crate::lab::{Lab, image};

/// `web` with a balancer before it, all at rest.
fn balanced(scale: u32) -> (Lab, ServiceId, ServiceId) {
    let mut lab = Lab::new(&[&[], &[]]);
    let web = lab.service("web", scale, image("v1"));
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    lab.acknowledge(lb, &[]);
    (lab, web, lb)
}

fn draining(lab: &Lab, service: ServiceId) -> Vec<UnitKey> {
    let units = lab.world.units_of(service);
    units.filter(|unit| unit.desired == Desired::Draining).map(|unit| unit.key).collect()
}

#[test]
fn a_unit_leaves_when_its_balancers_let_go() {
    let (mut lab, web, lb) = balanced(2);
    lab.edit(web, |service| service.scale = 1);
    lab.plan();
    let key = draining(&lab, web)[0];
    let waits = |lab: &Lab, words: &str| {
        assert!(lab.said(web).iter().any(|note| note.contains(words)), "{:?}", lab.said(web));
    };
    lab.plan();
    waits(
        &lab,
        "blog-web-2 drains: blog-lb-1 has not acknowledged that it goes; it is stopped in 90 s",
    );
    lab.acknowledge(lb, &[(key, 3)]);
    // The time for requests in flight begins when it has let go, once.
    for left in ["30 s", "29 s"] {
        lab.plan();
        let words = format!("blog-lb-1 has 3 requests in flight to it; it is stopped in {left}");
        waits(&lab, &words);
        lab.now = lab.now + 1_000;
    }
    assert_eq!(draining(&lab, web), [key]);
    lab.acknowledge(lb, &[]);
    lab.plan();
    assert_eq!(lab.world.unit(key).unwrap().desired, Desired::Removed);
    let up = |lab: &Lab| derive::status(&lab.world, lab.world.service(web).unwrap()).slots_up;
    assert_eq!(up(&lab), 2, "whoever waits for scale 1 waits until the other is gone");
    lab.settle();
    assert_eq!(up(&lab), 1);
}

/// How long a unit drains whose balancer is late by `late_ms` and has requests in flight to it ever after; the spec asks for
/// `asked_ms`. To half a second.
fn drains_for(asked_ms: Option<u64>, late_ms: u64) -> u64 {
    let mut lab = Lab::new(&[&[]]);
    let mut spec = image("v1");
    spec.drain_timeout_ms = asked_ms;
    let web = lab.service("web", 1, spec);
    let lb = lab.service("lb", 1, image("lb"));
    lab.balance(lb, web);
    lab.settle();
    let began = lab.now;
    lab.edit(web, |service| service.scale = 0);
    loop {
        lab.plan();
        let Some(key) = draining(&lab, web).pop() else { return lab.now - began };
        if lab.now - began >= late_ms {
            lab.acknowledge(lb, &[(key, 1)]);
            lab.plan();
        }
        lab.now = lab.now + 500;
    }
}

#[test]
fn a_balancer_that_says_nothing_is_waited_for_as_long_as_a_silent_host() {
    assert_eq!(drains_for(None, u64::MAX), 60_000);
    assert_eq!(drains_for(Some(5_000), u64::MAX), 60_000);
    assert_eq!(drains_for(Some(0), u64::MAX), 0);
}

#[test]
fn requests_in_flight_have_the_time_of_the_spec_from_when_the_last_balancer_let_go() {
    for late_ms in [0, 10_000, 29_500, 59_500] {
        assert_eq!(drains_for(None, late_ms), late_ms + 30_000);
        assert_eq!(drains_for(Some(5_000), late_ms), late_ms + 5_000);
    }
}

#[test]
fn a_balancer_on_a_lost_host_is_not_waited_for() {
    let (mut lab, web, lb) = balanced(1);
    let host = lab.world.units_of(lb).next().unwrap().host;
    let web_host = lab.world.units_of(web).next().unwrap().host;
    assert_ne!(host, web_host);
    lab.edit(web, |service| service.scale = 0);
    lab.plan();
    assert_eq!(draining(&lab, web).len(), 1);
    lab.connect(host, false);
    let key = draining(&lab, web)[0];
    lab.now = lab.now + 59_000;
    lab.plan();
    assert_eq!(draining(&lab, web), [key]);
    lab.now = lab.now + 1_000;
    lab.plan();
    assert_eq!(draining(&lab, web), []);
}

#[test]
fn a_balancer_that_may_have_been_started_is_waited_for_until_its_host_says_it_is_down() {
    let (mut lab, web, lb) = balanced(2);
    let other = lab.service("other-lb", 1, image("lb"));
    lab.balance(other, web);
    lab.settle();
    lab.edit(other, |service| service.wanted = Wanted::Inactive);
    lab.settle();
    lab.acknowledge(lb, &[]);
    lab.settle();
    // Told to start, and to stop again before its host has said anything.
    for wanted in [Wanted::Active, Wanted::Inactive] {
        lab.edit(other, |service| service.wanted = wanted);
        lab.plan();
    }
    let stopped = lab.world.units_of(other).all(|unit| unit.desired == Desired::Stopped);
    assert!(stopped, "{:?}", lab.show(other));
    lab.edit(web, |service| service.scale = 1);
    lab.plan();
    let key = draining(&lab, web)[0];
    lab.acknowledge(lb, &[]);
    lab.plan();
    assert_eq!(draining(&lab, web), [key]);
    lab.obey_for(other);
    lab.plan();
    assert_eq!(draining(&lab, web), []);
}

#[test]
fn an_upgrade_drains_what_it_replaces_and_rolls_back_likewise() {
    for start_first in [false, true] {
        let (mut lab, web, lb) = balanced(2);
        lab.upgrade(web, image("v2"), 1, start_first);
        let mut drained = 0;
        for _ in 0..200 {
            lab.plan();
            drained += draining(&lab, web).len();
            lab.obey();
            lab.acknowledge(lb, &[]);
            lab.now = lab.now + 500;
        }
        assert!(drained >= 2, "both old units drained");
        let shown = lab.show(web);
        assert_eq!(shown.iter().filter(|line| line.ends_with("stopped")).count(), 2, "{shown:?}");
        assert_eq!(lab.serving(web), 2);
    }
}

#[test]
fn names_are_withdrawn_on_every_host_that_can_be_told() {
    let (mut lab, web, lb) = balanced(1);
    let names = |lab: &mut Lab, host: HostId, routing: u64| {
        let followed = drover_core::Followed { routing, ..Default::default() };
        lab.world.follow(host, &std::collections::BTreeMap::new(), Some(&followed));
    };
    let hosts: Vec<HostId> = lab.world.hosts.keys().copied().collect();
    for host in &hosts {
        names(&mut lab, *host, 0);
    }
    lab.edit(web, |service| service.scale = 0);
    lab.plan();
    let key = draining(&lab, web)[0];
    let generation = lab.world.unit(key).unwrap().generation;
    lab.acknowledge(lb, &[]);
    names(&mut lab, hosts[0], generation);
    lab.plan();
    let said = lab.said(web);
    assert!(said[0].contains("the name service of h2 has not withdrawn it"), "{said:?}");
    names(&mut lab, hosts[1], generation);
    lab.plan();
    assert_eq!(draining(&lab, web), []);
}

#[test]
fn every_way_to_stop_a_unit_drains_it_first() {
    type Edit = fn(&mut drover_core::Service);
    let ways: [(&str, Edit, Desired); 3] = [
        ("scaled down", |service| service.scale = 0, Desired::Removed),
        ("deactivated", |service| service.wanted = Wanted::Inactive, Desired::Stopped),
        ("removed", |service| service.wanted = Wanted::Removed, Desired::Removed),
    ];
    for (way, edit, end) in ways {
        let (mut lab, web, lb) = balanced(1);
        let key = lab.world.units_of(web).next().unwrap().key;
        lab.edit(web, edit);
        for _ in 0..3 {
            lab.plan();
            lab.obey();
        }
        assert_eq!(draining(&lab, web), [key], "{way}: nobody has let go yet");
        lab.acknowledge(lb, &[(key, 1)]);
        lab.plan();
        assert_eq!(draining(&lab, web), [key], "{way}: a request is in flight");
        lab.acknowledge(lb, &[]);
        lab.plan();
        assert_eq!(lab.world.unit(key).unwrap().desired, end, "{way}");
    }
}

#[test]
fn a_stack_that_is_removed_drains_before_its_balancer_has_let_go() {
    let (mut lab, web, lb) = balanced(2);
    for service in [web, lb] {
        lab.edit(service, |service| service.wanted = Wanted::Removed);
    }
    lab.plan();
    assert_eq!(draining(&lab, web).len(), 2, "its balancer may be sending still");
    lab.settle();
    lab.acknowledge(lb, &[]);
    lab.settle();
    assert_eq!(lab.world.units.len(), 0, "and all of it goes in the end");
}
