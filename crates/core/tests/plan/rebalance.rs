//! Units that sit crowded after a host came back: which would stand better elsewhere, and how they get there.

use std::collections::BTreeSet;

use drover_core::derive::{BetterPlace, Rebalancing, rebalancing};
use drover_core::plan::admit_rebalance;
use drover_core::{
    Change, ContainerSpec, HostId, ObservedContainer, OnHostLoss, Phase, ServiceId, UpgradePhase,
    Wanted,
};

use crate::evacuate::data_volume;
use crate::lab::{Lab, PROJECT, image, labelled, with_port};

const H1: HostId = HostId(101);
const H2: HostId = HostId(102);

fn look(lab: &Lab) -> Rebalancing {
    rebalancing(&lab.world, PROJECT, &BTreeSet::new())
}

/// The moves as lines, then what is left as it is.
fn lines(lab: &Lab) -> Vec<String> {
    let found = look(lab);
    let name = |host| lab.world.host(host).unwrap().hostname.clone();
    let service = |id| lab.world.service(id).unwrap().name.clone();
    let moves = found.moves.iter().map(|held| {
        let (service, slot) = (service(held.unit.service), held.unit.slot);
        format!("{service}-{slot} {}>{}: {}", name(held.from), name(held.to), held.why)
    });
    moves.chain(found.held.iter().cloned()).collect()
}

/// Ask for what was found.
fn ask(lab: &mut Lab) {
    let moves: Vec<_> = look(lab).moves.iter().map(BetterPlace::as_move).collect();
    let admitted = admit_rebalance(&lab.world, PROJECT, &moves);
    assert_eq!(admitted.held, [""; 0]);
    lab.commit(admitted.changes);
}

/// A second host comes when all is on the first.
fn crowded(services: &[(&str, u32, ContainerSpec)]) -> (Lab, Vec<ServiceId>) {
    let mut lab = Lab::new(&[&[]]);
    let ids = services.iter().map(|(name, scale, spec)| lab.service(name, *scale, spec.clone()));
    let ids = ids.collect();
    lab.settle();
    lab.add_host(2, &[]);
    lab.settle();
    assert_eq!(lab.world.units_on(H2).count(), 0, "nothing moves by itself");
    (lab, ids)
}

/// Plan and obey until nothing changes, and see at least so many serve all the time, at most one more than that run.
fn settle_with(lab: &mut Lab, service: ServiceId, serving: usize) {
    for _ in 0..100 {
        let planned = lab.plan();
        assert!(lab.serving(service) >= serving, "{:?}", lab.show(service));
        let running = lab.show(service).iter().filter(|line| line.ends_with("running")).count();
        assert!(running <= serving + 1, "one at a time: {:?}", lab.show(service));
        if !lab.obey() && !planned {
            return;
        }
    }
    panic!("it never came to rest");
}

fn is_over(lab: &Lab, service: ServiceId) -> bool {
    lab.world.service(service).unwrap().rebalance.is_none()
}

#[test]
fn units_of_a_service_are_spread_one_by_one_and_then_there_is_nothing_more_to_do() {
    let (mut lab, ids) = crowded(&[("web", 4, image("v1"))]);
    let web = ids[0];
    let want = ["web-3 h1>h2: 4 of web on h1, 0 on h2", "web-4 h1>h2: 4 of web on h1, 0 on h2"];
    assert_eq!(lines(&lab), want);
    assert_eq!(lines(&lab), want, "the same again");
    ask(&mut lab);
    assert_eq!(lines(&lab), ["web is being rebalanced already"]);
    lab.plan();
    assert_eq!(
        lab.show(web),
        [
            "1.1 h1 running",
            "2.1 h1 running",
            "3.1 h1 running",
            "3.1.2 h2 running",
            "4.1 h1 running"
        ]
    );
    assert!(!lab.plan(), "nothing more until the new one serves");
    assert!(lab.said(web).contains(&"rebalancing: 2 to go".to_owned()), "{:?}", lab.said(web));
    settle_with(&mut lab, web, 4);
    assert_eq!(
        lab.show(web),
        ["1.1 h1 running", "2.1 h1 running", "3.1.2 h2 running", "4.1.2 h2 running"]
    );
    assert!(is_over(&lab, web));
    assert_eq!(lines(&lab), [""; 0]);
    assert_eq!(lab.said(web), [""; 0]);
}

#[test]
fn what_was_lost_with_a_host_comes_back_to_it_when_asked() {
    let mut lab = Lab::new(&[&[], &[], &[]]);
    let web = lab.service("web", 6, image("v1"));
    lab.settle();
    lab.connect(H2, false);
    lab.now = lab.now + 61_000;
    lab.settle();
    lab.connect(H2, true);
    lab.settle();
    assert_eq!(lab.world.units_on(H2).count(), 0);
    assert_eq!(look(&lab).moves.len(), 2, "{:?}", lines(&lab));
    ask(&mut lab);
    settle_with(&mut lab, web, 6);
    assert_eq!(lab.world.units_on(H2).count(), 2);
    assert_eq!(lines(&lab), [""; 0]);
}

#[test]
fn as_few_units_move_as_can_be() {
    let check = |scale: u32, want: usize| {
        let (mut lab, ids) = crowded(&[("web", scale, image("v1"))]);
        lab.add_host(3, &[]);
        lab.settle();
        assert_eq!(look(&lab).moves.len(), want, "{scale}: {:?}", lines(&lab));
        ask(&mut lab);
        settle_with(&mut lab, ids[0], scale as usize);
        assert_eq!(lines(&lab), [""; 0], "{scale}");
    };
    check(1, 0);
    check(2, 1);
    check(3, 2);
    check(4, 2);
    check(5, 3);
    check(9, 6);
}

#[test]
fn when_services_are_spread_hosts_are_evened_out() {
    let services: Vec<String> = (1..=5).map(|n| format!("s{n}")).collect();
    let services: Vec<_> = services.iter().map(|name| (name.as_str(), 1, image("x"))).collect();
    let (mut lab, _) = crowded(&services);
    assert_eq!(
        lines(&lab),
        ["s1-1 h1>h2: 5 containers on h1, 0 on h2", "s2-1 h1>h2: 5 containers on h1, 0 on h2"]
    );
    ask(&mut lab);
    lab.settle();
    assert_eq!((lab.world.units_on(H1).count(), lab.world.units_on(H2).count()), (3, 2));
    assert_eq!(lines(&lab), [""; 0]);
}

#[test]
fn what_has_to_stay_stays_and_says_why_where_it_could_be_better() {
    let fenced = || ContainerSpec { on_host_loss: Some(OnHostLoss::Fence), ..image("f") };
    let mounts = |mount: &str| ContainerSpec { volumes: vec![mount.into()], ..image("m") };
    let pinned = || ContainerSpec { requested_host: Some(H1), ..image("p") };
    let check = |spec: ContainerSpec, moves: usize, held: &[&str]| {
        let (lab, _) = crowded(&[("web", 2, spec)]);
        let found = look(&lab);
        assert_eq!(
            (found.moves.len(), found.held),
            (moves, held.iter().map(|s| (*s).into()).collect())
        );
    };
    let fence = "blog-web-1 stays on h1: no two of it may run at once (`on_host_loss: fence`), so that it would be down";
    let fence_2 = fence.replace("web-1", "web-2");
    check(fenced(), 0, &[fence, &fence_2]);
    let lies = |n, path| format!("blog-web-{n} stays on h1: what it writes to {path} lies there");
    check(mounts("/srv/x:/x"), 0, &[&lies(1, "/srv/x"), &lies(2, "/srv/x")]);
    check(mounts("named:/x:rw"), 0, &[&lies(1, "named"), &lies(2, "named")]);
    check(mounts("/etc/x:/x:ro"), 1, &[]);
    check(mounts("/var/run/docker.sock:/var/run/docker.sock"), 1, &[]);
    check(mounts("/anonymous"), 1, &[]);
    check(pinned(), 0, &[]);
    let once = |n| format!("blog-web-{n} stays on h1: it runs once");
    let job = labelled(image("j"), "io.rancher.container.start_once", "true");
    check(job, 0, &[&once(1), &once(2)]);
    check(with_port("v1", "80"), 1, &[]);
}

#[test]
fn global_services_are_where_they_shall_be() {
    let mut lab = Lab::new(&[&[], &[]]);
    lab.service("logs", 1, labelled(image("g"), "io.rancher.scheduler.global", "true"));
    let label = "io.rancher.scheduler.affinity:host_label";
    lab.service("ssd", 2, labelled(image("a"), label, "disk=ssd"));
    lab.settle();
    assert_eq!(lines(&lab), [""; 0]);
}

#[test]
fn data_stays() {
    let mut lab = Lab::new(&[&[]]);
    lab.commit(vec![Change::PutVolumeTemplate(data_volume(&lab))]);
    lab.service("db", 2, ContainerSpec { volumes: vec!["data:/data".into()], ..image("db") });
    lab.settle();
    lab.add_host(2, &[]);
    assert_eq!(lines(&lab), [""; 0]);
}

#[test]
fn hosts_that_take_no_units_get_none() {
    let (mut lab, _) = crowded(&[("web", 2, image("v1"))]);
    let off = lab.world.host(H2).unwrap().switched(false);
    lab.commit(vec![Change::PutHost(off)]);
    assert_eq!(lines(&lab), [""; 0]);
}

#[test]
fn it_waits_for_an_upgrade_and_goes_on_after_it() {
    let (mut lab, ids) = crowded(&[("web", 4, image("v1"))]);
    let web = ids[0];
    lab.upgrade(web, image("v2"), 1, true);
    assert!(lines(&lab)[0].starts_with("web is being upgraded"), "{:?}", lines(&lab));
    lab.settle();
    lab.phase(web, UpgradePhase::Finishing);
    lab.settle();
    let moves = look(&lab).moves.len();
    ask(&mut lab);
    lab.missing.insert("v3".into());
    lab.upgrade(web, image("v3"), 1, true);
    lab.settle();
    let said = lab.said(web).join("; ");
    if moves > 0 {
        assert!(said.contains("rebalancing waits: web is being upgraded"), "{said}");
    }
    lab.phase(web, UpgradePhase::RollingBack);
    lab.settle();
    assert!(is_over(&lab, web));
    assert_eq!((lab.serving(web), lines(&lab)), (4, vec![]));
}

#[test]
fn it_waits_while_others_of_the_service_are_down() {
    let (mut lab, ids) = crowded(&[("web", 3, image("v1"))]);
    ask(&mut lab);
    let down = lab.world.units_of(ids[0]).next().unwrap().key;
    lab.see(down, Phase::BackOff, false, ObservedContainer::default());
    lab.plan();
    assert_eq!(lab.show(ids[0]).len(), 3);
    let said = lab.said(ids[0]).join("; ");
    assert!(said.contains("rebalancing waits: others of its service don't serve yet"), "{said}");
    lab.settle();
    assert_eq!((lab.world.units_on(H2).count(), lab.serving(ids[0])), (1, 3));
}

#[test]
fn called_off_the_one_under_way_stays_where_it_was() {
    let (mut lab, ids) = crowded(&[("web", 4, image("v1"))]);
    let web = ids[0];
    ask(&mut lab);
    lab.plan();
    lab.edit(web, |service| service.rebalance = None);
    settle_with(&mut lab, web, 4);
    assert_eq!(lab.world.units_on(H2).count(), 0);
    assert_eq!(lab.serving(web), 4);
}

#[test]
fn a_host_that_is_lost_or_emptied_meanwhile_gets_nothing() {
    for lost in [true, false] {
        let (mut lab, ids) = crowded(&[("web", 4, image("v1"))]);
        let web = ids[0];
        ask(&mut lab);
        lab.plan();
        if lost {
            lab.connect(H2, false);
            lab.now = lab.now + 61_000;
        } else {
            lab.evacuate(H2);
        }
        lab.plan();
        let said = lab.said(web).join("; ");
        let why = if lost { "h2 is lost" } else { "h2 is to be emptied" };
        assert!(said.contains(&format!("blog-web-3 does not move to h2: {why}")), "{said}");
        settle_with(&mut lab, web, 4);
        assert!(is_over(&lab, web), "{lost}");
        assert_eq!(lab.serving(web), 4);
    }
}

#[test]
fn what_is_sick_there_is_given_up_and_the_old_one_stays() {
    let (mut lab, ids) = crowded(&[("web", 2, image("v1"))]);
    let web = ids[0];
    ask(&mut lab);
    lab.plan();
    let new = lab.world.units_on(H2).next().unwrap().key;
    lab.sick.insert(new);
    settle_with(&mut lab, web, 2);
    assert!(is_over(&lab, web), "it is not tried for ever");
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 running"]);
}

#[test]
fn what_stopped_or_shrank_meanwhile_does_not_move() {
    let (mut lab, ids) = crowded(&[("web", 4, image("v1"))]);
    let web = ids[0];
    ask(&mut lab);
    lab.edit(web, |service| service.scale = 2);
    lab.settle();
    assert!(is_over(&lab, web));
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 running"]);
    ask(&mut lab);
    lab.plan();
    lab.edit(web, |service| service.wanted = Wanted::Inactive);
    lab.settle();
    assert!(is_over(&lab, web));
    lab.edit(web, |service| service.wanted = Wanted::Active);
    lab.settle();
    assert_eq!(lab.serving(web), 2);
}

#[test]
fn a_place_that_is_taken_meanwhile_is_not_waited_for() {
    let (mut lab, ids) = crowded(&[("web", 1, with_port("v1", "80:80")), ("x", 3, image("x"))]);
    assert_eq!(look(&lab).moves.len(), 2, "{:?}", lines(&lab));
    let moves: Vec<_> = look(&lab).moves.iter().map(BetterPlace::as_move).collect();
    // It is of the order of things that one of x goes: web gets in its way by a host that is named.
    let other = ContainerSpec { requested_host: Some(H2), ..with_port("o", "80:80") };
    lab.service("other", 1, other);
    lab.settle();
    let to_web = drover_core::Move { unit: lab.world.units_of(ids[0]).next().unwrap().key, to: H2 };
    let admitted = admit_rebalance(&lab.world, PROJECT, &[vec![to_web], moves].concat());
    lab.commit(admitted.changes);
    for _ in 0..10 {
        lab.plan();
        lab.obey();
    }
    assert!(is_over(&lab, ids[0]));
    assert_eq!(lab.show(ids[0]), ["1.1 h1 running"]);
}

#[test]
fn what_is_asked_for_too_late_is_left_out_and_said() {
    let (mut lab, ids) = crowded(&[("web", 4, image("v1"))]);
    let moves: Vec<_> = look(&lab).moves.iter().map(BetterPlace::as_move).collect();
    lab.edit(ids[0], |service| service.scale = 3);
    lab.settle();
    let admitted = admit_rebalance(&lab.world, PROJECT, &moves);
    assert_eq!(admitted.held, ["blog-web-4 does not move: it is not there any more"]);
    assert_eq!(admitted.moves, [moves[0]]);
    let off = lab.world.host(H2).unwrap().switched(false);
    lab.commit(vec![Change::PutHost(off)]);
    let admitted = admit_rebalance(&lab.world, PROJECT, &moves[..1]);
    assert_eq!(admitted.held, ["blog-web-3 does not move: h2 takes no units"]);
}

#[test]
fn a_unit_that_moves_is_drained() {
    let (mut lab, ids) = crowded(&[("web", 2, image("v1")), ("lb", 1, image("lb"))]);
    let (web, lb) = (ids[0], ids[1]);
    lab.balance(lb, web);
    lab.settle();
    lab.acknowledge(lb, &[]);
    ask(&mut lab);
    lab.plan();
    lab.obey();
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 draining", "2.1.2 h2 running"]);
    lab.acknowledge(lb, &[]);
    lab.plan();
    assert_eq!(lab.show(web), ["1.1 h1 running", "2.1 h1 removed", "2.1.2 h2 running"]);
}
