//! Leaving a host that is emptied, of what must never run twice (`on_host_loss: fence`): one goes before the other starts, and only
//! for another that can.

use drover_core::plan::LOST_AFTER_MS;
use drover_core::{ContainerSpec, Desired, ObservedContainer, OnHostLoss, Phase, ServiceId, Unit};

use crate::evacuate::{left, settle_with};
use crate::lab::{Lab, image, with_port};

/// A service of which no two of one place may run at once, on as many hosts as there are; the first is to leave its host, and
/// its replacement is being made.
fn leaving_single(hosts: &[&[(&str, &str)]], spec: ContainerSpec) -> (Lab, ServiceId, [Unit; 2]) {
    let mut lab = Lab::new(hosts);
    let single = ContainerSpec { on_host_loss: Some(OnHostLoss::Fence), ..spec };
    let web = lab.service("web", 2, single);
    lab.settle();
    let units = lab.world.units_of(web).cloned().collect::<Vec<_>>().try_into().unwrap();
    let [first, _]: &[Unit; 2] = &units;
    lab.evacuate(first.host);
    lab.plan();
    let made = lab.world.units_of(web).filter(|unit| unit.desired == Desired::Staged).count();
    assert_eq!(made, 1, "{:?}", lab.show(web));
    (lab, web, units)
}

fn desired(lab: &Lab, unit: &Unit) -> Desired {
    lab.world.unit(unit.key).unwrap().desired
}

/// It is down while its replacement starts, so that it waits for others that went down meanwhile.
#[test]
fn of_what_must_not_run_twice_none_leaves_while_a_batch_is_down() {
    let (mut lab, web, [first, second]) = leaving_single(&[&[], &[], &[]], image("v1"));
    lab.sick.insert(second.key);
    let unwell = ObservedContainer { running: true, ..ObservedContainer::default() };
    lab.see(second.key, Phase::Running, false, unwell);
    lab.obey();
    lab.plan();
    let why = "others of its service don't serve yet";
    assert!(lab.said(web).iter().any(|said| said.ends_with(why)), "{:?}", lab.said(web));
    assert_eq!(desired(&lab, &first), Desired::Running, "{:?}", lab.show(web));
    lab.settle();
    assert_eq!(left(&lab, first.host), format!("0 of 1 unit has left; blog-web-1 waits: {why}"));
    lab.sick.clear();
    lab.settle();
    assert_eq!(left(&lab, first.host), "1 of 1 unit has left", "{:?}", lab.show(web));
    assert_eq!(lab.serving(web), 2, "{:?} {:?}", lab.show(web), lab.said(web));
}

/// What is made for the one that waits would keep the only place from the one it waits for.
#[test]
fn of_what_must_not_run_twice_a_replacement_that_waits_leaves_its_place_to_others() {
    let spec = with_port("v1", "8080:80");
    let (mut lab, web, [first, _]) = leaving_single(&[&[], &[], &[]], spec);
    lab.edit(web, |service| service.scale = 3);
    lab.settle();
    assert_eq!(lab.serving(web), 3, "{:?} {:?}", lab.show(web), lab.said(web));
    assert_eq!(desired(&lab, &first), Desired::Running);
    assert!(left(&lab, first.host).contains("blog-web-1 stays: no host fits"));
}

/// A restart waits for what moves, and what moves would wait for what only the restart mends.
#[test]
fn of_what_must_not_run_twice_a_restart_reaches_also_what_the_others_wait_for() {
    let (mut lab, web, [first, second]) = leaving_single(&[&[], &[], &[]], image("v1"));
    let hangs = ObservedContainer { running: true, ..ObservedContainer::default() };
    lab.see(second.key, Phase::Running, false, hangs);
    lab.mute.insert(second.host);
    lab.settle();
    assert_eq!(desired(&lab, &first), Desired::Running, "{:?}", lab.show(web));
    let run = lab.world.revision + 1;
    lab.edit(web, |service| {
        service.restart = Some(drover_core::Restart { run, batch_size: 2, interval_ms: 0 });
    });
    lab.settle();
    assert_eq!(desired(&lab, &second), Desired::Stopped, "{:?}", lab.said(web));
    lab.mute.clear();
    lab.settle();
    assert!(lab.world.service(web).unwrap().restart.is_none());
    assert_eq!((lab.world.units_on(first.host).count(), lab.serving(web)), (0, 2));
}

/// The host that it is to go to is lost before it was started there: nobody can say what runs there, and the one that serves stays.
#[test]
fn what_must_not_run_twice_stays_if_the_host_it_was_to_go_to_is_lost() {
    let (mut lab, web, [first, second]) = leaving_single(&[&[], &[], &[], &[]], image("v1"));
    let made = lab.world.units_of(web).find(|unit| unit.desired == Desired::Staged).cloned();
    let made = made.unwrap();
    assert!(made.host != second.host);
    lab.see(made.key, Phase::Stopped, false, ObservedContainer::default());
    lab.connect(made.host, false);
    lab.settle();
    lab.now = lab.now + LOST_AFTER_MS;
    settle_with(&mut lab, web, 2);
    assert_eq!(desired(&lab, &first), Desired::Running);
    let host = lab.world.host(made.host).unwrap().hostname.clone();
    let why = format!("another one of its place may run on {host}");
    assert!(lab.said(web).iter().any(|said| said.ends_with(&why)), "{:?}", lab.said(web));
    lab.connect(made.host, true);
    lab.settle();
    assert_eq!(left(&lab, first.host), "1 of 1 unit has left", "{:?}", lab.show(web));
    assert_eq!(lab.serving(web), 2);
}
